/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The course of one S3 request: build, sign, send, judge, wait, again.
 * It must not know what an answer means beyond what answer.c says of it.
 */
#include "driver/s3/call.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/text.h"

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define PATH_MAX_LEN ((size_t)8 << 10)
#define QUERY_MAX_LEN ((size_t)32 << 10)
#define BACKOFF_FIRST (50 * CLOCK_MILLISECOND)
#define BACKOFF_BUSY (200 * CLOCK_MILLISECOND)
#define BACKOFF_MOST (5 * CLOCK_SECOND)
#define RETRY_AFTER_MOST (20 * CLOCK_SECOND)

void call_init(struct call *c, struct s3 *s3, const char *where, const char *method,
               const char *key)
{
	*c = (struct call){ .s3 = s3, .where = where, .method = method, .key = key };
}

void call_query(struct call *c, const char *name, const char *value)
{
	if (c->n_query < CALL_PAIRS)
		c->query[c->n_query++] = (struct sign_pair){ name, value };
}

void call_header(struct call *c, const char *name, const char *value)
{
	if (value && c->n_headers < CALL_PAIRS)
		c->headers[c->n_headers++] = (struct sign_pair){ name, value };
}

void call_put_headers(struct call *c, const struct stow_put *put)
{
	const char *type = put ? put->content_type : NULL;

	call_header(c, "content-type", type ? type : "application/octet-stream");
	if (!put)
		return;
	if (put->flags & STOW_PUT_CREATE) {
		call_header(c, "if-none-match", "*");
		c->create = true;
	}
	call_header(c, "if-match", put->if_match);
}

void call_done(struct call *c)
{
	http_request_free(c->http);
	c->http = NULL;
	if (c->own_waiter)
		http_waiter_free(c->waiter);
	c->waiter = NULL;
	c->own_waiter = false;
	free(take(c->path));
	free(take(c->query_text));
}

/* ---- building ---- */

char *call_path(const struct s3 *s3, const char *key)
{
	cleanup_buf struct buf path = { 0 };
	cleanup_free char *full = NULL;
	size_t len;

	buf_init(&path, PATH_MAX_LEN);
	buf_adds(&path, s3->address.path);
	if (key || s3->address.in_host)
		buf_addc(&path, '/');
	if (key) {
		full = s3_full_key(s3, key);
		if (!full)
			return NULL;
		len = text_percent_encode(NULL, 0, full, true);
		if (buf_reserve(&path, len + 1) != STOW_OK)
			return NULL;
		path.len += text_percent_encode(path.data + path.len, len + 1, full, true);
	}
	return buf_take(&path);
}

struct sign_keys call_keys(const struct s3 *s3)
{
	return (struct sign_keys){ .accesskey = s3->keys->accesskey,
		                   .secretkey = s3->keys->secretkey,
		                   .sessiontoken = s3->keys->sessiontoken,
		                   .region = s3->o.region,
		                   .service = "s3",
		                   .seconds = clock_host_now(s3->host) / CLOCK_SECOND };
}

static int build_path(struct call *c, struct stow_error *err)
{
	c->path = call_path(c->s3, c->key);
	return c->path ? STOW_OK : error_nomem(err, c->where);
}

static int build_query(struct call *c, struct stow_error *err)
{
	cleanup_buf struct buf query = { 0 };

	buf_init(&query, QUERY_MAX_LEN);
	buf_adds(&query, "");
	if (sign_query(c->query, c->n_query, &query) != STOW_OK)
		return error_set(err, STOW_ERANGE, c->where, "the query is too long");
	c->query_text = strdup(buf_text(&query));
	return c->query_text ? STOW_OK : error_nomem(err, c->where);
}

static void build_payload(struct call *c)
{
	uint8_t sum[32];

	if (c->sha256) {
		text_hex(c->payload, c->sha256, 32);
	} else if (c->body_len == 0) {
		text_copy(c->payload, sizeof(c->payload), EMPTY_SHA256);
	} else if (c->part && c->s3->address.tls) {
		text_copy(c->payload, sizeof(c->payload), SIGN_UNSIGNED);
	} else {
		hash_sha256(c->body, c->body_len, sum);
		text_hex(c->payload, sum, sizeof(sum));
	}
}

