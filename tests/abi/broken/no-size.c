/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver whose table has no size.
 * It must not break anything else.
 */
#include "tests/abi/broken/broken.h"

static void break_it(struct stow_driver *d)
{
	d->size = 0;
}
