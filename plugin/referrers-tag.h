/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Referrers under the tag schema: the index that clients of a registry without a list of referrers
 * look for, made from that list.
 *
 * Pushes side by side may each write one: each looks at the list once more afterwards, so that
 * the last of them leaves all.  It must not know how the list is kept.
 */
#ifndef PLUGIN_REFERRERS_TAG_H
#define PLUGIN_REFERRERS_TAG_H

#include "plugin/digest.h"
#include "plugin/registry.h"

/* After a referrer's link was written or removed. *ret_kept (may be NULL) is false where the tag
 * was left alone. A list that is empty makes no tag, but empties one that is there. */
int referrers_tag_write(struct stow_registry *, const struct stow_op *, const char *name,
                        const struct digest *subject, bool *ret_kept, struct stow_error *);

#endif
