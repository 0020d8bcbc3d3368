/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stat, read, delete and mount of blobs, by the repository's link first.
 * It must not know how a blob came there, nor what manifests refer to it.
 */
#include "plugin/blob.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "plugin/link.h"
#include "plugin/name.h"
#include "plugin/presence.h"

#define REOPEN_MAX 8

struct stow_reader {
	struct stow_store *store;
	struct store_reader *handle;
	struct layout_key key;
	int64_t size;     /* of the whole blob */
	int64_t position; /* of the next byte */
	int64_t end;      /* where it stops */
	int reopened;
};

static void cleanup_reader(struct stow_reader **reader)
{
	stow_reader_close(*reader);
}

void blob_describe(struct stow_descriptor *ret, const struct digest *digest, int64_t size)
{
	memset(ret, 0, sizeof(*ret));
	ret->size = size;
	(void)text_copy(ret->digest, sizeof(ret->digest), digest->text);
	(void)text_copy(ret->media_type, sizeof(ret->media_type), "application/octet-stream");
}

int blob_link(struct stow_registry *registry, const struct stow_op *op, const char *name,
              const struct digest *digest, struct stow_error *err)
{
	struct layout_key key;

	layout_link(&key, name, LAYOUT_LAYERS, digest);
	return link_write(registry->store, op, &key, 1, digest, err);
}

static int require(const char *name, const char *text, struct digest *ret, const char *where,
                   struct stow_error *err)
{
	int status = name_require(name, where, err);

	return status == STOW_OK ? digest_require(ret, text, where, err) : status;
}

static int unknown(const char *where, const char *name, const struct digest *digest,
                   struct stow_error *err)
{
	return error_set(err, STOW_ENOTFOUND, where, "%s has no blob %s", name, digest->text);
}

/* Where the repository's link leads. */
static int find(struct stow_registry *registry, const struct stow_op *op, const char *where,
                const char *name, const struct digest *digest, struct digest *ret_target,
                struct stow_error *err)
{
	struct layout_key key;
	int status;

	layout_link(&key, name, LAYOUT_LAYERS, digest);
	status = link_read(registry->store, op, &key, digest, ret_target, err);
	return status == STOW_ENOTFOUND ? unknown(where, name, digest, err) : status;
}

int stow_blob_stat(struct stow_registry *registry, const struct stow_op *op, const char *name,
                   const char *text, struct stow_descriptor *ret, struct stow_error *err)
{
	static const char where[] = "blob.stat";
	struct digest digest, target;
	int64_t size;
	int status;

	status = require(name, text, &digest, where, err);
	if (status == STOW_OK)
		status = find(registry, op, where, name, &digest, &target, err);
	if (status != STOW_OK)
		return status;
	status = presence_data(registry->store, op, &target, &size, err);
	if (status == STOW_ENOTFOUND)
		return unknown(where, name, &digest, err);
	if (status == STOW_OK)
		blob_describe(ret, &digest, size);
	return status;
}

/* Opens at reader->position; fills size and end at the first time. */
static int reader_open(struct stow_reader *reader, const struct stow_op *op, int64_t length,
                       struct stow_error *err)
{
	struct stow_stat stat;
	int status;

	status = store_read_open(reader->store, op, reader->key.text, NULL, reader->position,
	                         length, &reader->handle, &stat, err);
	if (status != STOW_OK)
		return status;
	if (reader->size >= 0 && stat.size != reader->size)
		return error_set(err, STOW_ECORRUPT, "blob.read", "%s: was %lld bytes, is %lld",
		                 reader->key.text, (long long)reader->size, (long long)stat.size);
	reader->size = stat.size;
	return STOW_OK;
}

/* The offset lies behind the end: STOW_ERANGE with the size told, unless there is no blob at all.
 * err is that of the read. */
static int beyond(struct stow_registry *registry, const struct stow_op *op,
                  const struct digest *digest, const struct digest *target,
                  struct stow_descriptor *ret, struct stow_error *err)
{
	struct stow_error fault = { 0 };
	int64_t size;
	int status = presence_data(registry->store, op, target, &size, &fault);

	if (status != STOW_OK)
		return error_copy(err, &fault);
	blob_describe(ret, digest, size);
	return STOW_ERANGE;
}

int stow_blob_open(struct stow_registry *registry, const struct stow_op *op, const char *name,
                   const char *text, int64_t offset, int64_t length,
                   struct stow_reader **ret_reader, struct stow_descriptor *ret,
                   struct stow_error *err)
{
	static const char where[] = "blob.open";
	cleanup(cleanup_reader) struct stow_reader *reader = NULL;
	struct digest digest, target;
	int status;

