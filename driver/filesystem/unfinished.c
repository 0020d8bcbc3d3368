/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parked and abandoned writes in TEMP_FOLDER.
 * It must not make one visible as an object.
 */
#include "driver/filesystem/unfinished.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define STATE_WORD "filesystem "

static int none(const char *key, struct stow_error *err)
{
	return error_set(err, STOW_ENOTFOUND, "filesystem.write",
	                 "filesystem: %s: no unfinished write", key);
}

int unfinished_lock(const struct fs *fs, const struct temp *temp, const char *key,
                    struct stow_error *err)
{
	if (flock(temp->fd, LOCK_EX | LOCK_NB) == 0 || errno == ENOLCK || errno == ENOSYS)
		return STOW_OK;
	if (errno != EWOULDBLOCK)
		return fs_error(fs, key, errno, "filesystem.write", err);
	error_set(err, STOW_EBUSY, "filesystem.write",
	          "filesystem: %s: its unfinished write is open elsewhere", key);
	error_flag(err, STOW_ERROR_RETRYABLE);
	return STOW_EBUSY;
}

/* Opens and locks temp->name. */
static int open_named(const struct fs *fs, struct temp *temp, const char *key, struct stat *ret,
                      struct stow_error *err)
{
	int r;

	temp->fd = openat(temp->dir, temp->name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (temp->fd < 0)
		return errno == ENOENT || errno == ELOOP
		               ? none(key, err)
		               : fs_error(fs, key, errno, "filesystem.write", err);
	r = unfinished_lock(fs, temp, key, err);
	if (r != STOW_OK)
		return r;
	if (fstat(temp->fd, ret) != 0)
		return fs_error(fs, key, errno, "filesystem.write", err);
	/* it became an object, or was purged, before we had the lock */
	return S_ISREG(ret->st_mode) && ret->st_nlink > 0 ? STOW_OK : none(key, err);
}

/* The name of the key's newest unfinished write; STOW_EBUSY flags one in use. */
static int find_newest(const struct fs *fs, int folder, const char *key, char *ret,
                       struct stow_error *err)
{
	char stem[TEMP_NAME_MAX];
	struct timespec newest = { 0 };
	bool found = false;
	struct dirent *entry;
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (!dir) {
		int errnum = errno;

		if (fd >= 0)
			close(fd);
		return fs_error(fs, key, errnum, "filesystem.write", err);
	}
	temp_stem(key, stem);
	while ((entry = readdir(dir))) {
		struct stat st;

		if (!temp_is_writer(entry->d_name, stem) ||
		    fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (found &&
		    (st.st_mtim.tv_sec < newest.tv_sec ||
		     (st.st_mtim.tv_sec == newest.tv_sec && st.st_mtim.tv_nsec < newest.tv_nsec)))
			continue;
		found = true;
		newest = st.st_mtim;
		text_copy(ret, TEMP_NAME_MAX, entry->d_name);
	}
	closedir(dir);
	return found ? STOW_OK : none(key, err);
}

/* "filesystem <name> <offset>", of this key. */
static bool parse_state(const char *key, const void *state, size_t len, char *ret_name,
                        int64_t *ret_offset)
{
	char text[256];
	char stem[TEMP_NAME_MAX];
	char *space;

	if (len >= sizeof(text))
		return false;
	memcpy(text, state, len);
	text[len] = '\0';
	if (strlen(text) != len || !text_starts(text, STATE_WORD))
		return false;
	space = strrchr(text, ' ');
	if (!space || space < text + sizeof(STATE_WORD) - 1)
		return false;
	*space = '\0';
	temp_stem(key, stem);
	return temp_is_writer(text + sizeof(STATE_WORD) - 1, stem) &&
	       text_copy(ret_name, TEMP_NAME_MAX, text + sizeof(STATE_WORD) - 1) &&
	       text_to_int64(space + 1, ret_offset);
}

int unfinished_open(const struct fs *fs, const char *key, const struct stow_put *put,
                    struct temp *ret, int64_t *ret_offset, struct stow_error *err)
{
	struct temp temp = TEMP_INIT;
	struct stat st = { 0 };
	int64_t offset = -1;
	int r = STOW_OK;

	if (put->parked && !parse_state(key, put->parked, put->parked_len, temp.name, &offset))
		return error_set(err, STOW_EINVAL, "filesystem.write",
		                 "filesystem: %s: not a state of an unfinished write", key);
	r = temp_folder(fs, false, "filesystem.write", &temp.dir, err);
	if (r == STOW_OK && !put->parked)
		r = find_newest(fs, temp.dir, key, temp.name, err);
	if (r == STOW_OK)
		r = open_named(fs, &temp, key, &st, err);
	if (r == STOW_OK && offset > st.st_size)
		r = error_set(err, STOW_ECORRUPT, "filesystem.write",
		              "filesystem: %s: the unfinished write has %" PRId64
		              " bytes, its state says %" PRId64,
		              key, (int64_t)st.st_size, offset);
	/* what came after the park is not vouched for */
	if (r == STOW_OK && offset >= 0 && offset < st.st_size && ftruncate(temp.fd, offset) != 0)
		r = fs_error(fs, key, errno, "filesystem.write", err);
	if (r != STOW_OK) {
		temp_release(&temp);
		return r;
	}
	*ret_offset = offset >= 0 ? offset : st.st_size;
	*ret = temp;
	return STOW_OK;
}

static bool key_file_name(const struct temp *temp, char ret[TEMP_NAME_MAX])
{
	return text_format(ret, TEMP_NAME_MAX, "%s%s", temp->name, TEMP_PARKED_SUFFIX);
}

/* The file beside it that holds the key, durable. */
static int write_key_file(const struct fs *fs, const struct temp *temp, const char *key,
                          struct stow_error *err)
{
	struct temp file = TEMP_INIT;
	int r;

