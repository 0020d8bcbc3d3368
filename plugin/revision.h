/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Revisions: the link by which a repository has a manifest, and the manifest's bytes.
 * It promises that bytes which it reads are those of the digest.  It knows nothing of what is
 * in them.
 */
#ifndef PLUGIN_REVISION_H
#define PLUGIN_REVISION_H

#include "plugin/digest.h"
#include "plugin/layout.h"
#include "plugin/registry.h"

/* Link and data side by side. STOW_ENOTFOUND if either is missing; *ret_unlinked (may be NULL) becomes
 * true where it is the link alone, and then the data is given all the same, not verified. *ret_data is
 * the caller's. */
int revision_read(struct stow_registry *, const struct stow_op *, const char *name,
                  const struct digest *, void **ret_data, size_t *ret_len, bool *ret_unlinked,
                  struct stow_error *);
/* That write as a call of a batch, and what the call points to. */
struct revision_write {
	struct layout_key key;
	uint8_t value[HASH_MAX];
	struct stow_put put;
	struct stow_error err;
	struct stow_call call;
};
void revision_write_prepare(struct revision_write *, const struct digest *, const void *data,
                            size_t len);
int revision_write_data(struct stow_registry *, const struct stow_op *, const struct digest *,
                        const void *data, size_t len, struct stow_error *);
/* After the data: the revision's link, and beside it the index link of each of n tags, none of which
 * is there twice. */
int revision_link(struct stow_registry *, const struct stow_op *, const char *name,
                  const char *const *tags, size_t n, const struct digest *, struct stow_error *);

#endif
