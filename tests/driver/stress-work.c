/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker does: one call after the other, each with a deadline, and what its answer allows.
 * It must not know how many workers there are, nor what lies between them and the store.
 */
#include "tests/driver/stress.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"

#define MIB ((int64_t)1 << 20)
#define STREAM_MOST (12 * MIB)
#define PATIENCE (10 * CLOCK_SECOND)
#define PATIENCE_CLOSE (3 * CLOCK_SECOND)
#define PATIENCE_CALM (30 * CLOCK_SECOND)
#define PERSEVERANCE (90 * CLOCK_SECOND) /* of the last look, with all faults off */
#define OVERTIME (3 * CLOCK_SECOND)      /* of what is under way when the time is over */
#define SLOW_PAUSE_US 50000

/* What a write asks of what is there. */
enum condition { PLAIN, CREATE, MATCH, WRONG };

/* ---- calls ---- */

static uint64_t below(struct stress_worker *w, uint64_t n)
{
	return stress_random(&w->random) % n;
}

static bool is_calm(const struct stress_worker *w)
{
	return __atomic_load_n(&w->s->calm, __ATOMIC_ACQUIRE) != 0;
}

/* The circumstances of the next call; end() looks at its answer. */
static const struct stow_op *begin(struct stress_worker *w, int verb)
{
	int64_t due = clock_monotonic();

	if (verb == STRESS_WRITE_CLOSE)
		due += PATIENCE_CLOSE;
	else if (verb != STRESS_READ_CLOSE && verb != STRESS_LIST_CLOSE) /* these take none */
		due += w->patience_ns;
	if (!is_calm(w) && due > w->s->until_ns + OVERTIME)
		due = w->s->until_ns + OVERTIME;
	w->err = (struct stow_error){ 0 };
	w->requests = 0;
	w->op = (struct stow_op){ .size = sizeof(w->op),
		                  .deadline_ns = due,
		                  .requests = &w->requests };
	w->tally.calls[verb]++;
	__atomic_store_n(&w->verb, verb, __ATOMIC_RELAXED);
	__atomic_store_n(&w->due_ns, due, __ATOMIC_RELEASE);
	return &w->op;
}

static int end(struct stress_worker *w, int r)
{
	int64_t late = clock_monotonic() - w->op.deadline_ns;
	bool reported = __atomic_exchange_n(&w->reported, false, __ATOMIC_RELAXED);

	__atomic_store_n(&w->due_ns, 0, __ATOMIC_RELEASE);
	if (late > w->tally.latest_ns)
		w->tally.latest_ns = late;
	if (late > STRESS_LATE && !reported) {
		__atomic_add_fetch(&w->s->too_late, 1, __ATOMIC_RELAXED);
		stress_fault(w, NULL, "%s came back %" PRId64 " ms behind its deadline",
		             stress_verb_name(w->verb), late / CLOCK_MILLISECOND);
	}
	if (r > 0 || r <= -STRESS_STATUSES) {
		stress_fault(w, NULL, "%s gave no status: %d", stress_verb_name(w->verb), r);
		return STOW_EIO;
	}
	w->tally.statuses[-r]++;
	if (r == STOW_EIO && !(w->err.flags & STOW_ERROR_RETRYABLE)) {
		w->tally.final++;
		text_copy(w->tally.final_message, sizeof(w->tally.final_message), w->err.message);
	}
	if (r != STOW_OK && (w->err.status != r || !w->err.message[0]))
		stress_fault(w, NULL, "%s: %s without an error that says so",
		             stress_verb_name(w->verb), stress_status(r));
	return r;
}

/* What a store that is hard to reach may do to any call. */
static bool is_trouble(int r)
{
	return r == STOW_EBUSY || r == STOW_ETIMEOUT || r == STOW_EIO;
}

static void unexpected(struct stress_worker *w, const struct stress_object *o, int r)
{
	stress_fault(w, o, "%s: %s%s%s", stress_verb_name(w->verb), stress_status(r),
	             r == STOW_OK ? "" : ": ", r == STOW_OK ? "" : w->err.message);
}

