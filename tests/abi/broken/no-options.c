/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver without a table of options.
 * It must not break anything else.
 */
#include "tests/abi/broken/broken.h"

static void break_it(struct stow_driver *d)
{
	d->options = NULL;
}
