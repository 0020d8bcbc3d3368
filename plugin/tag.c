/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads, writes, deletes and lists the tags of a repository.
 * It must not know what a digest stands for.
 */
#include "plugin/tag.h"

#include "common/error.h"
#include "plugin/link.h"
#include "plugin/listing.h"
#include "plugin/name.h"
#include "plugin/removal.h"

static int unknown(const char *where, const char *name, const char *tag, struct stow_error *err)
{
	return error_set(err, STOW_ENOTFOUND, where, "%s has no tag %s", name, tag);
}

int tag_read(struct stow_registry *registry, const struct stow_op *op, const char *name,
             const char *tag, struct digest *ret, struct stow_error *err)
{
	struct layout_key key;
	int status;

	layout_tag_current(&key, name, tag);
	status = link_read(registry->store, op, &key, NULL, ret, err);
	return status == STOW_ENOTFOUND ? unknown("tag.get", name, tag, err) : status;
}

int tag_write(struct stow_registry *registry, const struct stow_op *op, const char *name,
              const char *tag, const struct digest *digest, struct stow_error *err)
{
	struct layout_key key;

	layout_tag_current(&key, name, tag);
	return link_write(registry->store, op, &key, 1, digest, err);
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
	status = store_remove(registry->store, op, current.text, NULL, err);
	/* The rest is history; the current link is among it once more, which does no harm. */
	return status == STOW_OK ? removal_keys(registry->store, op, keys, err) : status;
}

int stow_tag_delete(struct stow_registry *registry, const struct stow_op *op, const char *name,
                    const char *tag, struct stow_error *err)
{
	static const char where[] = "tag.delete";
	struct layout_key prefix;
	struct stow_names keys;
	int status;

	status = registry_require_delete(registry, where, err);
	if (status == STOW_OK)
		status = name_require(name, where, err);
	if (status == STOW_OK)
		status = name_require_tag(tag, where, err);
	if (status != STOW_OK)
		return status;
	layout_tag_prefix(&prefix, name, tag);
	names_init(&keys);
	status = removal_list(registry->store, op, prefix.text, &keys, err);
	if (status == STOW_OK)
		status = delete_listed(registry, op, name, tag, &keys, err);
	names_done(&keys);
	return status;
}

/* Is there anything of the repository but uploads?  "_layers" sorts first, then "_manifests". */
static int require_known(struct stow_registry *registry, const struct stow_op *op, const char *name,
                         struct stow_error *err)
{
	struct store_list *list = NULL;
	struct layout_key prefix;
	struct stow_entry entry;
	bool end = false, known = false;
	int status;

	layout_repository_prefix(&prefix, name);
	status = store_list_open(registry->store, op, prefix.text, NULL, 0, &list, err);
	if (status == STOW_OK)
		status = listing_next(list, op, &entry, &end, err);
	if (status == STOW_OK && !end) {
		const char *rest = entry.key + strlen(prefix.text);

		known = strncmp(rest, "layers/", 7) == 0 || strncmp(rest, "manifests/", 10) == 0;
	}
	store_list_close(list);
	if (status == STOW_OK && !known)
		return error_set(err, STOW_ENOTFOUND, "tags.open", "no repository %s", name);
	return status;
}

static int list_tags(struct stow_registry *registry, const struct stow_op *op, const char *name,
                     const char *after, struct stow_names *names, struct stow_error *err)
{
	struct store_list *list = NULL;
	struct layout_key prefix;
	struct stow_entry entry;
	bool end = false, any = false;
	char tag[STOW_TAG_MAX + 1];
	size_t len;
	int status;

	layout_tags_prefix(&prefix, name);
	status = store_list_open(registry->store, op, prefix.text, NULL, 0, &list, err);
	while (status == STOW_OK) {
		const char *rest;

		status = listing_next(list, op, &entry, &end, err);
		if (status != STOW_OK || end)
			break;
		any = true;
		rest = entry.key + strlen(prefix.text);
		if (!layout_is_current(rest, &len))
			continue;
		memcpy(tag, rest, len);
		tag[len] = '\0';
		if (strcmp(tag, after) > 0)
			status = names_add(names, tag, len, err);
	}
	store_list_close(list);
	if (status == STOW_OK && !any)
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
