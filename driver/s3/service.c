/* SPDX-License-Identifier: Apache-2.0 */
/* service.h over the HTTP client. */
#include "driver/s3/service.h"

#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"

#define ATTEMPTS 3
#define PAUSE (100 * CLOCK_MILLISECOND)

static void waiter_done(struct http_waiter **w)
{
	http_waiter_free(*w);
}

void service_wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_done(b);
}

/* Waits for the end of the request, or of our patience. */
static int wait_for(struct http_waiter *w, struct http_request *r, const struct stow_op *op,
                    const char *where, struct stow_error *err)
{
	for (;;) {
		uint64_t seen = http_waiter_seen(w);
		int status;

		if (http_request_done(r))
			return http_request_result(r, err);
		status = clock_op_check(op, where, err);
		if (status != STOW_OK)
			return status;
		http_waiter_wait(w, op, seen, clock_monotonic() + CLOCK_SECOND);
	}
}

/* The path of such a URL can be as good as a password. */
static int shown(const char *url)
{
	const char *host = strstr(url, "://");

	return (int)(host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : strlen(url));
}

/* One attempt. */
static int ask_once(struct http_client *client, struct http_waiter *w, const struct stow_op *op,
                    const struct service_question *q, struct buf *ret, int *ret_http,
                    struct stow_error *err)
{
	struct stow_error e = { 0 };
	struct http_request *r = NULL;
	const char *body;
	size_t len;
	int status = http_request_start(client, w,
	                                &(struct http_exchange){ .method = q->method,
	                                                         .url = q->url,
	                                                         .headers = q->headers,
	                                                         .body = q->body,
	                                                         .body_len = q->len,
	                                                         .answer_cap = ret->max,
	                                                         .direct = q->direct },
	                                &r, err);

	if (status != STOW_OK)
		return status;
	status = wait_for(w, r, op, q->where, &e);
	if (status != STOW_OK) {
		error_set(err, status, q->where, "%.*s: %s", shown(q->url), q->url, e.message);
		error_flag(err, e.flags);
	} else {
		*ret_http = http_request_status(r);
		body = http_request_body(r, &len);
		service_wipe(ret);
		if (buf_add(ret, body, len) != STOW_OK)
			status = error_nomem(err, q->where);
	}
	http_request_free(r);
	if (status != STOW_OK || *ret_http / 100 == 2)
		return status;
	status = *ret_http / 100 == 4 && *ret_http != 429 ? STOW_EDENIED : STOW_EIO;
	error_set(err, status, q->where, "%.*s: HTTP %d", shown(q->url), q->url, *ret_http);
	if (status == STOW_EIO)
		error_flag(err, STOW_ERROR_RETRYABLE);
	return status;
}

int service_ask(struct http_client *client, const struct stow_op *op,
                const struct service_question *q, struct buf *ret, int *ret_http,
                struct stow_error *err)
{
	cleanup(waiter_done) struct http_waiter *w = NULL;
	struct stow_op mine = op ? *op : (struct stow_op){ .size = sizeof(mine) };
	int64_t limit = clock_monotonic() + q->limit_ns;
	struct stow_error e = { 0 };
	int status = http_waiter_new(&w, err);

	if (status != STOW_OK)
		return status;
	mine.requests = NULL; /* these are not the store's */
	if (!mine.deadline_ns || mine.deadline_ns > limit)
		mine.deadline_ns = limit;
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		if (i > 0)
			http_waiter_wait(w, &mine, http_waiter_seen(w),
			                 clock_monotonic() + (PAUSE << i));
		*ret_http = 0;
		memset(&e, 0, sizeof(e));
		status = ask_once(client, w, &mine, q, ret, ret_http, &e);
		if (status == STOW_OK || !(e.flags & STOW_ERROR_RETRYABLE) ||
		    clock_op_check(&mine, q->where, NULL) != STOW_OK)
			break;
	}
	return status == STOW_OK ? STOW_OK : error_copy(err, &e);
}