static void draw_patience(struct stress_worker *w)
{
	w->patience_ns = is_calm(w) ? PATIENCE_CALM : PATIENCE;
	if (!is_calm(w) && below(w, 8) == 0)
		w->patience_ns = (int64_t)(20 + below(w, 1500)) * CLOCK_MILLISECOND;
}

/* ---- keys ---- */

void stress_new_key(struct stress_worker *w, struct stress_object *o)
{
	*o = (struct stress_object){ .may = { { 0, -1 } }, .n = 1, .other = { 0, -1 } };
	text_format(o->key, sizeof(o->key), "w%05u/%" PRIu64, w->number, w->names++);
}

static void book(struct stress_worker *w, struct stress_object *o)
{
	int64_t size = 0;

	for (unsigned i = 0; i < o->n; i++)
		size += o->may[i].size > 0 ? o->may[i].size : 0;
	__atomic_add_fetch(&w->s->stored, size - o->booked, __ATOMIC_RELAXED);
	o->booked = size;
}

static int end_remove(struct stress_worker *w, const char *key)
{
	const struct stow_driver *d = w->s->driver;

	return end(w, d->remove(w->s->self, begin(w, STRESS_REMOVE), key, NULL, &w->err));
}

/* o is written no more, a new key takes its place.  The oldest that rests is looked at no more. */
static void rest(struct stress_worker *w, struct stress_object *o)
{
	if (w->n_resting == STRESS_RESTING) {
		int r;

		__atomic_sub_fetch(&w->s->stored, w->resting[0].booked, __ATOMIC_RELAXED);
		r = end_remove(w, w->resting[0].key);
		if (r != STOW_OK && !is_trouble(r))
			unexpected(w, &w->resting[0], r);
		w->n_resting--;
		memmove(w->resting, w->resting + 1, w->n_resting * sizeof(w->resting[0]));
	}
	w->resting[w->n_resting++] = *o;
	stress_new_key(w, o);
}

/* A new content, its bytes booked until wrote() knows better. */
static struct stress_content new_content(struct stress_worker *w, int64_t size)
{
	int64_t *stored = &w->s->stored;
	uint64_t state = (uint64_t)w->s->seed ^ (uint64_t)w->number << 40 ^ w->versions++;

	if (__atomic_add_fetch(stored, size, __ATOMIC_RELAXED) > w->s->store && size > 4096) {
		__atomic_sub_fetch(stored, size - size % 4096, __ATOMIC_RELAXED);
		size %= 4096;
	}
	return (struct stress_content){ stress_random(&state), size };
}

static void discard(struct stress_worker *w, struct stress_content c)
{
	if (c.size > 0)
		__atomic_sub_fetch(&w->s->stored, c.size, __ATOMIC_RELAXED);
}

/* How a write of c ended: what is there now?  again: a request of it may still be on its way. */
static void wrote(struct stress_worker *w, struct stress_object *o, struct stress_content c, int r,
                  bool maybe, bool again)
{
	o->etag[0] = '\0';
	if (r == STOW_OK) {
		o->other = o->may[0];
		o->may[0] = c;
	} else if (maybe) {
		o->may[1] = c;
		o->n = 2;
		w->tally.maybe++;
	}
	book(w, o);
	if (o->n == 2 || again)
		rest(w, o);
}

/* ---- writes ---- */

static enum condition draw_condition(struct stress_worker *w, const struct stress_object *o)
{
	uint64_t draw = below(w, 8);

	if (draw == 0 && w->s->caps & STOW_CAP_CREATE)
		return CREATE;
	if (draw == 1 && w->s->caps & STOW_CAP_PUT_IF_MATCH && o->etag[0])
		return MATCH;
	if (draw == 2 && w->s->caps & STOW_CAP_PUT_IF_MATCH)
		return WRONG;
	return PLAIN;
}

static void set_condition(struct stow_put *put, enum condition condition, const char *etag)
{
	*put = (struct stow_put){ .size = sizeof(*put), .length = -1 };
	if (condition == CREATE)
		put->flags = STOW_PUT_CREATE;
	if (condition == MATCH)
		put->if_match = etag;
	if (condition == WRONG)
		put->if_match = "\"0123456789abcdef0123456789abcdef\"";
}

