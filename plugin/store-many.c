/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches, copies and removals of many: by the driver where it can, else one by one and by
 * reading and writing through.  It must not know what keys mean, and starts no threads.
 */
#include "plugin/store-private.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define COPY_CHUNK ((size_t)256 << 10)
#define REMOVE_CHUNK 64
#define UNANSWERED 1 /* no status is above 0 */

/* ---- copies ---- */

/* Everything that the reader gives, into the writer. */
static int pump(struct store_reader *reader, struct store_writer *writer, const struct stow_op *op,
                int64_t *ret_total, struct stow_error *err)
{
	cleanup_free char *chunk = malloc(COPY_CHUNK);
	int64_t total = 0;
	size_t len;
	int r;

	if (!chunk)
		return error_nomem(err, "store.copy");
	for (;;) {
		r = store_read(reader, op, chunk, COPY_CHUNK, &len, err);
		if (r != STOW_OK)
			return r;
		if (len == 0)
			break;
		r = store_write(writer, op, chunk, len, err);
		if (r != STOW_OK)
			return r;
		total += (int64_t)len;
	}
	*ret_total = total;
	return STOW_OK;
}

static int copy_through(struct stow_store *s, const struct stow_op *op, const char *from,
                        const char *from_if_match, const char *to, const struct stow_put *put,
                        struct stow_error *err)
{
	struct stow_put with = { .size = sizeof(with) };
	struct store_reader *reader = NULL;
	struct store_writer *writer = NULL;
	struct stow_stat st;
	int64_t total = 0;
	int r;

	r = store_read_open(s, op, from, from_if_match, 0, -1, &reader, &st, err);
	if (r != STOW_OK)
		return r;
	if (put)
		memcpy(&with, put, put->size < sizeof(with) ? put->size : sizeof(with));
	with.size = sizeof(with);
	with.length = st.size; /* a source that is cut short never becomes visible */
	with.parked = NULL;
	with.parked_len = 0;
	r = store_write_open(s, op, to, &with, &writer, NULL, err);
	if (r == STOW_OK)
		r = pump(reader, writer, op, &total, err);
	if (r == STOW_OK && total != st.size)
		r = error_set(err, STOW_EIO, "store.copy", "%s: gave %lld bytes of %lld", from,
		              (long long)total, (long long)st.size);
	if (r == STOW_OK)
		r = store_write_commit(writer, op, NULL, err);
	store_write_close(writer, op);
	store_read_close(reader);
	return r;
}

int store_copy(struct stow_store *s, const struct stow_op *op, const char *from,
               const char *from_if_match, const char *to, const struct stow_put *put,
               struct stow_error *err)
{
	struct stow_error e = { 0 };
	uint64_t caps = store_caps(s), need = 0;
	int r;

	r = store_condition_check(from_if_match, "store.copy", err);
	if (r == STOW_OK && put)
		r = store_condition_check(put->if_match, "store.copy", err);
	if (r != STOW_OK)
		return r;
	if (put && (put->flags & STOW_PUT_CREATE))
		need |= STOW_CAP_CREATE;
	if (put && put->if_match)
		need |= STOW_CAP_PUT_IF_MATCH;
	if (from_if_match)
		need |= STOW_CAP_COPY_IF_MATCH;
	/* what is missing for the target store_write_open refuses */
	if (!s->driver.copy || (caps & need) != need)
		return copy_through(s, op, from, from_if_match, to, put, err);
	r = s->driver.copy(s->self, op, from, from_if_match, to, put, &e);
	return store_answer(s, "store.copy", r, &e, err);
}

static int write_copy_through(struct store_writer *w, const struct stow_op *op, const char *from,
                              const char *if_match, int64_t offset, int64_t length,
                              struct stow_error *err)
{
	struct store_reader *reader = NULL;
	struct stow_stat st;
	int64_t total = 0;
	int r;

	r = store_read_open(w->store, op, from, if_match, offset, length, &reader, &st, err);
	if (r != STOW_OK)
		return r;
	if (length > st.size - offset)
		r = error_set(err, STOW_ERANGE, "store.copy",
		              "%s: has %lld bytes, not %lld from %lld on", from, (long long)st.size,
		              (long long)length, (long long)offset);
	if (r == STOW_OK)
		r = pump(reader, w, op, &total, err);
	if (r == STOW_OK && total != length)
		r = error_set(err, STOW_EIO, "store.copy", "%s: gave %lld bytes of %lld", from,
		              (long long)total, (long long)length);
	store_read_close(reader);
	return r;
}

