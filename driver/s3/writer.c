/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer: fills a part, hands it over, goes on with the next while up to four are on their way.
 * It must not know what the bytes are; what fits into one part becomes one PUT at commit.
 *
 * Memory: a part is reserved before it is filled, and known to the budget while it fills, which may
 * take back what a slow client has not filled yet.  A writer whose parts are on their way waits for
 * those before it queues for memory, so whoever queues holds nothing but the part that it queues for.
 */
#include "driver/s3/writer.h"

#include <inttypes.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"

#define GROW_STEPS                                                                                 \
	10 /* times that parts may double while an upload fills, where the length is
                       * unknown */
/* what is booked of a writer's first part at first: many stop soon */
#define FIRST_STEP ((size_t)1 << 20)
#define CLOSE_LIMIT (10 * CLOCK_SECOND)
#define ABORTS_MOST 4
#define ABORT_PAUSE (50 * CLOCK_MILLISECOND)

int writer_check(const struct writer *w, const char *where, struct stow_error *err)
{
	if (w->failure.status != STOW_OK)
		return error_copy(err, &w->failure);
	if (w->committed || w->parked)
		return error_set(err, STOW_EINVAL, where, "the write has ended already");
	if (w->owed)
		return error_set(err, STOW_EINVAL, where, "the last write is to be made again");
	return STOW_OK;
}

static void drop_part(struct writer *w)
{
	budget_part_drop(&w->s3->budget, &w->part);
	w->cap = w->fill = 0;
}

int writer_fail(struct writer *w, const struct stow_error *e, struct stow_error *err)
{
	w->owed = false;
	if (w->failure.status == STOW_OK)
		w->failure = *e;
	/* who calls may be slow to close it */
	drop_part(w);
	return error_copy(err, e);
}

/* Of the part after so many, where the length is unknown: they grow, up to what memory allows,
 * unless the store wants them equal. */
static int64_t growing_size(const struct writer *w, size_t n)
{
	int64_t size = (int64_t)w->part_size, most = w->s3->o.memory / 4;
	size_t every = w->s3->abilities.parts_most / GROW_STEPS;

	if (!ability_lacks(&w->s3->abilities, ABILITY_UNEVEN_PARTS))
		for (; n >= every && size * 2 <= most; n -= every)
			size *= 2;
	return size < S3_PART_MAX ? size : S3_PART_MAX;
}

/* How many bytes more the parts hold that an upload of unknown length may still have. */
static int64_t room_left(const struct writer *w)
{
	size_t every = w->s3->abilities.parts_most / GROW_STEPS, n = w->upload.n;
	int64_t room = -(int64_t)w->fill;

	while (n < w->s3->abilities.parts_most) {
		size_t step = every - n % every;

		room += (int64_t)step * growing_size(w, n);
		n += step;
	}
	return room;
}

int writer_room(struct writer *w, int64_t len, struct stow_error *err)
{
	if (len > 0 && w->last_part)
		return error_set(
			err, STOW_ENOTSUP, "s3.write",
			"bucket %s, key %s%s: the upload that was gone on with ends with a "
			"part under 5 MiB, after which there can be none",
			w->s3->o.bucket, w->s3->root, w->key);
	if (w->length >= 0 && len > w->length - w->taken)
		return error_set(err, STOW_ECORRUPT, "s3.write",
		                 "bucket %s, key %s%s: more than the %" PRId64 " bytes announced",
		                 w->s3->o.bucket, w->s3->root, w->key, w->length);
	if (w->length < 0 && len > room_left(w))
		return error_set(err, STOW_ERANGE, "s3.write",
		                 "bucket %s, key %s%s: over %" PRId64
		                 " bytes, which is what fits into %u parts: a larger chunksize, "
		                 "or memory for larger parts, is needed",
		                 w->s3->o.bucket, w->s3->root, w->key, w->taken + room_left(w),
		                 w->s3->abilities.parts_most);
	if (len > S3_OBJECT_MAX - w->taken)
		return error_set(err, STOW_ERANGE, "s3.write",
		                 "bucket %s, key %s%s: more than 5 TiB", w->s3->o.bucket,
		                 w->s3->root, w->key);
	return STOW_OK;
}

