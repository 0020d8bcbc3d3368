/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads: POST, PATCH, PUT, GET, DELETE.  It must not know what a token holds nor where the
 * bytes of an upload lie.
 */
#include "common/hash.h"
#include "common/text.h"
#include "host/serve/actions.h"
#include "host/serve/range.h"

/* Where the upload goes on: the token's upload, with its bytes so far. */
static void add_state(struct exchange *x, const char *uuid, const char *token, int64_t offset)
{
	answer_location(x, "/v2/%s/blobs/uploads/%s?_state=%s", x->request.route.name, uuid, token);
	/* one byte and none look the same: what peers send, and clients know it */
	reply_header(&x->reply, "Range", "0-%lld", (long long)(offset > 0 ? offset - 1 : 0));
	reply_header(&x->reply, "Docker-Upload-UUID", "%s", uuid);
}

static void fault(struct exchange *x, int status, const struct stow_error *err)
{
	answer_fault(x, status, err, "BLOB_UPLOAD_UNKNOWN", "BLOB_UPLOAD_INVALID");
}

static void created(struct exchange *x, const char *digest)
{
	x->reply.status = 201;
	answer_location(x, "/v2/%s/blobs/%s", x->request.route.name, digest);
	reply_header(&x->reply, "Docker-Content-Digest", "%s", digest);
}

/* ---- Content-Range, PATCH and PUT ---- */

static bool check_chunk(struct exchange *x)
{
	const char *range = x->request.header[HEADER_CONTENT_RANGE];

	if (!range)
		return true;
	if (x->request.header_times[HEADER_CONTENT_RANGE] != 1 ||
	    !range_parse_chunk(range, &x->first, &x->last)) {
		x->first = -1;
		reply_error(&x->reply, 400, "SIZE_INVALID", "Content-Range is not <first>-<last>",
		            range);
		return false;
	}
	if (x->request.length >= 0 && x->request.length != x->last - x->first + 1) {
		reply_error(&x->reply, 400, "SIZE_INVALID",
		            "Content-Range and Content-Length do not agree", range);
		return false;
	}
	return true;
}

static bool check_state(struct exchange *x)
{
	const char *state = x->request.route.state;

	if (state && strlen(state) < STOW_TOKEN_MAX)
		return true;
	reply_error(&x->reply, 404, "BLOB_UPLOAD_UNKNOWN", "not known to this registry", NULL);
	return false;
}

/* Would so many bytes more be too many? Then the reply is made. */
static bool is_too_large(struct exchange *x, int64_t more)
{
	int64_t most = x->service->max_blob;

	if (most == 0 || more <= most - x->offset)
		return false;
	reply_error(&x->reply, 413, "SIZE_INVALID", "the blob is larger than this registry takes",
	            NULL);
	return true;
}

/* Does the body begin where the upload ends? */
static bool start_chunk(struct exchange *x, const char *digest)
{
	const struct route *r = &x->request.route;
	struct stow_registry *registry = x->service->registry;
	struct stow_op op = exchange_op(x, x->service->request_timeout);
	struct stow_error err = { 0 };
	int status = stow_upload_offset(registry, r->name, r->reference, r->state, &x->offset,
	                                &err);

	if (status == STOW_OK && x->first >= 0 && x->first != x->offset) {
		/* a chunk for an upload that is gone is no question of ranges */
		status = stow_upload_status(registry, &op, r->name, r->reference, r->state,
		                            &x->offset, &err);
		if (status == STOW_OK) {
			add_state(x, r->reference, r->state, x->offset);
			reply_error(&x->reply, 416, "RANGE_INVALID",
			            "the chunk does not begin where the upload ends", NULL);
			return false;
		}
	}
	if (status == STOW_OK && is_too_large(x, x->request.length))
		return false;
	if (status == STOW_OK)
		status = stow_upload_open(registry, &op, r->name, r->reference, r->state,
		                          x->request.length, digest, &x->upload, &err);
	if (status == STOW_OK)
		return true;
	fault(x, status, &err);
	return false;
}

