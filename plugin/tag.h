/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags: a tag exists if and only if its current link does.  Its index links are its history and
 * come before the current link when it is written, after it when it goes.
 * It knows nothing of manifests beyond their digests.
 */
#ifndef PLUGIN_TAG_H
#define PLUGIN_TAG_H

#include "plugin/digest.h"
#include "plugin/names.h"
#include "plugin/registry.h"

/* STOW_ENOTFOUND where there is no such tag. */
int tag_read(struct stow_registry *, const struct stow_op *, const char *name, const char *tag,
             struct digest *ret, struct stow_error *);
/* The current links of n tags, none of which is there twice; after the revision's and the index's.
 * After a failure each is as it was, or on the digest. */
int tags_write(struct stow_registry *, const struct stow_op *, const char *name,
               const char *const *tags, size_t n, const struct digest *, struct stow_error *);
/* Takes away every tag that stands on the digest, with its history, and the digest's entries in
 * the history of other tags. STOW_EEXIST, and nothing is touched, where an immutable tag does. */
int tag_remove_on(struct stow_registry *, const struct stow_op *, const char *name,
                  const struct digest *, struct stow_error *);
/* That alone: STOW_EEXIST where an immutable tag stands on the digest. No request where the
 * repository can have none. */
int tag_require_movable(struct stow_registry *, const struct stow_op *, const char *name,
                        const struct digest *, struct stow_error *);

#endif
