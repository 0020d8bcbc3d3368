/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the broken drivers share: a store that is always empty and takes everything, correct as far
 * as an empty store can be.  Each driver includes this and breaks the table in one place:
 *
 *   static void break_it(struct stow_driver *d)
 *
 * NAME is the driver's name as text, from the command line.  It uses the ABI's headers and nothing
 * else, so that a host of any kind can be tried with it.
 */
#ifndef TESTS_ABI_BROKEN_H
#define TESTS_ABI_BROKEN_H

#include <stowage/driver.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void break_it(struct stow_driver *d);

/* something that is not NULL, for handles */
static char handle_target;

static inline int fails(struct stow_error *err, int status, const char *message)
{
	if (err) {
		memset(err, 0, sizeof(*err));
		err->status = status;
		snprintf(err->where, sizeof(err->where), "broken");
		snprintf(err->message, sizeof(err->message), "%s", message);
	}
	return status;
}

static int empty_open(const struct stow_host *host, const struct stow_kv *kv, size_t n,
                      void **ret_self, struct stow_error *err)
{
	(void)host;
	if (n > 0)
		return fails(err, STOW_EINVAL, kv[0].key);
	*ret_self = &handle_target;
	return STOW_OK;
}

static void empty_close(void *self)
{
	(void)self;
}

static int empty_stat(void *self, const struct stow_op *op, const char *key, struct stow_stat *ret,
                      struct stow_error *err)
{
	(void)self, (void)op, (void)key, (void)ret;
	return fails(err, STOW_ENOTFOUND, "no such object");
}

static int empty_get(void *self, const struct stow_op *op, const char *key, const char *if_match,
                     void *buf, size_t cap, size_t *ret_len, struct stow_stat *ret_stat,
                     struct stow_error *err)
{
	(void)self, (void)op, (void)key, (void)if_match, (void)buf, (void)cap;
	(void)ret_len, (void)ret_stat;
	return fails(err, STOW_ENOTFOUND, "no such object");
}

static int empty_put(void *self, const struct stow_op *op, const char *key, const void *data,
                     size_t len, const struct stow_put *put, struct stow_stat *ret_stat,
                     struct stow_error *err)
{
	(void)self, (void)op, (void)key, (void)data, (void)put, (void)err;
	if (ret_stat) {
		memset(ret_stat, 0, sizeof(*ret_stat));
		ret_stat->size = (int64_t)len;
	}
	return STOW_OK;
}

static int empty_remove(void *self, const struct stow_op *op, const char *key, const char *if_match,
                        struct stow_error *err)
{
	(void)self, (void)op, (void)key, (void)if_match, (void)err;
	return STOW_OK;
}

static int empty_read_open(void *self, const struct stow_op *op, const char *key,
                           const char *if_match, int64_t offset, int64_t length, void **ret_reader,
                           struct stow_stat *ret_stat, struct stow_error *err)
{
	(void)self, (void)op, (void)key, (void)if_match, (void)offset, (void)length;
	(void)ret_reader, (void)ret_stat;
	return fails(err, STOW_ENOTFOUND, "no such object");
}

static int empty_read(void *reader, const struct stow_op *op, void *buf, size_t cap,
                      size_t *ret_len, struct stow_error *err)
{
	(void)reader, (void)op, (void)buf, (void)cap, (void)err;
	*ret_len = 0;
	return STOW_OK;
}

/* A writer is the count of its bytes. */
static int empty_write_open(void *self, const struct stow_op *op, const char *key,
                            const struct stow_put *put, void **ret_writer, int64_t *ret_offset,
                            struct stow_error *err)
{
	int64_t *written = calloc(1, sizeof(*written));

	(void)self, (void)op, (void)key, (void)put;
	if (!written)
		return fails(err, STOW_ENOMEM, "no memory");
	*ret_writer = written;
	if (ret_offset)
		*ret_offset = 0;
	return STOW_OK;
}

static int empty_write(void *writer, const struct stow_op *op, const void *data, size_t len,
                       struct stow_error *err)
{
	(void)op, (void)data, (void)err;
	*(int64_t *)writer += (int64_t)len;
	return STOW_OK;
}

static int empty_write_copy(void *writer, const struct stow_op *op, const char *from,
                            const char *if_match, int64_t offset, int64_t length,
                            struct stow_error *err)
{
	(void)writer, (void)op, (void)from, (void)if_match, (void)offset, (void)length;
	return fails(err, STOW_ENOTFOUND, "no such object");
}

static int empty_write_commit(void *writer, const struct stow_op *op, struct stow_stat *ret_stat,
                              struct stow_error *err)
{
	(void)op, (void)err;
	if (ret_stat) {
		memset(ret_stat, 0, sizeof(*ret_stat));
		ret_stat->size = *(int64_t *)writer;
	}
	return STOW_OK;
}

static void empty_write_close(void *writer, const struct stow_op *op)
{
	(void)op;
	free(writer);
}

static int empty_list_open(void *self, const struct stow_op *op, const char *prefix,
                           const char *after, uint32_t flags, void **ret_list,
                           struct stow_error *err)
{
	(void)self, (void)op, (void)prefix, (void)after, (void)flags, (void)err;
	*ret_list = &handle_target;
	return STOW_OK;
}

static int empty_list_next(void *list, const struct stow_op *op, struct stow_entry *ret,
                           struct stow_error *err)
{
	(void)list, (void)op, (void)ret;
	return fails(err, STOW_ENOTFOUND, "the end");
}

static const struct stow_option empty_options[] = { { NULL, 0, 0, NULL, NULL } };

/* larger than the table, for those that break its size */
static union {
	struct stow_driver d;
	char room[2 * sizeof(struct stow_driver)];
} table = { .d = {
		    .size = sizeof(struct stow_driver),
		    .major = STOW_DRIVER_MAJOR,
		    .minor = STOW_DRIVER_MINOR,
		    .caps = STOW_CAP_CREATE | STOW_CAP_SHARED | STOW_CAP_DURABLE,
		    .name = NAME,
		    .version = "1",
		    .summary = "a driver that is broken on purpose, for tests",
		    .options = empty_options,
		    .open = empty_open,
		    .close = empty_close,
		    .stat = empty_stat,
		    .get = empty_get,
		    .put = empty_put,
		    .remove = empty_remove,
		    .read_open = empty_read_open,
		    .read = empty_read,
		    .read_close = empty_close,
		    .write_open = empty_write_open,
		    .write = empty_write,
		    .write_copy = empty_write_copy,
		    .write_commit = empty_write_commit,
		    .write_close = empty_write_close,
		    .list_open = empty_list_open,
		    .list_next = empty_list_next,
		    .list_close = empty_close,
	    } };

#ifndef ENTRY
#define ENTRY stow_driver_v1
#endif
STOW_EXPORT const struct stow_driver *ENTRY(void);

const struct stow_driver *ENTRY(void)
{
#ifdef NO_TABLE
	(void)table, (void)break_it;
	return NULL;
#else
	break_it(&table.d); /* the same each time */
	return &table.d;
#endif
}

#endif
