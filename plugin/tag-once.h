/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tags that are set once ([manifests] immutable_tags): looks before a tag is linked, sets it where it
 * is not there.
 *
 * It promises that of two writes of different digests one wins and the other is told, where the store
 * has create-only writes; without them among those who hold the repository alone
 * (repository-lock.h), and that a second look finds most of what another host wrote meanwhile.
 * It must not know which tags these are.
 */
#ifndef PLUGIN_TAG_ONCE_H
#define PLUGIN_TAG_ONCE_H

#include "plugin/digest.h"
#include "plugin/registry.h"

/* STOW_EEXIST where the tag stands on another digest; else *ret_stands is whether on this one. */
int tag_once_look(struct stow_registry *, const struct stow_op *, const char *name, const char *tag,
                  const struct digest *, bool *ret_stands, struct stow_error *);
/*
 * The current link, after a look that found none; the index link must be there, and is taken away
 * again where another digest won: STOW_EEXIST.  create: by a create-only write, which is
 * STOW_ENOTSUP where the store has none; else the repository must be held alone.
 */
int tag_once_write(struct stow_registry *, const struct stow_op *, const char *name,
                   const char *tag, const struct digest *, bool create, struct stow_error *);
/* What a removal of such a tag is told. */
int tag_once_refuse(const char *where, const char *name, const char *tag, struct stow_error *);

#endif
