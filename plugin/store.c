/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store's life and its small calls over one driver, with every answer checked.  It must not
 * know what keys mean.
 */
#include "plugin/store-private.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "plugin/loader.h"

#include <stdlib.h>
#include <string.h>

/* ---- life ---- */

int store_wrap(const struct stow_driver *driver, void *self, bool close_self,
               const struct stow_host *host, struct stow_store **ret, struct stow_error *err)
{
	struct stow_store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return error_nomem(err, "store.open");
	r = loader_check(driver, driver && driver->name ? driver->name : "driver", &s->driver, err);
	if (r != STOW_OK) {
		free(s);
		return r;
	}
	s->self = self;
	s->close_self = close_self;
	s->host = host;
	*ret = s;
	return STOW_OK;
}

int store_open(const struct stow_driver *driver, const struct stow_kv *pairs, size_t n,
               const struct stow_host *host, struct stow_store **ret, struct stow_error *err)
{
	struct stow_error e = { 0 };
	struct stow_store *s = NULL;
	void *self = NULL;
	int r;

	r = store_wrap(driver, NULL, true, host, &s, err);
	if (r != STOW_OK)
		return r;
	r = store_answer(s, "store.open", s->driver.open(host, pairs, n, &self, &e), &e, err);
	if (r != STOW_OK) {
		error_prefix(err, r, "[%s]", s->driver.name);
		free(s);
		return r;
	}
	s->self = self;
	*ret = s;
	return STOW_OK;
}

void stow_store_close(struct stow_store *s)
{
	if (!s)
		return;
	if (s->close_self)
		s->driver.close(s->self);
	explicit_bzero(s->key, sizeof(s->key));
	free(s);
}

const char *stow_store_driver(const struct stow_store *s)
{
	return s->driver.name;
}

const struct stow_host *store_host(const struct stow_store *s)
{
	return s->host;
}

uint64_t store_caps(const struct stow_store *s)
{
	if (!s->driver.instance_caps)
		return s->driver.caps;
	return s->driver.instance_caps(s->self) & s->driver.caps;
}

bool store_derive_key(const struct stow_store *s, uint8_t ret[32])
{
	if (s->has_key)
		memcpy(ret, s->key, sizeof(s->key));
	return s->has_key;
}

/* ---- answers ---- */

int store_answer(const struct stow_store *s, const char *call, int status, struct stow_error *from,
                 struct stow_error *err)
{
	if (status == STOW_OK)
		return STOW_OK;
	if (status > STOW_OK || status < STOW_ENOMEM)
		return error_set(err, STOW_EIO, call, "driver %s answered %d, which is no status",
		                 s->driver.name, status);
	if (!err)
		return status;
	from->where[sizeof(from->where) - 1] = '\0';
	from->request[sizeof(from->request) - 1] = '\0';
	from->message[sizeof(from->message) - 1] = '\0';
	if (!from->where[0])
		text_copy(from->where, sizeof(from->where), call);
	if (!from->message[0])
		text_format(from->message, sizeof(from->message),
		            "%s, and driver %s gives no reason", error_status_text(status),
		            s->driver.name);
	from->status = status;
	error_copy(err, from);
	return status;
}

int store_handle_check(const struct stow_store *s, const void *handle, const char *call,
                       struct stow_error *err)
{
	if (handle)
		return STOW_OK;
	return error_set(err, STOW_EIO, call, "driver %s answered no handle", s->driver.name);
}

int store_condition_check(const char *if_match, const char *call, struct stow_error *err)
{
	if (if_match && !*if_match)
		return error_set(err, STOW_EINVAL, call, "the condition is an empty ETag");
	return STOW_OK;
}

int store_etag_check(const struct stow_stat *st, const char *if_match, const char *key,
                     const char *call, struct stow_error *err)
{
	if (!if_match)
		return STOW_OK;
	if (!st->etag[0])
		return error_set(err, STOW_ENOTSUP, call,
		                 "%s: asked for by ETag, but the store tells none", key);
	if (strcmp(st->etag, if_match) != 0)
		return error_set(err, STOW_ECHANGED, call, "%s: another version is there", key);
	return STOW_OK;
}

/* A condition that cannot be emulated must be one that the driver honours. */
static int need_cap(const struct stow_store *s, uint64_t cap, const char *condition,
                    const char *key, const char *call, struct stow_error *err)
{
	if (store_caps(s) & cap)
		return STOW_OK;
	return error_set(err, STOW_ENOTSUP, call, "%s: driver %s has no %s", key, s->driver.name,
	                 condition);
}