/* Did the store heed a condition that does not hold?  Then all is as it was. */
static void judge_forbidden(struct stress_worker *w, struct stress_object *o,
                            struct stress_content c, enum condition condition, int r)
{
	int want = condition == CREATE   ? STOW_EEXIST
	           : o->may[0].size >= 0 ? STOW_ECHANGED
	                                 : STOW_ENOTFOUND;

	discard(w, c);
	if (r == want || is_trouble(r))
		return;
	unexpected(w, o, r);
	if (r == STOW_OK)
		rest(w, o);
}

/* o is exact. single: the write is one request, and two of them are an attempt more. */
static void judge_write(struct stress_worker *w, struct stress_object *o, struct stress_content c,
                        enum condition condition, int r, bool single)
{
	bool maybe = (w->err.flags & STOW_ERROR_MAYBE) != 0;
	bool again = single && w->requests > 1;

	w->tally.retried += again;
	if (condition == WRONG || (condition == CREATE && o->may[0].size >= 0)) {
		judge_forbidden(w, o, c, condition, r);
		return;
	}
	discard(w, c);
	/* a condition that failed since the first attempt, whose answer was lost, has fulfilled it */
	if (r != STOW_OK && !is_trouble(r) &&
	    !(maybe && ((condition == CREATE && r == STOW_EEXIST) ||
	                (condition == MATCH && r == STOW_ECHANGED))))
		unexpected(w, o, r);
	if (r == STOW_OK && c.size > 0)
		w->tally.written += (uint64_t)c.size;
	wrote(w, o, c, r, maybe, again && (r == STOW_OK || maybe));
}

static void keep_etag(struct stress_worker *w, struct stress_object *o, const char *key,
                      const struct stow_stat *st, int r)
{
	if (r != STOW_OK || strcmp(o->key, key) != 0)
		return;
	if (st->size != o->may[0].size)
		stress_fault(w, o, "a write of %" PRId64 " bytes says %" PRId64, o->may[0].size,
		             st->size);
	text_copy(o->etag, sizeof(o->etag), st->etag);
}

static void do_put(struct stress_worker *w, struct stress_object *o)
{
	struct stress_content c = new_content(w, (int64_t)below(w, STRESS_PIECE));
	enum condition condition = draw_condition(w, o);
	const struct stow_driver *d = w->s->driver;
	struct stow_stat st = { 0 };
	struct stow_put put;
	char key[STRESS_KEY];
	int r;

	text_copy(key, sizeof(key), o->key);
	set_condition(&put, condition, o->etag);
	stress_fill(c.id, 0, w->buf, (size_t)c.size);
	r = end(w, d->put(w->s->self, begin(w, STRESS_PUT), o->key, w->buf, (size_t)c.size, &put,
	                  &st, &w->err));
	judge_write(w, o, c, condition, r, true);
	if (condition != WRONG)
		keep_etag(w, o, key, &st, r);
}

/* Some up to all there may be, most of them small. */
static int64_t draw_size(struct stress_worker *w)
{
	int64_t most = below(w, 8) == 0 ? STREAM_MOST : (int64_t)1 << (10 + below(w, 12));

	return (int64_t)below(w, (uint64_t)most + 1);
}

static int write_pieces(struct stress_worker *w, void *writer, struct stress_content c)
{
	const struct stow_driver *d = w->s->driver;
	uint64_t most = below(w, 8) ? STRESS_PIECE : 700;
	int64_t at = 0;
	int r = STOW_OK;

	if (c.size > MIB / 4)
		most = STRESS_PIECE;
	while (at < c.size && r == STOW_OK) {
		size_t len = (size_t)(1 + below(w, most));

		if ((int64_t)len > c.size - at)
			len = (size_t)(c.size - at);
		stress_fill(c.id, at, w->buf, len);
		r = end(w, d->write(writer, begin(w, STRESS_WRITE), w->buf, len, &w->err));
		at += (int64_t)len;
	}
	return r;
}

