/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads from their token to the next token: create, open, write, seal, status, cancel.
 * It must not know HTTP, nor how segments become a blob.
 */
#include "plugin/upload.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/text.h"
#include "plugin/name.h"
#include "plugin/removal.h"

int upload_unknown(const char *where, const char *uuid, const char *why, struct stow_error *err)
{
	return error_set(err, STOW_ENOTFOUND, where, "upload %.36s: %s", uuid ? uuid : "", why);
}

static int sign(struct stow_registry *registry, const char *name, const struct token *token,
                char *ret, struct stow_error *err)
{
	struct secret_key keys[SECRET_KEYS_MAX];
	size_t n;
	int status;

	status = secret_get(&registry->secret, keys, &n, err);
	if (status == STOW_OK)
		token_write(token, name, &keys[0], ret);
	explicit_bzero(keys, sizeof(keys));
	return status;
}

/* Signature, name, uuid and age: no look at the segments. */
static int verify(struct stow_registry *registry, const char *name, const char *uuid,
                  const char *text, const char *where, struct token *ret, struct stow_error *err)
{
	struct secret_key keys[SECRET_KEYS_MAX];
	struct token token;
	bool found;
	size_t n;
	int status;

	status = name_require(name, where, err);
	if (status == STOW_OK)
		status = secret_get(&registry->secret, keys, &n, err);
	if (status != STOW_OK)
		return status;
	found = token_read(&token, text, name, uuid, keys, n);
	explicit_bzero(keys, sizeof(keys));
	if (!found)
		return upload_unknown(where, uuid, "its token is not valid here", err);
	if (registry->upload_age_ns > 0 &&
	    clock_host_now(registry->host) - token.started_ns > registry->upload_age_ns)
		return upload_unknown(where, uuid, "it is older than [uploads] age", err);
	*ret = token;
	return STOW_OK;
}

static int64_t last_size(const struct token *token)
{
	return token->offset - token->last.start;
}

int stow_upload_create(struct stow_registry *registry, const char *name, const char *algorithm,
                       char *ret_token, char *ret_uuid, struct stow_error *err)
{
	static const char where[] = "upload.create";
	enum hash_algorithm hash = HASH_SHA256;
	struct token token = { .hash_known = true };
	int status;

	status = name_require(name, where, err);
	if (status != STOW_OK)
		return status;
	if (algorithm)
		hash = hash_by_name(algorithm, strnlen(algorithm, 16));
	if (!hash)
		return error_set(err, STOW_EINVAL, where, "\"%.16s\" is not a known algorithm",
		                 algorithm);
	if (!token_make_uuid(token.uuid))
		return error_set(err, STOW_EIO, where, "no random octets to be had");
	token.started_ns = clock_host_now(registry->host);
	hash_init(&token.hash, hash);
	status = sign(registry, name, &token, ret_token, err);
	if (status == STOW_OK)
		(void)text_copy(ret_uuid, STOW_UUID_LEN + 1, token.uuid);
	return status;
}

int stow_upload_offset(struct stow_registry *registry, const char *name, const char *uuid,
                       const char *text, int64_t *ret_offset, struct stow_error *err)
{
	struct token token;
	int status = verify(registry, name, uuid, text, "upload.offset", &token, err);

	if (status == STOW_OK)
		*ret_offset = token.offset;
	return status;
}

static int check_size(const struct layout_key *key, const struct token *token, int64_t size,
                      const char *where, struct stow_error *err)
{
	if (size == last_size(token))
		return STOW_OK;
	return error_set(err, STOW_ECORRUPT, where, "%s: %lld bytes, not %lld", key->text,
	                 (long long)size, (long long)last_size(token));
}

int upload_look(struct stow_registry *registry, const struct stow_op *op, const char *name,
                const struct token *token, const char *where, struct stow_error *err)
{
	struct layout_key key;
	struct stow_stat stat;
	int status;

	if (token->offset == 0)
		return STOW_OK;
	layout_segment(&key, name, token->uuid, &token->last);
	status = store_stat(registry->store, op, key.text, &stat, err);
	if (status == STOW_ENOTFOUND)
		return upload_unknown(where, token->uuid, "its bytes are gone", err);
	return status == STOW_OK ? check_size(&key, token, stat.size, where, err) : status;
}

/* Opens a last segment that is too small to stay; this is the look at it as well. */
static int open_previous(struct stow_upload *upload, const struct stow_op *op,
                         struct stow_error *err)
{
	static const char where[] = "upload.open";
	struct layout_key key;
	struct stow_stat stat;
	int status;

	layout_segment(&key, upload->name, upload->token.uuid, &upload->token.last);
	status = store_read_open(upload->registry->store, op, key.text, NULL, 0, -1,
	                         &upload->previous, &stat, err);
	if (status == STOW_ENOTFOUND)
		return upload_unknown(where, upload->token.uuid, "its bytes are gone", err);
	return status == STOW_OK ? check_size(&key, &upload->token, stat.size, where, err) : status;
}

