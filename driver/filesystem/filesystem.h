/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store in a folder: what its files share.  Every object is a file under the root whose path
 * is its key, as Distribution's filesystem driver lays it; files are never changed in place but
 * replaced by rename, so an open descriptor is one version for good.  What is unfinished lies in
 * one folder under the root, TEMP_FOLDER, which is no key's and in no listing.
 *
 * Another Stowage or Distribution may work in the same folder.  Create-only holds between all of
 * them; if-match holds within the process.  A path is walked component by component, and no
 * symbolic link below the root is followed.
 */
#ifndef DRIVER_FILESYSTEM_FILESYSTEM_H
#define DRIVER_FILESYSTEM_FILESYSTEM_H

#include "common/thread.h"

#include <stowage/driver.h>

#include <errno.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#define TEMP_FOLDER ".stowage-tmp"
#define FS_STRIPES 64              /* locks that keys are spread over */
#define FS_CHUNK ((size_t)1 << 20) /* moved between two looks at deadline and cancel word */

struct maker; /* path.h */

struct fs {
	const struct stow_host *host;
	pid_t pid;
	char *root;                       /* absolute */
	bool sync;                        /* option fsync */
	int64_t stale_age;                /* leftovers older than that are swept; ns */
	struct mutex stripes[FS_STRIPES]; /* held while a key's file is looked at and replaced */
	size_t stripes_ready;             /* how many of them are initialised */
	struct mutex begin_lock;          /* held while the first call does what it does once */
	bool begun;                       /* that is done; atomic */
	struct mutex making_lock;
	struct cond making_done;
	/* folders that were made and are not yet durable, oldest first */
	struct maker *making_first GUARDED_BY(making_lock);
	struct maker *making_last GUARDED_BY(making_lock);
	uint64_t making_ticket GUARDED_BY(making_lock);
	unsigned making_holds GUARDED_BY(making_lock); /* walks that no folder goes away under */
};

/*
 * What the system says to who makes something in a folder that was removed while it was open:
 * ENOENT, and ESTALE where the file system stands upon another one (NFS, overlayfs). A reader is
 * not told so of ESTALE: it may be a server's trouble, and nothing is missing then.
 */
static inline bool fs_is_gone(int errnum)
{
	return errnum == ENOENT || errnum == ESTALE;
}

/* Every call's beginning: a forked child, a passed deadline, a set cancel word; counts requests. The
 * first one makes the root, where it may, and sweeps leftovers: open leaves the folder as it is. */
int fs_enter(struct fs *, const struct stow_op *, uint64_t requests, const char *where,
             struct stow_error *);
/* key_check, and STOW_EINVAL for keys in TEMP_FOLDER. */
int fs_key_check(const char *key, const char *where, struct stow_error *);
/* STOW_EINVAL where the caller's stow_put is shorter than this major's. */
int fs_put_check(const struct stow_put *, const char *where, struct stow_error *);
struct mutex *fs_stripe(struct fs *, const char *key);
/* A failing system call on a key: errno as a status and a line with the file's path. */
int fs_error(const struct fs *, const char *key, int errnum, const char *where,
             struct stow_error *);
/* STOW_EBUSY, and to be tried again: folders went away under a put, each time it tried. */
int fs_goes_away(const struct fs *, const char *key, const char *where, struct stow_error *);

/* What a stat says of a file: size, time and an ETag of inode, size and time. */
void fs_fill_stat(const struct stat *, struct stow_stat *ret);
bool fs_matches(const struct stat *, const char *etag);

/*
 * Opens the object for reading; STOW_ENOTFOUND for what is not a regular file, STOW_ECHANGED if
 * if_match (or NULL) does not let it.
 */
int fs_open_object(struct fs *, const char *key, const char *if_match, const char *where,
                   int *ret_fd, struct stat *ret_stat, struct stow_error *);

/* read.c, write.c, unfinished.c, list.c: see driver.h */
int fs_read_open(void *, const struct stow_op *, const char *key, const char *if_match,
                 int64_t offset, int64_t length, void **ret_reader, struct stow_stat *ret_stat,
                 struct stow_error *);
int fs_read(void *, const struct stow_op *, void *buf, size_t cap, size_t *ret_len,
            struct stow_error *);
void fs_read_close(void *);
int fs_write_open(void *, const struct stow_op *, const char *key, const struct stow_put *,
                  void **ret_writer, int64_t *ret_offset, struct stow_error *);
int fs_write(void *, const struct stow_op *, const void *data, size_t len, struct stow_error *);
int fs_write_copy(void *, const struct stow_op *, const char *from, const char *if_match,
                  int64_t offset, int64_t length, struct stow_error *);
int fs_write_commit(void *, const struct stow_op *, struct stow_stat *ret_stat,
                    struct stow_error *);
void fs_write_close(void *, const struct stow_op *);
int fs_write_park(void *, const struct stow_op *, void *buf, size_t cap, size_t *ret_len,
                  struct stow_error *);
int fs_list_open(void *, const struct stow_op *, const char *prefix, const char *after,
                 uint32_t flags, void **ret_list, struct stow_error *);
int fs_list_next(void *, const struct stow_op *, struct stow_entry *ret, struct stow_error *);
void fs_list_close(void *);

#endif
