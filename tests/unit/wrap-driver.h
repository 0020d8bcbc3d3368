/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory driver with a gate before each call: one chosen call fails, before it does anything or
 * after it has done all; another host does something between two calls; reads are cut, sizes lie.
 * Batches, copies and removals of many are left out, so that each of their parts passes the gate.
 */
#ifndef UNIT_WRAP_DRIVER_H
#define UNIT_WRAP_DRIVER_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/error.h"
#include "common/text.h"
#include "plugin/config.h"

enum wrap_fault { WRAP_BEFORE, WRAP_AFTER };

static struct wrap {
	const struct stow_driver *inner;
	void *self;
	uint64_t caps;
	int calls;   /* since the last reset */
	int fail_at; /* the call that fails, from 1 on; 0: none */
	enum wrap_fault fault;
	int status;
	const char *hook_key; /* before the removal of a key that ends so, once */
	void (*hook)(void *arg);
	void (*put_hook)(void *arg); /* the same before it is written */
	void *hook_arg;
	bool cut_reads; /* the last byte of each reader is kept back */
	int64_t lie;    /* added to the sizes of segments and blobs */
	int again;      /* of so many calls that do not wait one is done; the others come again */
	int put_off;
} wrap;

static inline bool wrap_hit(void)
{
	return __atomic_add_fetch(&wrap.calls, 1, __ATOMIC_RELAXED) == wrap.fail_at;
}

/* status: what the inner call answered; of a call that changes nothing the fault comes before. */
#define WRAP(call)                                                                                 \
	do {                                                                                       \
		bool hit_ = wrap_hit();                                                            \
		if (hit_ && wrap.fault == WRAP_BEFORE)                                             \
			return error_set(err, wrap.status, "wrap", "made to fail");                \
		int status_ = (call);                                                              \
		if (hit_ && status_ == STOW_OK)                                                    \
			return error_set(err, wrap.status, "wrap", "its answer was lost");         \
		return status_;                                                                    \
	} while (0)
/* One that gives out a handle or bytes: nothing is to be ended by who sees the failure. */
#define WRAP_SIMPLE(call)                                                                          \
	do {                                                                                       \
		if (wrap_hit())                                                                    \
			return error_set(err, wrap.status, "wrap", "made to fail");                \
		return (call);                                                                     \
	} while (0)

static bool wrap_puts_off(const struct stow_op *op)
{
	return op && op->flags & STOW_OP_NOWAIT && wrap.again && ++wrap.put_off % wrap.again != 0;
}

static int wrap_again(struct stow_error *err)
{
	error_set(err, STOW_EBUSY, "wrap", "not now");
	error_flag(err, STOW_ERROR_RETRYABLE | STOW_ERROR_AGAIN);
	return STOW_EBUSY;
}

static void wrap_lie(const char *key, struct stow_stat *st)
{
	if (st && (strstr(key, "/data") || strstr(key, "/uploads/")))
		st->size += wrap.lie;
}

static int wrap_stat(void *self, const struct stow_op *op, const char *key, struct stow_stat *ret,
                     struct stow_error *err)
{
	int status;

	if (wrap_hit())
		return error_set(err, wrap.status, "wrap", "made to fail");
	status = wrap.inner->stat(self, op, key, ret, err);
	if (status == STOW_OK)
		wrap_lie(key, ret);
	return status;
}

static int wrap_get(void *self, const struct stow_op *op, const char *key, const char *if_match,
                    void *buf, size_t cap, size_t *ret_len, struct stow_stat *ret_stat,
                    struct stow_error *err)
{
	WRAP_SIMPLE(wrap.inner->get(self, op, key, if_match, buf, cap, ret_len, ret_stat, err));
}

static int wrap_put(void *self, const struct stow_op *op, const char *key, const void *data,
                    size_t len, const struct stow_put *put, struct stow_stat *ret_stat,
                    struct stow_error *err)
{
	if (wrap.put_hook && text_ends(key, wrap.hook_key)) {
		void (*hook)(void *) = wrap.put_hook;

		wrap.put_hook = NULL;
		hook(wrap.hook_arg);
	}
	WRAP(wrap.inner->put(self, op, key, data, len, put, ret_stat, err));
}

static int wrap_remove(void *self, const struct stow_op *op, const char *key, const char *if_match,
                       struct stow_error *err)
{
	if (wrap.hook && text_ends(key, wrap.hook_key)) {
		void (*hook)(void *) = wrap.hook;

		wrap.hook = NULL;
		hook(wrap.hook_arg);
	}
	WRAP(wrap.inner->remove(self, op, key, if_match, err));
}

