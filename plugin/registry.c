/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens and closes a registry: settings from the configuration, the secret's sources.
 * It must not touch the store: nothing is asked of it before a call needs it.
 */
#include "plugin/registry.h"

#include "common/error.h"

void registry_saw_data(const struct stow_registry *registry, const struct digest *digest,
                       int64_t size)
{
	cache_fill(registry->cache, cache_read_begin(registry->cache), CACHE_DATA, "", digest,
	           (struct cache_entry){ .size = size, .target = *digest });
}

int registry_require_delete(const struct stow_registry *registry, const char *where,
                            struct stow_error *err)
{
	if (registry->delete_enabled)
		return STOW_OK;
	return error_set(err, STOW_ENOTSUP, where, "deletes are off: [delete] enabled = no");
}

static int open_cache(struct stow_registry *registry, const struct stow_config *config,
                      struct stow_error *err)
{
	struct cache_limits limits = {
		.bytes = (size_t)stow_config_number(config, "cache", "size"),
		.entries = (size_t)stow_config_number(config, "cache", "entries"),
		.age_ns = stow_config_number(config, "cache", "age"),
	};

	registry->cached_blob = stow_config_number(config, "cache", "blob");
	registry->verify = stow_config_number(config, "cache", "verify") != 0;
	return cache_open(&limits, &registry->cache, err);
}

int stow_registry_open(struct stow_store *store, const struct stow_config *config,
                       const struct stow_host *host, struct stow_registry **ret,
                       struct stow_error *err)
{
	struct stow_registry *registry = calloc(1, sizeof(*registry));
	int status;

	if (!registry)
		return error_nomem(err, "registry.open");
	registry->store = store;
	registry->host = host;
	registry->delete_enabled = stow_config_number(config, "delete", "enabled") != 0;
	registry->anonymous_mount = stow_config_number(config, "uploads", "anonymousmount") != 0;
	registry->upload_age_ns = stow_config_number(config, "uploads", "age");
	status = policy_init(&registry->policy, config, err);
	if (status == STOW_OK)
		status = open_cache(registry, config, err);
	if (status == STOW_OK)
		status = repository_locks_init(&registry->locks, err);
	if (status == STOW_OK) {
		status = secret_init(&registry->secret, store,
		                     stow_config_string(config, "http", "secret"), err);
		if (status != STOW_OK)
			repository_locks_done(&registry->locks);
	}
	if (status == STOW_OK) {
		status = tag_groups_init(&registry->tag_groups, err);
		if (status != STOW_OK) {
			secret_done(&registry->secret);
			repository_locks_done(&registry->locks);
		}
	}
	if (status != STOW_OK) {
		cache_close(registry->cache);
		policy_done(&registry->policy);
		free(registry);
		return status;
	}
	*ret = registry;
	return STOW_OK;
}

void stow_registry_close(struct stow_registry *registry)
{
	if (!registry)
		return;
	tag_groups_done(&registry->tag_groups);
	secret_done(&registry->secret);
	repository_locks_done(&registry->locks);
	cache_close(registry->cache);
	policy_done(&registry->policy);
	free(registry);
}

void stow_cache_statistics(struct stow_registry *registry, struct stow_cache_statistics *ret)
{
	struct cache_statistics s;

	cache_statistics(registry->cache, &s);
	*ret = (struct stow_cache_statistics){
		.hits = s.hits,
		.misses = s.misses,
		.fills = s.fills,
		.drops = s.drops,
		.evictions = s.evictions,
		.entries = s.entries,
		.bytes = s.bytes,
		.mismatches = __atomic_load_n(&registry->mismatches, __ATOMIC_RELAXED),
	};
}
