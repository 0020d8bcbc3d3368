/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver that goes on with writes before their beginning.
 * It must not break anything else.
 */
#include "tests/abi/broken/broken.h"

static int odd_write_open(void *self, const struct stow_op *op, const char *key,
                          const struct stow_put *put, void **ret_writer, int64_t *ret_offset,
                          struct stow_error *err)
{
	int r = empty_write_open(self, op, key, put, ret_writer, ret_offset, err);

	if (r == STOW_OK && ret_offset)
		*ret_offset = -1;
	return r;
}

static void break_it(struct stow_driver *d)
{
	d->write_open = odd_write_open;
}
