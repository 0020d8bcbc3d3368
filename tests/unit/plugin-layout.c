/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of plugin/layout.c: each key byte for byte, and keys read back.  They must not need a
 * store.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "plugin/layout.h"

#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define UUID "01234567-89ab-4def-8123-456789abcdef"
#define ROOT "docker/registry/v2/"

static struct digest empty_digest(void)
{
	struct digest digest;

	digest_of(&digest, HASH_SHA256, "", 0);
	return digest;
}

static void test_keys(void **state)
{
	struct segment_id id = { .start = 5242880, .parent = 0xab, .nonce = 0xfedcba9876543210 };
	struct digest digest = empty_digest();
	struct layout_key key;

	(void)state;
	layout_data(&key, &digest);
	assert_string_equal(key.text, ROOT "blobs/sha256/e3/" HEX "/data");
	layout_link(&key, "a/b", LAYOUT_LAYERS, &digest);
	assert_string_equal(key.text, ROOT "repositories/a/b/_layers/sha256/" HEX "/link");
	layout_link(&key, "a/b", LAYOUT_REVISIONS, &digest);
	assert_string_equal(key.text,
	                    ROOT "repositories/a/b/_manifests/revisions/sha256/" HEX "/link");
	layout_tag_current(&key, "a", "v1");
	assert_string_equal(key.text, ROOT "repositories/a/_manifests/tags/v1/current/link");
	layout_tag_index(&key, "a", "v1", &digest);
	assert_string_equal(key.text,
	                    ROOT "repositories/a/_manifests/tags/v1/index/sha256/" HEX "/link");
	layout_segment(&key, "a", UUID, &id);
	assert_string_equal(key.text, ROOT "repositories/a/_stowage/uploads/" UUID
	                                   "/5242880-00000000000000ab-fedcba9876543210");
	layout_tags_prefix(&key, "a");
	assert_string_equal(key.text, ROOT "repositories/a/_manifests/tags/");
	layout_tag_prefix(&key, "a", "v1");
	assert_string_equal(key.text, ROOT "repositories/a/_manifests/tags/v1/");
	layout_upload_prefix(&key, "a", UUID);
	assert_string_equal(key.text, ROOT "repositories/a/_stowage/uploads/" UUID "/");
	layout_manifests_prefix(&key, "a");
	assert_string_equal(key.text, ROOT "repositories/a/_manifests/");
	assert_string_equal(LAYOUT_SECRET, ROOT "_stowage/secret");
}

static void test_longest(void **state)
{
	char name[STOW_NAME_MAX + 1], tag[STOW_TAG_MAX + 1];
	struct layout_key key;
	struct digest digest;

	(void)state;
	memset(name, 'n', STOW_NAME_MAX);
	name[STOW_NAME_MAX] = '\0';
	memset(tag, 't', STOW_TAG_MAX);
	tag[STOW_TAG_MAX] = '\0';
	digest_of(&digest, HASH_SHA512, "", 0);
	layout_tag_index(&key, name, tag, &digest);
	assert_string_equal(key.text + strlen(key.text) - 5, "/link");
	assert_true(strlen(key.text) < LAYOUT_KEY_MAX);
}

static void test_read_tags(void **state)
{
	static const char *const not_current[] = { "",
		                                   "v1",
		                                   "v1/current",
		                                   "v1/current/link/",
		                                   "v1/current/linkx",
		                                   "/current/link",
		                                   "v1/index/sha256/" HEX "/link",
		                                   "-v/current/link",
		                                   "v1/x/current/link" };
	struct digest digest, wanted = empty_digest();
	size_t len = 0;

	(void)state;
	assert_true(layout_is_current("v1/current/link", &len));
	assert_int_equal(len, 2);
	for (size_t i = 0; i < sizeof(not_current) / sizeof(not_current[0]); i++)
		assert_false(layout_is_current(not_current[i], &len));
	assert_true(layout_is_index("v1/index/sha256/" HEX "/link", &len, &digest));
	assert_int_equal(len, 2);
	assert_true(digest_equal(&digest, &wanted));
	assert_false(layout_is_index("v1/current/link", &len, &digest));
	assert_false(layout_is_index("v1/index/link", &len, &digest));
	assert_false(layout_is_index("v1/index/" HEX "/link", &len, &digest));
	assert_false(layout_is_index("v1/index/sha256/" HEX "0/link", &len, &digest));
	assert_false(layout_is_index("v1/index//link", &len, &digest));
	assert_true(layout_is_referrer("sha256/" HEX "/descriptor", &digest));
	assert_string_equal(digest.text, "sha256:" HEX);
	assert_false(layout_is_referrer("sha256/" HEX "/link", &digest));
	assert_false(layout_is_referrer("sha256/" HEX "0/descriptor", &digest));
	assert_false(layout_is_referrer("sha256/a/" HEX "/descriptor", &digest));
	assert_false(layout_is_referrer("/descriptor", &digest));
}

static void test_read_segments(void **state)
{
	static const char *const bad[] = {
		"",
		"-",
		"0",
		"0-0-0",
		"-0000000000000000-fedcba9876543210",
		"x-0000000000000000-fedcba9876543210",
		"0-000000000000000-fedcba98765432100",
		"0-0000000000000000-FEDCBA9876543210",
		"0-0000000000000000-fedcba9876543210x",
		"0-0000000000000000-fedcba987654321",
		"99999999999999999999-0000000000000000-fedcba9876543210"
	};
	struct segment_id id;

	(void)state;
	assert_true(layout_is_segment("12-00000000000000ab-fedcba9876543210", &id));
	assert_int_equal(id.start, 12);
	assert_int_equal(id.parent, 0xab);
	assert_true(id.nonce == 0xfedcba9876543210);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(layout_is_segment(bad[i], &id));
}

static void test_read_repositories(void **state)
{
	const char *room = NULL;
	size_t len = 0;

	(void)state;
	assert_true(layout_is_repository("a/b/_manifests/tags/x", &len, &room));
	assert_int_equal(len, 3);
	assert_string_equal(room, "_manifests/tags/x");
	assert_false(layout_is_repository("a/b/c", &len, &room));
	assert_false(layout_is_repository("_manifests/x", &len, &room));
	assert_false(layout_is_repository("A/_manifests/x", &len, &room));
	assert_false(layout_is_repository("/_manifests/x", &len, &room));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_read_tags),
		cmocka_unit_test(test_read_segments),
		cmocka_unit_test(test_read_repositories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
