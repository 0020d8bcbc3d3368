/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads of one key that share: while one is under way, all that come form the next group, for
 * which one read is made when that has ended.
 *
 * It promises that every caller's answer is of a read that began after the call did, so sharing is
 * not to be noticed but by how few reads there are.  Each caller keeps its own deadline and cancel
 * word; where that of the one who reads for its group ends the read, another reads anew.
 * It must not know what is read, beyond that it is a digest.  Threads: any.
 */
#ifndef PLUGIN_TAG_GROUP_H
#define PLUGIN_TAG_GROUP_H

#include "common/thread.h"
#include "plugin/digest.h"

struct tag_group;

struct tag_groups {
	struct mutex lock;
	struct cond changed;
	struct tag_group *first GUARDED_BY(lock);
};

int tag_groups_init(struct tag_groups *, struct stow_error *);
void tag_groups_done(struct tag_groups *);

typedef int tag_group_read_fn(void *arg, const struct stow_op *, const char *key,
                              struct digest *ret, struct stow_error *);
int tag_group_read(struct tag_groups *, const struct stow_op *, const char *key,
                   tag_group_read_fn *, void *arg, struct digest *ret, struct stow_error *);

#endif
