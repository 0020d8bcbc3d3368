/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads and writes link files.
 * It must not know which links there are, nor in which order they are written.
 */
#include "plugin/link.h"

#include "common/cleanup.h"
#include "common/error.h"

#define WHERE "link.read"

int link_parse(struct digest *ret, const char *body, size_t len, const char *key,
               const struct digest *path, struct stow_error *err)
{
	struct digest target;

	if (!digest_parse(&target, body, len))
		return error_set(err, STOW_ECORRUPT, WHERE, "%s: its %zu bytes are not a digest",
		                 key, len);
	if (path && !digest_equal(path, &target) &&
	    (path->algorithm == HASH_SHA256 || target.algorithm != HASH_SHA256))
		return error_set(err, STOW_ECORRUPT, WHERE, "%s: names %s", key, target.text);
	*ret = target;
	return STOW_OK;
}

static int too_long(const char *key, struct stow_error *err)
{
	return error_set(err, STOW_ECORRUPT, WHERE, "%s: longer than any digest", key);
}

int link_read(struct stow_store *store, const struct stow_op *op, const struct layout_key *key,
              const struct digest *path, struct digest *ret, struct stow_error *err)
{
	char body[LINK_BODY_MAX];
	size_t len = 0;
	int status;

	status = store_get(store, op, key->text, NULL, body, sizeof(body), &len, NULL, err);
	if (status == STOW_ERANGE)
		return too_long(key->text, err);
	if (status != STOW_OK)
		return status;
	return link_parse(ret, body, len, key->text, path, err);
}

void link_call(struct stow_call *call, const struct layout_key *key, char body[LINK_BODY_MAX],
               struct stow_error *item_err)
{
	*call = (struct stow_call){
		.verb = STOW_CALL_GET,
		.key = key->text,
		.buf = body,
		.len = LINK_BODY_MAX,
		.err = item_err,
	};
}

int link_call_result(const struct stow_call *call, const struct digest *path, struct digest *ret,
                     struct stow_error *err)
{
	if (call->status == STOW_ERANGE)
		return too_long(call->key, err);
	if (call->status != STOW_OK && call->err)
		return error_copy(err, call->err);
	if (call->status != STOW_OK)
		return error_set(err, call->status, WHERE, "%s: %s", call->key,
		                 error_status_text(call->status));
	return link_parse(ret, call->buf, call->ret_len, call->key, path, err);
}

int link_write(struct stow_store *store, const struct stow_op *op, const struct layout_key *keys,
               size_t n, const struct digest *digest, struct stow_error *err)
{
	cleanup_free struct stow_call *calls = NULL;
	cleanup_free struct stow_error *errs = NULL;
	size_t len = strlen(digest->text);
	int status;

	if (n == 1)
		return store_put(store, op, keys[0].text, digest->text, len, NULL, NULL, err);
	calls = calloc(n, sizeof(*calls));
	errs = calloc(n, sizeof(*errs));
	if (!calls || !errs)
		return error_nomem(err, "link.write");
	for (size_t i = 0; i < n; i++)
		calls[i] = (struct stow_call){
			.verb = STOW_CALL_PUT,
			.key = keys[i].text,
			.data = digest->text,
			.len = len,
			.err = &errs[i],
		};
	status = store_batch(store, op, calls, n, sizeof(calls[0]), err);
	for (size_t i = 0; i < n && status == STOW_OK; i++) {
		if (calls[i].status != STOW_OK)
			status = error_copy(err, &errs[i]);
	}
	return status;
}
