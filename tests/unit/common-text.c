/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of common/text, buf, key and error: bounds, encodings, dates.
 * Needs no driver and no file.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/key.h"
#include "common/text.h"

static void copy_is_bounded(void **state)
{
	char dst[4];

	(void)state;
	assert_true(text_copy(dst, sizeof(dst), "abc"));
	assert_string_equal(dst, "abc");
	assert_false(text_copy(dst, sizeof(dst), "abcd"));
	assert_string_equal(dst, "abc");
	assert_false(text_format(dst, sizeof(dst), "%d", 12345));
	assert_string_equal(dst, "123");
}

static void the_middle_is_left_out(void **state)
{
	static const struct {
		size_t cap;
		const char *src, *want;
	} rows[] = {
		{ 10, "", "" },
		{ 10, "123456789", "123456789" },
		{ 10, "1234567890", "123...890" },
		{ 9, "1234567890", "123...90" },
		{ 4, "1234", "..." },
		{ 5, "12345", "1..." },
	};
	char dst[10];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		text_shorten(dst, rows[i].cap, rows[i].src);
		assert_string_equal(dst, rows[i].want);
	}
}

static void numbers(void **state)
{
	int64_t v = 7;

	(void)state;
	assert_true(text_to_int64("9223372036854775807", &v));
	assert_true(v == INT64_MAX);
	assert_false(text_to_int64("9223372036854775808", &v));
	assert_false(text_to_int64("", &v));
	assert_false(text_to_int64("-1", &v));
	assert_false(text_to_int64(" 1", &v));
	assert_false(text_to_int64("1x", &v));
	assert_true(v == INT64_MAX);
	assert_true(text_to_int64_n("123456", 3, &v));
	assert_true(v == 123);
}

static void hex(void **state)
{
	char text[9];
	uint8_t raw[4];

	(void)state;
	text_hex(text, "\x00\x9f\xff\x10", 4);
	assert_string_equal(text, "009fff10");
	assert_true(text_unhex(raw, "009FfF10", 8));
	assert_memory_equal(raw, "\x00\x9f\xff\x10", 4);
	assert_false(text_unhex(raw, "0g", 2));
	assert_false(text_unhex(raw, "012", 3));
}

static void base64_rfc4648(void **state)
{
	static const char *const plain[] = { "", "f", "fo", "foo", "foob", "fooba", "foobar" };
	static const char *const coded[] = {
		"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy",
	};
	char text[32], back[32];

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		text_base64(text, plain[i], strlen(plain[i]));
		assert_string_equal(text, coded[i]);
		text_base64url(text, plain[i], strlen(plain[i]));
		ssize_t n = text_unbase64url(back, sizeof(back), text, strlen(text));
		assert_int_equal(n, (int)strlen(plain[i]));
		assert_memory_equal(back, plain[i], strlen(plain[i]));
	}
	text_base64url(text, "\xfb\xff", 2);
	assert_string_equal(text, "-_8");
	assert_int_equal(text_unbase64url(back, 1, "Zm8", 3), -1); /* over cap */
	assert_int_equal(text_unbase64url(back, 9, "Zh", 2), -1);  /* unused bits set */
	assert_int_equal(text_unbase64url(back, 9, "Zg=", 3), -1);
	assert_int_equal(text_unbase64url(back, 9, "Z", 1), -1);
	assert_int_equal(text_unbase64url(back, 9, "a+b/", 4), -1);
}

static void percent(void **state)
{
	char text[64];

	(void)state;
	assert_int_equal(text_percent_encode(text, sizeof(text), "a/b ~%\xc3\xa9", true), 16);
	assert_string_equal(text, "a/b%20~%25%C3%A9");
	text_percent_encode(text, sizeof(text), "a/b", false);
	assert_string_equal(text, "a%2Fb");
	assert_int_equal(text_percent_encode(text, 4, "a b", false), 5);
	assert_string_equal(text, "a");
	text_copy(text, sizeof(text), "a%2Fb%20+%c3%A9");
	assert_true(text_percent_decode(text));
	assert_string_equal(text, "a/b +\xc3\xa9");
	static const char *const broken[] = { "%", "%2", "%zz", "a%00b", "%2g" };
	for (size_t i = 0; i < 5; i++) {
		text_copy(text, sizeof(text), broken[i]);
		assert_false(text_percent_decode(text));
	}
}

static void utf8(void **state)
{
	static const char *const good[] = { "a",
		                            "\xc2\x80",
		                            "\xe0\xa0\x80",
		                            "\xed\x9f\xbf",
		                            "\xf0\x90\x80\x80",
		                            "\xf4\x8f\xbf\xbf" };
	static const char *const bad[] = { "",
		                           "\x80",
		                           "\xc1\xbf",
		                           "\xe0\x9f\xbf",
		                           "\xed\xa0\x80",
		                           "\xe2\x82",
		                           "\xf0\x8f\xbf\xbf",
		                           "\xf4\x90\x80\x80",
		                           "\xff" };

	(void)state;
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(text_utf8_length(good[i], strlen(good[i])), strlen(good[i]));
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(text_utf8_length(bad[i], strlen(bad[i])), 0);
	assert_int_equal(text_utf8_length("\xe2\x82\xac", 2), 0); /* cut */
}

