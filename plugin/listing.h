/* SPDX-License-Identifier: Apache-2.0 */
/* Listings step by step or whole, their end told apart from a failure. It knows nothing of keys. */
#ifndef PLUGIN_LISTING_H
#define PLUGIN_LISTING_H

#include "plugin/store.h"

/* STOW_OK with an entry, or with *ret_end and none; err is left alone then. */
int listing_next(struct store_list *, const struct stow_op *, struct stow_entry *ret, bool *ret_end,
                 struct stow_error *);
/* Visits every key with that prefix behind `after` (NULL or "": from the first), in order, until a
 * visit fails: its status is then returned. */
int listing_each(struct stow_store *, const struct stow_op *, const char *prefix, const char *after,
                 int (*visit)(void *arg, const struct stow_entry *, struct stow_error *), void *arg,
                 struct stow_error *);

#endif
