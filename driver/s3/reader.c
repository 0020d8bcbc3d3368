/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader: one version of an object, fetched ahead of the caller by one request through a ring of
 * a fixed size, and by another for the rest where that one breaks.  It must not know what the
 * bytes are.
 *
 * A transfer that finds the ring full pauses, so a slow caller costs no request more.  A reader
 * never waits for memory for ever: its caller may hold what others wait for, so after a while it
 * goes on with a small ring outside of the budget instead.
 */
#include <inttypes.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/text.h"
#include "driver/s3/metrics.h"

#define RING_MAX (INT64_C(8) << 20)
#define RING_SMALL (INT64_C(256) << 10) /* outside of the budget */
#define AHEAD_FIRST ((size_t)1 << 20)   /* of who did not say where he stops */
#define RING_UNKNOWN (INT64_C(2) << 20) /* likewise: most objects are small */
/* a caller holds a thread meanwhile, and a small ring does, too */
#define PATIENCE (CLOCK_SECOND / 10)
#define MOMENT (5 * CLOCK_MILLISECOND) /* of who does not wait: for what is about to come */

struct reader {
	struct s3 *s3;
	char *key, *if_match; /* if_match: the caller's, until the first answer's ETag is known */
	struct http_waiter *waiter;
	struct stow_stat stat; /* of the whole object */
	bool known;            /* stat is filled */

	/* offsets in the object: given <= fetched <= end */
	int64_t given;   /* what the caller has */
	int64_t fetched; /* what attempts that have ended put into the ring */
	int64_t end;     /* -1: that of the object, which is not known yet */

	struct http_ring ring;
	size_t mapped, reserved;

	/* the attempt under way */
	bool active;             /* call is in use */
	bool checked;            /* the header of its answer is right */
	unsigned failures, paid; /* in a row; paid: of them, by the purse */
	int64_t began;           /* the first of them */
	int64_t due;             /* when the next one may start */
	char header[64];         /* "bytes=0-99" */
	struct call call;

	struct stow_error failure; /* latched */
};

/* ---- memory ---- */

static void ring_release(struct reader *r)
{
	budget_unmap(r->ring.data, r->mapped);
	budget_give(&r->s3->budget, BUDGET_READ, r->reserved);
	r->ring = (struct http_ring){ 0 };
	r->mapped = r->reserved = 0;
}

static size_t ring_size(const struct reader *r)
{
	int64_t size = r->s3->o.memory / 8;

	if (size > RING_MAX)
		size = RING_MAX;
	if (r->end < 0 && size > RING_UNKNOWN)
		size = RING_UNKNOWN;
	if (size < RING_SMALL)
		size = RING_SMALL;
	return (size_t)(r->end >= 0 && r->end - r->fetched < size ? r->end - r->fetched : size);
}

/* Of len bytes, of which reserved are booked. */
static int ring_set(struct reader *r, size_t len, size_t reserved, struct stow_error *err)
{
	void *data = budget_map(len);

	if (!data) {
		budget_give(&r->s3->budget, BUDGET_READ, reserved);
		return error_nomem(err, "s3.read");
	}
	http_ring_init(&r->ring, data, len, r->end < 0 ? AHEAD_FIRST : 0);
	r->mapped = len;
	r->reserved = reserved;
	return STOW_OK;
}

static int ring_open(struct reader *r, const struct stow_op *op, struct stow_error *err)
{
	size_t len = ring_size(r), reserved = len;
	int s = budget_read(&r->s3->budget, op, len, clock_monotonic() + PATIENCE, err);

	if (s == STOW_EBUSY) {
		reserved = 0;
		if (len > (size_t)RING_SMALL)
			len = (size_t)RING_SMALL;
	} else if (s != STOW_OK) {
		return s;
	}
	return ring_set(r, len, reserved, err);
}

/* The object turned out shorter than the ring that was reserved for it. */
static void ring_shrink(struct reader *r)
{
	int64_t left = r->end - r->given;

	if ((int64_t)r->reserved > left) {
		budget_give(&r->s3->budget, BUDGET_READ, r->reserved - (size_t)left);
		r->reserved = (size_t)left;
	}
}

/* An empty small ring becomes a large one where there is memory for it by now. */
static int ring_grow(struct reader *r, struct stow_error *err)
{
	size_t len = ring_size(r);

	if (r->reserved || r->ring.held || len <= r->mapped ||
	    !budget_try_read(&r->s3->budget, len))
		return STOW_OK;
	ring_release(r);
	return ring_set(r, len, len, err);
}

/* ---- the range ---- */

static void attempt_end(struct reader *r)
{
	if (r->active)
		call_done(&r->call);
	r->active = false;
}

