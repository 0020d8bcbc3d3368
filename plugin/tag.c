/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads, writes, deletes and lists the tags of a repository.
 * It must not know what a digest stands for.
 */
#include "plugin/tag.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "plugin/link.h"
#include "plugin/listing.h"
#include "plugin/name.h"
#include "plugin/removal.h"
#include "plugin/tag-once.h"

static int unknown(const char *where, const char *name, const char *tag, struct stow_error *err)
{
	return error_set(err, STOW_ENOTFOUND, where, "%s has no tag %s", name, tag);
}

static int read_current(void *arg, const struct stow_op *op, const char *text, struct digest *ret,
                        struct stow_error *err)
{
	const struct stow_registry *registry = arg;
	struct layout_key key;

	(void)text_copy(key.text, sizeof(key.text), text);
	return link_read(registry->store, op, &key, NULL, ret, err);
}

int tag_read(struct stow_registry *registry, const struct stow_op *op, const char *name,
             const char *tag, struct digest *ret, struct stow_error *err)
{
	struct layout_key key;
	int status;

	layout_tag_current(&key, name, tag);
	status = tag_group_read(&registry->tag_groups, op, key.text, read_current, registry, ret,
	                        err);
	return status == STOW_ENOTFOUND ? unknown("tag.get", name, tag, err) : status;
}

int stow_tag_get(struct stow_registry *registry, const struct stow_op *op, const char *name,
                 const char *tag, char *ret, struct stow_error *err)
{
	static const char where[] = "tag.get";
	struct digest digest;
	int status = name_require(name, where, err);

	if (status == STOW_OK)
		status = name_require_tag(tag, where, err);
	if (status == STOW_OK)
		status = tag_read(registry, op, name, tag, &digest, err);
	if (status == STOW_OK)
		(void)text_copy(ret, STOW_DIGEST_MAX + 1, digest.text);
	return status;
}

int stow_tag_exists(struct stow_registry *registry, const struct stow_op *op, const char *name,
                    const char *tag, struct stow_error *err)
{
	static const char where[] = "tag.exists";
	struct layout_key key;
	struct stow_stat stat;
	int status = name_require(name, where, err);

	if (status == STOW_OK)
		status = name_require_tag(tag, where, err);
	if (status != STOW_OK)
		return status;
	layout_tag_current(&key, name, tag);
	status = store_stat(registry->store, op, key.text, &stat, err);
	return status == STOW_ENOTFOUND ? unknown(where, name, tag, err) : status;
}

int tags_write(struct stow_registry *registry, const struct stow_op *op, const char *name,
               const char *const *tags, size_t n, const struct digest *digest,
               struct stow_error *err)
{
	cleanup_free struct layout_key *keys = NULL;

	if (n == 0)
		return STOW_OK;
	keys = calloc(n, sizeof(*keys));
	if (!keys)
		return error_nomem(err, "tag.put");
	for (size_t i = 0; i < n; i++)
		layout_tag_current(&keys[i], name, tags[i]);
	return link_write(registry->store, op, keys, n, digest, err);
}

static int delete_listed(struct stow_registry *registry, const struct stow_op *op, const char *name,
                         const char *tag, const struct stow_names *keys, struct stow_error *err)
{
	struct layout_key current;
	bool exists = false;
	int status;

	layout_tag_current(&current, name, tag);
	for (size_t i = 0; i < keys->n && !exists; i++)
		exists = strcmp(names_at(keys, i), current.text) == 0;
	if (!exists)
		return unknown("tag.delete", name, tag, err);
	if (immutable_tag(&registry->policy.immutable, name, tag))
		return tag_once_refuse("tag.delete", name, tag, err);
	status = store_remove(registry->store, op, current.text, NULL, err);
	/* The rest is history; the current link is among it once more, which does no harm. */
	return status == STOW_OK ? removal_keys(registry->store, op, keys, err) : status;
}

