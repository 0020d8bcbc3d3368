/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parking a writer, and going on with a parked one.
 * It must not know what a record looks like: that is park-record.c.
 *
 * One record a key: the write that was parked last is the one that the key alone finds.  A record
 * whose write has been committed is taken away right after; where that fails and the write had a
 * multipart upload, going on from it ends in an error, since the store knows no such upload any
 * more.  Where it had none, it would begin another object from the same tail: no other bytes than
 * those that were parked.  Two writers of one key share its record: the one that ends first takes
 * it away, and the other, if it was parked, is not found.
 */
#include <inttypes.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/log.h"
#include "common/text.h"
#include "driver/s3/adopt.h"
#include "driver/s3/describe.h"
#include "driver/s3/park.h"
#include "driver/s3/probe.h"
#include "driver/s3/writer.h"

/* ---- parking ---- */

static void fill_park(const struct writer *w, struct park *p)
{
	if (w->upload.id)
		text_copy(p->upload, sizeof(p->upload), w->upload.id);
	p->part_size = (int64_t)w->part_size;
	p->tail = (int64_t)w->fill;
	p->in_parts = w->taken - p->tail;
	p->n_parts = w->upload.n;
	if (w->hashed)
		p->hash_len = hash_save(&w->hash, p->hash);
}

/* Puts head, tail and sum.  The tail moves up in its own buffer, which grows by the head. */
static int put_record(struct writer *w, const struct stow_op *op, const char *record,
                      const struct buf *head, const uint8_t *nonce, struct stow_error *err)
{
	struct stow_put put = { .size = sizeof(put), .length = -1 };
	size_t len = head->len + w->fill + PARK_SUM, size = w->part.size;
	char *body = w->part.data ? budget_grow(w->part.data, size, len) : budget_map(len);
	cleanup_call struct call c = { 0 };
	int r;

	if (!body)
		return error_nomem(err, "s3.park");
	budget_part_take(&w->part, &size);
	w->cap = 0;
	memmove(body + head->len, body, w->fill);
	memcpy(body, head->data, head->len);
	hash_sha256(body, len - PARK_SUM, (uint8_t *)body + len - PARK_SUM);
	/* another has gone on with the same write and parked since: what it parked stays */
	if (w->record_etag[0] && !ability_lacks(&w->s3->abilities, ABILITY_PUT_IF_MATCH))
		put.if_match = w->record_etag;
	describe_put(&c, w->s3, record, body, len, &put);
	c.where = "s3.park";
	r = call_run(&c, op, err);
	if (r == STOW_ECHANGED && c.maybe && park_is(w->s3, op, record, w->key, nonce))
		r = STOW_OK; /* the first answer was lost */
	call_done(&c);       /* before the body goes */
	budget_unmap(body, len > size ? len : size);
	budget_give(&w->s3->budget, BUDGET_WRITE, size);
	return r;
}

static int park(struct writer *w, const struct stow_op *op, void *buf, size_t *ret_len,
                struct stow_error *err)
{
	cleanup_free char *record = NULL;
	cleanup_buf struct buf head = { 0 };
	struct park p = { .n_parts = 0 };
	int r = park_key(w->s3, w->key, &record, err);

	if (r == STOW_OK)
		r = writer_wait(w, op, err);
	if (r != STOW_OK)
		return r;
	/* who only looked how far it is must not replace what another has parked since */
	if (w->recorded && w->taken == w->recorded_at && w->upload.n == w->recorded_parts) {
		memcpy(p.nonce, w->nonce, sizeof(p.nonce));
		park_state(&p, w->key, buf);
		*ret_len = PARK_STATE;
		return STOW_OK;
	}
	if (!hash_random(p.nonce, sizeof(p.nonce)))
		return error_set(err, STOW_EIO, "s3.park", "no random numbers to be had");
	fill_park(w, &p);
	buf_init(&head, PARK_HEAD_MAX);
	if (park_head(&p, w->key, w->upload.parts, &head) != STOW_OK)
		return error_nomem(err, "s3.park");
	r = put_record(w, op, record, &head, p.nonce, err);
	if (r == STOW_OK) {
		park_state(&p, w->key, buf);
		*ret_len = PARK_STATE;
	}
	return r;
}

int s3_write_park(void *handle, const struct stow_op *op, void *buf, size_t cap, size_t *ret_len,
                  struct stow_error *err)
{
	struct writer *w = handle;
	struct stow_error e = { 0 };
	int r;

	r = writer_check(w, "s3.park", err);
	if (r != STOW_OK)
		return r;
	if (w->last_part)
		r = error_set(&e, STOW_ENOTSUP, "s3.park",
		              "bucket %s, key %s%s: the upload ends with a part under 5 MiB, after "
		              "which there can be none",
		              w->s3->o.bucket, w->s3->root, w->key);
	else if (cap < PARK_STATE)
		r = error_set(&e, STOW_ERANGE, "s3.park", "the state has %d bytes, the buffer %zu",
		              PARK_STATE, cap);
	else
		r = budget_enter(&w->s3->budget, &w->part, &e);
	if (r == STOW_OK)
		r = park(w, op, buf, ret_len, &e);
	if (r != STOW_OK) {
		/* a record that may be there all the same goes when the writer is closed */
		w->recorded |= (e.flags & STOW_ERROR_MAYBE) != 0;
		w->recorded_upload |= (e.flags & STOW_ERROR_MAYBE) != 0;
		/* what another has parked since is not this one's to take away */
		w->keep = r == STOW_ECHANGED;
		return writer_fail(w, &e, err);
	}
	w->parked = true;
	return STOW_OK;
}

