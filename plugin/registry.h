/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry's own struct: what its modules share.  All of it is set at open and only read
 * afterwards, except what the secret and the locks guard by themselves.
 */
#ifndef PLUGIN_REGISTRY_H
#define PLUGIN_REGISTRY_H

#include <stowage/registry.h>

#include "plugin/repository-lock.h"
#include "plugin/secret.h"
#include "plugin/store.h"

struct stow_registry {
	struct stow_store *store;
	const struct stow_host *host; /* may be NULL */
	bool delete_enabled;
	int64_t upload_age_ns; /* a token older than this is refused; 0: never */
	struct secret secret;
	struct repository_locks locks;
};

/* STOW_OK, or STOW_ENOTSUP unless [delete] enabled. */
int registry_require_delete(const struct stow_registry *, const char *where, struct stow_error *);

#endif
