/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds an upload's chain of segments, reads it, joins it.
 * It must not know which token leads to the chain, nor who waits for the blob.
 */
#include "plugin/assemble.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "plugin/listing.h"

#define WHERE "upload.assemble"
#define PARTS_MAX 262144 /* objects of one upload: 10 MiB of memory */
#define READ_BUFFER (256 * 1024)

static int add_part(struct chain *chain, size_t *cap, const struct segment_id *id, int64_t size,
                    struct stow_error *err)
{
	if (chain->n == PARTS_MAX)
		return error_set(err, STOW_ERANGE, WHERE, "upload %s: over %d segments",
		                 chain->uuid, PARTS_MAX);
	if (chain->n == *cap) {
		size_t larger = *cap ? 2 * *cap : 64;
		struct assemble_part *grown = reallocarray(chain->parts, larger, sizeof(*grown));

		if (!grown)
			return error_nomem(err, WHERE);
		chain->parts = grown;
		*cap = larger;
	}
	chain->parts[chain->n++] = (struct assemble_part){ .id = *id, .size = size };
	return STOW_OK;
}

struct gathering { /* of the segments under a uuid */
	struct chain *chain;
	size_t cap, prefix_len;
};

static int gather_part(void *arg, const struct stow_entry *entry, struct stow_error *err)
{
	struct gathering *gathering = arg;
	struct segment_id id;

	if (!layout_is_segment(entry->key + gathering->prefix_len, &id))
		return STOW_OK;
	return add_part(gathering->chain, &gathering->cap, &id, entry->size, err);
}

/* All segments that lie under the uuid, of whatever chain. */
static int list_parts(struct chain *chain, struct stow_store *store, const struct stow_op *op,
                      struct stow_error *err)
{
	struct gathering gathering = { .chain = chain };
	struct layout_key prefix;

	layout_upload_prefix(&prefix, chain->name, chain->uuid);
	gathering.prefix_len = strlen(prefix.text);
	return listing_each(store, op, prefix.text, NULL, gather_part, &gathering, err);
}

static int by_nonce(const void *a, const void *b)
{
	const struct assemble_part *x = a, *y = b;

	if (x->id.nonce != y->id.nonce)
		return x->id.nonce < y->id.nonce ? -1 : 1;
	return 0;
}

static struct assemble_part *find_nonce(const struct chain *all, uint64_t nonce)
{
	struct assemble_part wanted = { .id = { .nonce = nonce } };

	if (all->n == 0)
		return NULL;
	return bsearch(&wanted, all->parts, all->n, sizeof(wanted), by_nonce);
}

/* Goes back from the last segment; the starts fall with each step, so it ends. */
static int walk_back(struct chain *ret, const struct chain *all, const struct segment_id *last,
                     int64_t end, struct stow_error *err)
{
	struct segment_id wanted = *last;
	int64_t ends = end;
	size_t cap = 0;

	for (;;) {
		const struct assemble_part *part = find_nonce(all, wanted.nonce);
		int status;

		if (!part || part->size <= 0 || part->id.start != ends - part->size ||
		    (part->id.nonce == last->nonce &&
		     (part->id.start != last->start || part->id.parent != last->parent)))
			return error_set(err, STOW_ENOTFOUND, WHERE,
			                 "upload %s: no segment that ends at %lld", all->uuid,
			                 (long long)ends);
		status = add_part(ret, &cap, &part->id, part->size, err);
		if (status != STOW_OK)
			return status;
		if (part->id.start == 0)
			return STOW_OK;
		ends = part->id.start;
		wanted.nonce = part->id.parent;
	}
}

int chain_find(struct chain *ret, struct stow_store *store, const struct stow_op *op,
               const char *name, const char *uuid, const struct segment_id *last, int64_t end,
               struct stow_error *err)
{
	struct chain all = { .name = name, .uuid = uuid };
	struct chain chain = { .name = name, .uuid = uuid, .size = end };
	int status;

	status = list_parts(&all, store, op, err);
	if (status == STOW_OK) {
		if (all.n > 1)
			qsort(all.parts, all.n, sizeof(all.parts[0]), by_nonce);
		status = walk_back(&chain, &all, last, end, err);
	}
	chain_done(&all);
	if (status != STOW_OK) {
		chain_done(&chain);
		return status;
	}
	for (size_t i = 0; i < chain.n / 2; i++) {
		struct assemble_part part = chain.parts[i];

		chain.parts[i] = chain.parts[chain.n - 1 - i];
		chain.parts[chain.n - 1 - i] = part;
	}
	*ret = chain;
	return STOW_OK;
}

static int hash_part(struct hash *hash, struct stow_store *store, const struct stow_op *op,
                     const char *key, int64_t size, char *buf, struct stow_error *err)
{
	struct store_reader *reader = NULL;
	int64_t seen = 0;
	size_t len = 0;
	int status;

	status = store_read_open(store, op, key, NULL, 0, -1, &reader, NULL, err);
	while (status == STOW_OK) {
		status = store_read(reader, op, buf, READ_BUFFER, &len, err);
		if (status != STOW_OK || len == 0)
			break;
		hash_update(hash, buf, len);
		seen += (int64_t)len;
	}
	store_read_close(reader);
	if (status == STOW_OK && seen != size)
		status = error_set(err, STOW_EIO, WHERE, "%s: gave %lld of %lld bytes", key,
		                   (long long)seen, (long long)size);
	return status;
}

int chain_digest(const struct chain *chain, struct stow_store *store, const struct stow_op *op,
                 enum hash_algorithm algorithm, struct digest *ret, struct stow_error *err)
{
	cleanup_free char *buf = malloc(READ_BUFFER);
	uint8_t value[HASH_MAX];
	struct layout_key key;
	struct hash hash;
	int status = STOW_OK;

	if (!buf)
		return error_nomem(err, WHERE);
	hash_init(&hash, algorithm);
	for (size_t i = 0; i < chain->n && status == STOW_OK; i++) {
		layout_segment(&key, chain->name, chain->uuid, &chain->parts[i].id);
		status = hash_part(&hash, store, op, key.text, chain->parts[i].size, buf, err);
	}
	if (status != STOW_OK)
		return status;
	hash_final(&hash, value);
	digest_from_value(ret, algorithm, value);
	return STOW_OK;
}

int chain_write(const struct chain *chain, struct stow_store *store, const struct stow_op *op,
                const struct digest *digest, struct stow_error *err)
{
	struct stow_put put = { .size = sizeof(put), .length = chain->size };
	struct store_writer *writer = NULL;
	struct layout_key to, from;
	int status;

	layout_data(&to, digest);
	status = store_write_open(store, op, to.text, &put, &writer, NULL, err);
	for (size_t i = 0; i < chain->n && status == STOW_OK; i++) {
		layout_segment(&from, chain->name, chain->uuid, &chain->parts[i].id);
		status = store_write_copy(writer, op, from.text, NULL, 0, chain->parts[i].size,
		                          err);
	}
	if (status == STOW_OK)
		status = store_write_commit(writer, op, NULL, err);
	store_write_close(writer, op);
	return status;
}

void chain_done(struct chain *chain)
{
	free(chain->parts);
	chain->parts = NULL;
	chain->n = 0;
}
