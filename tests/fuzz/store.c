/* SPDX-License-Identifier: Apache-2.0 */
/* store.h without threads: a request has ended as soon as it was started. */
#include "tests/fuzz/store.h"

#include <strings.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"

/* ---- time: common/clock.c over a clock of our own ---- */

static int64_t passed_ns;

static int read_time(clockid_t id, struct timespec *ret)
{
	int64_t now;

	passed_ns += 100000; /* so that who only looks at the clock comes to an end, too */
	now = STORE_SECONDS * 1000000000 + passed_ns;
	if (id == CLOCK_MONOTONIC)
		now = passed_ns;
	ret->tv_sec = (time_t)(now / 1000000000);
	ret->tv_nsec = (long)(now % 1000000000);
	return 0;
}

#define clock_gettime read_time
#include "common/clock.c"

static void pass_until(int64_t until_ns, const struct stow_op *op)
{
	if (op && op->deadline_ns && op->deadline_ns < until_ns)
		until_ns = op->deadline_ns;
	if (until_ns > passed_ns && until_ns - passed_ns < 3600 * CLOCK_SECOND)
		passed_ns = until_ns;
}

/* ---- the client ---- */

#define BODY_MAX ((size_t)6 << 20) /* of one that repeats itself */

static struct {
	const char *left; /* answers not given yet; NULL: none */
	unsigned requests;
	void (*seen)(const struct http_exchange *);
} store;

struct http_request {
	int status; /* of HTTP */
	int result;
	bool stale, sent, late; /* late: nothing of it can be seen yet */
	char *headers, *body;   /* header lines, each with its NUL and an empty one at the end */
	size_t body_len, arrived;
	void (*ended)(void *arg, int status);
	void *ended_arg;
};

void store_begin(const char *answers, void (*seen)(const struct http_exchange *))
{
	store.left = answers && *answers ? answers : NULL;
	store.requests = 0;
	store.seen = seen;
	passed_ns = CLOCK_SECOND;
}

int http_client_open(const struct http_client_options *options, struct http_client **ret,
                     struct stow_error *err)
{
	(void)options;
	(void)err;
	*ret = NULL;
	return STOW_OK;
}

void http_client_close(struct http_client *client)
{
	(void)client;
}

int http_waiter_new(struct http_waiter **ret, struct stow_error *err)
{
	*ret = malloc(1);
	return *ret ? STOW_OK : error_nomem(err, "fuzz");
}

void http_waiter_free(struct http_waiter *waiter)
{
	free(waiter);
}

uint64_t http_waiter_seen(struct http_waiter *waiter)
{
	(void)waiter;
	return 0;
}

/* All answers are there already; what still waits, waits for its time to try again. */
void http_waiter_wait(struct http_waiter *waiter, const struct stow_op *op, uint64_t seen,
                      int64_t until_ns)
{
	(void)waiter;
	(void)seen;
	REQUIRE(store.requests++ < STORE_REQUESTS_MAX);
	pass_until(until_ns, op);
}

/* The next answer's own text; NULL where there is none left. */
static char *next_answer(void)
{
	const char *end;
	char *text;

	if (!store.left)
		return NULL;
	end = strstr(store.left, STORE_PARTED);
	text = strndup(store.left, end ? (size_t)(end - store.left) : strlen(store.left));
	REQUIRE(text);
	store.left = end ? end + strlen(STORE_PARTED) : NULL;
	return text;
}

static void set_status(struct http_request *r, const char *line)
{
	int64_t status = 0;

	(void)text_to_int64_n(line, strlen(line) > 3 ? 3 : strlen(line), &status);
	r->sent = status != 1 && status != 2;
	r->stale = status == 1;
	r->status = status < 100 ? 0 : (int)status;
}

/* So many times, and room for a sum. */
static void set_body(struct http_request *r, const char *text)
{
	size_t len = strlen(text);
	int64_t times = 1;
	char value[16];

	if (http_request_header(r, "Times", value, sizeof(value)) &&
	    (!text_to_int64(value, &times) || times < 0))
		times = 1;
	if (len && times > (int64_t)(BODY_MAX / len))
		times = (int64_t)(BODY_MAX / len);
	if (times == 0)
		times = 1;
	r->body = malloc(len * (size_t)times + 33);
	REQUIRE(r->body);
	for (int64_t i = 0; len && i < times; i++, r->body_len += len)
		memcpy(r->body + r->body_len, text, len);
	r->body[r->body_len] = '\0';
}

static void parse_answer(struct http_request *r, char *text)
{
	char *rest = text, *line = fuzz_line(&rest), *out, yes[8];

	set_status(r, line);
	r->headers = out = malloc(strlen(rest) + 2);
	REQUIRE(out);
	while (*rest && *(line = fuzz_line(&rest))) {
		memcpy(out, line, strlen(line) + 1);
		out += strlen(line) + 1;
	}
	*out = '\0';
	set_body(r, rest);
	r->late = http_request_header(r, "Late", yes, sizeof(yes));
	if (http_request_header(r, "Sum", yes, sizeof(yes))) {
		hash_sha256(r->body, r->body_len, (uint8_t *)r->body + r->body_len);
		r->body_len += 32;
		r->body[r->body_len] = '\0';
	}
}