static void do_write(struct stress_worker *w, struct stress_object *o)
{
	struct stress_content c = new_content(w, draw_size(w));
	enum condition condition = draw_condition(w, o);
	const struct stow_driver *d = w->s->driver;
	struct stow_stat st = { 0 };
	struct stow_error err;
	struct stow_put put;
	char key[STRESS_KEY];
	void *writer = NULL;
	int64_t offset = 0;
	bool given_up = below(w, 10) == 0, commits = false;
	uint64_t requests;
	int r;

	text_copy(key, sizeof(key), o->key);
	set_condition(&put, condition, o->etag);
	put.length = below(w, 2) ? c.size : -1;
	r = end(w, d->write_open(w->s->self, begin(w, STRESS_WRITE_OPEN), o->key, &put, &writer,
	                         &offset, &w->err));
	if (r == STOW_OK && offset != 0)
		stress_fault(w, o, "a new write begins at %" PRId64, offset);
	if (r == STOW_OK) {
		r = write_pieces(w, writer, c);
		if (r == STOW_OK && !given_up) {
			commits = true;
			r = end(w, d->write_commit(writer, begin(w, STRESS_WRITE_COMMIT), &st,
			                           &w->err));
		}
		err = w->err;
		requests = w->requests;
		d->write_close(writer, begin(w, STRESS_WRITE_CLOSE));
		end(w, STOW_OK);
		w->err = err;
		w->requests = requests;
	}
	if (!commits) {
		discard(w, c);
		/* nothing was to be seen before the commit: o is what it was */
		if (r != STOW_OK && (!is_trouble(r) || w->err.flags & STOW_ERROR_MAYBE))
			unexpected(w, o, r);
		return;
	}
	judge_write(w, o, c, condition, r, c.size <= w->s->part);
	if (condition != WRONG)
		keep_etag(w, o, key, &st, r);
}

static void do_remove(struct stress_worker *w, struct stress_object *o)
{
	int r = end_remove(w, o->key);

	judge_write(w, o, (struct stress_content){ 0, -1 }, PLAIN, r, true);
}

static void do_copy(struct stress_worker *w, const struct stress_object *from,
                    struct stress_object *to)
{
	struct stow_put put = { .size = sizeof(put), .length = from->may[0].size };
	const struct stow_driver *d = w->s->driver;
	struct stress_content c = from->may[0];
	int r;

	if (!d->copy || from == to || !stress_is_present(from))
		return;
	/* what a copy keeps is booked, too */
	if (__atomic_add_fetch(&w->s->stored, c.size, __ATOMIC_RELAXED) > w->s->store) {
		discard(w, c);
		return;
	}
	r = end(w, d->copy(w->s->self, begin(w, STRESS_COPY), from->key, NULL, to->key, &put,
	                   &w->err));
	judge_write(w, to, c, PLAIN, r, c.size <= w->s->part);
}

/* ---- reads ---- */

/* It did not come. May that be? */
static void judge_absent(struct stress_worker *w, struct stress_object *o, int r)
{
	unsigned mask = stress_by_size(o, -1);

	if (r == STOW_ENOTFOUND && mask)
		stress_saw(o, mask);
	else if (!is_trouble(r) && !(r == STOW_ECHANGED && o->n == 2))
		unexpected(w, o, r);
}

static unsigned judge_stat(struct stress_worker *w, const struct stress_object *o,
                           const struct stow_stat *st)
{
	unsigned mask = stress_by_size(o, st->size);

	if (st->size < 0 || !mask)
		stress_fault(w, o, "%s says it has %" PRId64 " bytes", stress_verb_name(w->verb),
		             st->size);
	if (mask && o->n == 1 && o->etag[0] && strcmp(st->etag, o->etag) != 0)
		stress_fault(w, o, "%s says ETag %s, the write said %s", stress_verb_name(w->verb),
		             st->etag, o->etag);
	return st->size < 0 ? 0 : mask;
}

static void do_stat(struct stress_worker *w, struct stress_object *o)
{
	const struct stow_driver *d = w->s->driver;
	struct stow_stat st = { 0 };
	int r = end(w, d->stat(w->s->self, begin(w, STRESS_STAT), o->key, &st, &w->err));

	if (r != STOW_OK)
		judge_absent(w, o, r);
	else
		stress_saw(o, judge_stat(w, o, &st));
}

