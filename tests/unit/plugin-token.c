/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of plugin/token.c: a token gives back what was put in, and nothing else passes for one.
 * They must not need a store.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/text.h"
#include "plugin/token.h"

static struct secret_key key_of(const char *text)
{
	struct secret_key key = { .len = strlen(text) };

	memcpy(key.data, text, key.len);
	return key;
}

static struct token sample(enum hash_algorithm algorithm)
{
	struct token token = {
		.started_ns = INT64_C(1796000000000000000),
		.offset = 11,
		.last = { .start = 5, .parent = 7, .nonce = UINT64_MAX },
		.seals = 3,
		.hash_known = true,
	};

	assert_true(token_make_uuid(token.uuid));
	hash_init(&token.hash, algorithm);
	hash_update(&token.hash, "hello world", 11);
	return token;
}

static void check_round_trip(enum hash_algorithm algorithm)
{
	struct secret_key key = key_of("secret");
	struct token token = sample(algorithm), read;
	char text[STOW_TOKEN_MAX];
	uint8_t a[HASH_MAX] = { 0 }, b[HASH_MAX] = { 0 };

	token_write(&token, "a/b", &key, text);
	assert_true(strlen(text) < 700);
	assert_true(token_read(&read, text, "a/b", token.uuid, &key, 1));
	assert_string_equal(read.uuid, token.uuid);
	assert_true(read.started_ns == token.started_ns);
	assert_int_equal(read.offset, 11);
	assert_int_equal(read.last.start, 5);
	assert_int_equal(read.last.parent, 7);
	assert_true(read.last.nonce == UINT64_MAX);
	assert_int_equal(read.seals, 3);
	assert_true(read.hash_known);
	hash_final(&token.hash, a);
	hash_final(&read.hash, b);
	assert_memory_equal(a, b, sizeof(a));
}

static void test_round_trip(void **state)
{
	(void)state;
	check_round_trip(HASH_SHA256);
	check_round_trip(HASH_SHA384);
	check_round_trip(HASH_SHA512);
}

static void test_others(void **state)
{
	struct secret_key keys[2] = { key_of("old"), key_of("new") };
	struct token token = sample(HASH_SHA256), read;
	char text[STOW_TOKEN_MAX], uuid[STOW_UUID_LEN + 1];

	(void)state;
	token_write(&token, "a", &keys[0], text);
	assert_false(token_read(&read, text, "b", token.uuid, keys, 2));
	assert_true(token_make_uuid(uuid));
	assert_false(token_read(&read, text, "a", uuid, keys, 2));
	assert_false(token_read(&read, text, "a", "", keys, 2));
	assert_false(token_read(&read, text, "a", NULL, keys, 2));
	assert_false(token_read(&read, NULL, "a", token.uuid, keys, 2));
	assert_false(token_read(&read, text, "a", token.uuid, &keys[1], 1));
	/* a key that no longer signs still verifies */
	assert_true(token_read(&read, text, "a", token.uuid, keys, 2));
}

static void test_tampered(void **state)
{
	struct secret_key key = key_of("secret");
	struct token token = sample(HASH_SHA256), read;
	char text[STOW_TOKEN_MAX + 8], long_text[STOW_TOKEN_MAX + 8];
	size_t len;

	(void)state;
	token_write(&token, "a", &key, text);
	len = strlen(text);
	for (size_t i = 0; i < len; i++) {
		char was = text[i];

		text[i] = was == 'A' ? 'B' : 'A';
		assert_false(token_read(&read, text, "a", token.uuid, &key, 1));
		text[i] = was;
	}
	for (size_t i = 0; i < len; i++) {
		char was = text[i];

		text[i] = '\0';
		assert_false(token_read(&read, text, "a", token.uuid, &key, 1));
		text[i] = was;
	}
	memcpy(text + len, "A", 2);
	assert_false(token_read(&read, text, "a", token.uuid, &key, 1));
	memset(long_text, 'A', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	assert_false(token_read(&read, long_text, "a", token.uuid, &key, 1));
}

/* Signed with our key, but not what we write: a later version, or a mistake. */
static void test_insane(void **state)
{
	struct secret_key key = key_of("secret");
	char text[STOW_TOKEN_MAX];
	struct token token, read;

	(void)state;
	token = sample(HASH_SHA256);
	token.offset = -1;
	token_write(&token, "a", &key, text);
	assert_false(token_read(&read, text, "a", token.uuid, &key, 1));
	token = sample(HASH_SHA256);
	token.last.start = 11;
	token_write(&token, "a", &key, text);
	assert_false(token_read(&read, text, "a", token.uuid, &key, 1));
	token = sample(HASH_SHA256);
	token.last.nonce = 0;
	token_write(&token, "a", &key, text);
	assert_false(token_read(&read, text, "a", token.uuid, &key, 1));
	/* a hash state that does not fit is no reason to lose the bytes */
	token = sample(HASH_SHA256);
	token.offset = 12;
	token_write(&token, "a", &key, text);
	assert_true(token_read(&read, text, "a", token.uuid, &key, 1));
	assert_false(read.hash_known);
	token = sample(HASH_SHA512);
	token.hash_known = false;
	token_write(&token, "a", &key, text);
	assert_true(token_read(&read, text, "a", token.uuid, &key, 1));
	assert_false(read.hash_known);
	assert_int_equal(read.hash.algorithm, HASH_SHA512);
}

static void test_uuid(void **state)
{
	char uuid[STOW_UUID_LEN + 1];

	(void)state;
	assert_true(token_make_uuid(uuid));
	assert_true(token_is_uuid(uuid));
	assert_int_equal(uuid[14], '4');
	assert_false(token_is_uuid("01234567-89ab-4def-8123-456789abcde"));
	assert_false(token_is_uuid("01234567-89ab-4def-8123-456789abcdeff"));
	assert_false(token_is_uuid("01234567-89AB-4def-8123-456789abcdef"));
	assert_false(token_is_uuid("01234567x89ab-4def-8123-456789abcdef"));
	assert_false(token_is_uuid("../../..-89ab-4def-8123-456789abcdef"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_others),
		cmocka_unit_test(test_tampered),   cmocka_unit_test(test_insane),
		cmocka_unit_test(test_uuid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