static void attempt_start(struct reader *r)
{
	int64_t most = (r->end < 0 ? S3_OBJECT_MAX : r->end) - r->fetched;

	call_init(&r->call, r->s3, "s3.read", "GET", r->key);
	r->call.attributes = ATTRIBUTES_KEY;
	if (r->end >= 0)
		text_format(r->header, sizeof(r->header), "bytes=%" PRId64 "-%" PRId64, r->fetched,
		            r->end - 1);
	else
		text_format(r->header, sizeof(r->header), "bytes=%" PRId64 "-", r->fetched);
	/* the whole of an object, which may be empty, is no range */
	if (r->end >= 0 || r->fetched > 0)
		call_header(&r->call, "range", r->header);
	call_header(&r->call, "if-match", r->known && r->stat.etag[0] ? r->stat.etag : r->if_match);
	r->call.ring = &r->ring;
	r->call.answer_cap = (uint64_t)most > SIZE_MAX ? SIZE_MAX : (size_t)most;
	r->call.progress = true;
	/* the caller has had some already: slow ones that come again and again are no obstacle */
	r->call.patient = r->known;
	r->call.one_attempt = true;
	r->call.waiter = r->waiter;
	r->call.due = r->due;
	r->active = true;
	r->checked = false;
}

/* Asks for what is not on its way, as soon as the ring has room for a good deal of it. */
static int range_start(struct reader *r, struct stow_error *err)
{
	int s = STOW_OK;

	if (r->active || r->fetched == r->end || !http_ring_roomy(&r->ring))
		return STOW_OK;
	s = ring_grow(r, err);
	if (s == STOW_OK)
		attempt_start(r);
	return s;
}

