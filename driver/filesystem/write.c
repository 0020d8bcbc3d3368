/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writers: a locked temporary file that grows, and takes its key at the commit.
 * It must not let a byte be seen under the key before.
 */
#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "driver/filesystem/temp.h"
#include "driver/filesystem/unfinished.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* So many bytes go to the disk while the caller is still sending, so that the commit's fsync has
 * little left to wait for: it cannot be cancelled. */
#define WRITEBACK ((int64_t)8 << 20)

struct writer {
	struct fs *fs;
	char *key;
	char *if_match;
	struct temp temp;
	struct stow_put put;
	uint8_t sha256[32];
	struct hash hash; /* of the bytes so far, while hashing */
	bool hashing;     /* all bytes came by write */
	bool resumed;
	bool over;  /* committed, or never to be */
	bool keep;  /* parked: write_close leaves the file */
	bool ended; /* committed, parked or failed: nothing but write_close is allowed */
	int64_t offset;
	int64_t parked_at; /* what it went on from */
	int64_t written_back;
};

/* What the writer keeps of the caller's conditions. */
static int keep_put(struct writer *w, const struct stow_put *put, struct stow_error *err)
{
	w->put.size = sizeof(w->put);
	w->put.length = -1;
	if (!put)
		return STOW_OK;
	w->put.flags = put->flags;
	w->put.length = put->length;
	if (put->sha256) {
		memcpy(w->sha256, put->sha256, sizeof(w->sha256));
		w->put.sha256 = w->sha256;
	}
	if (put->if_match) {
		w->if_match = strdup(put->if_match);
		if (!w->if_match)
			return error_nomem(err, "filesystem.write");
		w->put.if_match = w->if_match;
	}
	return STOW_OK;
}

static int open_file(struct writer *w, const struct stow_put *put, struct stow_error *err)
{
	char stem[TEMP_NAME_MAX];
	int r;

	if (put && (put->parked || (put->flags & STOW_PUT_RESUME))) {
		w->resumed = true;
		return unfinished_open(w->fs, w->key, put, &w->temp, &w->offset, err);
	}
	temp_stem(w->key, stem);
	r = temp_create(w->fs, stem, put && (put->flags & STOW_PUT_PRIVATE), "filesystem.write",
	                &w->temp, err);
	if (r == STOW_OK)
		r = unfinished_lock(w->fs, &w->temp, w->key, err);
	return r;
}

int fs_write_open(void *self, const struct stow_op *op, const char *key, const struct stow_put *put,
                  void **ret_writer, int64_t *ret_offset, struct stow_error *err)
{
	struct fs *fs = self;
	struct writer *w;
	int r = fs_key_check(key, "filesystem.write", err);

	if (r == STOW_OK)
		r = fs_put_check(put, "filesystem.write", err);
	if (r == STOW_OK)
		r = fs_enter(fs, op, 1, "filesystem.write", err);
	if (r != STOW_OK)
		return r;
	w = calloc(1, sizeof(*w));
	if (!w)
		return error_nomem(err, "filesystem.write");
	w->fs = fs;
	w->temp.dir = -1;
	w->temp.fd = -1;
	w->key = strdup(key);
	r = w->key ? keep_put(w, put, err) : error_nomem(err, "filesystem.write");
	if (r == STOW_OK)
		r = open_file(w, put, err);
	if (r != STOW_OK) {
		fs_write_close(w, op);
		return r;
	}
	w->written_back = w->parked_at = w->offset;
	w->hashing = w->put.sha256 && w->offset == 0;
	if (w->hashing)
		hash_init(&w->hash, HASH_SHA256);
	*ret_writer = w;
	if (ret_offset)
		*ret_offset = w->offset;
	return STOW_OK;
}

static int enter_writer(struct writer *w, const struct stow_op *op, uint64_t requests,
                        struct stow_error *err)
{
	int r;

	if (w->ended)
		return error_set(err, STOW_EINVAL, "filesystem.write",
		                 "filesystem: %s: the writer has ended or failed", w->key);
	r = fs_enter(w->fs, op, requests, "filesystem.write", err);
	if (r != STOW_OK)
		w->ended = true;
	return r;
}

/* The bytes up to the offset are in the file. */
static void advance(struct writer *w, int64_t len)
{
	w->offset += len;
	if (!w->fs->sync || w->offset - w->written_back < WRITEBACK)
		return;
	/* begins, and does not wait; a failure shows at the fsync */
	sync_file_range(w->temp.fd, w->written_back, w->offset - w->written_back,
	                SYNC_FILE_RANGE_WRITE);
	w->written_back = w->offset;
}

int fs_write(void *handle, const struct stow_op *op, const void *data, size_t len,
             struct stow_error *err)
{
	struct writer *w = handle;
	int r = enter_writer(w, op, 0, err);

