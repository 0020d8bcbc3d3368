/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A range of another object appended to a writer: by UploadPartCopy where the store can and the
 * parts come out large enough, else through this process.
 * It must not know what either object is.
 */
#include <inttypes.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "driver/s3/describe.h"
#include "driver/s3/probe.h"
#include "driver/s3/writer.h"

#define COPY_WINDOW 16
#define THROUGH_BUFFER ((size_t)256 << 10)

struct range_copy {
	struct writer *w;
	const char *from;
	char *source;      /* COPY_SOURCE_MAX */
	char if_match[80]; /* "" is none */
	int64_t offset, length;
	struct multipart_job *jobs;
	unsigned window;
};

static int too_short(const struct range_copy *rc, struct stow_error *err)
{
	return error_set(err, STOW_ERANGE, "s3.write",
	                 "bucket %s, key %s%s: shorter than the range to be copied",
	                 rc->w->s3->o.bucket, rc->w->s3->root, rc->from);
}

/* Reads length bytes of the source and takes them as if they had been written. */
static int through(struct range_copy *rc, const struct stow_op *op, int64_t length,
                   struct stow_error *err)
{
	cleanup_free char *buf = malloc(THROUGH_BUFFER);
	struct stow_stat st;
	void *reader = NULL;
	size_t len = 0;
	int r;

	if (!buf)
		return error_nomem(err, "s3.write");
	r = s3_read_open(rc->w->s3, op, rc->from, rc->if_match[0] ? rc->if_match : NULL, rc->offset,
	                 length, &reader, &st, err);
	if (r != STOW_OK)
		return r;
	if (!rc->if_match[0]) /* what follows comes from the same version */
		memcpy(rc->if_match, st.etag, sizeof(rc->if_match));
	if (st.size - rc->offset < length)
		r = too_short(rc, err);
	while (r == STOW_OK && length) {
		r = s3_read(reader, op, buf, THROUGH_BUFFER, &len, err);
		if (r == STOW_OK && len == 0)
			r = too_short(rc, err);
		if (r == STOW_OK)
			r = writer_take(rc->w, op, buf, len, err);
		if (r == STOW_OK) {
			length -= (int64_t)len;
			rc->offset += (int64_t)len;
			rc->length -= (int64_t)len;
		}
	}
	s3_read_close(reader);
	return r;
}

/* Without a condition, pieces could come from two versions: pin the one that is there now. */
static int pin(struct range_copy *rc, const struct stow_op *op, struct stow_error *err)
{
	struct stow_stat st = { 0 };
	int r = s3_stat(rc->w->s3, op, rc->from, &st, err);

	if (r != STOW_OK)
		return r;
	if (st.size < rc->offset + rc->length)
		return too_short(rc, err);
	memcpy(rc->if_match, st.etag, sizeof(rc->if_match));
	return STOW_OK;
}

/* ---- by the store ---- */

/* Why did the store refuse a piece? Some say only "invalid" where the source is too short. */
static int explain(struct range_copy *rc, const struct stow_op *op, const struct stow_error *e,
                   struct stow_error *err)
{
	struct stow_stat st = { 0 };

	if (e->status == STOW_EIO && e->backend == 400 &&
	    s3_stat(rc->w->s3, op, rc->from, &st, NULL) == STOW_OK &&
	    st.size < rc->offset + rc->length)
		return too_short(rc, err);
	return error_copy(err, e);
}

static int start_piece(struct range_copy *rc, struct multipart_job *j, int64_t offset,
                       int64_t length, struct stow_error *err)
{
	unsigned number = 0;
	int r = multipart_number(&rc->w->upload, &number, err);

	if (r != STOW_OK)
		return r;
	multipart_describe_copy(&rc->w->upload, j, number, rc->source,
	                        rc->if_match[0] ? rc->if_match : NULL, offset, length);
	j->call.waiter = rc->w->waiter;
	return STOW_OK;
}

static int poll_pieces(struct range_copy *rc, const struct stow_op *op, unsigned *ret_busy,
                       int64_t *ret_until, struct stow_error *err)
{
	*ret_busy = 0;
	*ret_until = clock_monotonic() + CLOCK_SECOND;
	for (unsigned i = 0; i < rc->window; i++) {
		struct multipart_job *j = &rc->jobs[i];
		int r;

		if (!j->active)
			continue;
		if (!call_poll(&j->call, op)) {
			int64_t wake = call_wake_time(&j->call);

			++*ret_busy;
			if (wake < *ret_until)
				*ret_until = wake;
			continue;
		}
		r = j->call.status == STOW_OK ? multipart_note(&rc->w->upload, j, err)
		                              : error_copy(err, &j->call.error);
		call_done(&j->call);
		j->active = false;
		if (r != STOW_OK)
			return r;
	}
	return STOW_OK;
}

static int64_t piece_size(const struct range_copy *rc, int64_t *ret_count)
{
	int64_t most = rc->w->s3->o.multipartcopychunksize, n;
	int64_t share = rc->length / (rc->w->s3->abilities.parts_most / 2);

	if (most < share)
		most = share < S3_PART_MAX ? share : S3_PART_MAX; /* parts are numbered */
	n = (rc->length + most - 1) / most;
	if (rc->length / n < S3_PART_MIN)
		n = rc->length / S3_PART_MIN;
	/* the last one must not be too small, either: more may follow it */
	if (n > 1 && rc->length - (n - 1) * ((rc->length + n - 1) / n) < S3_PART_MIN)
		n--;
	*ret_count = n;
	return (rc->length + n - 1) / n;
}

