/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader: ranges of one version of an object, fetched ahead of the caller by a small window.
 * It must not know what the bytes are.
 *
 * The first range waits for memory, later ones take only what is free.  A reader never waits for
 * memory for ever: its caller may hold what others wait for, so after a while it fetches a small
 * range outside of the budget instead.
 */
#include <inttypes.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/text.h"
#include "driver/s3/call.h"

#define WINDOW 4
#define RANGE_MAX (INT64_C(8) << 20)
#define RANGE_SMALL (INT64_C(256) << 10) /* outside of the budget */
#define PATIENCE (2 * CLOCK_SECOND)

struct range {
	int64_t offset;
	size_t len;   /* to fetch */
	size_t got;   /* kept from attempts that have ended */
	size_t given; /* handed out to the caller */
	size_t mapped, reserved;
	char *buf;
	bool whole;   /* all of it is there */
	bool checked; /* the header of the attempt under way is right */
	bool active;  /* call is in use */
	unsigned failures;
	char header[64]; /* "bytes=0-99" */
	struct call call;
};

struct reader {
	struct s3 *s3;
	char *key, *if_match; /* if_match: the caller's, until the first answer's ETag is known */
	struct http_waiter *waiter;
	struct stow_stat stat; /* of the whole object */
	bool known;            /* stat is filled */
	int64_t next, end;     /* what is to be asked for next; end of all */
	struct range ranges[WINDOW];
	unsigned first, n;         /* a ring */
	struct stow_error failure; /* latched */
};

/* ---- memory ---- */

static void release(struct reader *r, struct range *g)
{
	if (g->active)
		call_done(&g->call);
	budget_unmap(g->buf, g->mapped);
	budget_give(&r->s3->budget, BUDGET_READ, g->reserved);
	*g = (struct range){ 0 };
}

/* The object turned out shorter than the range that was reserved for it. */
static void shrink(struct reader *r, struct range *g, size_t len)
{
	if (len >= g->len)
		return;
	if (g->reserved > len) {
		budget_give(&r->s3->budget, BUDGET_READ, g->reserved - len);
		g->reserved = len;
	}
	g->len = len;
}

/* ---- one range ---- */

static void range_start(struct reader *r, struct range *g, int64_t due)
{
	int64_t from = g->offset + (int64_t)g->got, to = g->offset + (int64_t)g->len - 1;

	if (g->active)
		call_done(&g->call);
	text_format(g->header, sizeof(g->header), "bytes=%" PRId64 "-%" PRId64, from, to);
	call_init(&g->call, r->s3, "s3.read", "GET", r->key);
	call_header(&g->call, "range", g->header);
	call_header(&g->call, "if-match", r->known && r->stat.etag[0] ? r->stat.etag : r->if_match);
	g->call.answer = g->buf + g->got;
	g->call.answer_cap = g->len - g->got;
	g->call.progress = true;
	g->call.one_attempt = true;
	g->call.waiter = r->waiter;
	g->call.due = due;
	g->active = true;
	g->checked = false;
}

/* A range of len bytes at the end of the window. Memory is the caller's care. */
static int range_add(struct reader *r, size_t len, size_t reserved, struct stow_error *err)
{
	struct range *g = &r->ranges[(r->first + r->n) % WINDOW];

	*g = (struct range){ .offset = r->next, .len = len, .mapped = len, .reserved = reserved };
	g->buf = budget_map(len);
	if (!g->buf) {
		budget_give(&r->s3->budget, BUDGET_READ, reserved);
		*g = (struct range){ 0 };
		return error_nomem(err, "s3.read");
	}
	range_start(r, g, 0);
	r->next += (int64_t)len;
	r->n++;
	return STOW_OK;
}

static int corrupt(struct reader *r, const char *what, struct stow_error *err)
{
	return error_set(err, STOW_EIO, "s3.read", "bucket %s, key %s%s: %s", r->s3->o.bucket,
	                 r->s3->root, r->key, what);
}

/* "bytes 0-99/1234" */
static bool parse_content_range(const char *s, int64_t *from, int64_t *to, int64_t *size)
{
	const char *dash, *slash;

	if (!text_starts(s, "bytes "))
		return false;
	s += strlen("bytes ");
	dash = strchr(s, '-');
	slash = dash ? strchr(dash, '/') : NULL;
	return slash && text_to_int64_n(s, (size_t)(dash - s), from) &&
	       text_to_int64_n(dash + 1, (size_t)(slash - dash - 1), to) &&
	       text_to_int64(slash + 1, size);
}

