/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads and writes signature blobs and their links.
 * It must not parse them.
 */
#include "plugin/signatures.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "plugin/link.h"
#include "plugin/listing.h"
#include "plugin/revision.h"
#include "plugin/schema1-text.h"

#define WHERE "manifest.schema1"
#define SLICE 16 /* read side by side */

struct known {
	size_t prefix_len;
	struct digest *digests; /* SIGNATURES_MAX */
	size_t n;
};

static int visit(void *arg, const struct stow_entry *entry, struct stow_error *err)
{
	struct known *known = arg;

	(void)err;
	if (known->n < SIGNATURES_MAX &&
	    layout_is_signature(entry->key + known->prefix_len, &known->digests[known->n]))
		known->n++;
	return STOW_OK;
}

/* Those that are linked. known->digests is the caller's to free in any case. */
static int list(struct stow_registry *registry, const struct stow_op *op, const char *name,
                const struct digest *revision, struct known *known, struct stow_error *err)
{
	struct layout_key prefix;

	known->digests = calloc(SIGNATURES_MAX, sizeof(*known->digests));
	if (!known->digests)
		return error_nomem(err, WHERE);
	layout_signatures_prefix(&prefix, name, revision);
	known->prefix_len = strlen(prefix.text);
	return listing_each(registry->store, op, prefix.text, NULL, visit, known, err);
}

/* ---- write ---- */

static bool is_known(const struct known *known, const struct digest *digest)
{
	for (size_t i = 0; i < known->n; i++) {
		if (digest_equal(&known->digests[i], digest))
			return true;
	}
	return false;
}

static int write_one(struct stow_registry *registry, const struct stow_op *op, const char *name,
                     const struct digest *revision, const struct buf *text, struct stow_error *err)
{
	struct layout_key key;
	struct digest digest;
	int status;

	digest_of(&digest, HASH_SHA256, text->data, text->len);
	layout_signature(&key, name, revision, &digest);
	status = revision_write_data(registry, op, &digest, text->data, text->len, err);
	return status == STOW_OK ? link_write(registry->store, op, &key, 1, &digest, err) : status;
}

int signatures_write(struct stow_registry *registry, const struct stow_op *op, const char *name,
                     const struct digest *revision, const struct buf *signatures, size_t n,
                     struct stow_error *err)
{
	struct known known = { 0 };
	size_t total;
	int status = list(registry, op, name, revision, &known, err);

	total = known.n;
	for (size_t i = 0; i < n && status == STOW_OK; i++) {
		struct digest digest;

		digest_of(&digest, HASH_SHA256, signatures[i].data, signatures[i].len);
		total += !is_known(&known, &digest);
	}
	free(known.digests);
	if (status == STOW_OK && total > SIGNATURES_MAX)
		status = error_set(err, STOW_EINVAL, WHERE, "%s@%s has %d signatures already", name,
		                   revision->text, SIGNATURES_MAX);
	for (size_t i = 0; i < n && status == STOW_OK; i++)
		status = write_one(registry, op, name, revision, &signatures[i], err);
	return status;
}

/* ---- read ---- */

struct slot { /* of one signature under way */
	struct layout_key link_key, data_key;
	char body[LINK_BODY_MAX];
	char data[SCHEMA1_SIGNATURE_MAX];
	struct stow_error errs[2];
};

static int judge(const struct stow_call calls[2], const struct digest *digest, struct buf *ret,
                 struct stow_error *err)
{
	struct digest target;
	int status = link_call_result(&calls[0], digest, &target, err);

	if (status == STOW_OK && calls[1].status == STOW_ERANGE)
		status = error_set(err, STOW_ECORRUPT, WHERE, "over 64 KiB");
	else if (status == STOW_OK && calls[1].status != STOW_OK)
		status = error_copy(err, calls[1].err);
	if (status == STOW_OK && !digest_matches(digest, calls[1].buf, calls[1].ret_len))
		status = error_set(err, STOW_ECORRUPT, WHERE, "the bytes under it are not its own");
	if (status != STOW_OK)
		return error_prefix(err, status, "signature %s", digest->text);
	buf_init(ret, SCHEMA1_SIGNATURE_MAX);
	return buf_add(ret, calls[1].buf, calls[1].ret_len) == STOW_OK ? STOW_OK
	                                                               : error_nomem(err, WHERE);
}

static int read_slice(struct stow_registry *registry, const struct stow_op *op, const char *name,
                      const struct digest *revision, const struct digest *digests, size_t n,
                      struct slot *slots, struct buf *ret, struct stow_error *err)
{
	struct stow_call calls[2 * SLICE];
	int status;

	for (size_t i = 0; i < n; i++) {
		struct slot *slot = &slots[i];

		slot->errs[0] = slot->errs[1] = (struct stow_error){ 0 };
		layout_signature(&slot->link_key, name, revision, &digests[i]);
		layout_data(&slot->data_key, &digests[i]);
		link_call(&calls[2 * i], &slot->link_key, slot->body, &slot->errs[0]);
		calls[2 * i + 1] = (struct stow_call){
			.verb = STOW_CALL_GET,
			.key = slot->data_key.text,
			.buf = slot->data,
			.len = sizeof(slot->data),
			.err = &slot->errs[1],
		};
	}
	status = store_batch(registry->store, op, calls, 2 * n, sizeof(calls[0]), err);
	for (size_t i = 0; i < n && status == STOW_OK; i++)
		status = judge(&calls[2 * i], &digests[i], &ret[i], err);
	return status;
}

int signatures_read(struct stow_registry *registry, const struct stow_op *op, const char *name,
                    const struct digest *revision, struct buf **ret, size_t *ret_n,
                    struct stow_error *err)
{
	struct known known = { 0 };
	cleanup_free struct slot *slots = NULL;
	struct buf *read = NULL;
	size_t total = 0;
	int status = list(registry, op, name, revision, &known, err);

	if (status == STOW_OK) {
		slots = calloc(SLICE, sizeof(*slots));
		read = calloc(known.n ? known.n : 1, sizeof(*read));
		if (!slots || !read)
			status = error_nomem(err, WHERE);
	}
	for (size_t i = 0; i < known.n && status == STOW_OK; i += SLICE) {
		size_t n = known.n - i < SLICE ? known.n - i : SLICE;

		status = read_slice(registry, op, name, revision, known.digests + i, n, slots,
		                    read + i, err);
		for (size_t j = i; j < i + n; j++)
			total += read[j].len;
		if (status == STOW_OK && total > STOW_MANIFEST_MAX)
			status = error_set(err, STOW_ECORRUPT, WHERE,
			                   "%s@%s: signatures of over 4 MiB", name, revision->text);
	}
	free(known.digests);
	if (status != STOW_OK) {
		signatures_free(read, known.n);
		return status;
	}
	*ret = read;
	*ret_n = known.n;
	return STOW_OK;
}

void signatures_free(struct buf *signatures, size_t n)
{
	for (size_t i = 0; signatures && i < n; i++)
		buf_done(&signatures[i]);
	free(signatures);
}