static void distance(void **state)
{
	(void)state;
	assert_int_equal(text_distance("bucket", "bucket"), 0);
	assert_int_equal(text_distance("bukcet", "bucket"), 1);
	assert_int_equal(text_distance("chunksise", "chunksize"), 1);
	assert_int_equal(text_distance("", "abc"), 3);
}

static void dates(void **state)
{
	char text[21];

	(void)state;
	assert_true(text_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == 784111777);
	assert_true(text_http_date("Sun, 06 Nov 1994 08:49:37 UTC") == -1);
	assert_true(text_http_date("Sun, 06 Nox 1994 08:49:37 GMT") == -1);
	assert_true(text_rfc3339("2009-10-12T17:50:30.250Z") == INT64_C(1255369830250000000));
	assert_true(text_rfc3339("2009-10-12T17:50:30Z") == INT64_C(1255369830000000000));
	assert_true(text_rfc3339("2009-13-12T17:50:30Z") == -1);
	assert_true(text_rfc3339("2009-10-12T17:50:30.Z") == -1);
	assert_true(text_rfc3339("2009-10-12T17:50:30") == -1);
	text_format_rfc3339(text, 1795591779);
	assert_string_equal(text, "2026-11-25T07:29:39Z");
	struct text_utc t = text_utc(951782400); /* 2000-02-29, a Tuesday */
	assert_int_equal(t.year, 2000);
	assert_int_equal(t.month, 2);
	assert_int_equal(t.day, 29);
	assert_int_equal(t.weekday, 2);
}

static void buf_has_a_ceiling(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	assert_string_equal(buf_text(&b), "");
	assert_int_equal(buf_adds(&b, "12345"), STOW_OK);
	assert_int_equal(buf_addf(&b, "%d", 67890), STOW_OK);
	assert_int_equal(buf_addc(&b, 'x'), STOW_ERANGE);
	assert_int_equal(buf_adds(&b, ""), STOW_ERANGE); /* it sticks */
	assert_string_equal(buf_text(&b), "1234567890");
	assert_null(buf_take(&b));
	buf_reset(&b);
	assert_int_equal(buf_add(&b, "a\0b", 3), STOW_OK);
	assert_int_equal(b.len, 3);
	buf_done(&b);
	assert_int_equal(b.max, 10);
}

static void keys(void **state)
{
	struct stow_error err;
	char key[STOW_KEY_MAX + 2];

	(void)state;
	static const char *const bad[] = { "", "/a", "a/", "a//b", ".", "a/./b", "..", "a/.." };
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(key_check(bad[i], "test", &err), STOW_EINVAL);
	static const char *const good[] = { "a", "a/b", "...", "a/.b", "a b%2F\t", "..a/b.." };
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(key_check(good[i], "test", &err), STOW_OK);
	memset(key, 'a', sizeof(key));
	key[256] = 0;
	assert_int_equal(key_check(key, "test", &err), STOW_EINVAL);
	key[255] = 0;
	assert_int_equal(key_check(key, "test", &err), STOW_OK);
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = i % 2 ? '/' : 'a';
	key[STOW_KEY_MAX] = 'a';
	key[STOW_KEY_MAX + 1] = 0;
	assert_int_equal(key_check(key, "test", &err), STOW_EINVAL);
	key[STOW_KEY_MAX - 1] = 0;
	assert_int_equal(key_check(key, "test", &err), STOW_OK);
}

static void errors(void **state)
{
	struct stow_error err;

	(void)state;
	assert_int_equal(error_set(&err, STOW_EIO, "s3.put", "line\none"), STOW_EIO);
	assert_string_equal(err.message, "line?one");
	assert_string_equal(err.where, "s3.put");
	assert_int_equal(error_prefix(&err, STOW_EIO, "tag %s", "x"), STOW_EIO);
	assert_string_equal(err.message, "tag x: line?one");
	assert_int_equal(error_set(NULL, STOW_EIO, "x", "y"), STOW_EIO);
	assert_int_equal(error_errno(&err, ENOSPC, "fs.put", "key %s", "k"), STOW_EIO);
	assert_string_equal(err.message, "key k: No space left on device");
	assert_int_equal(err.backend, ENOSPC);
	char text[2000];
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	error_set(&err, STOW_EIO, "x", "%s", text);
	assert_int_equal(strlen(err.message), sizeof(err.message) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(copy_is_bounded),
		cmocka_unit_test(the_middle_is_left_out),
		cmocka_unit_test(numbers),
		cmocka_unit_test(hex),
		cmocka_unit_test(base64_rfc4648),
		cmocka_unit_test(percent),
		cmocka_unit_test(utf8),
		cmocka_unit_test(distance),
		cmocka_unit_test(dates),
		cmocka_unit_test(buf_has_a_ceiling),
		cmocka_unit_test(keys),
		cmocka_unit_test(errors),
	};

	return cmocka_run_group_tests_name("common text", tests, NULL, NULL);
}