static int check_put(const struct stow_store *s, const struct stow_put *put, const char *key,
                     const char *call, struct stow_error *err)
{
	int r = STOW_OK;

	if (!put)
		return STOW_OK;
	if (put->flags & STOW_PUT_CREATE)
		r = need_cap(s, STOW_CAP_CREATE, "create-only writes", key, call, err);
	if (r == STOW_OK)
		r = store_condition_check(put->if_match, call, err);
	if (r == STOW_OK && put->if_match)
		r = need_cap(s, STOW_CAP_PUT_IF_MATCH, "conditional writes", key, call, err);
	return r;
}

/* What a driver says of an object, made safe to read. */
static int check_stat(const struct stow_store *s, struct stow_stat *st, const char *key,
                      const char *call, struct stow_error *err)
{
	st->etag[sizeof(st->etag) - 1] = '\0';
	if (st->size < 0)
		return error_set(err, STOW_EIO, call, "%s: driver %s answered a size below 0", key,
		                 s->driver.name);
	return STOW_OK;
}

static int check_length(const struct stow_store *s, size_t len, size_t cap, const char *call,
                        struct stow_error *err)
{
	if (len <= cap)
		return STOW_OK;
	return error_set(err, STOW_EIO, call, "driver %s says it put %zu bytes into a room of %zu",
	                 s->driver.name, len, cap);
}

/* ---- small objects ---- */

int store_stat(struct stow_store *s, const struct stow_op *op, const char *key,
               struct stow_stat *ret, struct stow_error *err)
{
	struct stow_error e = { 0 };
	struct stow_stat st = { 0 };
	int r;

	r = store_answer(s, "store.stat", s->driver.stat(s->self, op, key, &st, &e), &e, err);
	if (r == STOW_OK)
		r = check_stat(s, &st, key, "store.stat", err);
	if (r == STOW_OK)
		*ret = st;
	return r;
}

int store_get(struct stow_store *s, const struct stow_op *op, const char *key, const char *if_match,
              void *buf, size_t cap, size_t *ret_len, struct stow_stat *ret_stat,
              struct stow_error *err)
{
	bool honoured = !if_match || (store_caps(s) & STOW_CAP_GET_IF_MATCH);
	struct stow_error e = { 0 };
	struct stow_stat st = { 0 };
	size_t len = 0;
	int r;

	r = store_condition_check(if_match, "store.get", err);
	if (r != STOW_OK)
		return r;
	r = s->driver.get(s->self, op, key, honoured ? if_match : NULL, buf, cap, &len, &st, &e);
	r = store_answer(s, "store.get", r, &e, err);
	if (r == STOW_ERANGE)
		*ret_len = len;
	if (r == STOW_OK)
		r = check_length(s, len, cap, "store.get", err);
	if (r == STOW_OK)
		r = check_stat(s, &st, key, "store.get", err);
	if (r == STOW_OK && !honoured)
		r = store_etag_check(&st, if_match, key, "store.get", err);
	if (r != STOW_OK)
		return r;
	*ret_len = len;
	if (ret_stat)
		*ret_stat = st;
	return STOW_OK;
}

int store_put(struct stow_store *s, const struct stow_op *op, const char *key, const void *data,
              size_t len, const struct stow_put *put, struct stow_stat *ret_stat,
              struct stow_error *err)
{
	struct stow_error e = { 0 };
	struct stow_stat st = { 0 };
	int r;

	r = check_put(s, put, key, "store.put", err);
	if (r != STOW_OK)
		return r;
	r = s->driver.put(s->self, op, key, data, len, put, &st, &e);
	r = store_answer(s, "store.put", r, &e, err);
	if (r == STOW_OK && ret_stat) {
		/* it is written, whatever else the driver says of it */
		st.size = (int64_t)len;
		st.etag[sizeof(st.etag) - 1] = '\0';
		*ret_stat = st;
	}
	return r;
}

int store_remove(struct stow_store *s, const struct stow_op *op, const char *key,
                 const char *if_match, struct stow_error *err)
{
	struct stow_error e = { 0 };
	int r;

	r = store_condition_check(if_match, "store.remove", err);
	if (r == STOW_OK && if_match)
		r = need_cap(s, STOW_CAP_REMOVE_IF_MATCH, "conditional removal", key,
		             "store.remove", err);
	if (r != STOW_OK)
		return r;
	r = s->driver.remove(s->self, op, key, if_match, &e);
	return store_answer(s, "store.remove", r, &e, err);
}

/* ---- readers ---- */

struct store_reader {
	struct stow_store *store;
	void *handle;
};