/* Only where it is sure to hold. */
static const char *draw_if_match(struct stress_worker *w, const struct stress_object *o)
{
	return w->s->caps & STOW_CAP_GET_IF_MATCH && o->n == 1 && o->etag[0] && below(w, 2)
	               ? o->etag
	               : NULL;
}

static void do_get(struct stress_worker *w, struct stress_object *o)
{
	const struct stow_driver *d = w->s->driver;
	const char *if_match = draw_if_match(w, o);
	size_t len = SIZE_MAX, cap = below(w, 4) ? STRESS_PIECE : (size_t)below(w, STRESS_PIECE);
	struct stow_stat st = { 0 };
	unsigned mask;
	int r = end(w, d->get(w->s->self, begin(w, STRESS_GET), o->key, if_match, w->buf, cap, &len,
	                      &st, &w->err));

	if (r == STOW_ERANGE) {
		if (len == SIZE_MAX || len <= cap || !stress_by_size(o, (int64_t)len))
			unexpected(w, o, r);
		return;
	}
	if (r != STOW_OK) {
		judge_absent(w, o, r);
		return;
	}
	mask = judge_stat(w, o, &st);
	if (len > cap || (int64_t)len != st.size)
		stress_fault(w, o, "get gave %zu bytes of %" PRId64, len, st.size);
	else
		stress_saw(o, stress_match(w, o, mask, 0, w->buf, len));
}

struct reading {
	struct stress_object *o;
	struct stress_object seen; /* as it was when the reader was opened */
	void *reader;
	int64_t at, to;
	unsigned mask;
	bool slow, leaves, replaces, replaced;
};

/* A put to the key that is being read, of which the reader must know nothing. */
static void replace(struct stress_worker *w, struct reading *g)
{
	g->replaced = true;
	w->tally.replaced++;
	do_put(w, g->o);
	g->seen.other = g->o->may[g->o->n - 1];
}

static int read_pieces(struct stress_worker *w, struct reading *g)
{
	const struct stow_driver *d = w->s->driver;
	size_t len = 0, most = below(w, 4) ? STRESS_PIECE : 1 + (size_t)below(w, 5000);
	int r;

	for (;;) {
		size_t cap = most / 2 + (size_t)below(w, most / 2 + 1) + 1;

		if (cap > STRESS_PIECE)
			cap = STRESS_PIECE;
		r = end(w, d->read(g->reader, begin(w, STRESS_READ), w->buf, cap, &len, &w->err));
		if (r != STOW_OK || len == 0)
			return r;
		if (len > cap || (int64_t)len > g->to - g->at) {
			stress_fault(w, &g->seen,
			             "%zu bytes at %" PRId64
			             ", a buffer of %zu, the end at %" PRId64,
			             len, g->at, cap, g->to);
			g->mask = 0;
			return r;
		}
		g->mask = stress_match(w, &g->seen, g->mask, g->at, w->buf, len);
		g->at += (int64_t)len;
		if (!g->mask || (g->leaves && g->at > g->to / 2))
			return r;
		if (g->slow && !is_calm(w) && clock_monotonic() < w->s->until_ns)
			usleep(SLOW_PAUSE_US);
		if (g->replaces && !g->replaced)
			replace(w, g);
	}
}

/* Reads what was opened; STOW_OK if all of it came. */
static int follow(struct stress_worker *w, struct reading *g)
{
	int r = read_pieces(w, g);

	if (r != STOW_OK && !is_trouble(r) &&
	    !(r == STOW_ECHANGED && (g->replaced || g->seen.n == 2)))
		unexpected(w, &g->seen, r);
	else if (r == STOW_OK && g->mask && !g->leaves && g->at != g->to)
		stress_fault(w, &g->seen, "the end at %" PRId64 ", not at %" PRId64, g->at, g->to);
	begin(w, STRESS_READ_CLOSE);
	w->s->driver->read_close(g->reader);
	end(w, STOW_OK);
	if (r == STOW_OK && !g->replaced)
		stress_saw(g->o, g->mask);
	return r;
}

