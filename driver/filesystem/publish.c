/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one place where a temporary file takes a key: conditions, rename, durability.
 * It must not write a byte of an object.
 */
#include "common/error.h"
#include "driver/filesystem/path.h"
#include "driver/filesystem/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PUBLISH_ATTEMPTS 100 /* begins anew when the folder is pruned under the rename */
#define PUBLISH_PATIENCE 10  /* so often before pruning has to wait */

/* Create-only where the file system has no RENAME_NOREPLACE. 0 or errno. */
static int link_new(const struct temp *temp, const struct folder *folder)
{
	if (linkat(temp->dir, temp->name, folder->fd, folder->leaf, 0) != 0)
		return errno;
	unlinkat(temp->dir, temp->name, 0);
	return 0;
}

static int rename_over(const struct temp *temp, const struct folder *folder)
{
	if (renameat(temp->dir, temp->name, folder->fd, folder->leaf) != 0)
		return errno;
	/* of two names of one file a rename leaves both */
	unlinkat(temp->dir, temp->name, 0);
	return 0;
}

static int rename_new(const struct temp *temp, const struct folder *folder)
{
	if (renameat2(temp->dir, temp->name, folder->fd, folder->leaf, RENAME_NOREPLACE) == 0)
		return 0;
	return errno == EINVAL || errno == ENOSYS || errno == ENOTSUP ? link_new(temp, folder)
	                                                              : errno;
}

/* What a failing rename means. *ret_again: the folder was pruned, the file is still there. */
static int rename_error(const struct fs *fs, const struct temp *temp, const struct folder *folder,
                        const char *key, int errnum, const char *where, bool *ret_again,
                        struct stow_error *err)
{
	struct stat st;

	if (fs_is_gone(errnum)) {
		if (fstatat(temp->dir, temp->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
			*ret_again = true;
			return fs_goes_away(fs, key, where, err);
		}
		return error_set(err, STOW_EIO, where,
		                 "filesystem: %s/%s: the temporary file %s/%s is gone", fs->root,
		                 key, TEMP_FOLDER, temp->name);
	}
	if (errnum == EEXIST || errnum == EISDIR) {
		if (fstatat(folder->fd, folder->leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISDIR(st.st_mode))
			return error_set(err, STOW_EINVAL, where,
			                 "filesystem: %s/%s: is a folder, not an object", fs->root,
			                 key);
		if (errnum == EEXIST)
			return error_set(err, STOW_EEXIST, where, "filesystem: %s: exists", key);
	}
	return fs_error(fs, key, errnum, where, err);
}

static int check_target(const struct fs *fs, const struct folder *folder, const char *key,
                        const char *if_match, const char *where, struct stow_error *err)
{
	struct stat st;

	if (fstatat(folder->fd, folder->leaf, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return fs_error(fs, key, errno, where, err);
	if (!S_ISREG(st.st_mode))
		return error_set(err, STOW_ENOTFOUND, where, "filesystem: %s: no such object", key);
	if (!fs_matches(&st, if_match))
		return error_set(err, STOW_ECHANGED, where, "filesystem: %s: is another version",
		                 key);
	return STOW_OK;
}

/* One attempt in an open folder: look and rename, under the key's lock. */
static int place(struct fs *fs, const struct temp *temp, const struct folder *folder,
                 const char *key, const struct stow_put *put, const char *where, bool *ret_again,
                 struct stat *ret, struct stow_error *err)
{
	struct mutex *stripe = fs_stripe(fs, key);
	int errnum;
	int r = STOW_OK;

	mutex_lock(stripe);
	if (put && put->if_match)
		r = check_target(fs, folder, key, put->if_match, where, err);
	if (r == STOW_OK) {
		bool create = put && (put->flags & STOW_PUT_CREATE);

		errnum = fstatat(temp->dir, temp->name, ret, AT_SYMLINK_NOFOLLOW) ? errno : 0;
		if (errnum == 0)
			errnum = create ? rename_new(temp, folder) : rename_over(temp, folder);
		if (errnum != 0)
			r = rename_error(fs, temp, folder, key, errnum, where, ret_again, err);
	}
	mutex_unlock(stripe);
	return r;
}

int temp_publish(struct fs *fs, struct temp *temp, const struct stow_op *op, const char *key,
                 const struct stow_put *put, const char *where, struct stat *ret,
                 struct stow_error *err)
{
	struct folder folder = FOLDER_INIT;
	struct stat st = { 0 };
	bool make = !put || !put->if_match;
	bool again = true;
	bool is_new;
	int r = STOW_EIO;

	for (int i = 0; i < PUBLISH_ATTEMPTS && again; i++) {
		again = false;
		if (i == PUBLISH_PATIENCE)
			folder_hold(fs, &folder);
		r = folder_open(fs, key, make, where, &folder, err);
		if (r == STOW_OK)
			r = place(fs, temp, &folder, key, put, where, &again, &st, err);
	}
	is_new = folder.is_maker;
	if (r == STOW_OK) {
		temp->name[0] = '\0';
		*ret = st;
		r = folder_sync(fs, &folder, op, key, where, err);
		if (r != STOW_OK)
			error_flag(err, STOW_ERROR_MAYBE);
		is_new = false;
	}
	folder_done(fs, &folder);
	if (is_new)
		path_prune(fs, key);
	return r;
}
