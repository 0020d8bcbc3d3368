/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Link files: small objects whose whole content is a digest, nothing before it or behind it.
 *
 * A link's path names a digest, too, where it is not a tag's; the content may name another one
 * only as Distribution's alias of a blob that was pushed by sha384 or sha512 and lies under its
 * sha256.  Anything else is STOW_ECORRUPT, never "not found".
 * Every write of a link goes through link_write.  It knows nothing of what links stand for.
 */
#ifndef PLUGIN_LINK_H
#define PLUGIN_LINK_H

#include "plugin/digest.h"
#include "plugin/layout.h"
#include "plugin/store.h"

/* More than the longest digest, so that a longer body shows. */
#define LINK_BODY_MAX (STOW_DIGEST_MAX + 1)

/* path is the digest that the key names, NULL for a tag's link. */
int link_parse(struct digest *ret, const char *body, size_t len, const char *key,
               const struct digest *path, struct stow_error *err);
int link_read(struct stow_store *, const struct stow_op *, const struct layout_key *,
              const struct digest *path, struct digest *ret, struct stow_error *);

/* The same as a call of a batch: fill it, run the batch, take the result. */
void link_call(struct stow_call *, const struct layout_key *, char body[LINK_BODY_MAX],
               struct stow_error *item_err);
int link_call_result(const struct stow_call *, const struct digest *path, struct digest *ret,
                     struct stow_error *err);

/* n links to one digest side by side; all durable when it returns STOW_OK. */
int link_write(struct stow_store *, const struct stow_op *, const struct layout_key *keys, size_t n,
               const struct digest *, struct stow_error *);

#endif
