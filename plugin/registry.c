/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens and closes a registry: settings from the configuration, the secret's sources.
 * It must not touch the store: nothing is asked of it before a call needs it.
 */
#include "plugin/registry.h"

#include "common/error.h"

int registry_require_delete(const struct stow_registry *registry, const char *where,
                            struct stow_error *err)
{
	if (registry->delete_enabled)
		return STOW_OK;
	return error_set(err, STOW_ENOTSUP, where, "deletes are off: [delete] enabled = no");
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
	registry->upload_age_ns = stow_config_number(config, "uploads", "age");
	status = repository_locks_init(&registry->locks, err);
	if (status == STOW_OK) {
		status = secret_init(&registry->secret, store,
		                     stow_config_string(config, "http", "secret"), err);
		if (status != STOW_OK)
			repository_locks_done(&registry->locks);
	}
	if (status != STOW_OK) {
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
	secret_done(&registry->secret);
	repository_locks_done(&registry->locks);
	free(registry);
}