static bool write_chunk(struct exchange *x, const char *data, size_t len)
{
	struct stow_op op = exchange_op(x, x->service->request_timeout);
	struct stow_error err = { 0 };
	int status;

	if (x->first >= 0 && x->body_len + (int64_t)len > x->last - x->first + 1) {
		reply_error(&x->reply, 400, "SIZE_INVALID", "the body is longer than Content-Range",
		            NULL);
		return false;
	}
	if (is_too_large(x, x->body_len + (int64_t)len))
		return false;
	/* no worker waits for the memory that a slow client may hold */
	op.flags |= STOW_OP_NOWAIT;
	status = stow_upload_write(x->upload, &op, data, len, &err);
	x->again = status == STOW_EBUSY && err.flags & STOW_ERROR_AGAIN;
	if (status == STOW_OK || x->again)
		return true;
	fault(x, status, &err);
	return false;
}

/* A body of unknown length is measured when it has ended. */
static bool chunk_is_whole(struct exchange *x)
{
	if (x->first < 0 || x->body_len == x->last - x->first + 1)
		return true;
	reply_error(&x->reply, 400, "SIZE_INVALID", "the body is shorter than Content-Range", NULL);
	return false;
}

static void drop_upload(struct exchange *x)
{
	struct stow_op op = exchange_op(x, x->service->request_timeout);

	stow_upload_close(x->upload, &op);
	x->upload = NULL;
}

/* ---- PATCH ---- */

static bool check_patch(struct exchange *x)
{
	return check_state(x) && check_chunk(x);
}

static bool start_patch(struct exchange *x)
{
	return start_chunk(x, NULL);
}

static void finish_patch(struct exchange *x)
{
	struct stow_op op = exchange_op(x, x->service->commit_timeout);
	struct stow_error err = { 0 };
	char token[STOW_TOKEN_MAX];
	int64_t offset = 0;
	int status;

	if (!chunk_is_whole(x)) {
		drop_upload(x);
		return;
	}
	status = stow_upload_seal(x->upload, &op, token, &offset, &err);
	drop_upload(x);
	if (status != STOW_OK) {
		fault(x, status, &err);
		return;
	}
	x->reply.status = 202;
	add_state(x, x->request.route.reference, token, offset);
}

/* ---- PUT ---- */

static bool check_put(struct exchange *x)
{
	return answer_check_digest(x, x->request.route.digest) && check_state(x) && check_chunk(x);
}

static bool start_put(struct exchange *x)
{
	return start_chunk(x, x->request.route.digest);
}

static void finish_put(struct exchange *x)
{
	struct stow_op op = exchange_op(x, x->service->commit_timeout);
	struct stow_error err = { 0 };
	struct stow_descriptor d = { 0 };
	int status;

	if (!chunk_is_whole(x)) {
		drop_upload(x);
		return;
	}
	status = stow_upload_commit(x->upload, &op, &d, &err);
	drop_upload(x);
	if (status == STOW_OK) {
		created(x, d.digest);
	} else if (status == STOW_ECORRUPT) {
		reply_error(&x->reply, 400, "DIGEST_INVALID",
		            "the digest is not that of the bytes sent", x->request.route.digest);
		sink_event(x->service->sink, STOW_LOG_INFO, x->action->label, x->trace, "%s",
		           err.message);
	} else {
		fault(x, status, &err);
	}
}

/* ---- POST ---- */

static bool check_post(struct exchange *x)
{
	const struct route *r = &x->request.route;

	if (r->mount) {
		if (!answer_check_digest(x, r->mount))
			return false;
		if (!r->from || stow_name_check(r->from) == STOW_OK)
			return true;
		reply_error(&x->reply, 400, "NAME_INVALID", "not a repository name", r->from);
		return false;
	}
	if (r->algorithm && !hash_by_name(r->algorithm, strlen(r->algorithm))) {
		reply_error(&x->reply, 400, "DIGEST_INVALID", "not a known algorithm",
		            r->algorithm);
		return false;
	}
	if (!r->digest)
		return true;
	x->body = BODY_STREAM;
	return answer_check_digest(x, r->digest);
}

static bool create(struct exchange *x, char *ret_token, char *ret_uuid)
{
	const struct route *r = &x->request.route;
	const char *algorithm = r->algorithm;
	struct stow_error err = { 0 };
	char named[16];
	int status;

	if (!algorithm && r->digest &&
	    text_format(named, sizeof named, "%.*s", (int)strcspn(r->digest, ":"), r->digest))
		algorithm = named;
	status = stow_upload_create(x->service->registry, r->name, algorithm, ret_token, ret_uuid,
	                            &err);
	if (status == STOW_OK)
		return true;
	fault(x, status, &err);
	return false;
}

