/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Temporary files: made, filled, sealed, dropped, and swept when a crash left them.
 * It must not know how they become objects, nor what a key means.
 */
#include "driver/filesystem/temp.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/text.h"
#include "driver/filesystem/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define RANDOM_LEN 8
#define STEM_LEN (2 + 64) /* "w-" and a sha256 in hex */
#define WRITER_LEN (STEM_LEN + 1 + 2 * RANDOM_LEN)

int temp_folder(const struct fs *fs, bool make, const char *where, int *ret_fd,
                struct stow_error *err)
{
	cleanup_fd int root = -1;
	int fd;
	int r = path_open_root(fs, where, &root, err);

	if (r != STOW_OK)
		return r;
	for (int i = 0; i < 2; i++) {
		fd = openat(root, TEMP_FOLDER, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd >= 0) {
			*ret_fd = fd;
			return STOW_OK;
		}
		if (errno != ENOENT || !make)
			break;
		if (mkdirat(root, TEMP_FOLDER, 0777) != 0 && errno != EEXIST)
			break;
	}
	return fs_error(fs, TEMP_FOLDER, errno, where, err);
}

int temp_name(const char *stem, char ret[TEMP_NAME_MAX], const char *where, struct stow_error *err)
{
	uint8_t random[RANDOM_LEN];
	char hex[2 * RANDOM_LEN + 1];

	if (!hash_random(random, sizeof(random)))
		return error_set(err, STOW_EIO, where, "filesystem: no random numbers to be had");
	text_hex(hex, random, sizeof(random));
	text_format(ret, TEMP_NAME_MAX, "%s-%s", stem, hex);
	return STOW_OK;
}

void temp_stem(const char *key, char ret[TEMP_NAME_MAX])
{
	uint8_t sum[32];
	char hex[65];

	hash_sha256(key, strlen(key), sum);
	text_hex(hex, sum, sizeof(sum));
	text_format(ret, TEMP_NAME_MAX, "w-%s", hex);
}

bool temp_is_writer(const char *name, const char *stem)
{
	if (strlen(name) != WRITER_LEN || name[0] != 'w' || name[1] != '-' ||
	    name[STEM_LEN] != '-' || (stem && strncmp(name, stem, STEM_LEN) != 0))
		return false;
	for (size_t i = 2; i < WRITER_LEN; i++) {
		bool hex = (name[i] >= '0' && name[i] <= '9') || (name[i] >= 'a' && name[i] <= 'f');

		if (i != STEM_LEN && !hex)
			return false;
	}
	return true;
}

int temp_create(const struct fs *fs, const char *stem, bool is_private, const char *where,
                struct temp *temp, struct stow_error *err)
{
	int r = temp_folder(fs, true, where, &temp->dir, err);

	if (r == STOW_OK)
		r = temp_name(stem, temp->name, where, err);
	if (r != STOW_OK) {
		temp_release(temp);
		return r;
	}
	temp->fd = openat(temp->dir, temp->name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
	                  is_private ? 0600 : 0666);
	if (temp->fd < 0) {
		r = fs_error(fs, TEMP_FOLDER, errno, where, err);
		temp_release(temp);
	}
	return r;
}

void temp_release(struct temp *temp)
{
	if (temp->fd >= 0)
		close(temp->fd);
	if (temp->dir >= 0)
		close(temp->dir);
	temp->fd = -1;
	temp->dir = -1;
}

void temp_drop(struct temp *temp)
{
	if (temp->dir >= 0 && temp->name[0] != '\0')
		unlinkat(temp->dir, temp->name, 0);
	temp_release(temp);
}

/* ---- bytes ---- */

int temp_write(const struct fs *fs, struct temp *temp, const struct stow_op *op, int64_t offset,
               const void *data, size_t len, const char *key, const char *where,
               struct stow_error *err)
{
	const char *p = data;

