/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver with a default that is not of its option's type.
 * It must not break anything else.
 */
#include "tests/abi/broken/broken.h"

static const struct stow_option rows[] = {
	{ "a", STOW_OPTION_SIZE, 0, "big", "x" },
	{ NULL, 0, 0, NULL, NULL },
};

static void break_it(struct stow_driver *d)
{
	d->options = rows;
}