/* Body and digest in one request. */
static bool start_post(struct exchange *x)
{
	const struct route *r = &x->request.route;
	char token[STOW_TOKEN_MAX], uuid[STOW_UUID_LEN + 1];
	struct stow_op op;
	struct stow_error err = { 0 };
	int status;

	if (is_too_large(x, x->request.length) || !create(x, token, uuid))
		return false;
	op = exchange_op(x, x->service->request_timeout);
	status = stow_upload_open(x->service->registry, &op, r->name, uuid, token,
	                          x->request.length, r->digest, &x->upload, &err);
	if (status == STOW_OK)
		return true;
	fault(x, status, &err);
	return false;
}

/* Who may not see it there must not learn that it is there: the upload begins as if it were not. */
static bool may_mount(struct exchange *x)
{
	const struct route *r = &x->request.route;

	return r->from ? auth_may_pull(x->service->auth, &x->who, r->from)
	               : auth_may_pull_all(x->service->auth, &x->who);
}

static bool mount(struct exchange *x)
{
	const struct route *r = &x->request.route;
	struct stow_op op = exchange_op(x, x->service->request_timeout);
	struct stow_error err = { 0 };
	struct stow_descriptor d = { 0 };
	int status = stow_blob_mount(x->service->registry, &op, r->name, r->from, r->mount, &d,
	                             &err);

	/* not there, or not allowed without from: an upload begins instead */
	if (status == STOW_ENOTFOUND || (status == STOW_ENOTSUP && !r->from))
		return false;
	if (status == STOW_OK)
		created(x, d.digest);
	else
		fault(x, status, &err);
	return true;
}

static void finish_post(struct exchange *x)
{
	const struct route *r = &x->request.route;
	char token[STOW_TOKEN_MAX], uuid[STOW_UUID_LEN + 1];

	if (x->body == BODY_STREAM) {
		finish_put(x);
		return;
	}
	if (r->mount && may_mount(x) && mount(x))
		return;
	if (!create(x, token, uuid))
		return;
	x->reply.status = 202;
	add_state(x, uuid, token, 0);
	/* no chunk is refused for being small, but it costs the store a write more */
	reply_header(&x->reply, "OCI-Chunk-Min-Length", "%d", STOW_UPLOAD_CHUNK);
}

/* ---- status, cancel ---- */

static void finish_status(struct exchange *x)
{
	const struct route *r = &x->request.route;
	struct stow_op op = exchange_op(x, x->service->request_timeout);
	struct stow_error err = { 0 };
	int64_t offset = 0;
	int status = stow_upload_status(x->service->registry, &op, r->name, r->reference, r->state,
	                                &offset, &err);

	if (status != STOW_OK) {
		fault(x, status, &err);
		return;
	}
	x->reply.status = 204;
	add_state(x, r->reference, r->state, offset);
}

static void finish_cancel(struct exchange *x)
{
	const struct route *r = &x->request.route;
	struct stow_op op = exchange_op(x, x->service->commit_timeout);
	struct stow_error err = { 0 };
	int status = stow_upload_cancel(x->service->registry, &op, r->name, r->reference, r->state,
	                                &err);

	if (status == STOW_OK)
		x->reply.status = 204;
	else
		fault(x, status, &err);
}

const struct action actions_uploads[] = {
	{ ROUTE_UPLOADS, METHOD_POST, "upload.post", BODY_DISCARD, check_post, start_post,
	  write_chunk, finish_post },
	{ ROUTE_UPLOAD, METHOD_PATCH, "upload.patch", BODY_STREAM, check_patch, start_patch,
	  write_chunk, finish_patch },
	{ ROUTE_UPLOAD, METHOD_PUT, "upload.put", BODY_STREAM, check_put, start_put, write_chunk,
	  finish_put },
	{ ROUTE_UPLOAD, METHOD_GET, "upload.status", BODY_DISCARD, check_state, NULL, NULL,
	  finish_status },
	{ ROUTE_UPLOAD, METHOD_DELETE, "upload.delete", BODY_DISCARD, check_state, NULL, NULL,
	  finish_cancel },
	{ 0, 0, NULL, 0, NULL, NULL, NULL, NULL },
};
