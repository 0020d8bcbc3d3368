/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deletes of manifests: the revision's link alone, or the tags that stand on it first.
 * The bytes stay for collection.  It must not know how tags are found (untag.c).
 */
#include "common/cleanup.h"
#include "common/error.h"
#include "plugin/layout.h"
#include "plugin/manifest.h"
#include "plugin/name.h"
#include "plugin/referrers-tag.h"
#include "plugin/revision.h"
#include "plugin/tag.h"

#define WHERE "manifest.delete"

static int unknown(const char *name, const struct digest *digest, struct stow_error *err)
{
	return error_set(err, STOW_ENOTFOUND, WHERE, "%s has no manifest %s", name, digest->text);
}

/* What both have to ask before anything is touched. */
static int begin(struct stow_registry *registry, const struct stow_op *op, const char *name,
                 const char *text, struct digest *ret, struct repository_lock **ret_lock,
                 struct stow_error *err)
{
	int status = registry_require_delete(registry, WHERE, err);

	if (status == STOW_OK)
		status = name_require_with_digest(name, text, ret, WHERE, err);
	return status == STOW_OK ? repository_lock_alone(&registry->locks, op, name, ret_lock, err)
	                         : status;
}

int stow_manifest_delete(struct stow_registry *registry, const struct stow_op *op, const char *name,
                         const char *text, struct stow_error *err)
{
	struct repository_lock *lock = NULL;
	struct layout_key key;
	struct digest digest;
	struct stow_stat stat;
	int status = begin(registry, op, name, text, &digest, &lock, err);

	if (status != STOW_OK)
		return status;
	layout_link(&key, name, LAYOUT_REVISIONS, &digest);
	cache_clear(registry->cache, CACHE_MANIFEST, name, &digest);
	status = store_stat(registry->store, op, key.text, &stat, err);
	if (status == STOW_OK)
		status = tag_require_movable(registry, op, name, &digest, err);
	if (status == STOW_OK)
		status = store_remove(registry->store, op, key.text, NULL, err);
	else if (status == STOW_ENOTFOUND)
		status = unknown(name, &digest, err);
	cache_clear(registry->cache, CACHE_MANIFEST, name, &digest);
	repository_unlock(lock);
	return status;
}

static int delete_locked(struct stow_registry *registry, const struct stow_op *op, const char *name,
                         const struct digest *digest, struct stow_error *err)
{
	struct layout_key link;
	struct stow_stat stat;
	int status;

	layout_link(&link, name, LAYOUT_REVISIONS, digest);
	status = store_stat(registry->store, op, link.text, &stat, err);
	if (status == STOW_ENOTFOUND)
		return unknown(name, digest, err);
	if (status == STOW_OK)
		status = tag_remove_on(registry, op, name, digest, err);
	if (status == STOW_OK)
		status = store_remove(registry->store, op, link.text, NULL, err);
	return status;
}

/* Whether its subject's tag has to be written anew once it is gone. */
static bool is_listed_by_tag(struct stow_registry *registry, const struct stow_op *op,
                             const char *name, const struct digest *digest, struct digest *ret)
{
	cleanup_free void *data = NULL;
	size_t len = 0;

	return registry->policy.referrers_tag &&
	       revision_read(registry, op, name, digest, &data, &len, NULL, NULL) == STOW_OK &&
	       manifest_subject(ret, data, len);
}

int stow_manifest_delete_tagged(struct stow_registry *registry, const struct stow_op *op,
                                const char *name, const char *text, struct stow_error *err)
{
	struct repository_lock *lock = NULL;
	struct digest digest, subject;
	bool listed;
	int status = begin(registry, op, name, text, &digest, &lock, err);

	if (status != STOW_OK)
		return status;
	listed = is_listed_by_tag(registry, op, name, &digest, &subject);
	cache_clear(registry->cache, CACHE_MANIFEST, name, &digest);
	status = delete_locked(registry, op, name, &digest, err);
	cache_clear(registry->cache, CACHE_MANIFEST, name, &digest);
	repository_unlock(lock);
	if (status == STOW_OK && listed)
		status = referrers_tag_write(registry, op, name, &subject, NULL, err);
	return status;
}
