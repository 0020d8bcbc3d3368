/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver without a version.
 * It must not break anything else.
 */
#include "tests/abi/broken/broken.h"

static void break_it(struct stow_driver *d)
{
	d->version = NULL;
}
