/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shared object without the entry symbol.
 * It must not break anything else.
 */
#define ENTRY broken_entry

#include "tests/abi/broken/broken.h"

static void break_it(struct stow_driver *d)
{
	(void)d;
}
