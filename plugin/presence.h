/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a push may rely on: does the repository link a digest, and is its data there?  Both are
 * asked of the store itself, link and data side by side; existence in the bucket alone is never
 * enough.  Every place where a push is told "exists" asks here.
 * It knows nothing of manifests or uploads.
 */
#ifndef PLUGIN_PRESENCE_H
#define PLUGIN_PRESENCE_H

#include "plugin/cache.h"
#include "plugin/digest.h"
#include "plugin/layout.h"
#include "plugin/store.h"

struct presence {
	const struct digest *digest; /* in; no digest twice in one check */
	bool present;                /* out */
	int64_t size;                /* out: of the data; -1 if it is not there */
	struct digest target;        /* out, where present: what the link names */
};

/* Links are always read; data that the cache saw is not asked for, and what is missing is cleared
 * there. STOW_OK when each is answered; anything else: the store could not be asked, or a link is
 * corrupt. */
int presence_check(struct stow_store *, struct cache *, const struct stow_op *, const char *name,
                   enum layout_room, struct presence *, size_t n, struct stow_error *);

/* The same, and `beside` is done in the first batch, whatever the answers are; its status is set
 * where this is STOW_OK and n is not 0. */
int presence_check_beside(struct stow_store *, struct cache *, const struct stow_op *,
                          const char *name, enum layout_room, struct presence *, size_t n,
                          struct stow_call *beside, struct stow_error *);

/* The size of a digest's data. STOW_ENOTFOUND also where an empty object stands in for what is
 * not empty. */
int presence_data(struct stow_store *, const struct stow_op *, const struct digest *,
                  int64_t *ret_size, struct stow_error *);

#endif