static int run_pieces(struct range_copy *rc, const struct stow_op *op, struct stow_error *err)
{
	int64_t count, size = piece_size(rc, &count), at = 0;
	size_t parts_before = rc->w->upload.n;
	int r = STOW_OK;

	for (;;) {
		uint64_t seen = http_waiter_seen(rc->w->waiter);
		unsigned busy;
		int64_t until;

		for (unsigned i = 0; i < rc->window && at < rc->length && r == STOW_OK; i++) {
			int64_t len = rc->length - at < size ? rc->length - at : size;

			if (rc->jobs[i].active)
				continue;
			r = start_piece(rc, &rc->jobs[i], rc->offset + at, len, err);
			at += len;
		}
		if (r == STOW_OK)
			r = poll_pieces(rc, op, &busy, &until, err);
		if (r != STOW_OK || (busy == 0 && at == rc->length))
			break;
		http_waiter_wait(rc->w->waiter, op, seen, until);
	}
	for (unsigned i = 0; i < rc->window; i++)
		if (rc->jobs[i].active)
			call_done(&rc->jobs[i].call);
	if (r == STOW_ENOTSUP)
		rc->w->upload.n = parts_before; /* their numbers are used again */
	return r;
}

static int by_store(struct range_copy *rc, const struct stow_op *op, struct stow_error *err)
{
	const struct s3_options *o = &rc->w->s3->o;
	struct stow_error e = { 0 };
	int64_t n;
	int r;

	piece_size(rc, &n);
	if (!rc->if_match[0] && n > 1) {
		r = pin(rc, op, err);
		if (r != STOW_OK)
			return r;
	}
	r = writer_begin(rc->w, op, err);
	if (r != STOW_OK)
		return r;
	rc->window = COPY_WINDOW;
	if (rc->window > o->maxconnections)
		rc->window = (unsigned)o->maxconnections;
	if (rc->window > o->multipartcopymaxconcurrency)
		rc->window = (unsigned)o->multipartcopymaxconcurrency;
	rc->jobs = calloc(rc->window, sizeof(rc->jobs[0]));
	if (!rc->jobs)
		return error_nomem(err, "s3.write");
	r = run_pieces(rc, op, &e);
	free(take(rc->jobs));
	if (r == STOW_ENOTSUP) {
		ability_set(&rc->w->s3->abilities, ABILITY_PART_COPY, false);
		return through(rc, op, rc->length, err);
	}
	if (r != STOW_OK)
		return explain(rc, op, &e, err);
	rc->w->taken += rc->length;
	return STOW_OK;
}

/* Where parts must be of one size, pieces of one object are, but not those of several. */
static bool parts_fit(const struct range_copy *rc)
{
	return !ability_lacks(&rc->w->s3->abilities, ABILITY_UNEVEN_PARTS) ||
	       (rc->w->taken == 0 && rc->length == rc->w->length);
}

static int append(struct range_copy *rc, const struct stow_op *op, struct stow_error *err)
{
	struct writer *w = rc->w;
	int64_t missing = S3_PART_MIN - (int64_t)w->fill;
	int r = STOW_OK;

	/*
	 * A hash that was announced needs all bytes to pass through here; small ranges do anyway;
	 * and parts that the store copies are of one version only where it heeds the condition.
	 */
	if (w->hashed || rc->length < S3_PART_MIN || !parts_fit(rc) ||
	    ability_lacks(&w->s3->abilities, ABILITY_COPY_IF_MATCH) ||
	    ability_lacks(&w->s3->abilities, ABILITY_PART_COPY))
		return through(rc, op, rc->length, err);
	/* What fills becomes a part of its own, which must not be too small. */
	if (w->fill) {
		if (missing > 0)
			r = through(rc, op, missing, err);
		if (r == STOW_OK && w->fill && rc->length >= S3_PART_MIN)
			r = writer_flush(w, op, err);
		if (r != STOW_OK)
			return r;
	}
	if (rc->length >= S3_PART_MIN)
		return by_store(rc, op, err);
	return rc->length ? through(rc, op, rc->length, err) : STOW_OK;
}

int s3_write_copy(void *handle, const struct stow_op *op, const char *from, const char *if_match,
                  int64_t offset, int64_t length, struct stow_error *err)
{
	struct writer *w = handle;
	cleanup_free char *source = malloc(COPY_SOURCE_MAX);
	struct range_copy rc = {
		.w = w, .from = from, .source = source, .offset = offset, .length = length
	};
	struct stow_error e = { 0 };
	int r;

	r = writer_check(w, "s3.write", err);
	if (r != STOW_OK)
		return r;
	if (!source)
		return error_nomem(err, "s3.write");
	r = s3_key_check(w->s3, from, "s3.write", &e);
	if (r == STOW_OK && (offset < 0 || length < 0 || length > INT64_MAX - offset))
		r = error_set(&e, STOW_EINVAL, "s3.write", "negative offset or length");
	if (r == STOW_OK && if_match && strlen(if_match) >= sizeof(rc.if_match))
		r = error_set(&e, STOW_EINVAL, "s3.write", "no ETag of this store is so long");
	if (r == STOW_OK)
		r = budget_enter(&w->s3->budget, &w->part, &e);
	if (r == STOW_OK)
		r = writer_room(w, length, &e);
	if (r == STOW_OK)
		r = copy_source(w->s3, from, "s3.write", source, &e);
	if (r != STOW_OK)
		return writer_fail(w, &e, err);
	if (if_match)
		memcpy(rc.if_match, if_match, strlen(if_match) + 1);
	r = append(&rc, op, &e);
	if (r != STOW_OK)
		return writer_fail(w, &e, err);
	budget_leave(&w->s3->budget, &w->part, w->fill);
	return STOW_OK;
}