/*
 * Is the answer that begins to arrive what was asked for, of the version that is being read?  The
 * first answer of all tells what there is.
 */
static int range_check(struct reader *r, struct range *g, struct stow_error *err)
{
	int64_t want = g->offset + (int64_t)g->got, from = 0, to = 0;
	struct stow_stat st;
	char text[100];
	int s = answer_stat(&g->call, &st, err);

	if (s != STOW_OK)
		return s;
	if (http_request_status(g->call.http) == 206) {
		int64_t length = st.size;

		if (!http_request_header(g->call.http, "Content-Range", text, sizeof(text)) ||
		    !parse_content_range(text, &from, &to, &st.size) || from != want || to < from ||
		    to >= st.size || to - from + 1 != length)
			return corrupt(r, "the range that came is not the one asked for", err);
	} else if (want != 0) {
		return corrupt(r, "the whole object where a range was asked for", err);
	} else {
		to = st.size - 1;
	}
	if (!r->known) {
		r->stat = st;
		r->known = true;
		if (r->end < 0 || r->end > st.size)
			r->end = st.size;
		if (r->next > r->end)
			r->next = r->end;
		if (g->offset + (int64_t)g->len > r->end)
			shrink(r, g, (size_t)(r->end - g->offset));
	} else if (st.size != r->stat.size || strcmp(st.etag, r->stat.etag) != 0) {
		return error_set(err, STOW_ECHANGED, "s3.read",
		                 "bucket %s, key %s%s was replaced while it was read",
		                 r->s3->o.bucket, r->s3->root, r->key);
	}
	if (to != g->offset + (int64_t)g->len - 1)
		return corrupt(r, "the range that came is not as long as asked for", err);
	g->checked = true;
	return STOW_OK;
}

/* An attempt has failed: keep what came and ask for the rest, if that may help. */
static int range_again(struct reader *r, struct range *g, const struct stow_op *op,
                       struct stow_error *err)
{
	const struct stow_error *e = &g->call.error;
	size_t came = 0;
	int64_t delay;

	if (g->call.status == STOW_ERANGE && g->call.http &&
	    http_request_status(g->call.http) == 200)
		return corrupt(r, "the store ignores Range and sends the whole object", err);
	if (r->known && (g->call.status == STOW_ECHANGED || g->call.status == STOW_ENOTFOUND ||
	                 g->call.status == STOW_ERANGE))
		return error_set(err, STOW_ECHANGED, "s3.read",
		                 "bucket %s, key %s%s was replaced while it was read",
		                 r->s3->o.bucket, r->s3->root, r->key);
	if (g->checked && g->call.http)
		came = http_request_arrived(g->call.http);
	g->failures = came ? 1 : g->failures + 1;
	delay = call_backoff(g->failures, e);
	if (!(e->flags & STOW_ERROR_RETRYABLE) || (int64_t)g->failures > r->s3->o.maxretries ||
	    clock_op_left(op, INT64_MAX) <= delay)
		return error_copy(err, e);
	g->got += came;
	range_start(r, g, clock_monotonic() + delay);
	return STOW_OK;
}

/* Pushes the range on. An error ends the reader. */
static int range_poll(struct reader *r, struct range *g, const struct stow_op *op,
                      struct stow_error *err)
{
	bool ended;
	int s;

	if (!g->active)
		return STOW_OK;
	ended = call_poll(&g->call, op);
	if (!g->checked && g->call.http && http_request_status(g->call.http) / 100 == 2 &&
	    (!ended || g->call.status == STOW_OK || http_request_arrived(g->call.http))) {
		s = range_check(r, g, err);
		if (s != STOW_OK)
			return s;
	}
	if (!ended)
		return STOW_OK;
	if (g->call.status != STOW_OK)
		return range_again(r, g, op, err);
	g->got += http_request_arrived(g->call.http);
	call_done(&g->call);
	g->active = false;
	if (g->got != g->len)
		return corrupt(r, "the answer is shorter than its header says", err);
	g->whole = true;
	return STOW_OK;
}