int store_write_copy(struct store_writer *w, const struct stow_op *op, const char *from,
                     const char *if_match, int64_t offset, int64_t length, struct stow_error *err)
{
	struct stow_store *s = w->store;
	struct stow_error e = { 0 };
	int r;

	if (w->ended)
		return error_set(err, STOW_EINVAL, "store.copy",
		                 "a writer that failed or ended can only be closed");
	r = store_condition_check(if_match, "store.copy", err);
	if (r == STOW_OK && (offset < 0 || length < 0 || length > INT64_MAX - offset))
		r = error_set(err, STOW_EINVAL, "store.copy", "%s: a range that cannot be", from);
	if (r == STOW_OK && length > 0) {
		if (s->driver.write_copy &&
		    (!if_match || (store_caps(s) & STOW_CAP_COPY_IF_MATCH))) {
			r = s->driver.write_copy(w->handle, op, from, if_match, offset, length, &e);
			r = store_answer(s, "store.copy", r, &e, err);
		} else {
			r = write_copy_through(w, op, from, if_match, offset, length, err);
		}
	}
	if (r != STOW_OK)
		w->ended = true;
	return r;
}

/* ---- batches ---- */

static struct stow_call *call_at(struct stow_call *calls, size_t i, size_t stride)
{
	return (struct stow_call *)(void *)((char *)calls + i * stride);
}

/* Can the driver run it as it stands, conditions and all? */
static bool is_native(const struct stow_store *s, uint64_t caps, const struct stow_call *c)
{
	uint64_t need = 0;

	switch (c->verb) {
	case STOW_CALL_GET:
		need = c->if_match ? STOW_CAP_GET_IF_MATCH : 0;
		break;
	case STOW_CALL_REMOVE:
		need = c->if_match ? STOW_CAP_REMOVE_IF_MATCH : 0;
		break;
	case STOW_CALL_COPY:
		if (!s->driver.copy)
			return false;
		need = c->if_match ? STOW_CAP_COPY_IF_MATCH : 0;
		break;
	default:
		break;
	}
	if (c->put && (c->verb == STOW_CALL_PUT || c->verb == STOW_CALL_COPY)) {
		need |= c->put->flags & STOW_PUT_CREATE ? STOW_CAP_CREATE : 0;
		need |= c->put->if_match ? STOW_CAP_PUT_IF_MATCH : 0;
	}
	/* an empty condition is refused by the single call */
	return (caps & need) == need && !(c->if_match && !*c->if_match) &&
	       !(c->put && c->put->if_match && !*c->put->if_match);
}

static void run_one(struct stow_store *s, const struct stow_op *op, struct stow_call *c)
{
	switch (c->verb) {
	case STOW_CALL_STAT:
		c->status = store_stat(s, op, c->key, &c->ret_stat, c->err);
		break;
	case STOW_CALL_GET:
		c->status = store_get(s, op, c->key, c->if_match, c->buf, c->len, &c->ret_len,
		                      &c->ret_stat, c->err);
		break;
	case STOW_CALL_PUT:
		c->status = store_put(s, op, c->key, c->data, c->len, c->put, &c->ret_stat, c->err);
		break;
	case STOW_CALL_REMOVE:
		c->status = store_remove(s, op, c->key, c->if_match, c->err);
		break;
	default:
		c->status = store_copy(s, op, c->from, c->if_match, c->key, c->put, c->err);
		break;
	}
}

/* Brings what the driver wrote into one item to the form that store.h promises. */
static void check_item(const struct stow_store *s, struct stow_call *c)
{
	struct stow_error e = { 0 };

	c->ret_stat.etag[sizeof(c->ret_stat.etag) - 1] = '\0';
	if (c->status == STOW_OK) {
		if (c->verb == STOW_CALL_GET && c->ret_len > c->len)
			c->status = error_set(c->err, STOW_EIO, "store.batch",
			                      "%s: driver %s says it put %zu bytes into a room of "
			                      "%zu",
			                      c->key, s->driver.name, c->ret_len, c->len);
		else if ((c->verb == STOW_CALL_STAT || c->verb == STOW_CALL_GET) &&
		         c->ret_stat.size < 0)
			c->status = error_set(c->err, STOW_EIO, "store.batch",
			                      "%s: driver %s answered a size below 0", c->key,
			                      s->driver.name);
		return;
	}
	if (c->err)
		e = *c->err;
	c->status = store_answer(s, "store.batch", c->status, &e, c->err);
}