static bool last_is_small(const struct token *token)
{
	return token->offset > 0 && last_size(token) < SEGMENT_MIN;
}

/* A commit's own work on the segments is look enough. */
static int look_at_open(struct stow_upload *upload, const struct stow_op *op,
                        struct stow_error *err)
{
	if (upload->has_digest)
		return STOW_OK;
	if (last_is_small(&upload->token))
		return open_previous(upload, op, err);
	return upload_look(upload->registry, op, upload->name, &upload->token, "upload.open", err);
}

int stow_upload_open(struct stow_registry *registry, const struct stow_op *op, const char *name,
                     const char *uuid, const char *text, int64_t length, const char *digest,
                     struct stow_upload **ret, struct stow_error *err)
{
	static const char where[] = "upload.open";
	struct stow_upload *upload;
	int status;

	if (length < -1)
		return error_set(err, STOW_EINVAL, where, "length %lld", (long long)length);
	upload = calloc(1, sizeof(*upload));
	if (!upload)
		return error_nomem(err, where);
	upload->registry = registry;
	upload->length = length;
	upload->has_digest = digest;
	status = verify(registry, name, uuid, text, where, &upload->token, err);
	if (status == STOW_OK)
		(void)text_copy(upload->name, sizeof(upload->name), name);
	if (status == STOW_OK && length > INT64_MAX - upload->token.offset)
		status = error_set(err, STOW_ERANGE, where, "upload %s: %lld bytes more cannot be",
		                   upload->token.uuid, (long long)length);
	if (status == STOW_OK && digest)
		status = digest_require(&upload->digest, digest, where, err);
	if (status == STOW_OK)
		status = look_at_open(upload, op, err);
	if (status != STOW_OK) {
		stow_upload_close(upload, op);
		return status;
	}
	*ret = upload;
	return STOW_OK;
}

static int begin_direct(struct stow_upload *upload, const struct stow_op *op,
                        struct stow_error *err)
{
	struct stow_put put = { .size = sizeof(put), .length = upload->length };
	struct layout_key key;

	/* the hash is checked here before the commit: a driver need not do it once more */
	hash_init(&upload->direct_hash, upload->digest.algorithm);
	layout_data(&key, &upload->digest);
	return store_write_open(upload->registry->store, op, key.text, &put, &upload->direct, NULL,
	                        err);
}

static int begin_segment(struct stow_upload *upload, const struct stow_op *op,
                         struct stow_error *err)
{
	const struct token *token = &upload->token;
	int64_t start = token->offset, length = upload->length;
	uint64_t parent = token->last.nonce;
	int status = STOW_OK;

	if (last_is_small(token)) {
		start = token->last.start;
		parent = token->last.parent;
		if (length >= 0)
			length += last_size(token);
		if (!upload->previous)
			status = open_previous(upload, op, err);
	} else if (upload->has_digest) {
		status = upload_look(upload->registry, op, upload->name, token, "upload.write",
		                     err);
	}
	if (status == STOW_OK)
		status = segment_begin(&upload->segment, upload->registry->store, op, upload->name,
		                       token->uuid, start, parent, length, err);
	return status;
}

/* The bytes of a small segment before it go first. */
static int absorb_previous(struct stow_upload *upload, const struct stow_op *op,
                           struct stow_error *err)
{
	int status;

	if (!upload->previous)
		return STOW_OK;
	status = segment_absorb(&upload->segment, op, upload->previous, last_size(&upload->token),
	                        err);
	if (status == STOW_OK)
		store_read_close(take(upload->previous));
	return status;
}

static int write_direct(struct stow_upload *upload, const struct stow_op *op, const void *data,
                        size_t len, struct stow_error *err)
{
	int status = upload->direct ? STOW_OK : begin_direct(upload, op, err);

	if (status == STOW_OK)
		status = store_try_write(upload->direct, op, data, len, err);
	if (status == STOW_OK)
		hash_update(&upload->direct_hash, data, len);
	return status;
}

static int write_segment(struct stow_upload *upload, const struct stow_op *op, const void *data,
                         size_t len, struct stow_error *err)
{
	struct stow_error fault = { 0 };
	int status = STOW_OK;

	if (!upload->segment.writer && !upload->lost)
		status = begin_segment(upload, op, &fault);
	if (status == STOW_OK && !upload->lost)
		status = absorb_previous(upload, op, &fault);
	if (status == STOW_ENOTFOUND && upload->has_digest) {
		/* The answer to an earlier commit may have been lost: that one will tell. */
		upload->lost = true;
		status = STOW_OK;
	}
	if (status != STOW_OK)
		return error_copy(err, &fault);
	if (!upload->lost)
		status = segment_write(&upload->segment, op, data, len, err);
	if (status == STOW_OK && upload->token.hash_known)
		hash_update(&upload->token.hash, data, len);
	return status;
}