/* ---- going on ---- */

/* A record as it is read. */
struct record {
	void *reader;
	int64_t left; /* bytes to come */
	struct hash sum;
};

static int bad_record(const struct writer *w, const char *how, struct stow_error *err)
{
	return error_set(err, STOW_ECORRUPT, "s3.write",
	                 "bucket %s, key %s" PARK_FOLDER "%s: the record of the parked write %s",
	                 w->s3->o.bucket, w->s3->root, w->key, how);
}

static int read_exactly(struct writer *w, const struct stow_op *op, struct record *rec, char *buf,
                        size_t len, struct stow_error *err)
{
	size_t n = 1;

	if ((int64_t)len > rec->left)
		return bad_record(w, "is cut", err);
	while (len) {
		int r = s3_read(rec->reader, op, buf, len, &n, err);

		if (r != STOW_OK)
			return r;
		if (n == 0)
			return bad_record(w, "is cut", err);
		hash_update(&rec->sum, buf, n);
		buf += n;
		len -= n;
		rec->left -= (int64_t)n;
	}
	return STOW_OK;
}

static int read_head(struct writer *w, const struct stow_op *op, struct record *rec,
                     struct park *ret, struct stow_error *err)
{
	char mark[PARK_MARK_LEN];
	cleanup_free char *head = NULL;
	size_t len;
	int r = read_exactly(w, op, rec, mark, sizeof(mark), err);

	if (r != STOW_OK)
		return r;
	len = park_head_len(mark);
	head = len ? malloc(len) : NULL;
	if (!head)
		return len ? error_nomem(err, "s3.write") : bad_record(w, "is none", err);
	memcpy(head, mark, sizeof(mark));
	r = read_exactly(w, op, rec, head + sizeof(mark), len - sizeof(mark), err);
	if (r != STOW_OK)
		return r;
	if (!park_parse(head, len, w->key, ret, &w->upload) || rec->left != ret->tail + PARK_SUM)
		return bad_record(w, "makes no sense", err);
	return STOW_OK;
}

static int restore_hash(struct writer *w, const struct park *p, struct stow_error *err)
{
	if (!w->hashed || p->in_parts + p->tail == 0)
		return STOW_OK;
	if (p->hash_len == 0 && p->in_parts > 0)
		return error_set(err, STOW_ENOTSUP, "s3.write",
		                 "bucket %s, key %s%s: a SHA-256 announced for a write that began "
		                 "without one",
		                 w->s3->o.bucket, w->s3->root, w->key);
	if (p->hash_len == 0)
		return STOW_OK; /* the tail is all there is, and is hashed as it is read */
	if (!hash_load(&w->hash, HASH_SHA256, p->hash, p->hash_len) ||
	    hash_length(&w->hash) != (uint64_t)(p->in_parts + p->tail))
		return bad_record(w, "has no hash of its bytes", err);
	return STOW_OK;
}

/* The tail goes the way of bytes that are written, through a small buffer. */
static int read_tail(struct writer *w, const struct stow_op *op, struct record *rec,
                     const struct park *p, struct stow_error *err)
{
	const size_t step = (size_t)64 << 10;
	cleanup_free char *buf = malloc(step);
	bool hashed = w->hashed;
	int r = STOW_OK;

	if (!buf)
		return error_nomem(err, "s3.write");
	w->hashed = hashed && p->hash_len == 0;
	while (r == STOW_OK && rec->left > PARK_SUM) {
		int64_t more = rec->left - PARK_SUM;
		size_t n = more < (int64_t)step ? (size_t)more : step;

		r = read_exactly(w, op, rec, buf, n, err);
		if (r == STOW_OK)
			r = writer_take(w, op, buf, n, err);
	}
	w->hashed = hashed;
	return r;
}

static int read_sum(struct writer *w, const struct stow_op *op, struct record *rec,
                    struct stow_error *err)
{
	uint8_t want[PARK_SUM], got[PARK_SUM];
	struct hash sum = rec->sum;
	int r = read_exactly(w, op, rec, (char *)want, sizeof(want), err);

	if (r != STOW_OK)
		return r;
	hash_final(&sum, got);
	return hash_equal(want, got, sizeof(got)) ? STOW_OK : bad_record(w, "is damaged", err);
}

