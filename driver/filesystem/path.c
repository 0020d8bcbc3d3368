/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walks, makes, syncs and prunes the folders of keys.
 * It must not follow a symbolic link below the root, nor touch an object.
 */
#include "driver/filesystem/path.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define MAKE_ATTEMPTS 100 /* walks anew when a folder is pruned under the walk */
#define MAKE_PATIENCE 10  /* so often before pruning has to wait */

int path_open_root(const struct fs *fs, const char *where, int *ret_fd, struct stow_error *err)
{
	int fd = open(fs->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int errnum = errno;

	if (fd < 0) {
		if (errnum == ENOENT || errnum == ENOTDIR) {
			error_set(err, STOW_EIO, where, "filesystem: rootdirectory %s: %s",
			          fs->root,
			          errnum == ENOENT ? "does not exist" : "is not a folder");
			if (err)
				err->backend = errnum;
			return STOW_EIO;
		}
		return error_errno(err, errnum, where, "filesystem: rootdirectory %s", fs->root);
	}
	*ret_fd = fd;
	return STOW_OK;
}

int path_make_root(const struct fs *fs, const char *where, struct stow_error *err)
{
	cleanup_free char *path = strdup(fs->root);

	if (!path)
		return error_nomem(err, where);
	for (char *p = path + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(path, 0777) != 0 && errno != EEXIST)
			return error_errno(err, errno, where,
			                   "filesystem: rootdirectory %s: cannot make %s", fs->root,
			                   path);
		*p = c;
		if (c == '\0')
			break;
	}
	return STOW_OK;
}

/* ---- makers ---- */

static void making_begin(struct fs *fs, struct folder *folder)
{
	struct maker *maker = &folder->maker;

	if (folder->is_maker)
		return;
	mutex_lock(&fs->making_lock);
	maker->ticket = ++fs->making_ticket;
	maker->next = NULL;
	maker->prev = fs->making_last;
	if (fs->making_last)
		fs->making_last->next = maker;
	else
		fs->making_first = maker;
	fs->making_last = maker;
	mutex_unlock(&fs->making_lock);
	folder->is_maker = true;
}

static void making_end(struct fs *fs, struct folder *folder)
{
	struct maker *maker = &folder->maker;

	if (!folder->is_maker)
		return;
	mutex_lock(&fs->making_lock);
	if (maker->prev)
		maker->prev->next = maker->next;
	else
		fs->making_first = maker->next;
	if (maker->next)
		maker->next->prev = maker->prev;
	else
		fs->making_last = maker->prev;
	cond_broadcast(&fs->making_done);
	mutex_unlock(&fs->making_lock);
	folder->is_maker = false;
}

void folder_hold(struct fs *fs, struct folder *folder)
{
	if (folder->holds)
		return;
	mutex_lock(&fs->making_lock);
	fs->making_holds++;
	mutex_unlock(&fs->making_lock);
	folder->holds = true;
}

static void folder_let_go(struct fs *fs, struct folder *folder)
{
	if (!folder->holds)
		return;
	mutex_lock(&fs->making_lock);
	fs->making_holds--;
	cond_broadcast(&fs->making_done);
	mutex_unlock(&fs->making_lock);
	folder->holds = false;
}

/* Waits for the makers that may have made what this walk found. */
static int making_wait(struct fs *fs, const struct folder *folder, const struct stow_op *op,
                       const char *where, struct stow_error *err)
{
	int r = STOW_OK;

	mutex_lock(&fs->making_lock);
	while (fs->making_first && fs->making_first->ticket <= folder->ticket && r == STOW_OK) {
		cond_wait_until(&fs->making_done, &fs->making_lock,
		                clock_monotonic() + 50 * CLOCK_MILLISECOND);
		r = clock_op_check(op, where, err);
	}
	mutex_unlock(&fs->making_lock);
	return r;
}

/* ---- the walk ---- */

/* Why a component could not be opened as a folder. */
static int component_error(const struct fs *fs, int dir, const char *name, const char *key,
                           int errnum, bool make, const char *where, struct stow_error *err)
{
	struct stat st;

	if (errnum != ENOTDIR && errnum != ELOOP)
		return fs_error(fs, key, errnum, where, err);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
		return error_set(err, STOW_EIO, where,
		                 "filesystem: %s/%s: %s is a symbolic link, and none is followed",
		                 fs->root, key, name);
	if (make)
		return error_set(err, STOW_EINVAL, where,
		                 "filesystem: %s/%s: %s is an object, not a folder", fs->root, key,
		                 name);
	return error_set(err, STOW_ENOTFOUND, where, "filesystem: %s: no such object", key);
}

