/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver with an option of a type that does not exist.
 * It must not break anything else.
 */
#include "tests/abi/broken/broken.h"

static const struct stow_option rows[] = {
	{ "a", 99, 0, NULL, "x" },
	{ NULL, 0, 0, NULL, NULL },
};

static void break_it(struct stow_driver *d)
{
	d->options = rows;
}