int store_batch(struct stow_store *s, const struct stow_op *op, struct stow_call *calls, size_t n,
                size_t stride, struct stow_error *err)
{
	uint64_t caps = store_caps(s);
	bool native = s->driver.batch != NULL;
	struct stow_error e = { 0 };
	struct stow_call *c;
	size_t i;
	int r;

	if (stride < sizeof(struct stow_call) || stride % _Alignof(struct stow_call) != 0)
		return error_set(err, STOW_EINVAL, "store.batch", "a stride of %zu", stride);
	for (i = 0; i < n; i++) {
		c = call_at(calls, i, stride);
		if (c->verb < STOW_CALL_STAT || c->verb > STOW_CALL_COPY || !c->key ||
		    (c->verb == STOW_CALL_COPY && !c->from))
			return error_set(err, STOW_EINVAL, "store.batch",
			                 "item %zu is no call of a batch", i);
		native = native && is_native(s, caps, c);
	}
	if (n == 0)
		return STOW_OK;
	for (i = 0; i < n; i++) {
		c = call_at(calls, i, stride);
		c->status = UNANSWERED;
		if (c->err)
			memset(c->err, 0, sizeof(*c->err));
		if (!native)
			run_one(s, op, c);
	}
	if (!native)
		return STOW_OK;
	r = store_answer(s, "store.batch", s->driver.batch(s->self, op, calls, n, stride, &e), &e,
	                 err);
	for (i = 0; r == STOW_OK && i < n; i++)
		check_item(s, call_at(calls, i, stride));
	return r;
}

/* ---- removals of many ---- */

static bool has_condition(const char *const *if_match, size_t n)
{
	size_t i;

	for (i = 0; if_match && i < n; i++) {
		if (if_match[i])
			return true;
	}
	return false;
}

/* The first failure of the keys so far goes into err, which then stays. */
static int settle(const char *key, int status, const struct stow_error *why, int before,
                  struct stow_error *err)
{
	if (before != STOW_OK || status == STOW_OK)
		return before;
	if (why && why->status == status)
		return error_copy(err, why);
	return error_set(err, status, "store.remove", "%s: %s", key, error_status_text(status));
}

static int remove_native(struct stow_store *s, const struct stow_op *op, const char *const *keys,
                         const char *const *if_match, size_t n, int *ret_status,
                         struct stow_error *err)
{
	struct stow_error e = { 0 };
	int r, first = STOW_OK;
	size_t i;

	for (i = 0; i < n; i++)
		ret_status[i] = UNANSWERED;
	r = s->driver.remove_many(s->self, op, keys, if_match, n, ret_status, &e);
	first = store_answer(s, "store.remove", r, &e, err);
	for (i = 0; i < n; i++) {
		if (ret_status[i] > STOW_OK || ret_status[i] < STOW_ENOMEM)
			ret_status[i] = r == STOW_OK ? STOW_EIO : first;
		first = settle(keys[i], ret_status[i], NULL, first, err);
	}
	return first;
}

static int remove_batched(struct stow_store *s, const struct stow_op *op, const char *const *keys,
                          const char *const *if_match, size_t n, int *ret_status,
                          struct stow_call *calls, struct stow_error *errors,
                          struct stow_error *err)
{
	size_t i, at, count;
	int r, first = STOW_OK;

	for (at = 0; at < n; at += count) {
		count = n - at < REMOVE_CHUNK ? n - at : REMOVE_CHUNK;
		memset(calls, 0, count * sizeof(*calls));
		memset(errors, 0, count * sizeof(*errors));
		for (i = 0; i < count; i++) {
			calls[i].verb = STOW_CALL_REMOVE;
			calls[i].key = keys[at + i];
			calls[i].if_match = if_match ? if_match[at + i] : NULL;
			calls[i].err = &errors[i];
		}
		r = store_batch(s, op, calls, count, sizeof(*calls), &errors[0]);
		for (i = 0; i < count; i++) {
			ret_status[at + i] = r == STOW_OK ? calls[i].status : r;
			first = settle(keys[at + i], ret_status[at + i],
			               &errors[r == STOW_OK ? i : 0], first, err);
		}
	}
	return first;
}

int store_remove_many(struct stow_store *s, const struct stow_op *op, const char *const *keys,
                      const char *const *if_match, size_t n, int *ret_status,
                      struct stow_error *err)
{
	cleanup_free struct stow_call *calls = NULL;
	cleanup_free struct stow_error *errors = NULL;

	if (n == 0)
		return STOW_OK;
	if (s->driver.remove_many &&
	    (!has_condition(if_match, n) || (store_caps(s) & STOW_CAP_REMOVE_IF_MATCH)))
		return remove_native(s, op, keys, if_match, n, ret_status, err);
	calls = calloc(REMOVE_CHUNK, sizeof(*calls));
	errors = calloc(REMOVE_CHUNK, sizeof(*errors));
	if (!calls || !errors) {
		for (size_t i = 0; i < n; i++)
			ret_status[i] = STOW_ENOMEM;
		return error_nomem(err, "store.remove");
	}
	return remove_batched(s, op, keys, if_match, n, ret_status, calls, errors, err);
}