/* A folder cannot be made: where the one above went away, that says so, and to come again. */
static int walk_error(const struct fs *fs, const char *key, int errnum, const char *where,
                      struct stow_error *err)
{
	if (!fs_is_gone(errnum))
		return fs_error(fs, key, errnum, where, err);
	return fs_goes_away(fs, key, where, err);
}

/* One walk. *ret_again where a folder went away under it. */
static int walk(struct fs *fs, const char *key, bool make, const char *where, struct folder *folder,
                bool *ret_again, struct stow_error *err)
{
	cleanup_fd int dir = -1;
	const char *rest = key;
	const char *slash;
	int r = path_open_root(fs, where, &dir, err);

	if (r != STOW_OK)
		return r;
	folder->depth = 0;
	while ((slash = strchr(rest, '/'))) {
		char name[STOW_KEY_COMPONENT_MAX + 1];
		size_t len = (size_t)(slash - rest);
		int next;

		if (len >= sizeof(name))
			return fs_error(fs, key, ENAMETOOLONG, where, err);
		memcpy(name, rest, len);
		name[len] = '\0';
		next = openat(dir, name, FOLDER_FLAGS);
		if (next < 0 && fs_is_gone(errno) && make) {
			making_begin(fs, folder);
			if (mkdirat(dir, name, 0777) != 0 && errno != EEXIST) {
				*ret_again = fs_is_gone(errno);
				return walk_error(fs, key, errno, where, err);
			}
			if (folder->made_from > folder->depth)
				folder->made_from = folder->depth;
			next = openat(dir, name, FOLDER_FLAGS);
			*ret_again = next < 0 && fs_is_gone(errno);
			if (*ret_again)
				return walk_error(fs, key, errno, where, err);
		}
		if (next < 0)
			return component_error(fs, dir, name, key, errno, make, where, err);
		close(dir);
		dir = next;
		rest = slash + 1;
		folder->depth++;
	}
	folder->fd = take_fd(&dir);
	folder->leaf = rest;
	return STOW_OK;
}

int folder_open(struct fs *fs, const char *key, bool make, const char *where, struct folder *folder,
                struct stow_error *err)
{
	bool again = true;
	int r = STOW_EIO;

	if (folder->fd >= 0)
		close(folder->fd);
	folder->fd = -1;
	for (int i = 0; i < MAKE_ATTEMPTS && again; i++) {
		again = false;
		if (i == MAKE_PATIENCE)
			folder_hold(fs, folder);
		r = walk(fs, key, make, where, folder, &again, err);
	}
	if (r != STOW_OK)
		return r;
	mutex_lock(&fs->making_lock);
	folder->ticket = fs->making_ticket;
	mutex_unlock(&fs->making_lock);
	return STOW_OK;
}

int folder_sync(struct fs *fs, struct folder *folder, const struct stow_op *op, const char *key,
                const char *where, struct stow_error *err)
{
	cleanup_fd int up = -1;
	int fd = folder->fd;

	folder_let_go(fs, folder);
	if (!fs->sync)
		return STOW_OK;
	if (fsync(fd) != 0)
		return fs_error(fs, key, errno, where, err);
	for (size_t i = folder->made_from; i < folder->depth; i++) {
		int next = openat(fd, "..", FOLDER_FLAGS);

		/* pruned meanwhile: then the object is gone by a later removal */
		if (next < 0 && fs_is_gone(errno))
			break;
		if (next < 0)
			return fs_error(fs, key, errno, where, err);
		if (up >= 0)
			close(up);
		up = next;
		fd = next;
		if (fsync(fd) != 0)
			return fs_error(fs, key, errno, where, err);
	}
	making_end(fs, folder);
	return making_wait(fs, folder, op, where, err);
}

void folder_done(struct fs *fs, struct folder *folder)
{
	making_end(fs, folder);
	folder_let_go(fs, folder);
	if (folder->fd >= 0)
		close(folder->fd);
	folder->fd = -1;
}

void path_prune(struct fs *fs, const char *key)
{
	char path[STOW_KEY_MAX + 1];
	size_t len = strlen(key);
	char *slash;

	if (len >= sizeof(path))
		return;
	memcpy(path, key, len + 1);
	while ((slash = strrchr(path, '/'))) {
		struct folder folder = FOLDER_INIT;
		int errnum;
		int r;

		*slash = '\0';
		if (folder_open(fs, path, false, "filesystem.prune", &folder, NULL) != STOW_OK) {
			folder_done(fs, &folder);
			return;
		}
		mutex_lock(&fs->making_lock);
		while (fs->making_holds > 0)
			cond_wait(&fs->making_done, &fs->making_lock);
		/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): set where it opens */
		r = unlinkat(folder.fd, folder.leaf, AT_REMOVEDIR);
		errnum = errno;
		mutex_unlock(&fs->making_lock);
		folder_done(fs, &folder);
		if (r != 0 && !fs_is_gone(errnum))
			return;
	}
}
