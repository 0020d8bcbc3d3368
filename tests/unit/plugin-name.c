/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of plugin/name.c and plugin/digest.c: what is a repository, a tag, a digest, and what is
 * not.  They must not need a store.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/text.h"
#include "plugin/digest.h"
#include "plugin/name.h"

#define HEX64 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void fill(char *dst, size_t len, char c)
{
	memset(dst, c, len);
	dst[len] = '\0';
}

static void test_names(void **state)
{
	static const char *const good[] = {
		"a",    "0",   "a/b",   "a.b",      "a_b",
		"a__b", "a-b", "a---b", "ab/cd/ef", "a0.b1_c2__d3-e4/f"
	};
	static const char *const bad[] = { "",     "A",         "aB",    "/a",   "a/",     "a//b",
		                           ".",    "..",        "a/..",  "../a", "a/../b", ".a",
		                           "a.",   "a..b",      "a___b", "_a",   "a_",     "-a",
		                           "a-",   "a.-b",      "a_.b",  "a b",  "a:b",    "a@b",
		                           "a\nb", "a\xc3\xa9", "a%2fb", "a\\b" };
	char text[STOW_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(stow_name_check(good[i]), STOW_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(stow_name_check(bad[i]), STOW_EINVAL);
	assert_int_equal(stow_name_check(NULL), STOW_EINVAL);
	fill(text, STOW_NAME_MAX, 'a');
	assert_int_equal(stow_name_check(text), STOW_OK);
	fill(text, STOW_NAME_MAX + 1, 'a');
	assert_int_equal(stow_name_check(text), STOW_EINVAL);
}

static void test_tags(void **state)
{
	static const char *const good[] = { "a", "A", "_", "0", "latest", "1.2-rc_3", "_..", "a." };
	static const char *const bad[] = { "",    ".",   "..",  ".a",    "-a",  "a/b",
		                           "a:b", "a b", "a@b", "a\xff", "a+b", "a%" };
	char text[STOW_TAG_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(stow_tag_check(good[i]), STOW_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(stow_tag_check(bad[i]), STOW_EINVAL);
	assert_int_equal(stow_tag_check(NULL), STOW_EINVAL);
	fill(text, STOW_TAG_MAX, 'a');
	assert_int_equal(stow_tag_check(text), STOW_OK);
	fill(text, STOW_TAG_MAX + 1, 'a');
	assert_int_equal(stow_tag_check(text), STOW_EINVAL);
}

static void test_digests(void **state)
{
	static const char *const bad[] = {
		"",
		"sha256",
		"sha256:",
		":" HEX64,
		"sha256:" HEX64 "0",
		"sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"SHA256:" HEX64,
		"sha512:" HEX64,
		"sha384:" HEX64,
		"md5:d41d8cd98f00b204e9800998ecf8427e",
		"sha256:zz",
		"sha256:" HEX64 "\n",
		" sha256:" HEX64,
		"sha256::3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"sha256:../../../../../../../../../../../../../../../../../../../../..",
	};
	char text[STOW_DIGEST_MAX + 2] = "sha512:";

	(void)state;
	assert_int_equal(stow_digest_check("sha256:" HEX64), STOW_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(stow_digest_check(bad[i]), STOW_EINVAL);
	assert_int_equal(stow_digest_check(NULL), STOW_EINVAL);
	fill(text + 7, 128, 'a');
	assert_int_equal(stow_digest_check(text), STOW_OK);
	fill(text + 7, 129, 'a');
	assert_int_equal(stow_digest_check(text), STOW_EINVAL);
	memcpy(text, "sha384:", 7);
	fill(text + 7, 96, '0');
	assert_int_equal(stow_digest_check(text), STOW_OK);
}

static void test_digest_of(void **state)
{
	uint8_t value[HASH_MAX];
	struct digest digest, again;

	(void)state;
	digest_of(&digest, HASH_SHA256, "", 0);
	assert_string_equal(digest.text, "sha256:" HEX64);
	assert_true(digest_is_of_nothing(&digest));
	assert_string_equal(digest_hex(&digest), HEX64);
	digest_of(&digest, HASH_SHA512, "abc", 3);
	assert_int_equal(stow_digest_check(digest.text), STOW_OK);
	assert_false(digest_is_of_nothing(&digest));
	assert_true(digest_matches(&digest, "abc", 3));
	assert_false(digest_matches(&digest, "abd", 3));
	digest_value(&digest, value);
	digest_from_value(&again, HASH_SHA512, value);
	assert_true(digest_equal(&digest, &again));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_tags),
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_digest_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