int store_read_open(struct stow_store *s, const struct stow_op *op, const char *key,
                    const char *if_match, int64_t offset, int64_t length, struct store_reader **ret,
                    struct stow_stat *ret_stat, struct stow_error *err)
{
	bool honoured = !if_match || (store_caps(s) & STOW_CAP_GET_IF_MATCH);
	cleanup_free struct store_reader *reader = NULL;
	struct stow_error e = { 0 };
	struct stow_stat st = { 0 };
	int r;

	r = store_condition_check(if_match, "store.read", err);
	if (r == STOW_OK && (offset < 0 || length < -1))
		r = error_set(err, STOW_EINVAL, "store.read", "%s: a range below 0", key);
	if (r != STOW_OK)
		return r;
	reader = calloc(1, sizeof(*reader));
	if (!reader)
		return error_nomem(err, "store.read");
	reader->store = s;
	r = s->driver.read_open(s->self, op, key, honoured ? if_match : NULL, offset, length,
	                        &reader->handle, &st, &e);
	r = store_answer(s, "store.read", r, &e, err);
	if (r == STOW_OK)
		r = store_handle_check(s, reader->handle, "store.read", err);
	if (r != STOW_OK)
		return r;
	r = check_stat(s, &st, key, "store.read", err);
	if (r == STOW_OK && !honoured)
		r = store_etag_check(&st, if_match, key, "store.read", err);
	if (r != STOW_OK) {
		s->driver.read_close(reader->handle);
		return r;
	}
	if (ret_stat)
		*ret_stat = st;
	*ret = take(reader);
	return STOW_OK;
}

/* For calls that cannot be made again: the same without STOW_OP_NOWAIT. */
static struct stow_op waiting(const struct stow_op *op)
{
	struct stow_op mine = op ? *op : (struct stow_op){ .size = sizeof(mine) };

	mine.flags &= ~STOW_OP_NOWAIT;
	return mine;
}

int store_read(struct store_reader *reader, const struct stow_op *op, void *buf, size_t cap,
               size_t *ret_len, struct stow_error *err)
{
	struct stow_op mine = waiting(op);

	return store_try_read(reader, &mine, buf, cap, ret_len, err);
}

int store_try_read(struct store_reader *reader, const struct stow_op *op, void *buf, size_t cap,
                   size_t *ret_len, struct stow_error *err)
{
	struct stow_store *s = reader->store;
	struct stow_error e = { 0 };
	size_t len = 0;
	int r;

	r = s->driver.read(reader->handle, op, buf, cap, &len, &e);
	r = store_answer(s, "store.read", r, &e, err);
	if (r == STOW_OK)
		r = check_length(s, len, cap, "store.read", err);
	if (r == STOW_OK)
		*ret_len = len;
	return r;
}

void store_read_close(struct store_reader *reader)
{
	if (!reader)
		return;
	reader->store->driver.read_close(reader->handle);
	free(reader);
}

/* ---- writers ---- */

int store_write_open(struct stow_store *s, const struct stow_op *op, const char *key,
                     const struct stow_put *put, struct store_writer **ret, int64_t *ret_offset,
                     struct stow_error *err)
{
	cleanup_free struct store_writer *w = NULL;
	struct stow_error e = { 0 };
	int64_t offset = 0;
	int r;

	r = check_put(s, put, key, "store.write", err);
	if (r != STOW_OK)
		return r;
	w = calloc(1, sizeof(*w));
	if (!w)
		return error_nomem(err, "store.write");
	w->store = s;
	r = s->driver.write_open(s->self, op, key, put, &w->handle, &offset, &e);
	r = store_answer(s, "store.write", r, &e, err);
	if (r == STOW_OK)
		r = store_handle_check(s, w->handle, "store.write", err);
	if (r != STOW_OK)
		return r;
	if (offset < 0) {
		s->driver.write_close(w->handle, op);
		return error_set(err, STOW_EIO, "store.write",
		                 "%s: driver %s answered an offset below 0", key, s->driver.name);
	}
	if (offset > 0 && !(put && (put->parked || (put->flags & STOW_PUT_RESUME)))) {
		s->driver.write_close(w->handle, op);
		return error_set(err, STOW_EIO, "store.write",
		                 "%s: driver %s goes on with another write than it was asked for",
		                 key, s->driver.name);
	}
	if (ret_offset)
		*ret_offset = offset;
	*ret = take(w);
	return STOW_OK;
}

