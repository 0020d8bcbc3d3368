/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET, HEAD and DELETE of a blob.  It must not know how a blob is stored nor how its bytes reach
 * the client.
 */
#include "common/clock.h"
#include "host/serve/actions.h"
#include "host/serve/range.h"
#include "host/serve/redirection.h"

#define URL_MAX ((size_t)8 * 1024) /* signed with a token of temporary keys */
#define MAX_AGE "max-age=31536000"

static bool check(struct exchange *x)
{
	return answer_check_digest(x, x->request.route.reference);
}

static void add_headers(struct exchange *x, const struct stow_descriptor *d)
{
	reply_header(&x->reply, "Content-Type", "application/octet-stream");
	reply_header(&x->reply, "Docker-Content-Digest", "%s", d->digest);
	reply_header(&x->reply, "ETag", "\"%s\"", d->digest);
	reply_header(&x->reply, "Accept-Ranges", "bytes");
	reply_header(&x->reply, "Cache-Control", MAX_AGE);
}

static void refuse_range(struct exchange *x, int64_t size)
{
	reply_header(&x->reply, "Content-Range", "bytes */%lld", (long long)size);
	reply_header(&x->reply, "Accept-Ranges", "bytes");
	reply_error(&x->reply, 416, "RANGE_INVALID", "no byte of the range is in the blob", NULL);
}

/* true where stat is needed to answer, and it failed or the answer is made. */
static bool finish_stat(struct exchange *x, struct stow_descriptor *ret)
{
	const struct route *route = &x->request.route;
	struct stow_op op = exchange_op(x, x->service->request_timeout);
	struct stow_error err = { 0 };
	int status = stow_blob_stat(x->service->registry, &op, route->name, route->reference, ret,
	                            &err);

	if (status != STOW_OK) {
		answer_fault(x, status, &err, "BLOB_UNKNOWN", "DIGEST_INVALID");
		return true;
	}
	if (answer_not_modified(x, ret))
		return true;
	if (x->request.method != METHOD_HEAD)
		return false;
	add_headers(x, ret);
	x->reply.status = 200;
	x->reply.stream = ret->size;
	return true;
}

static void start_stream(struct exchange *x, const struct range *range,
                         const struct stow_descriptor *d)
{
	int64_t first = range->kind == RANGE_FROM ? range->first : 0;
	int64_t last = d->size - 1;

	if (range->kind == RANGE_FROM && range->last >= 0 && range->last < last)
		last = range->last;
	add_headers(x, d);
	x->reply.status = range->kind == RANGE_FROM ? 206 : 200;
	if (range->kind == RANGE_FROM)
		reply_header(&x->reply, "Content-Range", "bytes %lld-%lld/%lld", (long long)first,
		             (long long)last, (long long)d->size);
	x->reply.stream = last - first + 1;
	if (x->reply.stream > 0)
		return;
	x->reply.stream = -1;
	stow_reader_close(x->reader);
	x->reader = NULL;
}

static bool may_redirect(const struct exchange *x)
{
	return x->service->redirection && x->request.method != METHOD_HEAD &&
	       redirection_wants(x->service->redirection, x->request.header[HEADER_USER_AGENT]);
}

/* To the store's own URL; false where there is none, or it is not worth a request more. */
static bool redirect(struct exchange *x, const struct stow_descriptor *d)
{
	const struct route *route = &x->request.route;
	struct stow_op op = exchange_op(x, x->service->request_timeout);
	struct stow_error err = { 0 };
	char url[URL_MAX];
	int status;

	if (d->size < x->service->redirection->least)
		return false;
	status = stow_blob_url(x->service->registry, &op, route->name, route->reference,
	                       x->service->redirection->seconds, url, sizeof(url), &err);
	if (status != STOW_OK) {
		if (status != STOW_ENOTSUP)
			sink_event(x->service->sink, STOW_LOG_WARNING, err.where, x->trace,
			           "the blob is served from here: %s", err.message);
		return false;
	}
	x->reply.status = 307;
	reply_header(&x->reply, "Location", "%s", url);
	reply_header(&x->reply, "Cache-Control", "no-store"); /* it ends before what it leads to */
	return true;
}

static void finish_get(struct exchange *x)
{
	const struct route *route = &x->request.route;
	struct range range = { RANGE_NONE, 0, 0 };
	struct stow_descriptor d = { 0 };
	struct stow_error err = { 0 };
	struct stow_op op;
	int64_t length = -1;
	int status;

	if (range_if_range(x->request.header[HEADER_IF_RANGE], route->reference))
		range = range_parse(x->request.header[HEADER_RANGE]);
	if (x->request.method == METHOD_HEAD || x->request.header[HEADER_IF_NONE_MATCH] ||
	    range.kind == RANGE_SUFFIX || range.kind == RANGE_BACKWARD || may_redirect(x)) {
		if (finish_stat(x, &d))
			return;
	}
	if (may_redirect(x) && redirect(x, &d))
		return;
	if (range.kind == RANGE_BACKWARD ||
	    (range.kind == RANGE_SUFFIX && (range.first == 0 || d.size == 0))) {
		refuse_range(x, d.size);
		return;
	}
	if (range.kind == RANGE_SUFFIX) {
		range = (struct range){ RANGE_FROM, range.first < d.size ? d.size - range.first : 0,
			                -1 };
	}
	if (range.kind == RANGE_FROM && range.last >= 0 && range.last < INT64_MAX)
		length = range.last - range.first + 1;
	op = exchange_op(x, x->service->request_timeout);
	status = stow_blob_open(x->service->registry, &op, route->name, route->reference,
	                        range.kind == RANGE_FROM ? range.first : 0, length, &x->reader, &d,
	                        &err);
	if (range.kind == RANGE_FROM &&
	    (status == STOW_ERANGE || (status == STOW_OK && range.first >= d.size))) {
		refuse_range(x, d.size);
		stow_reader_close(x->reader);
		x->reader = NULL;
		return;
	}
	if (status != STOW_OK) {
		answer_fault(x, status, &err, "BLOB_UNKNOWN", "DIGEST_INVALID");
		return;
	}
	start_stream(x, &range, &d);
}

static void finish_delete(struct exchange *x)
{
	const struct route *route = &x->request.route;
	struct stow_op op = exchange_op(x, x->service->request_timeout);
	struct stow_error err = { 0 };
	int status = stow_blob_delete(x->service->registry, &op, route->name, route->reference,
	                              &err);

	if (status != STOW_OK)
		answer_fault(x, status, &err, "BLOB_UNKNOWN", "DIGEST_INVALID");
	else
		x->reply.status = 202;
}

const struct action actions_blobs[] = {
	{ ROUTE_BLOB, METHOD_GET, "blob.get", BODY_DISCARD, check, NULL, NULL, finish_get },
	{ ROUTE_BLOB, METHOD_DELETE, "blob.delete", BODY_DISCARD, check, NULL, NULL,
	  finish_delete },
	{ 0, 0, NULL, 0, NULL, NULL, NULL, NULL },
};
