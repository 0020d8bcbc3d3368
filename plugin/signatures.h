/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signatures of a revision of schema 1 in the store: each is a blob of its own, linked below
 * the revision.  They are only ever added to, as registries of that time do.  It knows nothing of
 * what is in them.
 */
#ifndef PLUGIN_SIGNATURES_H
#define PLUGIN_SIGNATURES_H

#include "common/buf.h"
#include "plugin/digest.h"
#include "plugin/registry.h"

#define SIGNATURES_MAX 256 /* of one revision */

/* Blobs, then their links. STOW_EINVAL, and nothing is written, where the revision would have
 * more than SIGNATURES_MAX. */
int signatures_write(struct stow_registry *, const struct stow_op *, const char *name,
                     const struct digest *revision, const struct buf *signatures, size_t n,
                     struct stow_error *);
/*
 * All of them, in the order of their digests; entries that are no signatures are passed over, and
 * so are those beyond SIGNATURES_MAX.  The caller frees the n of them, and the array.
 * STOW_ENOTFOUND where a link or blob is gone; STOW_ECORRUPT where one is not what it should be, or
 * all are over STOW_MANIFEST_MAX bytes.
 */
int signatures_read(struct stow_registry *, const struct stow_op *, const char *name,
                    const struct digest *revision, struct buf **ret, size_t *ret_n,
                    struct stow_error *);
void signatures_free(struct buf *, size_t n); /* takes NULL */

#endif
