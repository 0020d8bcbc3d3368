/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads laid out in memory as libmicrohttpd leaves them: lines that end by zeros pass, what was
 * folded, cut at a NUL or moved does not.  It must not know the library.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "host/serve/head.h"

#define LINE "GET\0/v2/\0HTTP/1.1"

/* Where name and value of each header begin; 0: no more. */
static bool whole(const char *memory, size_t len, size_t target_len, const size_t (*lines)[2])
{
	struct head h;

	head_begin(&h, memory + 4, target_len, memory + 9, memory + len);
	for (; (*lines)[0]; lines++)
		head_line(&h, memory + (*lines)[0], (*lines)[1] ? memory + (*lines)[1] : NULL);
	return head_is_whole(&h);
}

#define END                                                                                        \
	{                                                                                          \
		0, 0                                                                               \
	}
#define WHOLE(text, ...) whole(text, sizeof(text) - 1, 4, (const size_t[][2]){ __VA_ARGS__ })

static void lines_as_they_came(void **state)
{
	(void)state;
	assert_true(WHOLE(LINE "\0\0\0\0", END));
	assert_true(WHOLE(LINE "\0\0", END));
	assert_true(WHOLE(LINE "\0\0A\0 b\0\0\0\0", { 19, 22 }, END));
	assert_true(WHOLE(LINE "\0\0A\0\t b\0\0C\0d\0\0\0\0", { 19, 23 }, { 26, 28 }, END));
	assert_true(WHOLE(LINE "\0A\0b\0C\0\0\0", { 18, 20 }, { 22, 24 }, END));
}

static void what_is_not_shown(void **state)
{
	(void)state;
	/* a value cut at a NUL, in the middle and at the end */
	assert_false(WHOLE(LINE "\0\0A\0 b\0b\0\0\0\0", { 19, 22 }, END));
	assert_false(WHOLE(LINE "\0\0A\0 b\0\0\0\0\0", { 19, 22 }, END));
	assert_false(WHOLE(LINE "\0\0A\0 b\0\0\0C\0d\0\0\0\0", { 19, 22 }, { 26, 28 }, END));
	/* a name that has been moved, as that of a folded header is, and a line that is passed over */
	assert_false(WHOLE(LINE "\0\0A\0 b\0\0 c\0\0\0\0Ac", { 31, 22 }, END));
	assert_false(WHOLE(LINE "\0\0A\0 b\0\0 \0\0C\0d\0\0\0\0", { 19, 22 }, { 28, 30 }, END));
	assert_false(WHOLE(LINE "\0\0A\0b\0\0C\0d\0\0\0\0", { 24, 26 }, END));
	assert_false(WHOLE(LINE "\0\0A\0b\0\0C\0d\0\0\0\0", { 19, 21 }, END));
	/* no value, one before the name, one elsewhere */
	assert_false(WHOLE(LINE "\0\0A\0b\0\0\0\0", { 19, 0 }, END));
	assert_false(WHOLE(LINE "\0\0A\0b\0\0\0\0", { 19, 4 }, END));
	assert_false(WHOLE(LINE "\0\0A\0b\0\0\0\0", { 19, 22 }, END));
	/* more than there is */
	assert_false(WHOLE(LINE "\0\0", { 19, 19 }, END));
	assert_false(WHOLE(LINE "\0", END));
}

static void targets_cut_at_a_nul(void **state)
{
	static const char memory[] = LINE "\0\0\0";
	static const size_t none[][2] = { { 0, 0 } };

	(void)state;
	assert_true(whole(memory, sizeof memory, 4, none));
	assert_false(whole(memory, sizeof memory, 3, none));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_as_they_came),
		cmocka_unit_test(what_is_not_shown),
		cmocka_unit_test(targets_cut_at_a_nul),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
