/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat, get, put, remove and copy on files.
 * It must not replace a file but through temp_publish, nor follow a symbolic link.
 */
#include "driver/filesystem/object.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "driver/filesystem/path.h"
#include "driver/filesystem/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/fs.h>

static int no_object(const char *key, const char *where, struct stow_error *err)
{
	return error_set(err, STOW_ENOTFOUND, where, "filesystem: %s: no such object", key);
}

int fs_open_object(struct fs *fs, const char *key, const char *if_match, const char *where,
                   int *ret_fd, struct stat *ret_stat, struct stow_error *err)
{
	struct folder folder = FOLDER_INIT;
	cleanup_fd int fd = -1;
	int errnum;
	int r = folder_open(fs, key, false, where, &folder, err);

	if (r == STOW_OK) {
		/* O_NONBLOCK: somebody's pipe must not hold us */
		fd = openat(folder.fd, folder.leaf,
		            O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		errnum = fd < 0 || fstat(fd, ret_stat) != 0 ? errno : 0;
		/* ELOOP is a symbolic link, ENXIO a socket or pipe */
		if (errnum == ENOENT || errnum == ELOOP || errnum == ENXIO ||
		    (errnum == 0 && !S_ISREG(ret_stat->st_mode)))
			r = no_object(key, where, err);
		else if (errnum != 0)
			r = fs_error(fs, key, errnum, where, err);
		else if (if_match && !fs_matches(ret_stat, if_match))
			r = error_set(err, STOW_ECHANGED, where,
			              "filesystem: %s: is another version", key);
	}
	folder_done(fs, &folder);
	if (r == STOW_OK)
		*ret_fd = take_fd(&fd);
	return r;
}

int fs_stat(void *self, const struct stow_op *op, const char *key, struct stow_stat *ret,
            struct stow_error *err)
{
	struct fs *fs = self;
	struct folder folder = FOLDER_INIT;
	struct stat st = { 0 };
	int r = fs_key_check(key, "filesystem.stat", err);

	if (r == STOW_OK)
		r = fs_enter(fs, op, 1, "filesystem.stat", err);
	if (r != STOW_OK)
		return r;
	r = folder_open(fs, key, false, "filesystem.stat", &folder, err);
	if (r == STOW_OK && fstatat(folder.fd, folder.leaf, &st, AT_SYMLINK_NOFOLLOW) != 0)
		r = errno == ENOENT ? no_object(key, "filesystem.stat", err)
		                    : fs_error(fs, key, errno, "filesystem.stat", err);
	else if (r == STOW_OK && !S_ISREG(st.st_mode))
		r = no_object(key, "filesystem.stat", err);
	if (r == STOW_OK)
		fs_fill_stat(&st, ret);
	folder_done(fs, &folder);
	return r;
}

/* All size bytes of an open file. */
static int read_whole(const struct fs *fs, const struct stow_op *op, const char *key, int fd,
                      char *buf, size_t size, struct stow_error *err)
{
	size_t have = 0;

	while (have < size) {
		size_t want = size - have < FS_CHUNK ? size - have : FS_CHUNK;
		ssize_t n;
		int r = clock_op_check(op, "filesystem.get", err);

		if (r != STOW_OK)
			return r;
		n = pread(fd, buf + have, want, (off_t)have);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fs_error(fs, key, errno, "filesystem.get", err);
		if (n == 0)
			return error_set(err, STOW_ECHANGED, "filesystem.get",
			                 "filesystem: %s: became shorter while it was read", key);
		have += (size_t)n;
	}
	return STOW_OK;
}

int fs_get(void *self, const struct stow_op *op, const char *key, const char *if_match, void *buf,
           size_t cap, size_t *ret_len, struct stow_stat *ret_stat, struct stow_error *err)
{
	struct fs *fs = self;
	cleanup_fd int fd = -1;
	struct stat st = { 0 };
	int r = fs_key_check(key, "filesystem.get", err);

	if (r == STOW_OK)
		r = fs_enter(fs, op, 1, "filesystem.get", err);
	if (r == STOW_OK)
		r = fs_open_object(fs, key, if_match, "filesystem.get", &fd, &st, err);
	if (r != STOW_OK)
		return r;
	if ((uint64_t)st.st_size > cap) {
		*ret_len = (size_t)st.st_size;
		return error_set(err, STOW_ERANGE, "filesystem.get",
		                 "filesystem: %s: %lld bytes do not fit into %zu", key,
		                 (long long)st.st_size, cap);
	}
	r = read_whole(fs, op, key, fd, buf, (size_t)st.st_size, err);
	if (r != STOW_OK)
		return r;
	*ret_len = (size_t)st.st_size;
	if (ret_stat)
		fs_fill_stat(&st, ret_stat);
	return STOW_OK;
}

int fs_put(void *self, const struct stow_op *op, const char *key, const void *data, size_t len,
           const struct stow_put *put, struct stow_stat *ret_stat, struct stow_error *err)
{
	struct fs *fs = self;
	struct temp temp = TEMP_INIT;
	struct stat st = { 0 };
	uint8_t sum[32];
	int r = fs_key_check(key, "filesystem.put", err);

	if (r == STOW_OK)
		r = fs_put_check(put, "filesystem.put", err);
	if (r == STOW_OK)
		r = fs_enter(fs, op, 1, "filesystem.put", err);
	if (r != STOW_OK)
		return r;
	if (put && put->sha256) {
		hash_sha256(data, len, sum);
		if (memcmp(sum, put->sha256, sizeof(sum)) != 0)
			return error_set(
				err, STOW_ECORRUPT, "filesystem.put",
				"filesystem: %s: the bytes do not have the announced sha256", key);
	}
	r = temp_create(fs, "p", put && (put->flags & STOW_PUT_PRIVATE), "filesystem.put", &temp,
	                err);
	if (r == STOW_OK)
		r = temp_write(fs, &temp, op, 0, data, len, key, "filesystem.put", err);
	if (r == STOW_OK)
		r = temp_seal(fs, &temp, key, "filesystem.put", err);
	if (r == STOW_OK)
		r = temp_publish(fs, &temp, op, key, put, "filesystem.put", &st, err);
	if (r == STOW_OK && ret_stat)
		fs_fill_stat(&st, ret_stat);
	temp_drop(&temp);
	return r;
}

/* Unlinks the object, if there is one and if_match (or NULL) lets it; under the key's lock. */
static int unlink_object(struct fs *fs, const struct folder *folder, const char *key,
                         const char *if_match, bool *ret_gone, struct stow_error *err)
{
	struct mutex *stripe = fs_stripe(fs, key);
	struct stat st = { 0 };
	int r = STOW_OK;

	mutex_lock(stripe);
	if (fstatat(folder->fd, folder->leaf, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		if (errno != ENOENT)
			r = fs_error(fs, key, errno, "filesystem.remove", err);
	} else if (S_ISREG(st.st_mode)) {
		if (if_match && !fs_matches(&st, if_match))
			r = error_set(err, STOW_ECHANGED, "filesystem.remove",
			              "filesystem: %s: is another version", key);
		else if (unlinkat(folder->fd, folder->leaf, 0) == 0)
			*ret_gone = true;
		else if (errno != ENOENT)
			r = fs_error(fs, key, errno, "filesystem.remove", err);
	}
	mutex_unlock(stripe);
	return r;
}

int fs_remove(void *self, const struct stow_op *op, const char *key, const char *if_match,
              struct stow_error *err)
{
	struct fs *fs = self;
	struct folder folder = FOLDER_INIT;
	struct stow_error no_folder = { 0 };
	bool gone = false;
	int r = fs_key_check(key, "filesystem.remove", err);

	if (r == STOW_OK)
		r = fs_enter(fs, op, 1, "filesystem.remove", err);
	if (r != STOW_OK)
		return r;
	r = folder_open(fs, key, false, "filesystem.remove", &folder, &no_folder);
	if (r == STOW_ENOTFOUND) {
		folder_done(fs, &folder);
		return STOW_OK;
	}
	if (r != STOW_OK)
		error_copy(err, &no_folder);
	else
		r = unlink_object(fs, &folder, key, if_match, &gone, err);
	if (r == STOW_OK && gone && fs->sync && fsync(folder.fd) != 0) {
		r = fs_error(fs, key, errno, "filesystem.remove", err);
		error_flag(err, STOW_ERROR_MAYBE);
	}
	folder_done(fs, &folder);
	if (gone)
		path_prune(fs, key);
	return r;
}

/* ---- copy ---- */

/*
 * A second name for the source's file: no byte is moved, and none ever changes under a name.
 * False where the file system does not let us, or the source was replaced meanwhile.
 */
static bool link_source(struct fs *fs, const char *from, const struct stat *source,
                        struct temp *temp)
{
	struct folder folder = FOLDER_INIT;
	struct stat st = { 0 };
	bool linked = false;

	if (folder_open(fs, from, false, "filesystem.copy", &folder, NULL) == STOW_OK &&
	    linkat(folder.fd, folder.leaf, temp->dir, temp->name, 0) == 0) {
		linked = fstatat(temp->dir, temp->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		         S_ISREG(st.st_mode) && st.st_dev == source->st_dev &&
		         st.st_ino == source->st_ino;
		if (!linked)
			unlinkat(temp->dir, temp->name, 0);
	}
	folder_done(fs, &folder);
	return linked;
}

/* A temporary file with the source's bytes, by the cheapest way there is. */
static int copy_source(struct fs *fs, const struct stow_op *op, const char *from, int fd,
                       const struct stat *source, bool is_private, struct temp *temp,
                       struct stow_error *err)
{
	int r;

	if (!is_private) {
		r = temp_folder(fs, true, "filesystem.copy", &temp->dir, err);
		if (r == STOW_OK)
			r = temp_name("p", temp->name, "filesystem.copy", err);
		if (r != STOW_OK)
			return r;
		if (link_source(fs, from, source, temp))
			return fs->sync && fsync(fd) != 0
			               ? fs_error(fs, from, errno, "filesystem.copy", err)
			               : STOW_OK;
		temp_release(temp);
	}
	r = temp_create(fs, "p", is_private, "filesystem.copy", temp, err);
	if (r == STOW_OK && ioctl(temp->fd, FICLONE, fd) != 0)
		r = temp_copy(fs, temp, op, 0, fd, 0, source->st_size, from, "filesystem.copy",
		              err);
	if (r == STOW_OK)
		r = temp_seal(fs, temp, from, "filesystem.copy", err);
	return r;
}

int fs_copy(void *self, const struct stow_op *op, const char *from, const char *from_if_match,
            const char *to, const struct stow_put *put, struct stow_error *err)
{
	struct fs *fs = self;
	struct temp temp = TEMP_INIT;
	cleanup_fd int fd = -1;
	struct stat source = { 0 };
	struct stat st = { 0 };
	uint8_t sum[32];
	int r = fs_key_check(from, "filesystem.copy", err);

	if (r == STOW_OK)
		r = fs_key_check(to, "filesystem.copy", err);
	if (r == STOW_OK)
		r = fs_put_check(put, "filesystem.copy", err);
	if (r == STOW_OK)
		r = fs_enter(fs, op, 1, "filesystem.copy", err);
	if (r == STOW_OK)
		r = fs_open_object(fs, from, from_if_match, "filesystem.copy", &fd, &source, err);
	if (r == STOW_OK && put && put->sha256) {
		r = temp_sha256(fs, fd, source.st_size, op, from, "filesystem.copy", sum, err);
		if (r == STOW_OK && memcmp(sum, put->sha256, sizeof(sum)) != 0)
			r = error_set(err, STOW_ECORRUPT, "filesystem.copy",
			              "filesystem: %s: does not have the announced sha256", from);
	}
	if (r == STOW_OK)
		r = copy_source(fs, op, from, fd, &source, put && (put->flags & STOW_PUT_PRIVATE),
		                &temp, err);
	if (r == STOW_OK)
		r = temp_publish(fs, &temp, op, to, put, "filesystem.copy", &st, err);
	temp_drop(&temp);
	return r;
}
