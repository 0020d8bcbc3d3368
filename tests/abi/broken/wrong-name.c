/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver whose file is not named like it.
 * It must not break anything else.
 */
#include "tests/abi/broken/broken.h"

static void break_it(struct stow_driver *d)
{
	d->name = "righty";
}