static size_t arrived(struct reader *r)
{
	return r->active && r->checked && r->call.http ? http_request_arrived(r->call.http) : 0;
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

static int changed(struct reader *r, struct stow_error *err)
{
	return error_set(err, STOW_ECHANGED, "s3.read",
	                 "bucket %s, key %s%s was replaced while it was read", r->s3->o.bucket,
	                 r->s3->root, r->key);
}

/* The first answer of all tells what there is. */
static void learn(struct reader *r, const struct stow_stat *st)
{
	r->stat = *st;
	r->known = true;
	if (r->end < 0 || r->end > st->size)
		r->end = st->size;
	ring_shrink(r);
}

/* Is the answer that begins to arrive what was asked for, of the version that is being read? */
static int range_check(struct reader *r, struct stow_error *err)
{
	int64_t from = 0, to = 0;
	struct stow_stat st;
	char text[100];
	int s = answer_stat(&r->call, &st, err);

	if (s != STOW_OK)
		return s;
	if (http_request_status(r->call.http) == 206) {
		int64_t length = st.size;

		if (!http_request_header(r->call.http, "Content-Range", text, sizeof(text)) ||
		    !parse_content_range(text, &from, &to, &st.size) || from != r->fetched ||
		    to < from || to >= st.size || to - from + 1 != length)
			return corrupt(r, "the range that came is not the one asked for", err);
	} else if (r->fetched != 0) {
		return corrupt(r, "the whole object where a range was asked for", err);
	} else {
		to = st.size - 1;
	}
	if (!r->known)
		learn(r, &st);
	else if (st.size != r->stat.size || strcmp(st.etag, r->stat.etag) != 0)
		return changed(r, err);
	if (to != r->end - 1)
		return corrupt(r, "the range that came is not as long as asked for", err);
	r->checked = true;
	return STOW_OK;
}

/* It was not the store that ended the attempt, but the client, since the ring was full for long. */
static bool gave_way(struct reader *r)
{
	return r->call.status == STOW_EBUSY && r->call.http &&
	       http_request_status(r->call.http) / 100 == 2;
}

/* An attempt has failed: keep what came and let the rest be asked for, if that may help. */
static int range_again(struct reader *r, const struct stow_op *op, struct stow_error *err)
{
	const struct stow_error *e = &r->call.error;
	size_t came = arrived(r);
	int64_t delay = 0;
	unsigned paid = 0;
	bool once_more;

	if (r->call.status == STOW_ERANGE && r->call.http &&
	    http_request_status(r->call.http) == 200)
		return corrupt(r, "the store ignores Range and sends the whole object", err);
	if (r->known && (r->call.status == STOW_ECHANGED || r->call.status == STOW_ENOTFOUND ||
	                 r->call.status == STOW_ERANGE))
		return changed(r, err);
	r->failures = came ? 1 : r->failures + 1;
	if (r->failures == 1)
		r->began = clock_monotonic();
	if (gave_way(r) && came) {
		r->failures = 0;
		once_more = true;
	} else {
		once_more = call_may_retry(&r->call, op, r->failures, r->began, &delay, &paid);
	}
	if (!once_more)
		return error_copy(err, e);
	r->paid += paid;
	metrics_retry(&r->call);
	r->fetched += (int64_t)came;
	r->due = clock_monotonic() + delay;
	attempt_end(r);
	return STOW_OK;
}

/* Pushes the attempt on. An error ends the reader. */
static int range_poll(struct reader *r, const struct stow_op *op, struct stow_error *err)
{
	bool ended;
	int s;

	if (!r->active)
		return STOW_OK;
	ended = call_poll(&r->call, op);
	if (!r->checked && r->call.http && http_request_status(r->call.http) / 100 == 2 &&
	    (!ended || r->call.status == STOW_OK || http_request_arrived(r->call.http))) {
		s = range_check(r, err);
		if (s != STOW_OK)
			return s;
	}
	if (!ended)
		return STOW_OK;
	if (r->call.status != STOW_OK)
		return range_again(r, op, err);
	if (r->paid)
		pace_earn(&r->s3->pace, r->paid);
	r->paid = 0;
	r->fetched += (int64_t)arrived(r);
	attempt_end(r);
	return r->fetched == r->end ? STOW_OK
	                            : corrupt(r, "the answer is shorter than its header says", err);
}

static int advance(struct reader *r, const struct stow_op *op, struct stow_error *err)
{
	int s = range_start(r, err);

	return s == STOW_OK ? range_poll(r, op, err) : s;
}

/* Attempts are started by the caller's next look, after which there is always one or an end. */
static int64_t wake_time(struct reader *r)
{
	return r->active ? call_wake_time(&r->call) : 0;
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

/* What there is no range of: nothing to read, or past the end. One more request tells. */
static int open_by_stat(struct reader *r, const struct stow_op *op, int64_t offset,
                        struct stow_error *err)
{
	cleanup_call struct call c = { 0 };
	int s;

	call_init(&c, r->s3, "s3.read", "HEAD", r->key);
	c.attributes = ATTRIBUTES_KEY;
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
	r->end = offset;
	return STOW_OK;
}

static int open_by_range(struct reader *r, const struct stow_op *op, struct stow_error *err)
{
	int s = ring_open(r, op, err);

	while (s == STOW_OK && !r->known) {
		uint64_t seen = http_waiter_seen(r->waiter);

		s = advance(r, op, err);
		if (s == STOW_OK && !r->known)
			http_waiter_wait(r->waiter, op, seen, wake_time(r));
	}
	if (s != STOW_ERANGE || r->known)
		return s;
	attempt_end(r);
	ring_release(r);
	s = open_by_stat(r, op, r->given, err);
	/* refused as beyond the end, and now it is not: taking it for empty would cut it */
	if (s == STOW_OK && r->given < r->stat.size) {
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
	r->given = r->fetched = offset;
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

static size_t ready(struct reader *r)
{
	return (size_t)(r->fetched - r->given) + arrived(r);
}

static size_t hand_out(struct reader *r, void *buf, size_t len)
{
	len = http_request_take(r->active ? r->call.http : NULL, r->waiter, &r->ring, buf, len);
	r->given += (int64_t)len;
	if (r->given == r->end && !r->active)
		ring_release(r);
	return len;
}

static int nothing_yet(struct stow_error *err)
{
	error_set(err, STOW_EBUSY, "s3.read", "nothing has come yet");
	error_flag(err, STOW_ERROR_RETRYABLE | STOW_ERROR_AGAIN);
	return STOW_EBUSY;
}

int s3_read(void *handle, const struct stow_op *op, void *buf, size_t cap, size_t *ret_len,
            struct stow_error *err)
{
	struct reader *r = handle;
	struct stow_error e = { 0 };
	int64_t until = op && op->flags & STOW_OP_NOWAIT ? clock_monotonic() + MOMENT : 0;
	int s;

	if (cap == 0)
		return error_set(err, STOW_EINVAL, "s3.read", "a buffer of 0 bytes");
	if (r->failure.status != STOW_OK)
		return error_copy(err, &r->failure);
	for (;;) {
		uint64_t seen = http_waiter_seen(r->waiter);
		int64_t wake;
		size_t len;

		s = clock_op_check(op, "s3.read", err);
		if (s != STOW_OK)
			return s;
		s = advance(r, op, &e);
		if (s != STOW_OK)
			break;
		len = ready(r);
		if (len || (r->given == r->end && !r->active)) {
			*ret_len = len ? hand_out(r, buf, len < cap ? len : cap) : 0;
			return STOW_OK;
		}
		if (until && clock_monotonic() >= until)
			return nothing_yet(err);
		wake = wake_time(r);
		http_waiter_wait(r->waiter, op, seen, until && until < wake ? until : wake);
	}
	r->failure = e;
	return error_copy(err, &e);
}

void s3_read_close(void *handle)
{
	struct reader *r = handle;

	if (!r)
		return;
	attempt_end(r);
	ring_release(r);
	http_waiter_free(r->waiter);
	free(r->key);
	free(r->if_match);
	free(r);
}
