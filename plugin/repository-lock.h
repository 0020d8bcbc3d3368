/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may change the tags and revisions of a repository, among the threads of one process: the
 * links of pushed manifests are written side by side, a delete has the repository to itself.  So
 * no delete takes away what a push has just been promised, and no tag is left on a revision that
 * is gone.
 *
 * Repositories share a small table of locks by the hash of their name.  A lock is held across calls
 * of the store; waiting for one heeds the deadline and the cancel word.  A thread takes one at a
 * time.  It knows nothing of tags, nor of other processes.
 */
#ifndef PLUGIN_REPOSITORY_LOCK_H
#define PLUGIN_REPOSITORY_LOCK_H

#include <stdbool.h>
#include <stowage/types.h>

#include "common/thread.h"

#define REPOSITORY_LOCKS 64

struct repository_lock {
	struct mutex mutex;
	struct cond changed;
	size_t sharing GUARDED_BY(mutex); /* who holds it beside others */
	size_t waiting GUARDED_BY(mutex); /* who wants it alone: nobody joins meanwhile */
	bool alone GUARDED_BY(mutex);     /* one holds it, alone */
};

struct repository_locks {
	struct repository_lock table[REPOSITORY_LOCKS];
};

int repository_locks_init(struct repository_locks *, struct stow_error *);
/* Only after an init that succeeded; nobody may hold or want one. */
void repository_locks_done(struct repository_locks *);

/* STOW_ETIMEOUT or STOW_ECANCELED where it was not to be had in time. */
int repository_lock_shared(struct repository_locks *, const struct stow_op *, const char *name,
                           struct repository_lock **ret, struct stow_error *);
int repository_lock_alone(struct repository_locks *, const struct stow_op *, const char *name,
                          struct repository_lock **ret, struct stow_error *);
/* Either of them. */
void repository_unlock(struct repository_lock *);

#endif