int stow_tag_delete(struct stow_registry *registry, const struct stow_op *op, const char *name,
                    const char *tag, struct stow_error *err)
{
	static const char where[] = "tag.delete";
	struct repository_lock *lock = NULL;
	struct layout_key prefix;
	struct stow_names keys;
	int status;

	status = registry_require_delete(registry, where, err);
	if (status == STOW_OK)
		status = name_require(name, where, err);
	if (status == STOW_OK)
		status = name_require_tag(tag, where, err);
	if (status == STOW_OK)
		status = repository_lock_alone(&registry->locks, op, name, &lock, err);
	if (status != STOW_OK)
		return status;
	layout_tag_prefix(&prefix, name, tag);
	names_init(&keys);
	status = removal_list(registry->store, op, prefix.text, &keys, err);
	if (status == STOW_OK)
		status = delete_listed(registry, op, name, tag, &keys, err);
	repository_unlock(lock);
	names_done(&keys);
	return status;
}

/* As the catalog has it: is there anything below _manifests/?  Layers alone make no repository. */
static int require_known(struct stow_registry *registry, const struct stow_op *op, const char *name,
                         struct stow_error *err)
{
	struct store_list *list = NULL;
	struct layout_key prefix;
	struct stow_entry entry;
	bool end = false;
	int status;

	layout_manifests_prefix(&prefix, name);
	status = store_list_open(registry->store, op, prefix.text, NULL, 0, &list, err);
	if (status == STOW_OK)
		status = listing_next(list, op, &entry, &end, err);
	store_list_close(list);
	if (end)
		return error_set(err, STOW_ENOTFOUND, "tags.open", "no repository %s", name);
	return status;
}

struct tag_list {
	struct stow_names *names;
	const char *after;
	size_t prefix_len;
	bool any; /* key at all below tags/ */
};

static int visit_tag(void *arg, const struct stow_entry *entry, struct stow_error *err)
{
	struct tag_list *tags = arg;
	const char *rest = entry->key + tags->prefix_len;
	char tag[STOW_TAG_MAX + 1];
	size_t len;

	tags->any = true;
	if (!layout_is_current(rest, &len))
		return STOW_OK;
	memcpy(tag, rest, len);
	tag[len] = '\0';
	return strcmp(tag, tags->after) > 0 ? names_add(tags->names, tag, len, err) : STOW_OK;
}

static int list_tags(struct stow_registry *registry, const struct stow_op *op, const char *name,
                     const char *after, struct stow_names *names, struct stow_error *err)
{
	struct tag_list tags = { .names = names, .after = after };
	struct layout_key prefix, from;
	int status;

	layout_tags_prefix(&prefix, name);
	tags.prefix_len = strlen(prefix.text);
	/* Keys do not lie in the order of their tags: "1.2-rc/" and "1.2.1/" come before "1.2/". All
	 * that sort behind a tag lie behind it and ',', which no tag has, and '-' follows. */
	if (!*after || !name_is_tag(after) ||
	    !text_format(from.text, sizeof(from.text), "%s%s,", prefix.text, after))
		from.text[0] = '\0';
	status = listing_each(registry->store, op, prefix.text, from.text, visit_tag, &tags, err);
	if (status == STOW_OK && !tags.any)
		status = require_known(registry, op, name, err);
	return status;
}

int stow_tags_open(struct stow_registry *registry, const struct stow_op *op, const char *name,
                   const char *after, struct stow_names **ret, struct stow_error *err)
{
	struct stow_names *names;
	int status = name_require(name, "tags.open", err);

	if (status != STOW_OK)
		return status;
	names = calloc(1, sizeof(*names));
	if (!names)
		return error_nomem(err, "tags.open");
	names_init(names);
	status = list_tags(registry, op, name, after ? after : "", names, err);
	if (status != STOW_OK) {
		stow_names_close(names);
		return status;
	}
	names_sort(names);
	*ret = names;
	return STOW_OK;
}
