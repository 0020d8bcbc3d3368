/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges and entity tags.  It must not know what is served.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "host/serve/range.h"

static void expect(const char *text, int kind, int64_t first, int64_t last)
{
	struct range r = range_parse(text);

	assert_int_equal(r.kind, kind);
	assert_int_equal(r.first, first);
	assert_int_equal(r.last, last);
}

static void ranges_parse(void **state)
{
	(void)state;
	expect("bytes=0-99", RANGE_FROM, 0, 99);
	expect("BYTES=5-5", RANGE_FROM, 5, 5);
	expect("bytes=1000-", RANGE_FROM, 1000, -1);
	expect("bytes=-7", RANGE_SUFFIX, 7, -1);
	expect("bytes=-0", RANGE_SUFFIX, 0, -1);
	expect("bytes=99999999999999999999-", RANGE_FROM, INT64_MAX, -1);
	expect("bytes=0-99999999999999999999", RANGE_FROM, 0, INT64_MAX);
	expect("bytes=-99999999999999999999", RANGE_SUFFIX, INT64_MAX, -1);
	expect("bytes=5-4", RANGE_BACKWARD, 0, 0);
	expect("bytes=99999999999999999999-0", RANGE_BACKWARD, 0, 0);
}

static void what_is_no_single_range_is_none(void **state)
{
	const char *const none[] = { "",          "bytes",       "bytes=",        "bytes=abc",
		                     "items=0-1", "bytes=5-4x",  "bytes=0-1,2-3", "bytes=-",
		                     "bytes=--1", "bytes=1 - 2", "bytes=+1-2",    "bytes=1-2x" };

	(void)state;
	assert_int_equal(range_parse(NULL).kind, RANGE_NONE);
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
		assert_int_equal(range_parse(none[i]).kind, RANGE_NONE);
}

static void chunks_parse(void **state)
{
	const char *const bad[] = { "",
		                    "-",
		                    "5",
		                    "5-",
		                    "-5",
		                    "10-5",
		                    "a-b",
		                    "0-9 ",
		                    " 0-9",
		                    "0--9",
		                    "+0-9",
		                    "bytes 0-9",
		                    "0-9/10",
		                    "0-9223372036854775807",
		                    "0-99999999999999999999" };
	int64_t first, last;

	(void)state;
	assert_true(range_parse_chunk("0-0", &first, &last));
	assert_int_equal(first, 0);
	assert_int_equal(last, 0);
	assert_true(range_parse_chunk("100-9223372036854775806", &first, &last));
	assert_int_equal(first, 100);
	assert_int_equal(last, INT64_MAX - 1);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(range_parse_chunk(bad[i], &first, &last));
}

static void etags_match(void **state)
{
	(void)state;
	assert_true(range_none_match("\"sha256:ab\"", "sha256:ab"));
	assert_true(range_none_match("W/\"sha256:ab\"", "sha256:ab"));
	assert_true(range_none_match("\"x\", \"sha256:ab\"", "sha256:ab"));
	assert_true(range_none_match("\"x\",W/\"sha256:ab\" , \"y\"", "sha256:ab"));
	assert_true(range_none_match("*", "sha256:ab"));
	assert_true(range_none_match("sha256:ab", "sha256:ab"));
	assert_false(range_none_match(NULL, "sha256:ab"));
	assert_false(range_none_match("", "sha256:ab"));
	assert_false(range_none_match("\"sha256:a\"", "sha256:ab"));
	assert_false(range_none_match("\"sha256:abc\"", "sha256:ab"));
	assert_false(range_none_match("\"sha256:ab", "sha256:ab"));
	assert_false(range_none_match("\"x\"\"sha256:ab\"", "sha256:ab"));
	assert_false(range_none_match("W/", "sha256:ab"));
	assert_false(range_none_match(",,,", "sha256:ab"));
}

static void if_range_is_strong(void **state)
{
	(void)state;
	assert_true(range_if_range(NULL, "sha256:ab"));
	assert_true(range_if_range("\"sha256:ab\"", "sha256:ab"));
	assert_false(range_if_range("W/\"sha256:ab\"", "sha256:ab"));
	assert_false(range_if_range("\"sha256:xx\"", "sha256:ab"));
	assert_false(range_if_range("Sun, 06 Nov 1994 08:49:37 GMT", "sha256:ab"));
	assert_false(range_if_range("", "sha256:ab"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_parse),
		cmocka_unit_test(what_is_no_single_range_is_none),
		cmocka_unit_test(chunks_parse),
		cmocka_unit_test(etags_match),
		cmocka_unit_test(if_range_is_strong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
