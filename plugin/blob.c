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
	struct stow_registry *registry;
	struct store_reader *handle;
	struct layout_key key;
	char name[STOW_NAME_MAX + 1];
	struct digest digest, target;
	int64_t size;     /* of the whole blob; -1 until it is known */
	int64_t position; /* of the next byte */
	int64_t end;      /* where it stops */
	int reopened;
	bool verified; /* hash goes over all bytes */
	struct hash hash;
	struct cache_bytes *bytes; /* in place of handle: all of the blob */
	struct cache_bytes *keep;  /* fills, to be cached when it is whole */
	struct cache_read read;
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

/* It was seen a while ago, and is not there. */
static void forget_data(struct stow_registry *registry, const struct digest *target)
{
	if (target->algorithm)
		cache_clear(registry->cache, CACHE_DATA, "", target);
}

/* What the repository's link leads to, and its size, as the store says. */
static int look(struct stow_registry *registry, const struct stow_op *op, const char *where,
                const char *name, const struct digest *digest, struct cache_entry *ret,
                struct stow_error *err)
{
	struct cache_read read = cache_read_begin(registry->cache);
	int status = find(registry, op, where, name, digest, &ret->target, err);

	if (status == STOW_OK)
		status = presence_data(registry->store, op, &ret->target, &ret->size, err);
	if (status == STOW_ENOTFOUND) {
		forget_data(registry, &ret->target);
		return unknown(where, name, digest, err);
	}
	if (status != STOW_OK)
		return status;
	ret->bytes = NULL;
	cache_fill(registry->cache, read, CACHE_BLOB, name, digest, *ret);
	cache_fill(registry->cache, read, CACHE_DATA, "", &ret->target, *ret);
	return STOW_OK;
}

/* Where it lies and its size, as was seen a while ago or as the store says. */
static int locate(struct stow_registry *registry, const struct stow_op *op, const char *where,
                  const char *name, const char *text, struct digest *ret_digest,
                  struct cache_entry *ret, struct stow_error *err)
{
	struct cache_entry entry = { .size = 0 };
	int status = name_require_with_digest(name, text, ret_digest, where, err);

	if (status != STOW_OK)
		return status;
	if (!cache_get(registry->cache, CACHE_BLOB, name, ret_digest, &entry))
		status = look(registry, op, where, name, ret_digest, &entry, err);
	cache_bytes_unref(entry.bytes);
	entry.bytes = NULL;
	*ret = entry;
	return status;
}

int stow_blob_stat(struct stow_registry *registry, const struct stow_op *op, const char *name,
                   const char *text, struct stow_descriptor *ret, struct stow_error *err)
{
	struct cache_entry entry;
	struct digest digest;
	int status = locate(registry, op, "blob.stat", name, text, &digest, &entry, err);

	if (status == STOW_OK)
		blob_describe(ret, &digest, entry.size);
	return status;
}

int stow_blob_url(struct stow_registry *registry, const struct stow_op *op, const char *name,
                  const char *text, int64_t seconds, char *ret, size_t cap, struct stow_error *err)
{
	struct cache_entry entry;
	struct layout_key key;
	struct digest digest;
	int status = locate(registry, op, "blob.url", name, text, &digest, &entry, err);

	if (status != STOW_OK)
		return status;
	layout_data(&key, &entry.target);
	return store_presign(registry->store, op, key.text, "GET", seconds, ret, cap, err);
}

/* Opens at reader->position; fills size and end at the first time. */
static int reader_open(struct stow_reader *reader, const struct stow_op *op, int64_t length,
                       struct stow_error *err)
{
	struct stow_stat stat;
	int status;

	status = store_read_open(reader->registry->store, op, reader->key.text, NULL,
	                         reader->position, length, &reader->handle, &stat, err);
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
static int beyond(struct stow_reader *reader, const struct stow_op *op, struct stow_descriptor *ret,
                  struct stow_error *err)
{
	struct stow_error fault = { 0 };
	int64_t size = reader->size;
	int status = STOW_OK;

