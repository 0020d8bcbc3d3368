/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and signatures: those of the vectors by name, and every algorithm with keys made here,
 * against OpenSSL's own signing; what does not fit together is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <string.h>

#include <stdlib.h>

#include "common/jws.h"
#include "tests/unit/key-maker.h"

#define DATA "what is signed"

static struct buf decoded;

static bool decodes(const char *text, const char *want)
{
	buf_init(&decoded, 100);
	bool ok = jws_base64url(text, strlen(text), &decoded) && decoded.len == strlen(want) &&
	          memcmp(buf_text(&decoded), want, decoded.len) == 0;

	buf_done(&decoded);
	return ok;
}

static void base64(void **state)
{
	(void)state;
	assert_true(decodes("", "") && decodes("Zg", "f") && decodes("Zm8", "fo"));
	assert_true(decodes("Zm9v", "foo") && decodes("Pz8_Pj4-", "\x3f\x3f\x3f>>>"));
	assert_false(decodes("Zg==", "f") || decodes("Zh", "f") || decodes("Zm9", "fo"));
	assert_false(decodes("Z", "") || decodes("Zm9v\n", "foo") ||
	             decodes("Pz8/", "\x3f\x3f\x3f"));
}

static struct jws_key *key_of(const json_t *jwk)
{
	struct jws_key *key = NULL;
	struct stow_error err = { 0 };

	if (jws_key_of_jwk(jwk, &key, &err) != STOW_OK)
		fail_msg("%s", err.message);
	return key;
}

static void keys_have_their_names(void **state)
{
	json_error_t error;
	json_t *list = json_load_file("tests/vectors/schema1/keys.json", 0, &error);

	(void)state;
	assert_true(json_array_size(list) >= 13);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *one = json_array_get(list, i);
		const json_t *jwk = json_object_get(one, "jwk");
		const json_t *leaf = json_array_get(json_object_get(one, "x5c"), 0);
		char id[JWS_KEY_ID_LEN + 1];
		struct jws_key *key = key_of(jwk);

		assert_int_equal(jws_key_id(key, id, NULL), STOW_OK);
		assert_string_equal(id, json_string_value(json_object_get(one, "kid")));
		assert_int_equal(jws_key_check_kid(key, jwk, NULL), STOW_OK);
		jws_key_free(key);
		if (!leaf)
			continue;
		assert_int_equal(jws_key_of_certificate(json_string_value(leaf),
		                                        json_string_length(leaf), &key, NULL),
		                 STOW_OK);
		assert_int_equal(jws_key_id(key, id, NULL), STOW_OK);
		assert_string_equal(id, json_string_value(json_object_get(one, "kid")));
		jws_key_free(key);
		assert_int_equal(jws_key_of_certificate(json_string_value(leaf),
		                                        json_string_length(leaf) - 4, &key, NULL),
		                 STOW_EINVAL);
	}
	json_decref(list);
}

/* ---- each algorithm ---- */

static int verify(const struct jws_key *key, const char *alg, const char *data,
                  const unsigned char *signature, size_t len)
{
	return jws_verify(key, alg, data, strlen(data), signature, len, NULL);
}

static void each_algorithm(void **state)
{
	static const char *const rows[] = { "RS256", "RS384", "RS512", "PS256", "PS512",
		                            "ES256", "ES384", "ES512", "EdDSA" };
	static const char *const others[] = {
		"none",  "HS256", "RS256", "RS384", "PS256", "ES256",
		"ES384", "ES512", "EdDSA", "rs256", "",      "RS256 "
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		EVP_PKEY *pkey = new_key(rows[i]);
		json_t *jwk = jwk_of(pkey);
		struct jws_key *key = key_of(jwk);
		unsigned char signature[1024];
		size_t len = sign(pkey, rows[i], DATA, strlen(DATA), signature);
		int other; /* of a signature that is not of the length */

		assert_int_equal(verify(key, rows[i], DATA, signature, len), STOW_OK);
		assert_int_equal(verify(key, rows[i], DATA "!", signature, len), STOW_EDENIED);
		other = rows[i][1] == 'S' && rows[i][0] != 'E' ? STOW_EDENIED : STOW_EINVAL;
		assert_int_equal(verify(key, rows[i], DATA, signature, len - 1), other);
		assert_int_equal(verify(key, rows[i], DATA, signature, len + 1), other);
		for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++)
			if (strcmp(others[k], rows[i]) != 0)
				assert_true(verify(key, others[k], DATA, signature, len) !=
				            STOW_OK);
		signature[len / 2] ^= 1;
		assert_int_equal(verify(key, rows[i], DATA, signature, len), STOW_EDENIED);
		memset(signature, 0, len);
		assert_int_equal(verify(key, rows[i], DATA, signature, len), STOW_EDENIED);
		jws_key_free(key);
		json_decref(jwk);
		EVP_PKEY_free(pkey);
	}
}