/* ---- parts on their way ---- */

static void slot_release(struct writer *w, struct writer_slot *s)
{
	if (s->job.active)
		call_done(&s->job.call); /* from here on slot_ended is not called */
	budget_unmap(s->buf, s->size);
	budget_give(&w->s3->budget, BUDGET_WRITE, s->size);
	s->job.active = false;
	s->buf = NULL;
	s->size = 0;
}

/*
 * The store has the part: its memory goes back at once, on the engine's thread, since the writer's
 * own may be waiting for a slow client.
 */
static void slot_ended(void *arg, int status)
{
	struct writer_slot *s = arg;

	if (status / 100 != 2)
		return;
	budget_unmap(s->buf, s->size);
	budget_give(s->budget, BUDGET_WRITE, s->size);
	s->buf = NULL;
	s->size = 0;
}

/* Pushes all on; releases those that have ended. */
static int poll_slots(struct writer *w, const struct stow_op *op, unsigned *ret_busy,
                      int64_t *ret_until, struct stow_error *err)
{
	*ret_busy = 0;
	*ret_until = clock_monotonic() + CLOCK_SECOND;
	for (unsigned i = 0; i < WRITER_WINDOW; i++) {
		struct writer_slot *s = &w->slots[i];
		int r;

		if (!s->job.active)
			continue;
		if (!call_poll(&s->job.call, op)) {
			int64_t wake = call_wake_time(&s->job.call);

			++*ret_busy;
			if (wake < *ret_until)
				*ret_until = wake;
			continue;
		}
		r = s->job.call.status == STOW_OK ? multipart_note(&w->upload, &s->job, err)
		                                  : error_copy(err, &s->job.call.error);
		w->upload_gone |= strcmp(s->job.call.code, MULTIPART_GONE) == 0;
		slot_release(w, s);
		if (r != STOW_OK)
			return r;
	}
	return STOW_OK;
}

/* Waits until at most so many are on their way. */
static int wait_slots(struct writer *w, const struct stow_op *op, unsigned most,
                      struct stow_error *err)
{
	for (;;) {
		uint64_t seen = http_waiter_seen(w->waiter);
		unsigned busy;
		int64_t until;
		int r = poll_slots(w, op, &busy, &until, err);

		if (r != STOW_OK || busy <= most)
			return r;
		http_waiter_wait(w->waiter, op, seen, until);
	}
}

int writer_wait(struct writer *w, const struct stow_op *op, struct stow_error *err)
{
	return wait_slots(w, op, 0, err);
}

static unsigned count_slots(const struct writer *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < WRITER_WINDOW; i++)
		n += w->slots[i].job.active;
	return n;
}

/* ---- the part that fills ---- */

static size_t next_part_size(const struct writer *w)
{
	int64_t size = (int64_t)w->part_size;

	if (w->length >= 0)
		return w->length - w->taken < size ? (size_t)(w->length - w->taken) : w->part_size;
	return (size_t)growing_size(w, w->upload.n);
}

/* How far the part that fills is to be booked. */
static size_t size_to_book(const struct writer *w)
{
	bool first = w->upload.n == 0 && w->fill == 0;

	return first && w->cap > FIRST_STEP ? FIRST_STEP : w->cap;
}

/* Memory for more of the part that fills, or for the first of the next one. */
static int make_room(struct writer *w, const struct stow_op *op, struct stow_error *err)
{
	struct budget *b = &w->s3->budget;
	unsigned busy;
	int64_t until;
	int r;

	/* who does not wait for those on their way pushes them on all the same */
	if (w->nowait && (r = poll_slots(w, op, &busy, &until, err)) != STOW_OK)
		return r;
	if (w->cap == 0) {
		w->cap = next_part_size(w);
		w->fill = 0;
	}
	for (;;) {
		enum budget_how how = BUDGET_TICKET;

		busy = count_slots(w);
		if (!w->nowait)
			how = busy ? BUDGET_TRY : BUDGET_WAIT;
		r = budget_part(b, &w->part, op, how, size_to_book(w), w->fill, err);
		if (r != STOW_EBUSY || w->nowait || !busy)
			return r;
		r = wait_slots(w, op, busy - 1, err);
		if (r != STOW_OK)
			return r;
	}
}

