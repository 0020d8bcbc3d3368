/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removal of many objects: those of a list, or all below a prefix.  It knows nothing of what they
 * are; the caller sees to the order between what may be seen and what may not.
 */
#ifndef PLUGIN_REMOVAL_H
#define PLUGIN_REMOVAL_H

#include "plugin/names.h"
#include "plugin/store.h"

/* All keys below the prefix, added to names. */
int removal_list(struct stow_store *, const struct stow_op *, const char *prefix,
                 struct stow_names *, struct stow_error *);
int removal_keys(struct stow_store *, const struct stow_op *, const struct stow_names *,
                 struct stow_error *);
/* Both; *ret_n is how many there were. */
int removal_prefix(struct stow_store *, const struct stow_op *, const char *prefix, size_t *ret_n,
                   struct stow_error *);

#endif