/* The examples of RFC 7638 section 3.1 and RFC 8037 section A.3; and whatever else a JWK has does not
 * count. */
static void thumbprints(void **state)
{
	static const struct {
		const char *jwk, *thumbprint;
	} rows[] = {
		{ "{\"kty\":\"RSA\",\"alg\":\"RS256\",\"kid\":\"2011-04-29\",\"e\":\"AQAB\",\"n\":"
		  "\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhD"
		  "R1L6"
		  "tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_"
		  "RN5w6Cf0h4QyQ5v-"
		  "65YGjQR0_"
		  "FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNL"
		  "yrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
		  "kEgU8awapJ"
		  "zKnqDKgw\"}",
		  "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" },
		{ "{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
		  "\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
		  "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		json_t *jwk = json_loads(rows[i].jwk, 0, NULL);
		struct jws_key *key = key_of(jwk);
		char name[JWS_THUMBPRINT_LEN + 1];

		assert_int_equal(jws_key_thumbprint(key, name, NULL), STOW_OK);
		assert_string_equal(name, rows[i].thumbprint);
		assert_int_equal(jws_key_thumbprint_short(key, name, NULL), STOW_OK);
		assert_string_equal(name, rows[i].thumbprint);
		jws_key_free(key);
		json_decref(jwk);
	}
}

/* Of a curve: by the text that is hashed, put together here. */
static void thumbprints_of_curves(void **state)
{
	static const char *const algs[] = { "ES256", "ES384", "ES512" };

	(void)state;
	for (size_t i = 0; i < 30; i++) {
		EVP_PKEY *pkey = new_key(algs[i % 3]), *other = new_key(algs[i % 3]);
		json_t *jwk = jwk_of(pkey), *second = jwk_of(other);
		struct jws_key *key = key_of(jwk), *another = key_of(second);
		char name[JWS_THUMBPRINT_LEN + 1], shorter[sizeof(name)], *text;
		unsigned char sum[32];
		struct buf want = { 0 };
		bool zeros = false;

		for (int k = 0; k < 2; k++) {
			const char *octets = json_string_value(json_object_get(jwk, k ? "y" : "x"));

			/* perhaps: the first six bits are */
			zeros = zeros || *octets == 'A';
		}
		text = json_dumps(jwk, JSON_COMPACT | JSON_SORT_KEYS);
		assert_true(EVP_Digest(text, strlen(text), sum, NULL, EVP_sha256(), NULL));
		buf_init(&want, 100);
		jws_base64url_add(&want, sum, sizeof(sum));
		assert_int_equal(jws_key_thumbprint(key, name, NULL), STOW_OK);
		assert_string_equal(name, buf_text(&want));
		assert_int_equal(jws_key_thumbprint_short(key, shorter, NULL), STOW_OK);
		if (!zeros)
			assert_string_equal(shorter, name);
		assert_true(jws_key_equal(key, key) && !jws_key_equal(key, another));
		assert_true(jws_key_fits(key, algs[i % 3]) &&
		            !jws_key_fits(key, algs[(i + 1) % 3]));
		assert_int_equal(jws_key_rsa_bits(key), 0);
		buf_done(&want);
		free(text);
		jws_key_free(key);
		jws_key_free(another);
		json_decref(jwk);
		json_decref(second);
		EVP_PKEY_free(pkey);
		EVP_PKEY_free(other);
	}
}

#define OCTETS_32 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE"

static void bad_keys(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"kty\":\"oct\",\"k\":\"AAAA\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\"}",
		"{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AA\",\"y\":\"AA\"}",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}",
		/* off the curve */
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" OCTETS_32 "\",\"y\":\"" OCTETS_32
		"\"}",
		"{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
		"{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"AQAB\"}",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
		"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" OCTETS_32 "\"}",
		"{\"kty\":1}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *jwk = json_loads(texts[i], 0, NULL);
		struct stow_error err = { 0 };
		struct jws_key *key = NULL;

		assert_non_null(jwk);
		assert_int_equal(jws_key_of_jwk(jwk, &key, &err), STOW_EINVAL);
		assert_true(err.message[0] != '\0');
		assert_null(key);
		json_decref(jwk);
	}
	assert_int_equal(jws_key_of_certificate("", 0, NULL, NULL), STOW_EINVAL);
	assert_int_equal(jws_key_of_certificate("AAAA", 4, NULL, NULL), STOW_EINVAL);
	jws_key_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64),         cmocka_unit_test(keys_have_their_names),
		cmocka_unit_test(each_algorithm), cmocka_unit_test(bad_keys),
		cmocka_unit_test(thumbprints),    cmocka_unit_test(thumbprints_of_curves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
