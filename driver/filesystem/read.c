/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers: an open descriptor, which is one version for as long as it is open.
 * It must not look at the key again once it is open.
 */
#include "common/cleanup.h"
#include "common/error.h"
#include "driver/filesystem/filesystem.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct reader {
	struct fs *fs;
	char *key; /* for error lines */
	int fd;
	int64_t offset;
	int64_t end;
};

int fs_read_open(void *self, const struct stow_op *op, const char *key, const char *if_match,
                 int64_t offset, int64_t length, void **ret_reader, struct stow_stat *ret_stat,
                 struct stow_error *err)
{
	struct fs *fs = self;
	cleanup_fd int fd = -1;
	struct reader *reader;
	struct stat st;
	int r = fs_key_check(key, "filesystem.read", err);

	if (r == STOW_OK && (offset < 0 || length < -1))
		r = error_set(err, STOW_EINVAL, "filesystem.read",
		              "filesystem: %s: offset %" PRId64 " or length %" PRId64
		              " is negative",
		              key, offset, length);
	if (r == STOW_OK)
		r = fs_enter(fs, op, 1, "filesystem.read", err);
	if (r == STOW_OK)
		r = fs_open_object(fs, key, if_match, "filesystem.read", &fd, &st, err);
	if (r != STOW_OK)
		return r;
	if (offset > st.st_size)
		return error_set(err, STOW_ERANGE, "filesystem.read",
		                 "filesystem: %s: offset %" PRId64 " lies beyond %" PRId64 " bytes",
		                 key, offset, (int64_t)st.st_size);
	reader = calloc(1, sizeof(*reader));
	if (reader)
		reader->key = strdup(key);
	if (!reader || !reader->key) {
		free(reader);
		return error_nomem(err, "filesystem.read");
	}
	reader->fs = fs;
	reader->fd = take_fd(&fd);
	reader->offset = offset;
	reader->end = st.st_size;
	if (length >= 0 && length < st.st_size - offset)
		reader->end = offset + length;
	if (ret_stat)
		fs_fill_stat(&st, ret_stat);
	*ret_reader = reader;
	return STOW_OK;
}

int fs_read(void *handle, const struct stow_op *op, void *buf, size_t cap, size_t *ret_len,
            struct stow_error *err)
{
	struct reader *reader = handle;
	int64_t left = reader->end - reader->offset;
	size_t want = cap < FS_CHUNK ? cap : FS_CHUNK;
	ssize_t n;
	int r = fs_enter(reader->fs, op, 0, "filesystem.read", err);

	if (r != STOW_OK)
		return r;
	if (left < (int64_t)want)
		want = (size_t)left;
	if (want == 0) {
		*ret_len = 0;
		return STOW_OK;
	}
	do
		n = pread(reader->fd, buf, want, reader->offset);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return fs_error(reader->fs, reader->key, errno, "filesystem.read", err);
	if (n == 0)
		return error_set(err, STOW_ECHANGED, "filesystem.read",
		                 "filesystem: %s: became shorter while it was read", reader->key);
	reader->offset += n;
	*ret_len = (size_t)n;
	return STOW_OK;
}

void fs_read_close(void *handle)
{
	struct reader *reader = handle;

	if (!reader)
		return;
	close(reader->fd);
	free(reader->key);
	free(reader);
}
