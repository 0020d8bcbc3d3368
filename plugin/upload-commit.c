/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of an upload: digest verified, then data, then the link, then the segments away.
 * It must not know how the bytes came; that is upload.c's.
 */
#include "common/cleanup.h"
#include "common/error.h"
#include "common/log.h"
#include "plugin/assemble.h"
#include "plugin/blob.h"
#include "plugin/presence.h"
#include "plugin/removal.h"
#include "plugin/upload.h"

#define WHERE "upload.commit"

static int mismatch(struct stow_upload *upload, const struct digest *found, struct stow_error *err)
{
	upload->mismatched = true;
	return error_set(err, STOW_ECORRUPT, WHERE, "upload %s: its bytes are %s, not %s",
	                 upload->token.uuid, found->text, upload->digest.text);
}

/* Another request that writes the same content, or a store that forbids to replace it, is no
 * failure where the content is there. */
static int accept_present(struct stow_upload *upload, const struct stow_op *op, int status,
                          int64_t size)
{
	int64_t there;

	if (status != STOW_EBUSY && status != STOW_EEXIST)
		return status;
	if (presence_data(upload->registry->store, op, &upload->digest, &there, NULL) == STOW_OK &&
	    there == size)
		return STOW_OK;
	return status;
}

static int put_empty(struct stow_upload *upload, const struct stow_op *op, struct stow_error *err)
{
	struct layout_key key;
	struct digest found;

	digest_of(&found, upload->digest.algorithm, "", 0);
	if (!digest_equal(&found, &upload->digest))
		return mismatch(upload, &found, err);
	layout_data(&key, &upload->digest);
	return store_put(upload->registry->store, op, key.text, "", 0, NULL, NULL, err);
}

static int commit_direct(struct stow_upload *upload, const struct stow_op *op,
                         struct stow_error *err)
{
	uint8_t value[HASH_MAX];
	struct stow_stat stat = { 0 };
	struct digest found;
	int status;

	if (upload->received == 0) {
		status = put_empty(upload, op, err);
		return accept_present(upload, op, status, 0);
	}
	hash_final(&upload->direct_hash, value);
	digest_from_value(&found, upload->digest.algorithm, value);
	if (!digest_equal(&found, &upload->digest))
		return mismatch(upload, &found, err);
	status = store_write_commit(upload->direct, op, &stat, err);
	if (status != STOW_OK)
		return accept_present(upload, op, status, upload->received);
	if (stat.size != upload->received)
		return error_set(err, STOW_EIO, WHERE, "%s: wrote %lld bytes, the store has %lld",
		                 upload->digest.text, (long long)upload->received,
		                 (long long)stat.size);
	return STOW_OK;
}

/* The digest of all the bytes; from the running hash where that is of the right kind, else they
 * are read again. */
static int find_digest(struct stow_upload *upload, const struct stow_op *op, struct chain *chain,
                       struct digest *ret, struct stow_error *err)
{
	const struct token *token = &upload->token;
	uint8_t value[HASH_MAX];
	int status;

	if (token->hash_known && token->hash.algorithm == upload->digest.algorithm) {
		struct hash hash = token->hash;

		hash_final(&hash, value);
		digest_from_value(ret, upload->digest.algorithm, value);
		return STOW_OK;
	}
	status = chain_find(chain, upload->registry->store, op, upload->name, token->uuid,
	                    &token->last, token->offset, err);
	if (status == STOW_OK)
		status = chain_digest(chain, upload->registry->store, op, upload->digest.algorithm,
		                      ret, err);
	return status;
}

/* What was uploaded is not what was meant: it goes, and the upload with it. */
static int refuse(struct stow_upload *upload, const struct stow_op *op, const struct digest *found,
                  struct stow_error *err)
{
	struct layout_key prefix;
	size_t n;
	int status;

	status = upload_look(upload->registry, op, upload->name, &upload->token, WHERE, err);
	if (status != STOW_OK)
		return status;
	layout_upload_prefix(&prefix, upload->name, upload->token.uuid);
	status = removal_prefix(upload->registry->store, op, prefix.text, &n, err);
	return status == STOW_OK ? mismatch(upload, found, err) : status;
}

static int copy_one(struct stow_upload *upload, const struct stow_op *op, struct stow_error *err)
{
	struct stow_put put = { .size = sizeof(put), .length = upload->token.offset };
	struct layout_key from, to;

	layout_segment(&from, upload->name, upload->token.uuid, &upload->token.last);
	layout_data(&to, &upload->digest);
	return store_copy(upload->registry->store, op, from.text, NULL, to.text, &put, err);
}

static int join_many(struct stow_upload *upload, const struct stow_op *op, struct chain *chain,
                     struct stow_error *err)
{
	struct stow_store *store = upload->registry->store;
	const struct token *token = &upload->token;
	int64_t there;
	int status = STOW_OK;

	if (!chain->parts)
		status = chain_find(chain, store, op, upload->name, token->uuid, &token->last,
		                    token->offset, err);
	if (status != STOW_OK)
		return status;
	status = presence_data(store, op, &upload->digest, &there, err);
	if (status == STOW_OK && there == token->offset)
		return STOW_OK;
	if (status != STOW_OK && status != STOW_ENOTFOUND)
		return status;
	return chain_write(chain, store, op, &upload->digest, err);
}

