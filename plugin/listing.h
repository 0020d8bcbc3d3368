/* SPDX-License-Identifier: Apache-2.0 */
/* The step of a listing with its end told apart from a failure. It knows nothing of keys. */
#ifndef PLUGIN_LISTING_H
#define PLUGIN_LISTING_H

#include "plugin/store.h"

/* STOW_OK with an entry, or with *ret_end and none; err is left alone then. */
int listing_next(struct store_list *, const struct stow_op *, struct stow_entry *ret, bool *ret_end,
                 struct stow_error *);

#endif
