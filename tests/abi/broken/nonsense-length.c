/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver that says it gave more than there was room for.
 * It must not break anything else.
 */
#include "tests/abi/broken/broken.h"

static int odd_stat(void *self, const struct stow_op *op, const char *key, struct stow_stat *ret,
                    struct stow_error *err)
{
	(void)self, (void)op, (void)key, (void)err;
	memset(ret, 0, sizeof(*ret));
	ret->size = 1000000;
	return STOW_OK;
}

static int odd_get(void *self, const struct stow_op *op, const char *key, const char *if_match,
                   void *buf, size_t cap, size_t *ret_len, struct stow_stat *ret_stat,
                   struct stow_error *err)
{
	(void)self, (void)op, (void)key, (void)if_match, (void)buf, (void)err;
	if (ret_stat)
		memset(ret_stat, 0, sizeof(*ret_stat));
	*ret_len = cap + 1000000;
	return STOW_OK;
}

static int odd_read_open(void *self, const struct stow_op *op, const char *key,
                         const char *if_match, int64_t offset, int64_t length, void **ret_reader,
                         struct stow_stat *ret_stat, struct stow_error *err)
{
	(void)self, (void)op, (void)key, (void)if_match, (void)offset, (void)length, (void)err;
	if (ret_stat) {
		memset(ret_stat, 0, sizeof(*ret_stat));
		ret_stat->size = 1000000;
	}
	*ret_reader = &handle_target;
	return STOW_OK;
}

static int odd_read(void *reader, const struct stow_op *op, void *buf, size_t cap, size_t *ret_len,
                    struct stow_error *err)
{
	(void)reader, (void)op, (void)buf, (void)err;
	*ret_len = cap + 1;
	return STOW_OK;
}

static void break_it(struct stow_driver *d)
{
	d->stat = odd_stat;
	d->get = odd_get;
	d->read_open = odd_read_open;
	d->read = odd_read;
}