static int do_read(struct stress_worker *w, struct stress_object *o, int64_t offset, int64_t length,
                   bool replaces)
{
	struct reading g = { .o = o, .seen = *o, .at = offset, .replaces = replaces };
	const struct stow_driver *d = w->s->driver;
	const char *if_match = draw_if_match(w, o);
	struct stow_stat st = { 0 };
	int r;

	if (!is_calm(w)) {
		g.leaves = below(w, 8) == 0;
		g.slow = below(w, 32) == 0;
	}
	r = end(w, d->read_open(w->s->self, begin(w, STRESS_READ_OPEN), o->key, if_match, offset,
	                        length, &g.reader, &st, &w->err));
	if (r == STOW_ERANGE) {
		for (unsigned i = 0; i < o->n; i++)
			if (o->may[i].size >= 0 && o->may[i].size < offset)
				return r;
		unexpected(w, o, r);
		return r;
	}
	if (r != STOW_OK) {
		judge_absent(w, o, r);
		return r;
	}
	g.mask = judge_stat(w, o, &st);
	g.to = length < 0 || length > st.size - offset ? st.size : offset + length;
	return follow(w, &g);
}

static void do_range(struct stress_worker *w, struct stress_object *o)
{
	int64_t size = o->may[0].size > 0 ? o->may[0].size : 0;
	int64_t offset = (int64_t)below(w, (uint64_t)size + 1), length;

	length = (int64_t)below(w, (uint64_t)(size - offset) + 2);
	if (below(w, 4) == 0)
		offset += (int64_t)below(w, 3);
	do_read(w, o, offset, below(w, 4) ? length : -1, false);
}

/* ---- listings ---- */

struct listing {
	char prefix[STRESS_KEY], last[STRESS_KEY];
	bool live[STRESS_LIVE], resting[STRESS_RESTING];
};

static void judge_entry(struct stress_worker *w, struct listing *l, const struct stow_entry *e)
{
	struct stress_object *o = NULL;

	if (!text_starts(e->key, l->prefix) || e->is_folder || strcmp(e->key, l->last) <= 0)
		stress_fault(w, NULL, "list gave %s behind %s", e->key, l->last);
	text_copy(l->last, sizeof(l->last), e->key);
	for (unsigned i = 0; i < STRESS_LIVE; i++)
		if (strcmp(w->live[i].key, e->key) == 0) {
			o = &w->live[i];
			l->live[i] = true;
		}
	for (unsigned i = 0; i < w->n_resting; i++)
		if (strcmp(w->resting[i].key, e->key) == 0) {
			o = &w->resting[i];
			l->resting[i] = true;
		}
	if (o && !stress_by_size(o, e->size))
		stress_fault(w, o, "list says it has %" PRId64 " bytes", e->size);
}

static void judge_listing(struct stress_worker *w, const struct listing *l)
{
	for (unsigned i = 0; i < STRESS_LIVE; i++)
		if (stress_is_present(&w->live[i]) && !l->live[i])
			stress_fault(w, &w->live[i], "list left it out");
	for (unsigned i = 0; i < w->n_resting; i++)
		if (stress_is_present(&w->resting[i]) && !l->resting[i])
			stress_fault(w, &w->resting[i], "list left it out");
}

static void do_list(struct stress_worker *w)
{
	const struct stow_driver *d = w->s->driver;
	struct listing l = { .last = "" };
	struct stow_entry entry;
	void *list = NULL;
	int r;

	text_format(l.prefix, sizeof(l.prefix), "w%05u/", w->number);
	r = end(w, d->list_open(w->s->self, begin(w, STRESS_LIST_OPEN), l.prefix, NULL, 0, &list,
	                        &w->err));
	if (r == STOW_OK) {
		for (;;) {
			r = end(w, d->list_next(list, begin(w, STRESS_LIST_NEXT), &entry, &w->err));
			if (r != STOW_OK)
				break;
			judge_entry(w, &l, &entry);
		}
		if (r == STOW_ENOTFOUND)
			judge_listing(w, &l);
		else if (!is_trouble(r))
			unexpected(w, NULL, r);
		begin(w, STRESS_LIST_CLOSE);
		d->list_close(list);
		end(w, STOW_OK);
	} else if (!is_trouble(r)) {
		unexpected(w, NULL, r);
	}
}