static size_t range_ready(struct range *g)
{
	size_t there = g->got;

	if (g->active && g->checked && g->call.http)
		there += http_request_arrived(g->call.http);
	return there - g->given;
}

static int64_t wake_time(struct reader *r)
{
	int64_t until = clock_monotonic() + CLOCK_SECOND;

	for (unsigned i = 0; i < r->n; i++) {
		struct range *g = &r->ranges[(r->first + i) % WINDOW];

		if (g->active && !g->call.http && g->call.due && g->call.due < until)
			until = g->call.due;
	}
	return until;
}

/* ---- opening ---- */

static int reader_new(struct s3 *s3, const char *key, const char *if_match, struct reader **ret,
                      struct stow_error *err)
{
	struct reader *r = calloc(1, sizeof(*r));
	int s;

	if (!r)
		return error_nomem(err, "s3.read");
	r->s3 = s3;
	r->key = strdup(key);
	r->if_match = if_match ? strdup(if_match) : NULL;
	s = r->key && (r->if_match || !if_match) ? http_waiter_new(&r->waiter, err)
	                                         : error_nomem(err, "s3.read");
	if (s != STOW_OK) {
		s3_read_close(r);
		return s;
	}
	*ret = r;
	return STOW_OK;
}

static int64_t range_size(const struct s3 *s3)
{
	int64_t eighth = s3->o.memory / 8;

	if (eighth > RANGE_MAX)
		return RANGE_MAX;
	return eighth > RANGE_SMALL ? eighth : RANGE_SMALL;
}

static size_t next_length(const struct reader *r)
{
	int64_t most = range_size(r->s3);

	return (size_t)(r->end >= 0 && r->end - r->next < most ? r->end - r->next : most);
}

/* The range that the caller waits for. */
static int first_range(struct reader *r, const struct stow_op *op, struct stow_error *err)
{
	size_t len = next_length(r), reserved = len;
	int s = budget_take(&r->s3->budget, op, BUDGET_READ, len, clock_monotonic() + PATIENCE,
	                    err);

	if (s == STOW_EBUSY) {
		reserved = 0;
		if (len > (size_t)RANGE_SMALL)
			len = (size_t)RANGE_SMALL;
	} else if (s != STOW_OK) {
		return s;
	}
	return range_add(r, len, reserved, err);
}

/* What there is no range of: nothing to read, or past the end. One more request tells. */
static int open_by_stat(struct reader *r, const struct stow_op *op, int64_t offset,
                        struct stow_error *err)
{
	cleanup_call struct call c = { 0 };
	int s;

	call_init(&c, r->s3, "s3.read", "HEAD", r->key);
	call_header(&c, "if-match", r->if_match);
	s = call_run(&c, op, err);
	if (s == STOW_OK)
		s = answer_stat(&c, &r->stat, err);
	if (s != STOW_OK)
		return s;
	if (offset > r->stat.size)
		return error_set(err, STOW_ERANGE, "s3.read",
		                 "bucket %s, key %s%s: offset %" PRId64 " of %" PRId64 " bytes",
		                 r->s3->o.bucket, r->s3->root, r->key, offset, r->stat.size);
	r->known = true;
	r->next = r->end = offset;
	return STOW_OK;
}

static int open_by_range(struct reader *r, const struct stow_op *op, struct stow_error *err)
{
	struct range *g = &r->ranges[0];
	int64_t offset = r->next;
	int s = first_range(r, op, err);

	while (s == STOW_OK && !r->known) {
		uint64_t seen = http_waiter_seen(r->waiter);

		s = range_poll(r, g, op, err);
		if (s == STOW_OK && !r->known)
			http_waiter_wait(r->waiter, op, seen, wake_time(r));
	}
	if (s != STOW_ERANGE || r->known)
		return s;
	release(r, g);
	r->n = 0;
	s = open_by_stat(r, op, offset, err);
	/* refused as beyond the end, and now it is not: taking it for empty would cut it */
	if (s == STOW_OK && offset < r->stat.size) {
		s = error_set(err, STOW_ECHANGED, "s3.read",
		              "bucket %s, key %s%s was replaced while it was opened",
		              r->s3->o.bucket, r->s3->root, r->key);
		error_flag(err, STOW_ERROR_RETRYABLE);
	}
	return s;
}