	if (size < 0)
		status = presence_data(reader->registry->store, op, &reader->target, &size, &fault);
	if (status != STOW_OK)
		return error_copy(err, &fault);
	blob_describe(ret, &reader->digest, size);
	return STOW_ERANGE;
}

/* What the cache has of it; false where it must be looked for in the store. */
static bool open_cached(struct stow_reader *reader)
{
	struct cache_entry entry = { .size = -1 };

	if (!cache_get(reader->registry->cache, CACHE_BLOB, reader->name, &reader->digest, &entry))
		return false;
	reader->target = entry.target;
	reader->size = entry.size;
	reader->bytes = entry.bytes;
	reader->read = entry.read; /* a small one's bytes live as long as what confirmed it */
	return true;
}

/* Opens the data, after the link where the cache does not know that it leads there. */
static int open_data(struct stow_reader *reader, const struct stow_op *op, int64_t length,
                     bool cached, struct stow_error *err)
{
	struct stow_registry *registry = reader->registry;
	struct cache_entry entry = { .size = -1 };
	int status = STOW_OK;

	if (!cached) {
		reader->read = cache_read_begin(registry->cache);
		status = find(registry, op, "blob.open", reader->name, &reader->digest,
		              &reader->target, err);
	}
	if (status != STOW_OK)
		return status;
	layout_data(&reader->key, &reader->target);
	status = reader_open(reader, op, length, err);
	if (status == STOW_OK && reader->size == 0 && !digest_is_of_nothing(&reader->digest))
		status = STOW_ENOTFOUND;
	if (status == STOW_ENOTFOUND)
		forget_data(registry, &reader->target);
	if (status != STOW_OK || cached)
		return status;
	entry.size = reader->size;
	entry.target = reader->target;
	cache_fill(registry->cache, reader->read, CACHE_BLOB, reader->name, &reader->digest, entry);
	cache_fill(registry->cache, reader->read, CACHE_DATA, "", &reader->target, entry);
	return STOW_OK;
}

/* The cache's word is taken only where the store keeps it. */
static int open_reader(struct stow_reader *reader, const struct stow_op *op, int64_t length,
                       struct stow_error *err)
{
	bool cached = open_cached(reader);
	int status;

	if (cached && reader->position > reader->size)
		return STOW_ERANGE;
	if (reader->bytes)
		return STOW_OK;
	status = open_data(reader, op, length, cached, err);
	if (!cached || (status != STOW_ENOTFOUND && status != STOW_ECORRUPT))
		return status;
	store_read_close(take(reader->handle));
	cache_clear(reader->registry->cache, CACHE_BLOB, reader->name, &reader->digest);
	reader->size = -1;
	return open_data(reader, op, length, false, err);
}

/* A whole blob is hashed as it passes; a small one is kept for the next reader. */
static void watch(struct stow_reader *reader)
{
	struct stow_registry *registry = reader->registry;

	if (reader->bytes || reader->position != 0 || reader->end != reader->size ||
	    reader->size == 0)
		return;
	reader->verified = registry->verify || reader->size <= registry->cached_blob;
	if (!reader->verified)
		return;
	hash_init(&reader->hash, reader->digest.algorithm);
	if (reader->size > registry->cached_blob || reader->read.began_ns == 0)
		return;
	reader->keep = cache_bytes_new(NULL, (size_t)reader->size);
}

int stow_blob_open(struct stow_registry *registry, const struct stow_op *op, const char *name,
                   const char *text, int64_t offset, int64_t length,
                   struct stow_reader **ret_reader, struct stow_descriptor *ret,
                   struct stow_error *err)
{
	static const char where[] = "blob.open";
	cleanup(cleanup_reader) struct stow_reader *reader = NULL;
	struct digest digest;
	int status;

