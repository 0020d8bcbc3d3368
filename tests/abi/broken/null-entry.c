/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver whose entry gives no table.
 * It must not break anything else.
 */
#define NO_TABLE

#include "tests/abi/broken/broken.h"

static void break_it(struct stow_driver *d)
{
	(void)d;
}
