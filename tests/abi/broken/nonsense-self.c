/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver that opens and gives no instance.
 * It must not break anything else.
 */
#include "tests/abi/broken/broken.h"

static int odd_open(const struct stow_host *host, const struct stow_kv *kv, size_t n,
                    void **ret_self, struct stow_error *err)
{
	(void)host, (void)kv, (void)n, (void)err;
	*ret_self = NULL;
	return STOW_OK;
}

static void break_it(struct stow_driver *d)
{
	d->open = odd_open;
}