int writer_begin(struct writer *w, const struct stow_op *op, struct stow_error *err)
{
	return w->upload.id ? STOW_OK : multipart_begin(&w->upload, op, &w->put, err);
}

int writer_flush(struct writer *w, const struct stow_op *op, struct stow_error *err)
{
	struct writer_slot *s = w->slots;
	unsigned number = 0;
	int r = writer_begin(w, op, err);

	if (r == STOW_OK)
		r = wait_slots(w, op, WRITER_WINDOW - 1, err);
	if (r == STOW_OK)
		r = multipart_number(&w->upload, &number, err);
	if (r != STOW_OK)
		return r;
	while (s->job.active)
		s++;
	multipart_describe(&w->upload, &s->job, number, w->part.data, w->fill);
	s->job.call.waiter = w->waiter;
	s->job.call.ended = slot_ended;
	s->job.call.ended_arg = s;
	s->budget = &w->s3->budget;
	s->buf = budget_part_take(&w->part, &s->size);
	w->cap = w->fill = 0;
	call_poll(&s->job.call, op); /* on its way; how it ends is seen later */
	return STOW_OK;
}

/* Is it sure that the full buffer is a part, not the whole object? */
static bool is_part(const struct writer *w)
{
	return w->upload.id || (w->length >= 0 && w->length > (int64_t)w->cap);
}

int writer_take(struct writer *w, const struct stow_op *op, const char *data, size_t len,
                struct stow_error *err)
{
	while (len) {
		size_t n;
		int r = STOW_OK;

		if (w->cap && w->fill == w->cap)
			r = writer_flush(w, op, err);
		if (r == STOW_OK && w->fill == w->part.size)
			r = make_room(w, op, err);
		if (r != STOW_OK)
			return r;
		n = w->part.size - w->fill;
		if (n > len)
			n = len;
		memcpy(w->part.data + w->fill, data, n);
		if (w->hashed)
			hash_update(&w->hash, data, n);
		w->fill += n;
		w->taken += (int64_t)n;
		data += n;
		len -= n;
		if (w->fill == w->cap && is_part(w))
			r = writer_flush(w, op, err);
		if (r != STOW_OK)
			return r;
	}
	return STOW_OK;
}

static bool is_owed(int r, const struct stow_error *e)
{
	return r == STOW_EBUSY && e->flags & STOW_ERROR_AGAIN;
}

/* The bytes, or what is left of those that are written once more. */
static int write_rest(struct writer *w, const struct stow_op *op, const char *data, size_t len,
                      struct stow_error *err)
{
	int64_t before = w->taken;
	int r;

	if (w->skip > len)
		return error_set(err, STOW_EINVAL, "s3.write",
		                 "fewer bytes than in the write that is made again");
	data += w->skip;
	len -= w->skip;
	r = writer_room(w, len > INT64_MAX ? INT64_MAX : (int64_t)len, err);
	if (r != STOW_OK)
		return r;
	w->nowait = op && op->flags & STOW_OP_NOWAIT;
	r = writer_take(w, op, data, len, err);
	w->nowait = false;
	w->owed = is_owed(r, err);
	w->skip = w->owed ? w->skip + (size_t)(w->taken - before) : 0;
	return r;
}

int s3_write(void *handle, const struct stow_op *op, const void *data, size_t len,
             struct stow_error *err)
{
	struct writer *w = handle;
	struct stow_error e = { 0 };
	int r;

	r = w->owed ? STOW_OK : writer_check(w, "s3.write", err);
	if (r != STOW_OK)
		return r;
	r = clock_op_check(op, "s3.write", &e);
	if (r == STOW_OK)
		r = budget_enter(&w->s3->budget, &w->part, &e);
	if (r == STOW_OK)
		r = write_rest(w, op, data, len, &e);
	if (r != STOW_OK && !is_owed(r, &e))
		return writer_fail(w, &e, err);
	budget_leave(&w->s3->budget, &w->part, w->fill);
	return r == STOW_OK ? STOW_OK : error_copy(err, &e);
}