static int wrap_read_open(void *self, const struct stow_op *op, const char *key,
                          const char *if_match, int64_t offset, int64_t length, void **ret,
                          struct stow_stat *ret_stat, struct stow_error *err)
{
	int status;

	if (wrap_hit())
		return error_set(err, wrap.status, "wrap", "made to fail");
	status = wrap.inner->read_open(self, op, key, if_match, offset, length, ret, ret_stat, err);
	if (status == STOW_OK)
		wrap_lie(key, ret_stat);
	return status;
}

static int wrap_read(void *reader, const struct stow_op *op, void *buf, size_t cap, size_t *ret_len,
                     struct stow_error *err)
{
	int status;

	if (wrap_puts_off(op))
		return wrap_again(err);
	if (wrap_hit())
		return error_set(err, wrap.status, "wrap", "made to fail");
	status = wrap.inner->read(reader, op, buf, cap, ret_len, err);
	if (status == STOW_OK && wrap.cut_reads && *ret_len > 0)
		(*ret_len)--;
	return status;
}

static void wrap_read_close(void *reader)
{
	wrap.inner->read_close(reader);
}

static int wrap_write_open(void *self, const struct stow_op *op, const char *key,
                           const struct stow_put *put, void **ret, int64_t *ret_offset,
                           struct stow_error *err)
{
	WRAP_SIMPLE(wrap.inner->write_open(self, op, key, put, ret, ret_offset, err));
}

static int wrap_write(void *writer, const struct stow_op *op, const void *data, size_t len,
                      struct stow_error *err)
{
	if (wrap_puts_off(op))
		return wrap_again(err);
	WRAP_SIMPLE(wrap.inner->write(writer, op, data, len, err));
}

static int wrap_commit(void *writer, const struct stow_op *op, struct stow_stat *ret_stat,
                       struct stow_error *err)
{
	WRAP(wrap.inner->write_commit(writer, op, ret_stat, err));
}

static void wrap_write_close(void *writer, const struct stow_op *op)
{
	wrap.inner->write_close(writer, op);
}

static int wrap_list_open(void *self, const struct stow_op *op, const char *prefix,
                          const char *after, uint32_t flags, void **ret, struct stow_error *err)
{
	WRAP_SIMPLE(wrap.inner->list_open(self, op, prefix, after, flags, ret, err));
}

static int wrap_list_next(void *list, const struct stow_op *op, struct stow_entry *ret,
                          struct stow_error *err)
{
	WRAP_SIMPLE(wrap.inner->list_next(list, op, ret, err));
}

static void wrap_list_close(void *list)
{
	wrap.inner->list_close(list);
}

static void wrap_close(void *self)
{
	wrap.inner->close(self);
}

static uint64_t wrap_caps(void *self)
{
	(void)self;
	return wrap.caps;
}

/* The drivers of the build that this program belongs to. */
static inline void wrap_driver_path(struct stow_config *config)
{
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 32);

	assert_true(len > 0);
	path[len] = '\0';
	for (int i = 0; i < 3; i++)
		*strrchr(path, '/') = '\0';
	assert_true(text_format(path + strlen(path), 32, "/drivers"));
	assert_int_equal(stow_config_driver_path(config, path, NULL), STOW_OK);
}

/* A store over a fresh memory driver; the configuration must have been checked. */
static inline struct stow_store *wrap_open(const struct stow_config *config,
                                           const struct stow_host *host)
{
	static struct stow_driver outer;
	struct stow_store *store = NULL;

	memset(&wrap, 0, sizeof(wrap));
	wrap.inner = config_driver(config);
	wrap.caps = ~UINT64_C(0);
	wrap.status = STOW_EIO;
	outer = (struct stow_driver){
		.size = sizeof(outer),
		.major = STOW_DRIVER_MAJOR,
		.caps = wrap.inner->caps,
		.name = "wrap",
		.version = "1",
		.summary = "for tests",
		.options = wrap.inner->options,
		.open = wrap.inner->open,
		.close = wrap_close,
		.stat = wrap_stat,
		.get = wrap_get,
		.put = wrap_put,
		.remove = wrap_remove,
		.read_open = wrap_read_open,
		.read = wrap_read,
		.read_close = wrap_read_close,
		.write_open = wrap_write_open,
		.write = wrap_write,
		.write_commit = wrap_commit,
		.write_close = wrap_write_close,
		.list_open = wrap_list_open,
		.list_next = wrap_list_next,
		.list_close = wrap_list_close,
		.instance_caps = wrap_caps,
	};
	assert_int_equal(wrap.inner->open(host, NULL, 0, &wrap.self, NULL), STOW_OK);
	assert_int_equal(store_wrap(&outer, wrap.self, true, host, &store, NULL), STOW_OK);
	return store;
}

#endif
