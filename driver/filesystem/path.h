/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Folders of keys: walked from the root with openat, one component at a time, no symbolic link
 * followed; made where they are missing; taken away where they are empty.  It knows which new
 * folders are not durable yet, so that nobody acknowledges an object in one before it is.  It does
 * not touch the files in them.
 */
#ifndef DRIVER_FILESYSTEM_PATH_H
#define DRIVER_FILESYSTEM_PATH_H

#include "driver/filesystem/filesystem.h"

/* One walk that made folders, from its first mkdir until they are durable. */
struct maker {
	struct maker *prev, *next;
	uint64_t ticket;
};

struct folder { /* begins as FOLDER_INIT */
	int fd;
	const char *leaf; /* borrowed: the key's last component */
	size_t depth;     /* components above the leaf */
	size_t made_from; /* from the component of that number on, they are new */
	uint64_t ticket;  /* makers up to it may have made what this walk found */
	bool is_maker;
	bool holds; /* see folder_hold */
	struct maker maker;
};
#define FOLDER_INIT                                                                                \
	{                                                                                          \
		.fd = -1, .made_from = SIZE_MAX                                                    \
	}

/* The root itself. Never STOW_ENOTFOUND: a root that is gone is a fault, not an empty store. */
int path_open_root(const struct fs *, const char *where, int *ret_fd, struct stow_error *);
/* Makes the root with the folders above it, where missing. */
int path_make_root(const struct fs *, const char *where, struct stow_error *);

/*
 * Opens the folder that holds key. Without make, STOW_ENOTFOUND where a component is missing or no
 * folder; with it, STOW_EINVAL where a component is an object. A symbolic link is STOW_EIO.  The
 * struct must stay where it is until folder_done, which ends it whatever this returned. It may be
 * called again for the same key, when the folder went away meanwhile.
 */
int folder_open(struct fs *, const char *key, bool make, const char *where, struct folder *,
                struct stow_error *);
/*
 * Nobody in this process takes folders away from now until folder_sync or folder_done: for a walk
 * under which they went away again and again. Short work only.
 */
void folder_hold(struct fs *, struct folder *);
/* Makes the folder's entries durable, and the folders that this walk or another one under way
 * made above it. */
int folder_sync(struct fs *, struct folder *, const struct stow_op *, const char *key,
                const char *where, struct stow_error *);
void folder_done(struct fs *, struct folder *);

/* Takes away the folders above key that are empty, from below, until one is not. */
void path_prune(struct fs *, const char *key);

#endif