/* ---- open ---- */

static int plan_parts(struct writer *w, bool by_store, struct stow_error *err)
{
	int64_t size = w->s3->o.chunksize, needed;

	if (w->length > S3_OBJECT_MAX)
		return error_set(err, STOW_ERANGE, "s3.write", "%" PRId64 " bytes: over 5 TiB",
		                 w->length);
	needed = w->length / w->s3->abilities.parts_most + 1;
	if (w->length >= 0 && needed > size) {
		size = (needed + (1 << 20) - 1) >> 20 << 20;
		/* should it have to come through here after all, the parts run out at their time */
		if (by_store && size > w->s3->o.memory / 4)
			size = w->s3->o.memory / 4;
		if (size > w->s3->o.memory / 4 || size > S3_PART_MAX)
			return error_set(err, STOW_ERANGE, "s3.write",
			                 "%" PRId64 " bytes need parts of %" PRId64
			                 ", and memory of four of them",
			                 w->length, size);
	}
	w->part_size = (size_t)size;
	return STOW_OK;
}

static int copy_put(struct writer *w, const struct stow_put *put, struct stow_error *err)
{
	w->put.size = sizeof(w->put);
	if (!put)
		return STOW_OK;
	w->put.flags = put->flags & ~STOW_PUT_RESUME;
	w->length = put->length < 0 ? -1 : put->length;
	if (put->content_type)
		w->put.content_type = w->content_type = strdup(put->content_type);
	if (put->if_match)
		w->put.if_match = w->if_match = strdup(put->if_match);
	if ((put->content_type && !w->content_type) || (put->if_match && !w->if_match))
		return error_nomem(err, "s3.write");
	if (put->sha256) {
		memcpy(w->sha256, put->sha256, sizeof(w->sha256));
		hash_init(&w->hash, HASH_SHA256);
		w->hashed = true;
	}
	return STOW_OK;
}

int writer_open(struct s3 *s3, const struct stow_op *op, const char *key,
                const struct stow_put *put, bool by_store, void **ret_writer, int64_t *ret_offset,
                struct stow_error *err)
{
	struct writer *w;
	int64_t offset = 0;
	int r = s3_key_check(s3, key, "s3.write", err);

	if (r == STOW_OK)
		r = clock_op_check(op, "s3.write", err);
	if (r != STOW_OK)
		return r;
	w = calloc(1, sizeof(*w));
	if (!w)
		return error_nomem(err, "s3.write");
	w->s3 = s3;
	w->length = -1;
	w->key = strdup(key);
	w->upload.s3 = s3;
	w->upload.key = w->key;
	r = w->key ? copy_put(w, put, err) : error_nomem(err, "s3.write");
	if (r == STOW_OK)
		r = plan_parts(w, by_store, err);
	if (r == STOW_OK)
		r = http_waiter_new(&w->waiter, err);
	if (r == STOW_OK && put && (put->flags & STOW_PUT_RESUME || put->parked))
		r = writer_resume(w, op, put, &offset, err);
	budget_leave(&s3->budget, &w->part, w->fill);
	if (r != STOW_OK) {
		s3_write_close(w, op);
		return r;
	}
	*ret_writer = w;
	*ret_offset = offset;
	return STOW_OK;
}

int s3_write_open(void *self, const struct stow_op *op, const char *key, const struct stow_put *put,
                  void **ret_writer, int64_t *ret_offset, struct stow_error *err)
{
	return writer_open(self, op, key, put, false, ret_writer, ret_offset, err);
}

/* ---- commit ---- */

static int check_whole(struct writer *w, struct stow_error *err)
{
	uint8_t sum[32];

	if (w->length >= 0 && w->taken != w->length)
		return error_set(err, STOW_ECORRUPT, "s3.write",
		                 "bucket %s, key %s%s: %" PRId64 " bytes of the %" PRId64
		                 " announced",
		                 w->s3->o.bucket, w->s3->root, w->key, w->taken, w->length);
	if (!w->hashed)
		return STOW_OK;
	hash_final(&w->hash, sum);
	if (!hash_equal(sum, w->sha256, sizeof(sum)))
		return error_set(err, STOW_ECORRUPT, "s3.write",
		                 "bucket %s, key %s%s: the bytes have another SHA-256 than "
		                 "announced",
		                 w->s3->o.bucket, w->s3->root, w->key);
	return STOW_OK;
}