int s3_read_any(void *self, const struct stow_op *op, const char *key, const char *if_match,
                int64_t offset, int64_t length, void **ret_reader, struct stow_stat *ret_stat,
                struct stow_error *err)
{
	struct reader *r = NULL;
	int s;

	if (offset < 0 || length < -1)
		return error_set(err, STOW_EINVAL, "s3.read", "negative offset or length");
	s = reader_new(self, key, if_match, &r, err);
	if (s != STOW_OK || !r)
		return s;
	r->next = offset;
	r->end = length < 0 || length > INT64_MAX - offset ? -1 : offset + length;
	if (length == 0 || offset > S3_OBJECT_MAX)
		s = open_by_stat(r, op, offset, err);
	else
		s = open_by_range(r, op, err);
	if (s != STOW_OK) {
		s3_read_close(r);
		return s;
	}
	*ret_reader = r;
	if (ret_stat)
		*ret_stat = r->stat;
	return STOW_OK;
}

int s3_read_open(void *self, const struct stow_op *op, const char *key, const char *if_match,
                 int64_t offset, int64_t length, void **ret_reader, struct stow_stat *ret_stat,
                 struct stow_error *err)
{
	int s = s3_key_check(self, key, "s3.read", err);

	return s == STOW_OK ? s3_read_any(self, op, key, if_match, offset, length, ret_reader,
	                                  ret_stat, err)
	                    : s;
}

/* ---- reading ---- */

static int fill_window(struct reader *r, const struct stow_op *op, struct stow_error *err)
{
	int s = STOW_OK;

	if (r->n == 0 && r->next < r->end) {
		size_t len = next_length(r);

		s = budget_try(&r->s3->budget, BUDGET_READ, len) ? range_add(r, len, len, err)
		                                                 : first_range(r, op, err);
	}
	while (s == STOW_OK && r->n < WINDOW && r->next < r->end) {
		size_t len = next_length(r);

		if (!budget_try(&r->s3->budget, BUDGET_READ, len))
			break;
		s = range_add(r, len, len, err);
	}
	return s;
}

static int advance(struct reader *r, const struct stow_op *op, struct stow_error *err)
{
	int s = fill_window(r, op, err);

	for (unsigned i = 0; i < r->n && s == STOW_OK; i++)
		s = range_poll(r, &r->ranges[(r->first + i) % WINDOW], op, err);
	return s;
}

static size_t hand_out(struct reader *r, void *buf, size_t cap)
{
	struct range *g = &r->ranges[r->first];
	size_t len = range_ready(g);

	if (len > cap)
		len = cap;
	memcpy(buf, g->buf + g->given, len);
	g->given += len;
	if (g->given == g->len && g->whole) {
		release(r, g);
		r->first = (r->first + 1) % WINDOW;
		r->n--;
	}
	return len;
}

int s3_read(void *handle, const struct stow_op *op, void *buf, size_t cap, size_t *ret_len,
            struct stow_error *err)
{
	struct reader *r = handle;
	struct stow_error e = { 0 };
	int s;

	if (cap == 0)
		return error_set(err, STOW_EINVAL, "s3.read", "a buffer of 0 bytes");
	if (r->failure.status != STOW_OK)
		return error_copy(err, &r->failure);
	for (;;) {
		uint64_t seen = http_waiter_seen(r->waiter);

		s = clock_op_check(op, "s3.read", err);
		if (s != STOW_OK)
			return s;
		s = advance(r, op, &e);
		if (s != STOW_OK)
			break;
		if (r->n == 0) {
			*ret_len = 0;
			return STOW_OK;
		}
		if (range_ready(&r->ranges[r->first])) {
			*ret_len = hand_out(r, buf, cap);
			return STOW_OK;
		}
		if (r->ranges[r->first].whole) {
			hand_out(r, buf, 0); /* all was given before its end was known */
			continue;
		}
		http_waiter_wait(r->waiter, op, seen, wake_time(r));
	}
	r->failure = e;
	return error_copy(err, &e);
}

void s3_read_close(void *handle)
{
	struct reader *r = handle;

	if (!r)
		return;
	for (unsigned i = 0; i < WINDOW; i++)
		release(r, &r->ranges[i]);
	http_waiter_free(r->waiter);
	free(r->key);
	free(r->if_match);
	free(r);
}
