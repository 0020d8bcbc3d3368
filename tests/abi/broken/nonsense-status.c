/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver that answers a status that does not exist.
 * It must not break anything else.
 */
#include "tests/abi/broken/broken.h"

static int odd_stat(void *self, const struct stow_op *op, const char *key, struct stow_stat *ret,
                    struct stow_error *err)
{
	(void)self, (void)op, (void)key, (void)ret, (void)err;
	return -99;
}

static int odd_get(void *self, const struct stow_op *op, const char *key, const char *if_match,
                   void *buf, size_t cap, size_t *ret_len, struct stow_stat *ret_stat,
                   struct stow_error *err)
{
	(void)self, (void)op, (void)key, (void)if_match, (void)buf, (void)cap, (void)err;
	(void)ret_len, (void)ret_stat;
	return -99;
}

static int odd_put(void *self, const struct stow_op *op, const char *key, const void *data,
                   size_t len, const struct stow_put *put, struct stow_stat *ret_stat,
                   struct stow_error *err)
{
	(void)self, (void)op, (void)key, (void)data, (void)len, (void)put, (void)err;
	(void)ret_stat;
	return -99;
}

static int odd_read_open(void *self, const struct stow_op *op, const char *key,
                         const char *if_match, int64_t offset, int64_t length, void **ret_reader,
                         struct stow_stat *ret_stat, struct stow_error *err)
{
	(void)self, (void)op, (void)key, (void)if_match, (void)offset, (void)length, (void)err;
	(void)ret_reader, (void)ret_stat;
	return -99;
}

static int odd_list_next(void *list, const struct stow_op *op, struct stow_entry *ret,
                         struct stow_error *err)
{
	(void)list, (void)op, (void)ret, (void)err;
	return -99;
}

static void break_it(struct stow_driver *d)
{
	d->stat = odd_stat;
	d->get = odd_get;
	d->put = odd_put;
	d->read_open = odd_read_open;
	d->list_next = odd_list_next;
}
