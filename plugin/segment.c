/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes one segment of an upload.
 * It must not know the upload's state beyond where the segment begins and whom it follows.
 */
#include "plugin/segment.h"

#include "common/cleanup.h"
#include "common/error.h"

#define WHERE "upload.segment"
#define COPY_BUFFER (64 * 1024)

static bool make_nonce(uint64_t *ret)
{
	do {
		if (!hash_random(ret, sizeof(*ret)))
			return false;
	} while (*ret == 0);
	return true;
}

int segment_begin(struct segment *segment, struct stow_store *store, const struct stow_op *op,
                  const char *name, const char *uuid, int64_t start, uint64_t parent,
                  int64_t length, struct stow_error *err)
{
	struct stow_put put = { .size = sizeof(put), .length = length };

	memset(segment, 0, sizeof(*segment));
	segment->id.start = start;
	segment->id.parent = parent;
	if (!make_nonce(&segment->id.nonce))
		return error_set(err, STOW_EIO, WHERE, "no random octets to be had");
	layout_segment(&segment->key, name, uuid, &segment->id);
	return store_write_open(store, op, segment->key.text, &put, &segment->writer, NULL, err);
}

int segment_write(struct segment *segment, const struct stow_op *op, const void *data, size_t len,
                  struct stow_error *err)
{
	int status = store_try_write(segment->writer, op, data, len, err);

	if (status == STOW_OK)
		segment->size += (int64_t)len;
	return status;
}

static int read_more(struct segment *segment, const struct stow_op *op, struct store_reader *reader,
                     int64_t size, struct stow_error *err)
{
	size_t len = 0;
	int status = store_read(reader, op, segment->absorbed, COPY_BUFFER, &len, err);

	if (status != STOW_OK)
		return status;
	if (len == 0 || (int64_t)len > size - segment->size)
		return error_set(err, STOW_ECORRUPT, WHERE,
		                 "the segment before %s is not %lld bytes", segment->key.text,
		                 (long long)size);
	segment->absorbed_len = len;
	return STOW_OK;
}

int segment_absorb(struct segment *segment, const struct stow_op *op, struct store_reader *reader,
                   int64_t size, struct stow_error *err)
{
	int status = STOW_OK;

	if (!segment->absorbed)
		segment->absorbed = malloc(COPY_BUFFER);
	if (!segment->absorbed)
		return error_nomem(err, WHERE);
	while (status == STOW_OK && segment->size < size) {
		if (segment->absorbed_len == 0)
			status = read_more(segment, op, reader, size, err);
		if (status == STOW_OK)
			status = segment_write(segment, op, segment->absorbed,
			                       segment->absorbed_len, err);
		if (status == STOW_OK)
			segment->absorbed_len = 0;
	}
	if (status == STOW_OK)
		free(take(segment->absorbed));
	return status;
}

int segment_finish(struct segment *segment, const struct stow_op *op, struct stow_error *err)
{
	struct stow_stat stat;
	int status;

	status = store_write_commit(segment->writer, op, &stat, err);
	if (status == STOW_OK && stat.size != segment->size)
		status = error_set(err, STOW_EIO, WHERE, "%s: wrote %lld bytes, the store has %lld",
		                   segment->key.text, (long long)segment->size,
		                   (long long)stat.size);
	if (status == STOW_OK)
		segment_close(segment, op);
	return status;
}

void segment_close(struct segment *segment, const struct stow_op *op)
{
	store_write_close(take(segment->writer), op);
	free(take(segment->absorbed));
}
