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
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "common/jws.h"

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

/* A public key as a certificate has it is not at hand without one: as a JWK, from its octets. */
static json_t *jwk_of(EVP_PKEY *pkey, const char *crv)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char raw[600];
	char text[3][900];
	size_t len[3] = { 0 }, n = 0, at[3] = { 0 };

	if (EVP_PKEY_is_a(pkey, "RSA")) {
		BIGNUM *modulus = NULL;

		assert_true(EVP_PKEY_get_bn_param(pkey, "n", &modulus));
		len[0] = (size_t)BN_bn2bin(modulus, raw);
		BN_free(modulus);
		n = 1;
	} else if (EVP_PKEY_is_a(pkey, "EC")) {
		size_t all = 0;

		assert_true(EVP_PKEY_get_octet_string_param(pkey, "pub", raw, sizeof(raw), &all));
		memmove(raw, raw + 1, all - 1);
		len[0] = len[1] = at[1] = (all - 1) / 2;
		n = 2;
	} else {
		len[0] = sizeof(raw);
		assert_true(EVP_PKEY_get_raw_public_key(pkey, raw, &len[0]));
		n = 1;
	}
	for (size_t i = 0; i < n; i++) {
		uint32_t bits = 0;
		unsigned have = 0;
		char *out = text[i];

		for (size_t k = 0; k < len[i]; k++) {
			bits = bits << 8 | raw[at[i] + k];
			for (have += 8; have >= 6; have -= 6)
				*out++ = alphabet[bits >> (have - 6) & 63];
		}
		if (have)
			*out++ = alphabet[bits << (6 - have) & 63];
		*out = '\0';
	}
	if (EVP_PKEY_is_a(pkey, "RSA"))
		return json_pack("{s:s s:s s:s}", "kty", "RSA", "n", text[0], "e", "AQAB");
	if (n == 2)
		return json_pack("{s:s s:s s:s s:s}", "kty", "EC", "crv", crv, "x", text[0], "y",
		                 text[1]);
	return json_pack("{s:s s:s s:s}", "kty", "OKP", "crv", crv, "x", text[0]);
}

/* As a JWS has it; returns the length. */
static size_t sign(EVP_PKEY *pkey, const char *digest, bool pss, unsigned char ret[1024])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *parameters = NULL;
	unsigned char der[1024];
	const unsigned char *at = der;
	size_t len = sizeof(der), half;
	ECDSA_SIG *pair;

	assert_true(EVP_DigestSignInit_ex(context, &parameters, digest, NULL, NULL, pkey, NULL));
	if (pss) {
		EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST);
	}
	assert_true(EVP_DigestSign(context, der, &len, (const unsigned char *)DATA, strlen(DATA)));
	EVP_MD_CTX_free(context);
	if (!EVP_PKEY_is_a(pkey, "EC")) {
		memcpy(ret, der, len);
		return len;
	}
	half = ((size_t)EVP_PKEY_get_bits(pkey) + 7) / 8;
	pair = d2i_ECDSA_SIG(NULL, &at, (long)len);
	assert_non_null(pair);
	assert_true(BN_bn2binpad(ECDSA_SIG_get0_r(pair), ret, (int)half) > 0 &&
	            BN_bn2binpad(ECDSA_SIG_get0_s(pair), ret + half, (int)half) > 0);
	ECDSA_SIG_free(pair);
	return 2 * half;
}

static int verify(const struct jws_key *key, const char *alg, const char *data,
                  const unsigned char *signature, size_t len)
{
	return jws_verify(key, alg, data, strlen(data), signature, len, NULL);
}

static void each_algorithm(void **state)
{
	static const struct {
		const char *alg, *crv, *digest;
		bool pss;
	} rows[] = {
		{ "RS256", NULL, "SHA256", false },    { "RS384", NULL, "SHA384", false },
		{ "RS512", NULL, "SHA512", false },    { "PS256", NULL, "SHA256", true },
		{ "PS512", NULL, "SHA512", true },     { "ES256", "P-256", "SHA256", false },
		{ "ES384", "P-384", "SHA384", false }, { "ES512", "P-521", "SHA512", false },
		{ "EdDSA", "Ed25519", NULL, false },
	};
	static const char *const others[] = {
		"none",  "HS256", "RS256", "RS384", "PS256", "ES256",
		"ES384", "ES512", "EdDSA", "rs256", "",      "RS256 "
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		EVP_PKEY *pkey = !rows[i].crv ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
		                 : rows[i].digest ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", rows[i].crv)
		                                  : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		json_t *jwk = jwk_of(pkey, rows[i].crv);
		struct jws_key *key = key_of(jwk);
		unsigned char signature[1024];
		size_t len = sign(pkey, rows[i].digest, rows[i].pss, signature);
		int other; /* of a signature that is not of the length */

		assert_int_equal(verify(key, rows[i].alg, DATA, signature, len), STOW_OK);
		assert_int_equal(verify(key, rows[i].alg, DATA "!", signature, len), STOW_EDENIED);
		other = rows[i].alg[1] == 'S' && rows[i].alg[0] != 'E' ? STOW_EDENIED : STOW_EINVAL;
		assert_int_equal(verify(key, rows[i].alg, DATA, signature, len - 1), other);
		assert_int_equal(verify(key, rows[i].alg, DATA, signature, len + 1), other);
		for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++)
			if (strcmp(others[k], rows[i].alg) != 0)
				assert_true(verify(key, others[k], DATA, signature, len) !=
				            STOW_OK);
		signature[len / 2] ^= 1;
		assert_int_equal(verify(key, rows[i].alg, DATA, signature, len), STOW_EDENIED);
		memset(signature, 0, len);
		assert_int_equal(verify(key, rows[i].alg, DATA, signature, len), STOW_EDENIED);
		jws_key_free(key);
		json_decref(jwk);
		EVP_PKEY_free(pkey);
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
		cmocka_unit_test(base64),
		cmocka_unit_test(keys_have_their_names),
		cmocka_unit_test(each_algorithm),
		cmocka_unit_test(bad_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