/* A copy that the store calls done is believed when the object is there, whole. */
static int confirm(struct stow_upload *upload, const struct stow_op *op, struct stow_error *err)
{
	int64_t there = -1;
	int status = presence_data(upload->registry->store, op, &upload->digest, &there, err);

	if (status == STOW_ENOTFOUND || (status == STOW_OK && there != upload->token.offset))
		return error_set(err, STOW_EIO, WHERE, "%s: copied, but %lld of %lld bytes there",
		                 upload->digest.text, (long long)there,
		                 (long long)upload->token.offset);
	return status;
}

static int write_data(struct stow_upload *upload, const struct stow_op *op, struct chain *chain,
                      struct stow_error *err)
{
	int status;

	if (upload->token.last.start == 0)
		status = copy_one(upload, op, err);
	else
		status = join_many(upload, op, chain, err);
	status = accept_present(upload, op, status, upload->token.offset);
	return status == STOW_OK ? confirm(upload, op, err) : status;
}

/* The segments are gone. Where the repository has the blob, an earlier answer to the same request
 * was lost, and this is it once more. */
static int already_done(struct stow_upload *upload, const struct stow_op *op,
                        struct stow_error *err)
{
	struct presence presence = { .digest = &upload->digest };
	int status;

	status = presence_check(upload->registry->store, upload->registry->cache, op, upload->name,
	                        LAYOUT_LAYERS, &presence, 1, err);
	if (status != STOW_OK)
		return status;
	if (presence.present && presence.size == upload->token.offset)
		return STOW_OK;
	return upload_unknown(WHERE, upload->token.uuid, "its bytes are gone", err);
}

/* As already_done, of a request that came with bytes, which were not stored. */
static int commit_lost(struct stow_upload *upload, const struct stow_op *op, struct stow_error *err)
{
	struct token *token = &upload->token;
	uint8_t value[HASH_MAX];
	struct digest found;

	if (token->hash_known && token->hash.algorithm == upload->digest.algorithm) {
		hash_final(&token->hash, value);
		digest_from_value(&found, upload->digest.algorithm, value);
		if (!digest_equal(&found, &upload->digest))
			return upload_unknown(WHERE, token->uuid, "its bytes are gone", err);
	}
	token->offset += upload->received;
	return already_done(upload, op, err);
}

/* The blob is there and linked: what goes wrong from here on is for the log. */
static void clean_up(struct stow_upload *upload, const struct stow_op *op)
{
	struct stow_store *store = upload->registry->store;
	struct stow_error err = { 0 };
	struct layout_key key;
	size_t n;
	int status;

	if (upload->token.seals == 1) {
		layout_segment(&key, upload->name, upload->token.uuid, &upload->token.last);
		status = store_remove(store, op, key.text, NULL, &err);
	} else {
		layout_upload_prefix(&key, upload->name, upload->token.uuid);
		status = removal_prefix(store, op, key.text, &n, &err);
	}
	if (status != STOW_OK)
		log_line(upload->registry->host, STOW_LOG_WARNING, "uploads",
		         "segments of upload %s stay: %s: %s", upload->token.uuid, err.where,
		         err.message);
}

static int commit_assembled(struct stow_upload *upload, const struct stow_op *op,
                            struct chain *chain, struct stow_error *err)
{
	struct digest found;
	int status;

	if (upload->lost)
		return commit_lost(upload, op, err);
	status = upload_finish_segment(upload, op, err);
	if (status != STOW_OK)
		return status;
	status = find_digest(upload, op, chain, &found, err);
	if (status == STOW_OK && !digest_equal(&found, &upload->digest))
		return refuse(upload, op, &found, err);
	if (status == STOW_OK)
		status = write_data(upload, op, chain, err);
	if (status == STOW_ENOTFOUND)
		return already_done(upload, op, err);
	if (status == STOW_OK)
		status = blob_link(upload->registry, op, upload->name, &upload->digest, err);
	if (status == STOW_OK)
		clean_up(upload, op);
	return status;
}

static int commit(struct stow_upload *upload, const struct stow_op *op, struct stow_error *err)
{
	struct chain chain = { 0 };
	int status;

	status = upload_require_whole(upload, WHERE, err);
	if (status == STOW_OK && !upload->has_digest)
		status = error_set(err, STOW_EINVAL, WHERE, "upload %s: opened without a digest",
		                   upload->token.uuid);
	if (status != STOW_OK)
		return status;
	if (!upload_is_direct(upload)) {
		status = commit_assembled(upload, op, &chain, err);
		chain_done(&chain);
		return status;
	}
	status = commit_direct(upload, op, err);
	return status == STOW_OK
	               ? blob_link(upload->registry, op, upload->name, &upload->digest, err)
	               : status;
}

int stow_upload_commit(struct stow_upload *upload, const struct stow_op *op,
                       struct stow_descriptor *ret, struct stow_error *err)
{
	struct stow_error fault = { 0 }; /* of attempts, too, that something else made good */
	int64_t size = upload->token.offset + upload->received;
	int status = commit(upload, op, &fault);

	upload->state = status == STOW_OK ? UPLOAD_DONE : UPLOAD_FAILED;
	if (status == STOW_ECORRUPT && !upload->mismatched)
		fault.status = STOW_EIO; /* the store's fault, not the client's */
	if (status != STOW_OK)
		return error_copy(err, &fault);
	registry_saw_data(upload->registry, &upload->digest, size);
	blob_describe(ret, &upload->digest, size);
	return STOW_OK;
}