	if (!key_file_name(temp, file.name))
		return fs_error(fs, key, ENAMETOOLONG, "filesystem.park", err);
	file.fd = openat(temp->dir, file.name,
	                 O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (file.fd < 0)
		return fs_error(fs, key, errno, "filesystem.park", err);
	r = temp_write(fs, &file, NULL, 0, key, strlen(key), key, "filesystem.park", err);
	if (r == STOW_OK)
		r = temp_seal(fs, &file, key, "filesystem.park", err);
	close(file.fd);
	if (r != STOW_OK)
		unlinkat(temp->dir, file.name, 0);
	return r;
}

int unfinished_park(const struct fs *fs, struct temp *temp, const char *key, int64_t offset,
                    void *buf, size_t cap, size_t *ret_len, struct stow_error *err)
{
	char state[256];
	size_t len;
	int r;

	text_format(state, sizeof(state), STATE_WORD "%s %" PRId64, temp->name, offset);
	len = strlen(state);
	if (len > cap)
		return error_set(err, STOW_ERANGE, "filesystem.park",
		                 "filesystem: the state takes %zu bytes, there is room for %zu",
		                 len, cap);
	r = temp_seal(fs, temp, key, "filesystem.park", err);
	if (r == STOW_OK)
		r = write_key_file(fs, temp, key, err);
	if (r == STOW_OK && fs->sync && fsync(temp->dir) != 0)
		r = fs_error(fs, key, errno, "filesystem.park", err);
	if (r != STOW_OK)
		return r;
	memcpy(buf, state, len);
	*ret_len = len;
	return STOW_OK;
}

void unfinished_forget(const struct temp *temp)
{
	char name[TEMP_NAME_MAX];

	if (temp->dir >= 0 && key_file_name(temp, name))
		unlinkat(temp->dir, name, 0);
}

/* ---- purge ---- */

/* Does the key in the file begin with prefix? */
static bool key_has_prefix(int dir, const char *name, const char *prefix)
{
	char key[STOW_KEY_MAX + 1];
	cleanup_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd >= 0 ? read(fd, key, sizeof(key) - 1) : -1;

	if (n <= 0)
		return false;
	key[n] = '\0';
	return text_starts(key, prefix);
}

/* Purges the write whose key file that is, if it is old enough and nobody has it open. */
static bool purge_one(const struct fs *fs, int dir, const char *key_file, int64_t older_than_ns,
                      int64_t now)
{
	struct temp temp = TEMP_INIT;
	struct stat st = { 0 };
	int64_t mtime;
	bool purged = false;

	if (!text_format(temp.name, sizeof(temp.name), "%.*s",
	                 (int)(strlen(key_file) - (sizeof(TEMP_PARKED_SUFFIX) - 1)), key_file))
		return false;
	temp.dir = dir;
	if (open_named(fs, &temp, temp.name, &st, NULL) == STOW_OK) {
		mtime = (int64_t)st.st_mtim.tv_sec * CLOCK_SECOND + st.st_mtim.tv_nsec;
		if (now - mtime >= older_than_ns && unlinkat(dir, temp.name, 0) == 0) {
			unlinkat(dir, key_file, 0);
			purged = true;
		}
	}
	if (temp.fd >= 0)
		close(temp.fd);
	return purged;
}

int fs_purge_writes(void *self, const struct stow_op *op, const char *prefix, int64_t older_than_ns,
                    uint64_t *ret_count, struct stow_error *err)
{
	struct fs *fs = self;
	struct stow_error no_folder = { 0 };
	struct dirent *entry;
	uint64_t count = 0;
	int64_t now;
	int fd = -1;
	DIR *dir;
	int r = fs_enter(fs, op, 1, "filesystem.purge", err);

	if (r != STOW_OK)
		return r;
	r = temp_folder(fs, false, "filesystem.purge", &fd, &no_folder);
	if (r != STOW_OK && r != STOW_ENOTFOUND)
		return error_copy(err, &no_folder);
	if (r == STOW_OK) {
		dir = fdopendir(fd);
		if (!dir) {
			r = fs_error(fs, TEMP_FOLDER, errno, "filesystem.purge", err);
			close(fd);
			return r;
		}
		now = clock_host_now(fs->host);
		while (r == STOW_OK && (entry = readdir(dir))) {
			if (text_starts(entry->d_name, "w-") &&
			    text_ends(entry->d_name, TEMP_PARKED_SUFFIX) &&
			    key_has_prefix(fd, entry->d_name, prefix) &&
			    purge_one(fs, fd, entry->d_name, older_than_ns, now))
				count++;
			r = clock_op_check(op, "filesystem.purge", err);
		}
		closedir(dir);
		if (r != STOW_OK)
			return r;
		temp_sweep(fs);
	}
	if (ret_count)
		*ret_count = count;
	return STOW_OK;
}