static int resume(struct writer *w, const struct stow_op *op, struct record *rec,
                  const uint8_t *nonce, struct stow_error *err)
{
	struct park p;
	int r = read_head(w, op, rec, &p, err);

	if (r != STOW_OK)
		return r;
	if (nonce && !hash_equal(nonce, p.nonce, sizeof(p.nonce)))
		return error_set(err, STOW_ENOTFOUND, "s3.write",
		                 "bucket %s, key %s%s: another write was parked since",
		                 w->s3->o.bucket, w->s3->root, w->key);
	if (w->length >= 0 && p.in_parts + p.tail > w->length)
		return error_set(
			err, STOW_ECORRUPT, "s3.write",
			"bucket %s, key %s%s: %" PRId64 " bytes are there, %" PRId64 " announced",
			w->s3->o.bucket, w->s3->root, w->key, p.in_parts + p.tail, w->length);
	/* parts stay of one size where they can, which some stores want */
	if (p.part_size > (int64_t)w->part_size && p.part_size <= w->s3->o.memory / 4)
		w->part_size = (size_t)p.part_size;
	if (p.n_parts && ability_lacks(&w->s3->abilities, ABILITY_UNEVEN_PARTS)) {
		if (p.part_size > w->s3->o.memory / 4)
			return error_set(err, STOW_ERANGE, "s3.write",
			                 "bucket %s, key %s%s: its parts have %" PRId64
			                 " bytes, and memory of four of them is needed",
			                 w->s3->o.bucket, w->s3->root, w->key, p.part_size);
		w->part_size = (size_t)p.part_size;
	}
	r = restore_hash(w, &p, err);
	if (r != STOW_OK)
		return r;
	r = adopt_check(w, op, err);
	if (r != STOW_OK)
		return r;
	memcpy(w->nonce, p.nonce, sizeof(w->nonce));
	w->recorded_at = p.in_parts + p.tail;
	w->recorded_parts = p.n_parts;
	w->taken = p.in_parts;
	r = read_tail(w, op, rec, &p, err);
	return r == STOW_OK ? read_sum(w, op, rec, err) : r;
}

/* From the record, if there is one. */
static int resume_recorded(struct writer *w, const struct stow_op *op, const struct stow_put *put,
                           struct stow_error *err)
{
	struct record rec = { .left = 0 };
	struct stow_stat st = { .size = 0 };
	uint8_t nonce[PARK_NONCE];
	cleanup_free char *record = NULL;
	int r = STOW_OK;

	if (put->parked)
		r = park_state_check(put->parked, put->parked_len, w->key, nonce, err);
	if (r == STOW_OK)
		r = park_key(w->s3, w->key, &record, err);
	if (r == STOW_OK)
		r = s3_read_any(w->s3, op, record, NULL, 0, -1, &rec.reader, &st, err);
	if (r == STOW_ENOTFOUND)
		w->unrecorded = true;
	if (r == STOW_OK) {
		rec.left = st.size;
		hash_init(&rec.sum, HASH_SHA256);
		r = resume(w, op, &rec, put->parked ? nonce : NULL, err);
	}
	s3_read_close(rec.reader);
	if (r != STOW_OK)
		return r;
	w->recorded = true;
	w->recorded_upload = w->upload.id != NULL;
	memcpy(w->record_etag, st.etag, sizeof(w->record_etag));
	return STOW_OK;
}

/* What left no record.  Bytes that are in parts already cannot be hashed any more. */
static int resume_unrecorded(struct writer *w, const struct stow_op *op, struct stow_error *err)
{
	int r = adopt_upload(w, op, err);

	if (r == STOW_OK && w->length >= 0 && w->taken > w->length)
		return error_set(err, STOW_ECORRUPT, "s3.write",
		                 "bucket %s, key %s%s: %" PRId64 " bytes are there, %" PRId64
		                 " announced",
		                 w->s3->o.bucket, w->s3->root, w->key, w->taken, w->length);
	if (r == STOW_OK && w->hashed && w->taken > 0)
		return error_set(err, STOW_ENOTSUP, "s3.write",
		                 "bucket %s, key %s%s: a SHA-256 announced for a write that began "
		                 "without one",
		                 w->s3->o.bucket, w->s3->root, w->key);
	return r;
}

int writer_resume(struct writer *w, const struct stow_op *op, const struct stow_put *put,
                  int64_t *ret_offset, struct stow_error *err)
{
	struct stow_error e = { 0 };
	int r;

	w->keep = true; /* until it is known to be whole, what is there is not taken away */
	r = resume_recorded(w, op, put, &e);
	if (r == STOW_ENOTFOUND && w->unrecorded && !put->parked)
		r = resume_unrecorded(w, op, err);
	else if (r != STOW_OK)
		return error_copy(err, &e);
	if (r != STOW_OK)
		return r;
	w->keep = false;
	w->resumed = true;
	*ret_offset = w->taken;
	return STOW_OK;
}

void writer_forget(struct writer *w, const struct stow_op *op)
{
	struct stow_error e = { 0 };

	if (w->recorded && park_remove(w->s3, op, w->key, &e) != STOW_OK)
		log_line(w->s3->host, STOW_LOG_WARNING, "s3",
		         "the record of a parked write stays behind until it is purged: %s",
		         e.message);
	w->recorded = false;
}
