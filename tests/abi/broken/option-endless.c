/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver whose table of options does not end.
 * It must not break anything else.
 */
#include "tests/abi/broken/broken.h"

static struct stow_option rows[300];
static char names[300][8];

static void break_it(struct stow_driver *d)
{
	for (size_t i = 0; i < 300; i++) {
		snprintf(names[i], sizeof(names[i]), "o%zu", i);
		rows[i] = (struct stow_option){ names[i], STOW_OPTION_STRING, 0, NULL, "x" };
	}
	d->options = rows;
}
