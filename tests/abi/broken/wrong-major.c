/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver of an ABI that does not exist yet.
 * It must not break anything else.
 */
#include "tests/abi/broken/broken.h"

static void break_it(struct stow_driver *d)
{
	d->major = 2;
}