/* ---- what a worker does ---- */

static struct stress_object *nth(struct stress_worker *w, unsigned i)
{
	return i < STRESS_LIVE ? &w->live[i] : &w->resting[i - STRESS_LIVE];
}

/* One of the first n of its keys with something under it, mostly; NULL where there is none. */
static struct stress_object *choose(struct stress_worker *w, unsigned n)
{
	unsigned first = (unsigned)below(w, n);

	if (below(w, 16) == 0)
		return nth(w, first);
	for (unsigned i = 0; i < n; i++) {
		struct stress_object *o = nth(w, (first + i) % n);

		if (o->may[0].size >= 0 || o->n == 2)
			return o;
	}
	return NULL;
}

void stress_work(struct stress_worker *w)
{
	struct stress_object *live = &w->live[below(w, STRESS_LIVE)];
	struct stress_object *full = choose(w, STRESS_LIVE);
	struct stress_object *any = choose(w, STRESS_LIVE + w->n_resting);
	uint64_t draw = below(w, 100);

	draw_patience(w);
	if (draw < 15 || !any || !full)
		do_put(w, live);
	else if (draw < 25)
		do_write(w, live);
	else if (draw < 40)
		do_read(w, any, 0, -1, false);
	else if (draw < 54)
		do_read(w, full, 0, -1, true);
	else if (draw < 67)
		do_range(w, any);
	else if (draw < 77)
		do_get(w, any);
	else if (draw < 84)
		do_stat(w, any);
	else if (draw < 92)
		do_copy(w, any, live);
	else if (draw < 95)
		do_remove(w, full);
	else
		do_list(w);
}

static void look_at(struct stress_worker *w, struct stress_object *o)
{
	int64_t until = clock_monotonic() + PERSEVERANCE;
	int r;

	do {
		r = do_read(w, o, 0, -1, false);
		if (!is_trouble(r) && r != STOW_ECHANGED)
			return;
		usleep(SLOW_PAUSE_US);
	} while (clock_monotonic() < until);
	stress_fault(w, o, "cannot be read, with all faults off: %s", w->err.message);
}

void stress_last_look(struct stress_worker *w)
{
	char prefix[STRESS_KEY];

	draw_patience(w);
	for (unsigned i = 0; i < STRESS_LIVE; i++)
		look_at(w, &w->live[i]);
	for (unsigned i = 0; i < w->n_resting; i++)
		look_at(w, &w->resting[i]);
	do_list(w);
	text_format(prefix, sizeof(prefix), "w%05u/", w->number);
	stress_sweep(w, prefix);
}

/* Removes all that one listing gives; how many that were, -1 if it failed. */
static int64_t sweep_once(struct stress_worker *w, const char *prefix)
{
	const struct stow_driver *d = w->s->driver;
	struct stow_entry entry;
	void *list = NULL;
	int64_t n = 0;
	int r = end(w, d->list_open(w->s->self, begin(w, STRESS_LIST_OPEN), prefix, NULL, 0, &list,
	                            &w->err));

	while (r == STOW_OK) {
		char key[STRESS_KEY];

		r = end(w, d->list_next(list, begin(w, STRESS_LIST_NEXT), &entry, &w->err));
		if (r != STOW_OK)
			break;
		text_copy(key, sizeof(key), entry.key);
		r = end_remove(w, key);
		n++;
	}
	d->list_close(list);
	return r == STOW_ENOTFOUND ? n : -1;
}

bool stress_sweep(struct stress_worker *w, const char *prefix)
{
	int64_t until = clock_monotonic() + PERSEVERANCE, n;

	draw_patience(w);
	while ((n = sweep_once(w, prefix)) != 0) {
		if (clock_monotonic() > until) {
			stress_fault(w, NULL, "%s cannot be emptied: %s", prefix, w->err.message);
			return false;
		}
		if (n < 0)
			usleep(SLOW_PAUSE_US);
	}
	return true;
}