static int check_headers(const struct call *c, struct stow_error *err)
{
	for (size_t i = 0; i < c->n_headers; i++)
		for (const char *p = c->headers[i].value; *p; p++)
			if ((unsigned char)*p < 0x20 || *p == 0x7f)
				return error_set(err, STOW_EINVAL, c->where,
				                 "control character in the value of %s",
				                 c->headers[i].name);
	return STOW_OK;
}

static int build(struct call *c, struct stow_error *err)
{
	int r = check_headers(c, err);

	if (r == STOW_OK)
		r = build_path(c, err);
	if (r == STOW_OK)
		r = build_query(c, err);
	if (r == STOW_OK)
		build_payload(c);
	return r;
}

/* ---- an attempt ---- */

static int compare_names(const void *a, const void *b)
{
	const struct sign_pair *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* The lines of the request's header, signed for this second. */
static int header_lines(struct call *c, struct buf *text, size_t *ret_n, struct stow_error *err)
{
	struct sign_pair pairs[SIGN_HEADERS_MAX];
	char date[SIGN_DATE_LEN + 1];
	struct sign_keys keys = call_keys(c->s3);
	size_t n = 0;

	for (size_t i = 0; i < c->n_headers; i++)
		pairs[n++] = c->headers[i];
	sign_date(keys.seconds, date);
	pairs[n++] = (struct sign_pair){ "host", c->s3->address.host };
	pairs[n++] = (struct sign_pair){ "x-amz-content-sha256", c->payload };
	pairs[n++] = (struct sign_pair){ "x-amz-date", date };
	if (keys.sessiontoken)
		pairs[n++] = (struct sign_pair){ "x-amz-security-token", keys.sessiontoken };
	qsort(pairs, n, sizeof(pairs[0]), compare_names);
	for (size_t i = 0; i < n; i++) {
		buf_addf(text, "%s: %s", pairs[i].name, pairs[i].value);
		buf_addc(text, '\0');
	}
	buf_adds(text, "Authorization: ");
	sign_authorization(&keys,
	                   &(struct sign_request){ .method = c->method,
	                                           .path = c->path,
	                                           .query = c->query_text,
	                                           .headers = pairs,
	                                           .n_headers = n,
	                                           .payload = c->payload },
	                   text);
	buf_addc(text, '\0');
	*ret_n = n + 1;
	return buf_status(text) == STOW_OK ? STOW_OK
	                                   : error_set(err, buf_status(text), c->where,
	                                               "the request's header is too long");
}

static int attempt(struct call *c, const struct stow_op *op, struct stow_error *err)
{
	const char *lines[SIGN_HEADERS_MAX + 2] = { NULL }, *p;
	cleanup_buf struct buf text = { 0 }, url = { 0 };
	size_t n = 0;
	int r = STOW_OK;

	buf_init(&text, (size_t)64 << 10);
	buf_init(&url, (size_t)64 << 10);
	if (!c->path)
		r = build(c, err);
	if (r == STOW_OK)
		r = header_lines(c, &text, &n, err);
	if (r != STOW_OK)
		return r;
	p = buf_text(&text);
	for (size_t i = 0; i < n; i++, p += strlen(p) + 1)
		lines[i] = p;
	if (buf_addf(&url, "%s%s%s%s", c->s3->address.base, c->path, c->query_text[0] ? "?" : "",
	             c->query_text) != STOW_OK)
		return error_nomem(err, c->where);
	c->attempts++;
	clock_op_count(op, 1);
	return http_request_start(c->s3->http, c->waiter,
	                          &(struct http_exchange){ .method = c->method,
	                                                   .url = buf_text(&url),
	                                                   .headers = lines,
	                                                   .body = c->body,
	                                                   .body_len = c->body_len,
	                                                   .answer = c->answer,
	                                                   .ring = c->ring,
	                                                   .answer_cap = c->answer_cap,
	                                                   .progress = c->progress,
	                                                   .ended = c->ended,
	                                                   .ended_arg = c->ended_arg },
	                          &c->http, err);
}

/* ---- retries ---- */

int64_t call_backoff(unsigned attempts, const struct stow_error *e)
{
	int64_t most = e->status == STOW_EBUSY ? BACKOFF_BUSY : BACKOFF_FIRST, asked;
	uint32_t random = 0;

	for (unsigned i = 1; i < attempts && most < BACKOFF_MOST; i++)
		most *= 2;
	if (most > BACKOFF_MOST)
		most = BACKOFF_MOST;
	if (hash_random(&random, sizeof(random)))
		most = most / UINT16_MAX * (int64_t)(random & UINT16_MAX);
	asked = (int64_t)e->retry_after_ms * CLOCK_MILLISECOND;
	if (asked > RETRY_AFTER_MOST)
		asked = RETRY_AFTER_MOST;
	return most > asked ? most : asked;
}

static void finish(struct call *c, int status)
{
	c->status = status;
	c->finished = true;
	if (status != STOW_OK && c->write && c->maybe)
		error_flag(&c->error, STOW_ERROR_MAYBE);
}

/* Is what happened to a write in the dark? */
static bool in_the_dark(struct call *c, int status)
{
	int http = http_request_status(c->http);

	if (status == STOW_OK)
		return false;
	if (http / 100 == 2 || http >= 500)
		return http != 501 && http != 503 && http != 507;
	return http == 0 && http_request_sent(c->http);
}

static int describe_transport(struct call *c, const struct stow_error *e)
{
	char subject[300];

	error_set(&c->error, e->status, c->where, "%s at %s: %s",
	          answer_subject(c, subject, sizeof(subject)), c->s3->address.base, e->message);
	error_flag(&c->error, e->flags);
	return e->status;
}

static void settle(struct call *c, const struct stow_op *op)
{
	struct stow_error e = { 0 };
	int64_t delay, now = clock_monotonic();
	int r = http_request_result(c->http, &e);

	if (r != STOW_OK)
		r = describe_transport(c, &e);
	else
		r = answer_judge(c, &c->error);
	if (c->write && in_the_dark(c, r))
		c->maybe = true;
	if (r == STOW_OK || !(c->error.flags & STOW_ERROR_RETRYABLE) || c->one_attempt ||
	    (int64_t)c->attempts > c->s3->o.maxretries) {
		finish(c, r);
		return;
	}
	delay = call_backoff(c->attempts, &c->error);
	if (clock_op_left(op, INT64_MAX) <= delay) {
		finish(c, r); /* the cause says more than "too late" would */
		return;
	}
	log_line(c->s3->host, STOW_LOG_INFO, "s3", "%s, attempt %u, again in %lld ms: %s", c->where,
	         c->attempts, (long long)(delay / CLOCK_MILLISECOND), c->error.message);
	http_request_free(take(c->http));
	c->due = now + delay;
}

bool call_poll(struct call *c, const struct stow_op *op)
{
	int r;

	if (c->finished)
		return true;
	if (c->http && http_request_done(c->http)) {
		settle(c, op);
		return c->finished;
	}
	r = clock_op_check(op, c->where, &c->error);
	if (r != STOW_OK) {
		if (c->http)
			c->maybe = true;
		http_request_free(take(c->http));
		finish(c, r);
		return true;
	}
	if (c->http || clock_monotonic() < c->due)
		return false;
	r = attempt(c, op, &c->error);
	if (r != STOW_OK)
		finish(c, r);
	return c->finished;
}

int64_t call_wake_time(const struct call *c)
{
	return c->http || c->finished ? clock_monotonic() + CLOCK_SECOND : c->due;
}

int call_run(struct call *c, const struct stow_op *op, struct stow_error *err)
{
	if (!c->waiter) {
		int r = http_waiter_new(&c->waiter, err);

		if (r != STOW_OK)
			return r;
		c->own_waiter = true;
	}
	for (;;) {
		uint64_t seen = http_waiter_seen(c->waiter);

		if (call_poll(c, op))
			break;
		http_waiter_wait(c->waiter, op, seen, call_wake_time(c));
	}
	return c->status == STOW_OK ? STOW_OK : error_copy(err, &c->error);
}