/* A body ends where its header says; one that ends before that is cut. */
static void cut_body(struct http_request *r)
{
	char text[32];
	int64_t length;

	if (!http_request_header(r, "Content-Length", text, sizeof(text)))
		return;
	if (!text_to_int64(text, &length) || length < 0) {
		r->result = STOW_EIO;
		r->body_len = 0;
	} else if (length > (int64_t)r->body_len) {
		r->result = STOW_EIO;
	} else {
		r->body_len = (size_t)length;
	}
}

/* What the real client promises of a body: whole, and no longer than the room for it. */
static void receive(struct http_request *r, const struct http_exchange *e)
{
	if (strcmp(e->method, "HEAD") == 0)
		r->body_len = 0;
	else
		cut_body(r);
	if (r->status == 0)
		r->result = STOW_EIO;
	if (r->status / 100 != 2)
		return;
	if (r->body_len > e->answer_cap) {
		r->result = STOW_ERANGE;
		return;
	}
	r->arrived = r->body_len;
	if (e->ring) {
		size_t room = e->ring->ahead - e->ring->held;

		if (room < r->arrived) {
			r->arrived = room;
			r->result = STOW_EBUSY; /* it was full for too long */
		}
		REQUIRE(http_ring_put(e->ring, r->body, r->arrived));
	} else if (e->answer && r->body_len > 0) {
		memcpy(e->answer, r->body, r->body_len);
	}
	if (e->ring || e->answer)
		r->body_len = 0; /* it is the caller's */
}

int http_request_start(struct http_client *client, struct http_waiter *waiter,
                       const struct http_exchange *e, struct http_request **ret,
                       struct stow_error *err)
{
	struct http_request *r = calloc(1, sizeof(*r));
	cleanup_free char *text = next_answer();

	(void)client;
	(void)err;
	REQUIRE(r && waiter && store.requests++ < STORE_REQUESTS_MAX);
	REQUIRE(fuzz_is_line(e->url));
	for (size_t i = 0; e->headers && e->headers[i]; i++)
		REQUIRE(fuzz_is_line(e->headers[i]) && strchr(e->headers[i], ':'));
	store.seen(e);
	r->ended = e->ended;
	r->ended_arg = e->ended_arg;
	if (!text)
		text = strdup("403\n\n");
	REQUIRE(text);
	parse_answer(r, text);
	receive(r, e);
	*ret = r;
	return STOW_OK;
}

void http_request_free(struct http_request *r)
{
	if (!r)
		return;
	free(r->headers);
	free(r->body);
	free(r);
}

bool http_request_done(struct http_request *r)
{
	void (*ended)(void *arg, int status) = r->ended;

	r->ended = NULL;
	r->late = false;
	if (ended)
		ended(r->ended_arg, r->result == STOW_OK ? r->status : 0);
	return true;
}

int http_request_result(struct http_request *r, struct stow_error *err)
{
	if (r->result == STOW_OK)
		return STOW_OK;
	error_set(err, r->result, "http", "the connection broke");
	if (r->result != STOW_ERANGE)
		error_flag(err, STOW_ERROR_RETRYABLE);
	return r->result;
}

int http_request_status(struct http_request *r)
{
	return r->late ? 0 : r->status;
}

size_t http_request_arrived(struct http_request *r)
{
	return r->late ? 0 : r->arrived;
}

size_t http_request_take(struct http_request *r, struct http_waiter *waiter, struct http_ring *ring,
                         void *buf, size_t cap)
{
	(void)r;
	(void)waiter;
	return http_ring_get(ring, buf, cap);
}

bool http_request_sent(struct http_request *r)
{
	return r->sent;
}

bool http_request_stale(struct http_request *r)
{
	return r->stale;
}

unsigned http_request_connects(struct http_request *r)
{
	(void)r;
	return 0;
}

int64_t http_request_took(struct http_request *r)
{
	(void)r;
	return 0;
}

bool http_request_header(struct http_request *r, const char *name, char *ret, size_t cap)
{
	size_t len = strlen(name);

	ret[0] = '\0';
	for (const char *line = r->headers; *line; line += strlen(line) + 1) {
		const char *value = line + len + 1;

		if (strncasecmp(line, name, len) != 0 || line[len] != ':')
			continue;
		value += strspn(value, " \t");
		if (!text_copy(ret, cap, value))
			ret[0] = '\0';
		return ret[0] != '\0';
	}
	if (strcasecmp(name, "Content-Length") == 0)
		return text_format(ret, cap, "%zu", r->body_len + (r->body_len ? 0 : r->arrived));
	return false;
}

const char *http_request_body(struct http_request *r, size_t *ret_len)
{
	*ret_len = r->body_len;
	return r->body;
}