	status = require(name, text, &digest, where, err);
	if (status != STOW_OK)
		return status;
	if (offset < 0 || length < -1)
		return error_set(err, STOW_EINVAL, where, "offset %lld, length %lld",
		                 (long long)offset, (long long)length);
	status = find(registry, op, where, name, &digest, &target, err);
	if (status != STOW_OK)
		return status;
	reader = calloc(1, sizeof(*reader));
	if (!reader)
		return error_nomem(err, where);
	reader->store = registry->store;
	reader->position = offset;
	reader->size = -1;
	layout_data(&reader->key, &target);
	status = reader_open(reader, op, length, err);
	if (status == STOW_ERANGE)
		status = beyond(registry, op, &digest, &target, ret, err);
	if (status == STOW_ENOTFOUND ||
	    (status == STOW_OK && reader->size == 0 && !digest_is_of_nothing(&digest)))
		return unknown(where, name, &digest, err);
	if (status != STOW_OK)
		return status;
	reader->end = reader->size;
	if (length >= 0 && length < reader->size - offset)
		reader->end = offset + length;
	blob_describe(ret, &digest, reader->size);
	*ret_reader = take(reader);
	return STOW_OK;
}

/* The data was written anew under the same key, with the same content, as its key promises. */
static int reader_reopen(struct stow_reader *reader, const struct stow_op *op,
                         struct stow_error *err)
{
	store_read_close(take(reader->handle));
	reader->reopened++;
	return reader_open(reader, op, reader->end - reader->position, err);
}

int stow_reader_read(struct stow_reader *reader, const struct stow_op *op, void *buf, size_t cap,
                     size_t *ret_len, struct stow_error *err)
{
	int64_t left = reader->end - reader->position;
	size_t len = 0;
	int status;

	if (left == 0 || cap == 0) {
		*ret_len = 0;
		return STOW_OK;
	}
	if ((uint64_t)left < cap)
		cap = (size_t)left;
	if (!reader->handle)
		return error_set(err, STOW_EINVAL, "blob.read", "%s: read after a failure",
		                 reader->key.text);
	status = store_read(reader->handle, op, buf, cap, &len, err);
	while (status == STOW_ECHANGED && reader->reopened < REOPEN_MAX) {
		status = reader_reopen(reader, op, err);
		if (status == STOW_OK)
			status = store_read(reader->handle, op, buf, cap, &len, err);
	}
	if (status == STOW_OK && len == 0)
		status = error_set(err, STOW_ECORRUPT, "blob.read", "%s: ends at %lld of %lld",
		                   reader->key.text, (long long)reader->position,
		                   (long long)reader->size);
	if (status != STOW_OK) {
		store_read_close(take(reader->handle));
		return status;
	}
	reader->position += (int64_t)len;
	*ret_len = len;
	return STOW_OK;
}

void stow_reader_close(struct stow_reader *reader)
{
	if (!reader)
		return;
	store_read_close(reader->handle);
	free(reader);
}

int stow_blob_delete(struct stow_registry *registry, const struct stow_op *op, const char *name,
                     const char *text, struct stow_error *err)
{
	static const char where[] = "blob.delete";
	struct layout_key key;
	struct digest digest;
	struct stow_stat stat;
	int status;

	status = registry_require_delete(registry, where, err);
	if (status == STOW_OK)
		status = require(name, text, &digest, where, err);
	if (status != STOW_OK)
		return status;
	layout_link(&key, name, LAYOUT_LAYERS, &digest);
	status = store_stat(registry->store, op, key.text, &stat, err);
	if (status == STOW_ENOTFOUND)
		return unknown(where, name, &digest, err);
	return status == STOW_OK ? store_remove(registry->store, op, key.text, NULL, err) : status;
}

int stow_blob_mount(struct stow_registry *registry, const struct stow_op *op, const char *name,
                    const char *from, const char *text, struct stow_descriptor *ret,
                    struct stow_error *err)
{
	static const char where[] = "blob.mount";
	struct digest digest;
	struct presence presence = { .digest = &digest };
	struct layout_key key;
	int status;

	status = require(name, text, &digest, where, err);
	if (status == STOW_OK)
		status = name_require(from, where, err);
	if (status == STOW_OK)
		status = presence_check(registry->store, op, from, LAYOUT_LAYERS, &presence, 1,
		                        err);
	if (status == STOW_OK && !presence.present)
		return unknown(where, from, &digest, err);
	if (status != STOW_OK)
		return status;
	/* An alias stays one: the data lies under what the source's link names. */
	layout_link(&key, name, LAYOUT_LAYERS, &digest);
	status = link_write(registry->store, op, &key, 1, &presence.target, err);
	if (status == STOW_OK)
		blob_describe(ret, &digest, presence.size);
	return status;
}
