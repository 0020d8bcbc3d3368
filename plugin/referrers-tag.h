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

/* After a referrer's link was written or removed. *ret_kept (may be NULL) says whether there is
 * a tag that stands on the list: not where another thing is under it, nor where the list is empty
 * and there was none. A list that has become empty empties one that is there. */
int referrers_tag_write(struct stow_registry *, const struct stow_op *, const char *name,
                        const struct digest *subject, bool *ret_kept, struct stow_error *);

#endif
