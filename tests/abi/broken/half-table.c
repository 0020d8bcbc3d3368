/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver whose table ends in the middle of a call.
 * It must not break anything else.
 */
#include "tests/abi/broken/broken.h"

static void break_it(struct stow_driver *d)
{
	d->size = offsetof(struct stow_driver, copy) + sizeof(void *) / 2;
}
