/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry's own struct: what its modules share.  All of it is set at open and only read
 * afterwards, except what the secret and the locks guard by themselves.
 */
#ifndef PLUGIN_REGISTRY_H
#define PLUGIN_REGISTRY_H

#include <stowage/registry.h>

#include "plugin/cache.h"
#include "plugin/policy.h"
#include "plugin/repository-lock.h"
#include "plugin/secret.h"
#include "plugin/store.h"
#include "plugin/tag-group.h"

struct stow_registry {
	struct stow_store *store;
	const struct stow_host *host; /* may be NULL */
	bool delete_enabled;
	bool anonymous_mount;
	int64_t upload_age_ns; /* a token older than this is refused; 0: never */
	int64_t cached_blob;   /* bytes of the largest that is kept */
	bool verify;           /* whole blobs are hashed as they are read */
	struct cache *cache;
	struct tag_groups tag_groups;
	struct policy policy;
	uint64_t mismatches; /* atomic: data that was not that of its digest */
	struct secret secret;
	struct repository_locks locks;
};

/* The store has just acknowledged these data, or told of them. */
void registry_saw_data(const struct stow_registry *, const struct digest *, int64_t size);
/* STOW_OK, or STOW_ENOTSUP unless [delete] enabled. */
int registry_require_delete(const struct stow_registry *, const char *where, struct stow_error *);

#endif
