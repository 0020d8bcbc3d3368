/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of common/hash: published values, and states that are saved in one hash and loaded
 * in another at every length around the block size.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/hash.h"
#include "common/text.h"

/* FIPS 180-4 examples: "abc" and the empty message */
static void published(void **state)
{
	static const struct {
		enum hash_algorithm algorithm;
		const char *text, *value;
	} rows[] = {
		{ HASH_SHA256, "",
		  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ HASH_SHA256, "abc",
		  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ HASH_SHA384, "abc",
		  "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
		  "8086072ba1e7cc2358baeca134c825a7" },
		{ HASH_SHA512, "abc",
		  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
		  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
	};
	uint8_t value[HASH_MAX];
	char hex[2 * HASH_MAX + 1];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct hash h;

		hash_init(&h, rows[i].algorithm);
		hash_update(&h, rows[i].text, strlen(rows[i].text));
		hash_final(&h, value);
		text_hex(hex, value, hash_size(rows[i].algorithm));
		assert_string_equal(hex, rows[i].value);
	}
	assert_int_equal(hash_by_name("sha512", 6), HASH_SHA512);
	assert_int_equal(hash_by_name("sha5123", 6), HASH_SHA512);
	assert_int_equal(hash_by_name("SHA256", 6), 0);
	assert_int_equal(hash_by_name("md5", 3), 0);
}

static void saved_and_loaded(void **state)
{
	uint8_t data[300], saved[HASH_STATE_MAX], again[HASH_STATE_MAX];
	uint8_t straight[HASH_MAX], resumed[HASH_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	for (int a = HASH_SHA256; a <= HASH_SHA512; a++)
		for (size_t cut = 0; cut <= sizeof(data); cut++) {
			enum hash_algorithm algorithm = (enum hash_algorithm)a;
			struct hash h, g;

			hash_init(&h, algorithm);
			hash_update(&h, data, cut);
			size_t len = hash_save(&h, saved);
			assert_int_equal(len, a == HASH_SHA256 ? 108 : 204);
			assert_true(hash_load(&g, algorithm, saved, len));
			assert_int_equal(hash_length(&g), cut);
			assert_int_equal(hash_save(&g, again), len);
			assert_memory_equal(saved, again, len);
			hash_update(&h, data + cut, sizeof(data) - cut);
			hash_update(&g, data + cut, sizeof(data) - cut);
			hash_final(&h, straight);
			hash_final(&g, resumed);
			assert_memory_equal(straight, resumed, hash_size(algorithm));
		}
}

static void foreign_states_are_refused(void **state)
{
	uint8_t saved[HASH_STATE_MAX];
	struct hash h;

	(void)state;
	hash_init(&h, HASH_SHA256);
	size_t len = hash_save(&h, saved);
	assert_false(hash_load(&h, HASH_SHA512, saved, len));
	assert_false(hash_load(&h, HASH_SHA256, saved, len - 1));
	saved[3] = 2; /* SHA-224 */
	assert_false(hash_load(&h, HASH_SHA256, saved, len));
	saved[3] = 3;
	saved[100] = 0xff; /* a length that no upload has */
	assert_false(hash_load(&h, HASH_SHA256, saved, len));
}

/* RFC 4231, test cases 1, 2 and 6 */
static void hmac(void **state)
{
	uint8_t key[131], value[32];
	char hex[65];

	(void)state;
	memset(key, 0x0b, 20);
	hash_hmac_sha256(key, 20, "Hi There", 8, value);
	text_hex(hex, value, 32);
	assert_string_equal(hex,
	                    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	hash_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, value);
	text_hex(hex, value, 32);
	assert_string_equal(hex,
	                    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, 131);
	hash_hmac_sha256(key, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 54,
	                 value);
	text_hex(hex, value, 32);
	assert_string_equal(hex,
	                    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void md5_and_random(void **state)
{
	uint8_t value[16], other[16];
	char hex[33];

	(void)state;
	assert_true(hash_md5("abc", 3, value));
	text_hex(hex, value, 16);
	assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72");
	assert_true(hash_random(value, 16));
	assert_true(hash_random(other, 16));
	assert_false(hash_equal(value, other, 16));
	assert_true(hash_equal(value, value, 16));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published),
		cmocka_unit_test(saved_and_loaded),
		cmocka_unit_test(foreign_states_are_refused),
		cmocka_unit_test(hmac),
		cmocka_unit_test(md5_and_random),
	};

	return cmocka_run_group_tests_name("common hash", tests, NULL, NULL);
}
