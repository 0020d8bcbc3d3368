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
#include "driver/s3/metrics.h"

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define PATH_MAX_LEN ((size_t)8 << 10)
#define QUERY_MAX_LEN ((size_t)32 << 10)
#define BACKOFF_FIRST (50 * CLOCK_MILLISECOND)
#define BACKOFF_BUSY (200 * CLOCK_MILLISECOND)
#define BACKOFF_MOST (5 * CLOCK_SECOND)
#define RETRY_AFTER_MOST (20 * CLOCK_SECOND)
#define THROTTLED_MOST (15 * CLOCK_SECOND) /* since the first attempt */

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
	if (c->http && !c->finished)
		metrics_request(c, false);
	http_request_free(c->http);
	c->http = NULL;
	if (c->own_waiter)
		http_waiter_free(c->waiter);
	c->waiter = NULL;
	c->own_waiter = false;
	free(take(c->path));
	free(take(c->query_text));
	place_unref(take(c->place));
	keys_unref(take(c->keys));
}

/* ---- building ---- */

char *call_path(const struct s3 *s3, const struct place *place, const char *key)
{
	cleanup_buf struct buf path = { 0 };
	cleanup_free char *full = NULL;
	size_t len;

	buf_init(&path, PATH_MAX_LEN);
	buf_adds(&path, place->address.path);
	if (key || place->address.in_host)
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

struct sign_keys call_keys(const struct s3 *s3, const struct place *place, const struct keys *keys)
{
	return (struct sign_keys){ .accesskey = keys->accesskey,
		                   .secretkey = keys->secretkey,
		                   .sessiontoken = keys->sessiontoken,
		                   .region = place->region,
		                   .service = "s3",
		                   .seconds = s3_now(s3) / CLOCK_SECOND };
}

static int build_path(struct call *c, struct stow_error *err)
{
	if (!c->place)
		c->place = s3_place(c->s3);
	if (!c->path)
		c->path = call_path(c->s3, c->place, c->key);
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

static bool goes_unsigned(const struct call *c)
{
	switch (c->s3->attributes.unsigned_payload) {
	case ATTRIBUTES_ON:
		return c->part;
	case ATTRIBUTES_OFF:
		return false;
	case ATTRIBUTES_AUTO:
		break;
	}
	return c->part && c->place->address.tls;
}

static void build_payload(struct call *c)
{
	uint8_t sum[32];

	if (c->sha256) {
		text_hex(c->payload, c->sha256, 32);
	} else if (c->body_len == 0) {
		text_copy(c->payload, sizeof(c->payload), EMPTY_SHA256);
	} else if (goes_unsigned(c)) {
		text_copy(c->payload, sizeof(c->payload), SIGN_UNSIGNED);
	} else {
		hash_sha256(c->body, c->body_len, sum);
		text_hex(c->payload, sum, sizeof(sum));
	}
}

/* Asked for by the option, or by the store. */
static int build_md5(struct call *c, struct stow_error *err)
{
	enum attributes_choice choice = c->s3->attributes.md5;
	uint8_t sum[16];

	if (!c->bytes || choice == ATTRIBUTES_OFF ||
	    (choice == ATTRIBUTES_AUTO && !s3_has_learned(c->s3, S3_LEARNED_MD5)))
		return STOW_OK;
	if (!hash_md5(c->body ? c->body : "", c->body_len, sum))
		return error_set(err, STOW_ENOTSUP, c->where,
		                 "the store wants Content-MD5, which this OpenSSL does not do");
	text_base64(c->md5, sum, sizeof(sum));
	return STOW_OK;
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

/* What does not change from one attempt to the next, unless an answer has corrected it. */
static int build(struct call *c, struct stow_error *err)
{
	int r = check_headers(c, err);

	if (r == STOW_OK)
		r = build_path(c, err);
	if (r == STOW_OK && !c->query_text)
		r = build_query(c, err);
	if (r == STOW_OK && !c->payload[0])
		build_payload(c);
	if (r == STOW_OK && !c->md5[0])
		r = build_md5(c, err);
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
	struct sign_keys keys = call_keys(c->s3, c->place, c->keys);
	size_t n = 0;
	int status;

	/* what an answer has just said of the clock is tried here before it holds for all */
	if (c->skewed)
		keys.seconds = (clock_host_now(c->s3->host) + c->skew_ns) / CLOCK_SECOND;
	c->signed_at = keys.seconds;

	for (size_t i = 0; i < c->n_headers; i++)
		pairs[n++] = c->headers[i];
	n += attributes_headers(&c->s3->attributes, c->attributes, pairs + n);
	sign_date(keys.seconds, date);
	if (c->md5[0])
		pairs[n++] = (struct sign_pair){ "content-md5", c->md5 };
	pairs[n++] = (struct sign_pair){ "host", c->place->address.host };
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
	status = sign_authorization(&keys,
	                            &(struct sign_request){ .method = c->method,
	                                                    .path = c->path,
	                                                    .query = c->query_text,
	                                                    .headers = pairs,
	                                                    .n_headers = n,
	                                                    .payload = c->payload },
	                            text);
	if (status == STOW_OK)
		status = buf_addc(text, '\0');
	*ret_n = n + 1;
	return status == STOW_OK
	               ? STOW_OK
	               : error_set(err, status, c->where, "the request's header cannot be made");
}

static int take_keys(struct call *c, const struct stow_op *op, struct stow_error *err)
{
	keys_unref(take(c->keys));
	return credentials_get(c->s3->credentials, op, &c->keys, err);
}

static int send(struct call *c, const struct stow_op *op, const char *const *lines,
                struct stow_error *err)
{
	cleanup_buf struct buf url = { 0 };

	buf_init(&url, (size_t)64 << 10);
	if (buf_addf(&url, "%s%s%s%s", c->place->address.base, c->path, c->query_text[0] ? "?" : "",
	             c->query_text) != STOW_OK)
		return error_nomem(err, c->where);
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
	                                                   .patient = c->patient,
	                                                   .fresh = c->fresh,
	                                                   .direct = c->s3->direct,
	                                                   .ended = c->ended,
	                                                   .ended_arg = c->ended_arg },
	                          &c->http, err);
}

static int attempt(struct call *c, const struct stow_op *op, struct stow_error *err)
{
	const char *lines[SIGN_HEADERS_MAX + 2] = { NULL }, *p;
	cleanup_buf struct buf text = { 0 };
	size_t n = 0;
	int r = take_keys(c, op, err);

	buf_init(&text, (size_t)64 << 10);
	if (r == STOW_OK)
		r = build(c, err);
	if (r == STOW_OK)
		r = header_lines(c, &text, &n, err);
	if (r != STOW_OK)
		return r;
	p = buf_text(&text);
	for (size_t i = 0; i < n; i++, p += strlen(p) + 1)
		lines[i] = p;
	return send(c, op, lines, err);
}

/* ---- retries ---- */

static int64_t backoff(unsigned failures, const struct stow_error *e)
{
	int64_t most = e->status == STOW_EBUSY ? BACKOFF_BUSY : BACKOFF_FIRST, asked;
	uint32_t random = 0;

	for (unsigned i = 1; i < failures && most < BACKOFF_MOST; i++)
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

bool call_may_retry(const struct call *c, const struct stow_op *op, unsigned failures,
                    int64_t began_ns, int64_t *ret_delay, unsigned *ret_paid)
{
	bool throttled = answer_is_throttle(c);

	*ret_paid = 0;
	if (!(c->error.flags & STOW_ERROR_RETRYABLE))
		return false;
	/* Who asks to slow down is there: it is worth more patience, in ever longer pauses. */
	if ((int64_t)failures > c->s3->o.maxretries &&
	    !(throttled && c->s3->o.maxretries > 0 &&
	      clock_monotonic() - began_ns < THROTTLED_MOST))
		return false;
	*ret_delay = backoff(failures, &c->error);
	if (clock_op_left(op, INT64_MAX) <= *ret_delay)
		return false; /* the cause says more than "too late" would */
	if (throttled && !answer_is_bare(c))
		return true;
	*ret_paid = 1;
	return pace_pay(&c->s3->pace);
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
	if (http / 100 == 2 || http == 499 || http >= 500)
		return http != 501 && http != 503 && http != 507;
	return http == 0 && http_request_sent(c->http);
}

static int describe_transport(struct call *c, const struct stow_error *e)
{
	char subject[ANSWER_SUBJECT_MAX];

	c->code[0] = c->region[0] = '\0';
	error_set(&c->error, e->status, c->where, "%s at %s: %s", answer_subject(c, subject),
	          c->place->address.base, e->message);
	error_flag(&c->error, e->flags);
	return e->status;
}

/*
 * A connection that was kept for long may be dead: that is no failure of the store's.  Or its last
 * bytes are a 400 to a client that sends nothing any more, which reads like an answer; of a HEAD it
 * has no words that would tell.
 */
static bool was_stale(struct call *c)
{
	bool early = http_request_status(c->http) == 400 && answer_is_bare(c) &&
	             http_request_connects(c->http) == 0;

	if (c->fresh || !(early || http_request_stale(c->http)))
		return false;
	c->fresh = true;
	return true;
}

static void again(struct call *c, int64_t due)
{
	http_request_free(take(c->http));
	c->turn = false;
	c->due = due;
}

static void settle(struct call *c, const struct stow_op *op)
{
	struct stow_error e = { 0 };
	int64_t delay = 0, now = clock_monotonic();
	unsigned paid = 0;
	int r = http_request_result(c->http, &e);

	metrics_request(c, true);
	if (r != STOW_OK)
		r = describe_transport(c, &e);
	else
		r = answer_judge(c, &c->error);
	if (c->write && in_the_dark(c, r))
		c->maybe = true;
	if (http_request_status(c->http) && http_request_status(c->http) != 403)
		correct_confirm(c);
	if (r == STOW_OK) {
		pace_earn(&c->s3->pace, c->paid);
		finish(c, r);
		return;
	}
	if (was_stale(c) || correct_call(c)) {
		again(c, now);
		return;
	}
	c->attempts++;
	if (answer_is_throttle(c))
		metrics_throttle(c);
	if (c->one_attempt || !call_may_retry(c, op, c->attempts, c->began, &delay, &paid)) {
		finish(c, r);
		return;
	}
	c->paid += paid;
	metrics_retry(c);
	log_line(c->s3->host, STOW_LOG_INFO, "s3", "%s, attempt %u, again in %lld ms: %s", c->where,
	         c->attempts, (long long)(delay / CLOCK_MILLISECOND), c->error.message);
	again(c, now + delay);
}

/* The operator's limit on the rate of requests holds for each attempt. */
static bool has_turn(struct call *c, const struct stow_op *op, int64_t now)
{
	int64_t turn;

	if (now < c->due)
		return false;
	if (!c->turn) {
		turn = pace_turn(&c->s3->pace, now,
		                 op && op->deadline_ns ? op->deadline_ns : INT64_MAX);
		if (turn < 0) {
			error_set(&c->error, STOW_EBUSY, c->where,
			          "requestrate is reached: no turn within the time that is left");
			error_flag(&c->error, STOW_ERROR_RETRYABLE);
			finish(c, STOW_EBUSY);
			return false;
		}
		c->turn = true;
		c->due = turn;
	}
	return now >= c->due;
}

static bool give_up(struct call *c, int status)
{
	if (c->http) {
		c->maybe = true;
		metrics_request(c, false);
	}
	http_request_free(take(c->http));
	finish(c, status);
	return true;
}

/* An attempt that could not be made, such as for want of keys, is like one that failed. */
static void settle_unsent(struct call *c, const struct stow_op *op, int status)
{
	int64_t delay = 0;
	unsigned paid = 0;

	c->code[0] = c->region[0] = '\0';
	c->attempts++;
	if (c->one_attempt || !call_may_retry(c, op, c->attempts, c->began, &delay, &paid)) {
		finish(c, status);
		return;
	}
	c->paid += paid;
	again(c, clock_monotonic() + delay);
}

/* Cancelled, or out of time: then what the attempts before failed of is the cause. */
static int check_time(struct call *c, const struct stow_op *op)
{
	struct stow_error last = c->error;
	int r = clock_op_check(op, c->where, &c->error);
	char subject[ANSWER_SUBJECT_MAX];

	if (r != STOW_ETIMEOUT)
		return r;
	if (c->attempts == 0 || !last.message[0]) {
		error_set(&c->error, r, c->where, "%s: the deadline of the call has passed",
		          answer_subject(c, subject));
	} else {
		error_set(&c->error, r, c->where, "%s; then the deadline of the call passed",
		          last.message);
		c->error.backend = last.backend;
		text_copy(c->error.request, sizeof(c->error.request), last.request);
	}
	error_flag(&c->error, STOW_ERROR_RETRYABLE);
	return r;
}

bool call_poll(struct call *c, const struct stow_op *op)
{
	int r;

	if (c->finished)
		return true;
	if (!c->began) {
		c->began = clock_monotonic();
		r = s3_process_check(c->s3, c->where, &c->error);
		if (r != STOW_OK)
			return give_up(c, r);
	}
	if (c->http && http_request_done(c->http)) {
		settle(c, op);
		return c->finished;
	}
	r = check_time(c, op);
	if (r != STOW_OK)
		return give_up(c, r);
	if (c->http || !has_turn(c, op, clock_monotonic()))
		return c->finished;
	r = attempt(c, op, &c->error);
	if (r != STOW_OK)
		settle_unsent(c, op, r);
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