	while (len > 0) {
		ssize_t n;
		int r = clock_op_check(op, where, err);

		if (r != STOW_OK)
			return r;
		n = pwrite(temp->fd, p, len < FS_CHUNK ? len : FS_CHUNK, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fs_error(fs, key, n < 0 ? errno : EIO, where, err);
		p += n;
		len -= (size_t)n;
		offset += n;
	}
	return STOW_OK;
}

/* By way of our own memory, where the system cannot copy between these two. */
static int copy_through(const struct fs *fs, struct temp *temp, const struct stow_op *op,
                        int64_t at, int from, int64_t offset, int64_t length, const char *key,
                        const char *where, struct stow_error *err)
{
	cleanup_free char *buf = malloc(FS_CHUNK);
	int r = STOW_OK;

	if (!buf)
		return error_nomem(err, where);
	while (length > 0 && r == STOW_OK) {
		size_t want = length < (int64_t)FS_CHUNK ? (size_t)length : FS_CHUNK;
		ssize_t n = pread(from, buf, want, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fs_error(fs, key, errno, where, err);
		if (n == 0)
			return error_set(err, STOW_ECHANGED, where,
			                 "filesystem: %s: became shorter while it was read", key);
		r = temp_write(fs, temp, op, at, buf, (size_t)n, key, where, err);
		at += n;
		offset += n;
		length -= n;
	}
	return r;
}

int temp_copy(const struct fs *fs, struct temp *temp, const struct stow_op *op, int64_t at,
              int from, int64_t offset, int64_t length, const char *key, const char *where,
              struct stow_error *err)
{
	while (length > 0) {
		size_t want = length < (int64_t)(8 * FS_CHUNK) ? (size_t)length : 8 * FS_CHUNK;
		ssize_t n;
		int r = clock_op_check(op, where, err);

		if (r != STOW_OK)
			return r;
		n = copy_file_range(from, &offset, temp->fd, &at, want, 0);
		if (n < 0 && errno == EINTR)
			continue;
		/* other file systems, or an old kernel; a real fault shows again */
		if (n <= 0)
			return copy_through(fs, temp, op, at, from, offset, length, key, where,
			                    err);
		length -= n;
	}
	return STOW_OK;
}

int temp_sha256(const struct fs *fs, int fd, int64_t size, const struct stow_op *op,
                const char *key, const char *where, uint8_t ret[32], struct stow_error *err)
{
	cleanup_free char *buf = malloc(FS_CHUNK);
	struct hash hash;
	int64_t offset = 0;

	if (!buf)
		return error_nomem(err, where);
	hash_init(&hash, HASH_SHA256);
	while (offset < size) {
		int64_t left = size - offset;
		ssize_t n;
		int r = clock_op_check(op, where, err);

		if (r != STOW_OK)
			return r;
		n = pread(fd, buf, left < (int64_t)FS_CHUNK ? (size_t)left : FS_CHUNK, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return fs_error(fs, key, n < 0 ? errno : EIO, where, err);
		hash_update(&hash, buf, (size_t)n);
		offset += n;
	}
	hash_final(&hash, ret);
	return STOW_OK;
}

int temp_seal(const struct fs *fs, struct temp *temp, const char *key, const char *where,
              struct stow_error *err)
{
	int64_t now = clock_host_now(fs->host);
	struct timespec times[2];

	/* the kernel's own stamp is coarse: two versions of one key could get the same ETag */
	times[0].tv_sec = 0;
	times[0].tv_nsec = UTIME_OMIT;
	times[1].tv_sec = (time_t)(now / CLOCK_SECOND);
	times[1].tv_nsec = (long)(now % CLOCK_SECOND);
	if (futimens(temp->fd, times) != 0)
		return fs_error(fs, key, errno, where, err);
	if (fs->sync && fsync(temp->fd) != 0)
		return fs_error(fs, key, errno, where, err);
	return STOW_OK;
}

/* ---- sweeping ---- */

/* Does nobody have the writer's file open? Then it is locked until fd is closed. */
static bool is_left_alone(int dir, const char *name, int *ret_fd)
{
	*ret_fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	return *ret_fd >= 0 && flock(*ret_fd, LOCK_EX | LOCK_NB) == 0;
}

/* Is there a file whose name is this one's, with a suffix or without it? */
static bool has_partner(int dir, const char *name, size_t len, const char *suffix)
{
	char partner[TEMP_NAME_MAX];
	struct stat st;

	return text_format(partner, sizeof(partner), "%.*s%s", (int)len, name, suffix) &&
	       fstatat(dir, partner, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Whether a leftover of that name may go; *ret_fd holds its lock meanwhile. */
static bool may_sweep(int dir, const char *name, int *ret_fd)
{
	size_t len = strlen(name);

	if (text_starts(name, "p-"))
		return true;
	if (temp_is_writer(name, NULL))
		return !has_partner(dir, name, len, TEMP_PARKED_SUFFIX) &&
		       is_left_alone(dir, name, ret_fd);
	if (text_starts(name, "w-") && text_ends(name, TEMP_PARKED_SUFFIX))
		return !has_partner(dir, name, len - (sizeof(TEMP_PARKED_SUFFIX) - 1), "");
	return false;
}

void temp_sweep(const struct fs *fs)
{
	int64_t now = clock_host_now(fs->host);
	int swept = 0;
	int fd = -1;
	struct dirent *entry;
	DIR *dir;

	if (temp_folder(fs, false, "filesystem.sweep", &fd, NULL) != STOW_OK)
		return;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return;
	}
	while ((entry = readdir(dir))) {
		cleanup_fd int held = -1;
		struct stat st;
		int64_t mtime;

		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		mtime = (int64_t)st.st_mtim.tv_sec * CLOCK_SECOND + st.st_mtim.tv_nsec;
		if (now - mtime <= fs->stale_age || !may_sweep(fd, entry->d_name, &held))
			continue;
		if (unlinkat(fd, entry->d_name, 0) == 0)
			swept++;
	}
	closedir(dir);
	if (swept > 0)
		log_line(fs->host, STOW_LOG_INFO, "filesystem",
		         "swept %d unfinished files in %s/%s", swept, fs->root, TEMP_FOLDER);
}