	if (r != STOW_OK)
		return r;
	if (len > (uint64_t)(INT64_MAX - w->offset))
		r = error_set(err, STOW_EINVAL, "filesystem.write",
		              "filesystem: %s: grows beyond what a file can hold", w->key);
	if (r == STOW_OK)
		r = temp_write(w->fs, &w->temp, op, w->offset, data, len, w->key,
		               "filesystem.write", err);
	if (r != STOW_OK) {
		w->ended = true;
		return r;
	}
	if (w->hashing)
		hash_update(&w->hash, data, len);
	advance(w, (int64_t)len);
	return STOW_OK;
}

int fs_write_copy(void *handle, const struct stow_op *op, const char *from, const char *if_match,
                  int64_t offset, int64_t length, struct stow_error *err)
{
	struct writer *w = handle;
	struct stat st;
	int fd = -1;
	int r = enter_writer(w, op, 1, err);

	if (r != STOW_OK)
		return r;
	r = fs_key_check(from, "filesystem.write", err);
	if (r == STOW_OK)
		r = fs_open_object(w->fs, from, if_match, "filesystem.write", &fd, &st, err);
	if (r == STOW_OK &&
	    (offset < 0 || length < 0 || offset > st.st_size || length > st.st_size - offset))
		r = error_set(err, STOW_ERANGE, "filesystem.write",
		              "filesystem: %s: %" PRId64 " bytes from %" PRId64
		              " on are not in %" PRId64,
		              from, length, offset, (int64_t)st.st_size);
	if (r == STOW_OK)
		r = temp_copy(w->fs, &w->temp, op, w->offset, fd, offset, length, from,
		              "filesystem.write", err);
	if (fd >= 0)
		close(fd);
	if (r != STOW_OK) {
		w->ended = true;
		return r;
	}
	w->hashing = false;
	advance(w, length);
	return STOW_OK;
}

/* Are the bytes what was announced? Those that did not pass through here are read again. */
static int check_whole(struct writer *w, const struct stow_op *op, struct stow_error *err)
{
	uint8_t sum[32];
	int r = STOW_OK;

	if (w->put.length >= 0 && w->put.length != w->offset)
		return error_set(err, STOW_ECORRUPT, "filesystem.write",
		                 "filesystem: %s: %" PRId64 " bytes written, %" PRId64 " announced",
		                 w->key, w->offset, w->put.length);
	if (!w->put.sha256)
		return STOW_OK;
	if (w->hashing)
		hash_final(&w->hash, sum);
	else
		r = temp_sha256(w->fs, w->temp.fd, w->offset, op, w->key, "filesystem.write", sum,
		                err);
	if (r == STOW_OK && memcmp(sum, w->put.sha256, sizeof(sum)) != 0)
		r = error_set(err, STOW_ECORRUPT, "filesystem.write",
		              "filesystem: %s: the bytes do not have the announced sha256", w->key);
	return r;
}

int fs_write_commit(void *handle, const struct stow_op *op, struct stow_stat *ret_stat,
                    struct stow_error *err)
{
	struct writer *w = handle;
	struct temp unfinished;
	struct stat st;
	int r = enter_writer(w, op, 1, err);

	if (r != STOW_OK)
		return r;
	w->ended = true;
	r = check_whole(w, op, err);
	if (r == STOW_OK)
		r = temp_seal(w->fs, &w->temp, w->key, "filesystem.write", err);
	/* the fsync may have taken its time, and nothing is visible yet */
	if (r == STOW_OK)
		r = clock_op_check(op, "filesystem.write", err);
	unfinished = w->temp;
	if (r == STOW_OK)
		r = temp_publish(w->fs, &w->temp, op, w->key, &w->put, "filesystem.write", &st,
		                 err);
	w->over = r == STOW_OK || error_is_verdict(r);
	if (r != STOW_OK)
		return r;
	if (w->resumed)
		unfinished_forget(&unfinished);
	if (ret_stat)
		fs_fill_stat(&st, ret_stat);
	return STOW_OK;
}

int fs_write_park(void *handle, const struct stow_op *op, void *buf, size_t cap, size_t *ret_len,
                  struct stow_error *err)
{
	struct writer *w = handle;
	int r = enter_writer(w, op, 1, err);

	if (r != STOW_OK)
		return r;
	w->ended = true;
	r = unfinished_park(w->fs, &w->temp, w->key, w->offset, buf, cap, ret_len, err);
	w->keep = r == STOW_OK;
	return r;
}

void fs_write_close(void *handle, const struct stow_op *op)
{
	struct writer *w = handle;

	(void)op;
	if (!w)
		return;
	/* it failed: what was parked before is as it was */
	if (w->resumed && w->ended && !w->over && !w->keep)
		w->keep = ftruncate(w->temp.fd, w->parked_at) == 0;
	if (w->keep) {
		temp_release(&w->temp);
	} else {
		if (w->resumed && w->temp.name[0] != '\0')
			unfinished_forget(&w->temp);
		temp_drop(&w->temp);
	}
	free(w->if_match);
	free(w->key);
	free(w);
}