int stow_upload_write(struct stow_upload *upload, const struct stow_op *op, const void *data,
                      size_t len, struct stow_error *err)
{
	static const char where[] = "upload.write";
	int64_t most = upload->length >= 0 ? upload->length : INT64_MAX - upload->token.offset;
	struct stow_error fault = { 0 };
	int status;

	if (upload->state != UPLOAD_OPEN)
		return error_set(err, STOW_EINVAL, where, "upload %s: its handle has ended",
		                 upload->token.uuid);
	if (len == 0)
		return STOW_OK;
	if (len > INT64_MAX || (int64_t)len > most - upload->received) {
		upload->state = UPLOAD_FAILED;
		return error_set(err, STOW_ERANGE, where, "upload %s: more bytes than announced",
		                 upload->token.uuid);
	}
	if (upload_is_direct(upload))
		status = write_direct(upload, op, data, len, &fault);
	else
		status = write_segment(upload, op, data, len, &fault);
	if (status == STOW_OK) {
		upload->received += (int64_t)len;
		return STOW_OK;
	}
	if (!store_asks_again(status, &fault))
		upload->state = UPLOAD_FAILED;
	return error_copy(err, &fault);
}

int upload_require_whole(const struct stow_upload *upload, const char *where,
                         struct stow_error *err)
{
	if (upload->state != UPLOAD_OPEN)
		return error_set(err, STOW_EINVAL, where, "upload %s: its handle has ended",
		                 upload->token.uuid);
	if (upload->length >= 0 && upload->received != upload->length)
		return error_set(err, STOW_ERANGE, where, "upload %s: %lld of %lld bytes came",
		                 upload->token.uuid, (long long)upload->received,
		                 (long long)upload->length);
	return STOW_OK;
}

int upload_finish_segment(struct stow_upload *upload, const struct stow_op *op,
                          struct stow_error *err)
{
	struct token *token = &upload->token;
	int status;

	if (!upload->segment.writer)
		return STOW_OK;
	if (token->seals == UINT32_MAX)
		return error_set(err, STOW_ERANGE, "upload.seal", "upload %s: too many segments",
		                 token->uuid);
	status = segment_finish(&upload->segment, op, err);
	if (status != STOW_OK)
		return status;
	token->last = upload->segment.id;
	token->offset += upload->received;
	token->seals++;
	return STOW_OK;
}

int stow_upload_seal(struct stow_upload *upload, const struct stow_op *op, char *ret_token,
                     int64_t *ret_offset, struct stow_error *err)
{
	static const char where[] = "upload.seal";
	int status;

	status = upload_require_whole(upload, where, err);
	if (status == STOW_OK && upload->direct)
		status = error_set(err, STOW_EINVAL, where, "upload %s: opened for a commit",
		                   upload->token.uuid);
	if (status == STOW_OK)
		status = upload_finish_segment(upload, op, err);
	if (status == STOW_OK)
		status = sign(upload->registry, upload->name, &upload->token, ret_token, err);
	upload->state = status == STOW_OK ? UPLOAD_DONE : UPLOAD_FAILED;
	if (status == STOW_OK)
		*ret_offset = upload->token.offset;
	return status;
}

void stow_upload_close(struct stow_upload *upload, const struct stow_op *op)
{
	if (!upload)
		return;
	store_read_close(upload->previous);
	segment_close(&upload->segment, op);
	store_write_close(upload->direct, op);
	free(upload);
}

int stow_upload_status(struct stow_registry *registry, const struct stow_op *op, const char *name,
                       const char *uuid, const char *text, int64_t *ret_offset,
                       struct stow_error *err)
{
	static const char where[] = "upload.status";
	struct token token;
	int status;

	status = verify(registry, name, uuid, text, where, &token, err);
	if (status == STOW_OK)
		status = upload_look(registry, op, name, &token, where, err);
	if (status == STOW_OK)
		*ret_offset = token.offset;
	return status;
}

int stow_upload_cancel(struct stow_registry *registry, const struct stow_op *op, const char *name,
                       const char *uuid, const char *text, struct stow_error *err)
{
	static const char where[] = "upload.cancel";
	struct layout_key prefix;
	struct token token;
	size_t n = 0;
	int status;

	status = verify(registry, name, uuid, text, where, &token, err);
	if (status != STOW_OK)
		return status;
	layout_upload_prefix(&prefix, name, uuid);
	status = removal_prefix(registry->store, op, prefix.text, &n, err);
	if (status == STOW_OK && n == 0 && token.offset > 0)
		return upload_unknown(where, uuid, "its bytes are gone", err);
	return status;
}
