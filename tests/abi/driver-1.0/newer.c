/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver of ABI 1.0 with a table of a minor that does not exist yet: longer, with calls behind
 * the end that no host of today knows.
 * It must not change a call that is known.
 */
#define NAME "newer"
#define ENTRY older_entry
#include "older.c"

static int not_yet_known(void)
{
	abort(); /* whoever calls it has read beyond its own table */
}

struct longer {
	struct stow_driver known;
	int (*more[8])(void);
};

STOW_EXPORT const struct stow_driver *stow_driver_v1(void);

const struct stow_driver *stow_driver_v1(void)
{
	static struct longer table;

	table.known = *older_entry();
	table.known.size = sizeof(table);
	table.known.minor = 99;
	table.known.caps |= UINT64_C(1) << 63; /* a capability nobody has heard of */
	for (size_t i = 0; i < sizeof(table.more) / sizeof(table.more[0]); i++)
		table.more[i] = not_yet_known;
	return &table.known;
}