	status = name_require_with_digest(name, text, &digest, where, err);
	if (status != STOW_OK)
		return status;
	if (offset < 0 || length < -1)
		return error_set(err, STOW_EINVAL, where, "offset %lld, length %lld",
		                 (long long)offset, (long long)length);
	reader = calloc(1, sizeof(*reader));
	if (!reader)
		return error_nomem(err, where);
	reader->registry = registry;
	reader->digest = digest;
	reader->position = offset;
	reader->size = -1;
	(void)text_copy(reader->name, sizeof(reader->name), name);
	status = open_reader(reader, op, length, err);
	if (status == STOW_ERANGE)
		status = beyond(reader, op, ret, err);
	if (status == STOW_ENOTFOUND)
		return unknown(where, name, &digest, err);
	if (status != STOW_OK)
		return status;
	reader->end = reader->size;
	if (length >= 0 && length < reader->size - offset)
		reader->end = offset + length;
	watch(reader);
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

/* All bytes are here, the last of them not given out yet: are they the digest's? */
static int verify(struct stow_reader *reader, struct stow_error *err)
{
	struct stow_registry *registry = reader->registry;
	uint8_t value[HASH_MAX];
	struct digest found;

	hash_final(&reader->hash, value);
	digest_from_value(&found, reader->digest.algorithm, value);
	if (!digest_equal(&found, &reader->digest)) {
		__atomic_add_fetch(&registry->mismatches, 1, __ATOMIC_RELAXED);
		cache_clear(registry->cache, CACHE_BLOB, reader->name, &reader->digest);
		return error_set(err, STOW_ECORRUPT, "blob.read", "%s: its bytes are %s",
		                 reader->key.text, found.text);
	}
	if (reader->keep)
		cache_fill(registry->cache, reader->read, CACHE_BLOB, reader->name, &reader->digest,
		           (struct cache_entry){ .size = reader->size,
		                                 .target = reader->target,
		                                 .bytes = take(reader->keep) });
	return STOW_OK;
}

static int read_store(struct stow_reader *reader, const struct stow_op *op, void *buf, size_t cap,
                      size_t *ret_len, struct stow_error *err)
{
	struct stow_error fault = { 0 };
	int status;

	if (!reader->handle)
		return error_set(err, STOW_EINVAL, "blob.read", "%s: read after a failure",
		                 reader->key.text);
	status = store_try_read(reader->handle, op, buf, cap, ret_len, &fault);
	while (status == STOW_ECHANGED && reader->reopened < REOPEN_MAX) {
		status = reader_reopen(reader, op, &fault);
		if (status == STOW_OK)
			status = store_try_read(reader->handle, op, buf, cap, ret_len, &fault);
	}
	if (status != STOW_OK)
		error_copy(err, &fault);
	if (store_asks_again(status, &fault) && op && op->flags & STOW_OP_NOWAIT)
		return status;
	if (status == STOW_OK && *ret_len == 0)
		status = error_set(err, STOW_ECORRUPT, "blob.read", "%s: ends at %lld of %lld",
		                   reader->key.text, (long long)reader->position,
		                   (long long)reader->size);
	if (status == STOW_OK && reader->keep)
		memcpy(reader->keep->data + reader->position, buf, *ret_len);
	if (status == STOW_OK && reader->verified) {
		hash_update(&reader->hash, buf, *ret_len);
		if (reader->position + (int64_t)*ret_len == reader->end)
			status = verify(reader, err);
	}
	if (status != STOW_OK)
		store_read_close(take(reader->handle));
	return status;
}

int stow_reader_read(struct stow_reader *reader, const struct stow_op *op, void *buf, size_t cap,
                     size_t *ret_len, struct stow_error *err)
{
	int64_t left = reader->end - reader->position;
	size_t len = 0;
	int status = STOW_OK;

	if (left == 0 || cap == 0) {
		*ret_len = 0;
		return STOW_OK;
	}
	if ((uint64_t)left < cap)
		cap = (size_t)left;
	if (reader->bytes) {
		len = cap;
		memcpy(buf, reader->bytes->data + reader->position, len);
	} else {
		status = read_store(reader, op, buf, cap, &len, err);
	}
	if (status != STOW_OK)
		return status;
	reader->position += (int64_t)len;
	*ret_len = len;
	return STOW_OK;
}

void stow_reader_close(struct stow_reader *reader)
{
	if (!reader)
		return;
	store_read_close(reader->handle);
	cache_bytes_unref(reader->bytes);
	cache_bytes_unref(reader->keep);
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
		status = name_require_with_digest(name, text, &digest, where, err);
	if (status != STOW_OK)
		return status;
	layout_link(&key, name, LAYOUT_LAYERS, &digest);
	status = store_stat(registry->store, op, key.text, &stat, err);
	if (status == STOW_ENOTFOUND)
		return unknown(where, name, &digest, err);
	if (status != STOW_OK)
		return status;
	cache_clear(registry->cache, CACHE_BLOB, name, &digest);
	status = store_remove(registry->store, op, key.text, NULL, err);
	cache_clear(registry->cache, CACHE_BLOB, name, &digest);
	return status;
}

/* What is to be linked: where the data lies, and its size. */
static int find_for_mount(struct stow_registry *registry, const struct stow_op *op,
                          const char *from, const struct digest *digest, struct presence *ret,
                          struct stow_error *err)
{
	static const char where[] = "blob.mount";
	int status;

	ret->digest = digest;
	ret->target = *digest;
	if (from) {
		status = presence_check(registry->store, registry->cache, op, from, LAYOUT_LAYERS,
		                        ret, 1, err);
		return status == STOW_OK && !ret->present ? unknown(where, from, digest, err)
		                                          : status;
	}
	if (!registry->anonymous_mount)
		return error_set(err, STOW_ENOTSUP, where,
		                 "mounts without from are off: [uploads] anonymousmount = no");
	status = presence_data(registry->store, op, digest, &ret->size, err);
	return status == STOW_ENOTFOUND ? unknown(where, "the store", digest, err) : status;
}

int stow_blob_mount(struct stow_registry *registry, const struct stow_op *op, const char *name,
                    const char *from, const char *text, struct stow_descriptor *ret,
                    struct stow_error *err)
{
	static const char where[] = "blob.mount";
	struct presence presence = { 0 };
	struct layout_key keys[2];
	struct digest digest;
	size_t n = 1;
	int status;

	status = name_require_with_digest(name, text, &digest, where, err);
	if (status == STOW_OK && from)
		status = name_require(from, where, err);
	if (status == STOW_OK)
		status = find_for_mount(registry, op, from, &digest, &presence, err);
	if (status != STOW_OK)
		return status;
	/* An alias stays one: the data lies under what the source's link names, which Distribution
	 * then looks for under its own link. */
	layout_link(&keys[0], name, LAYOUT_LAYERS, &digest);
	if (!digest_equal(&digest, &presence.target))
		layout_link(&keys[n++], name, LAYOUT_LAYERS, &presence.target);
	status = link_write(registry->store, op, keys, n, &presence.target, err);
	if (status == STOW_OK)
		blob_describe(ret, &digest, presence.size);
	return status;
}