static int check_writer(const struct store_writer *w, struct stow_error *err)
{
	if (w->ended)
		return error_set(err, STOW_EINVAL, "store.write",
		                 "a writer that failed or ended can only be closed");
	return STOW_OK;
}

bool store_asks_again(int status, const struct stow_error *e)
{
	return status == STOW_EBUSY && e->flags & STOW_ERROR_AGAIN;
}

int store_try_write(struct store_writer *w, const struct stow_op *op, const void *data, size_t len,
                    struct stow_error *err)
{
	struct stow_error e = { 0 };
	int r;

	r = check_writer(w, err);
	if (r != STOW_OK)
		return r;
	r = w->store->driver.write(w->handle, op, data, len, &e);
	if (!op || !(op->flags & STOW_OP_NOWAIT))
		e.flags &= ~STOW_ERROR_AGAIN; /* nobody asked for it */
	w->ended = r != STOW_OK && !store_asks_again(r, &e);
	return store_answer(w->store, "store.write", r, &e, err);
}

int store_write(struct store_writer *w, const struct stow_op *op, const void *data, size_t len,
                struct stow_error *err)
{
	struct stow_op mine = waiting(op);

	return store_try_write(w, &mine, data, len, err);
}

int store_write_commit(struct store_writer *w, const struct stow_op *op, struct stow_stat *ret_stat,
                       struct stow_error *err)
{
	struct stow_error e = { 0 };
	struct stow_stat st = { 0 };
	int r;

	r = check_writer(w, err);
	if (r != STOW_OK)
		return r;
	w->ended = true;
	r = w->store->driver.write_commit(w->handle, op, &st, &e);
	r = store_answer(w->store, "store.commit", r, &e, err);
	if (r == STOW_OK && ret_stat) {
		st.etag[sizeof(st.etag) - 1] = '\0';
		*ret_stat = st;
	}
	return r;
}

int store_write_park(struct store_writer *w, const struct stow_op *op, void *buf, size_t cap,
                     size_t *ret_len, struct stow_error *err)
{
	struct stow_store *s = w->store;
	struct stow_error e = { 0 };
	size_t len = 0;
	int r;

	r = check_writer(w, err);
	if (r != STOW_OK)
		return r;
	if (!s->driver.write_park)
		return error_set(err, STOW_ENOTSUP, "store.park",
		                 "driver %s cannot keep unfinished writes", s->driver.name);
	w->ended = true;
	r = s->driver.write_park(w->handle, op, buf, cap, &len, &e);
	r = store_answer(s, "store.park", r, &e, err);
	if (r == STOW_OK)
		r = check_length(s, len, cap, "store.park", err);
	if (r == STOW_OK)
		*ret_len = len;
	return r;
}

void store_write_close(struct store_writer *w, const struct stow_op *op)
{
	if (!w)
		return;
	w->store->driver.write_close(w->handle, op);
	free(w);
}

/* ---- the rest ---- */

int store_purge_writes(struct stow_store *s, const struct stow_op *op, const char *prefix,
                       int64_t older_than_ns, uint64_t *ret_count, struct stow_error *err)
{
	struct stow_error e = { 0 };
	uint64_t count = 0;
	int r;

	if (!s->driver.purge_writes)
		return error_set(err, STOW_ENOTSUP, "store.purge",
		                 "driver %s knows of no unfinished writes", s->driver.name);
	r = s->driver.purge_writes(s->self, op, prefix, older_than_ns, &count, &e);
	r = store_answer(s, "store.purge", r, &e, err);
	if (r == STOW_OK)
		*ret_count = count;
	return r;
}

/* Printable ASCII without a blank and ended within cap: it goes into a header as it is. */
static bool url_ok(const char *buf, size_t cap)
{
	size_t i;

	for (i = 0; i < cap && buf[i]; i++)
		if (buf[i] <= ' ' || buf[i] > '~')
			return false;
	return i > 0 && i < cap;
}

int store_presign(struct stow_store *s, const struct stow_op *op, const char *key,
                  const char *method, int64_t seconds, char *buf, size_t cap,
                  struct stow_error *err)
{
	struct stow_error e = { 0 };
	int r;

	if (!s->driver.presign)
		return error_set(err, STOW_ENOTSUP, "store.presign",
		                 "driver %s has no URLs to give", s->driver.name);
	r = s->driver.presign(s->self, op, key, method, seconds, buf, cap, &e);
	r = store_answer(s, "store.presign", r, &e, err);
	if (r == STOW_OK && !url_ok(buf, cap))
		r = error_set(err, STOW_EIO, "store.presign",
		              "%s: driver %s answered what is no URL", key, s->driver.name);
	return r;
}