static int commit(struct writer *w, const struct stow_op *op, struct stow_stat *ret,
                  struct stow_error *err)
{
	int r = check_whole(w, err);

	if (r != STOW_OK)
		return r;
	if (!w->upload.id) {
		if (w->hashed)
			w->put.sha256 = w->sha256;
		return s3_put(w->s3, op, w->key, w->part.data, w->fill, &w->put, ret, err);
	}
	if (w->fill || w->upload.n == 0)
		r = writer_flush(w, op, err);
	if (r == STOW_OK)
		r = wait_slots(w, op, 0, err);
	if (r != STOW_OK)
		return r;
	return multipart_complete(&w->upload, op, &w->put, w->taken, ret, &w->upload_gone, err);
}

int s3_write_commit(void *handle, const struct stow_op *op, struct stow_stat *ret_stat,
                    struct stow_error *err)
{
	struct writer *w = handle;
	struct stow_error e = { 0 };
	struct stow_stat st = { 0 };
	int r;

	r = writer_check(w, "s3.write", err);
	if (r != STOW_OK)
		return r;
	r = budget_enter(&w->s3->budget, &w->part, &e);
	if (r == STOW_OK)
		r = commit(w, op, &st, &e);
	if (r != STOW_OK)
		return writer_fail(w, &e, err);
	w->committed = true;
	writer_forget(w, op);
	if (ret_stat)
		*ret_stat = st;
	return STOW_OK;
}

/* ---- close ---- */

/*
 * A part that was on its way when it was given up may reach the store after the abort and, in some
 * stores, bring the upload back.  So what was cut off is aborted until the store knows it no more.
 */
static int abort_upload(struct writer *w, const struct stow_op *op, bool cut,
                        struct stow_error *err)
{
	bool known = true;
	int r = STOW_OK;

	for (unsigned i = 0; r == STOW_OK && known && i < (cut ? ABORTS_MOST : 1); i++) {
		if (i > 0)
			http_waiter_wait(w->waiter, op, http_waiter_seen(w->waiter),
			                 clock_monotonic() + ABORT_PAUSE);
		r = multipart_abort(w->s3, op, w->key, w->upload.id, &known, err);
	}
	return r;
}

/* What is left of a write that did not end well, but for what it went on from. */
static void take_back(struct writer *w, const struct stow_op *op, bool cut)
{
	bool kept = w->resumed && w->failure.status != STOW_OK &&
	            !error_is_verdict(w->failure.status) && !w->upload_gone;
	struct stow_op mine = op ? *op : (struct stow_op){ .size = sizeof(mine) };
	int64_t limit = clock_monotonic() + CLOSE_LIMIT;
	struct stow_error e = { 0 };

	if (!mine.deadline_ns || mine.deadline_ns > limit)
		mine.deadline_ns = limit;
	if (w->upload.id && !(kept && (w->recorded_upload || w->unrecorded)) &&
	    abort_upload(w, &mine, cut, &e) != STOW_OK)
		log_line(w->s3->host, STOW_LOG_WARNING, "s3",
		         "an unfinished upload stays behind until it is purged: %s", e.message);
	if (!kept)
		writer_forget(w, &mine);
}

void s3_write_close(void *handle, const struct stow_op *op)
{
	struct writer *w = handle;
	bool cut;

	if (!w)
		return;
	cut = count_slots(w) > 0 || w->failure.status == STOW_ECANCELED ||
	      w->failure.status == STOW_ETIMEOUT;
	for (unsigned i = 0; i < WRITER_WINDOW; i++)
		slot_release(w, &w->slots[i]);
	drop_part(w);
	if (!w->committed && !w->parked && !w->keep)
		take_back(w, op, cut);
	multipart_done(&w->upload);
	http_waiter_free(w->waiter);
	free(w->key);
	free(w->content_type);
	free(w->if_match);
	free(w);
}
