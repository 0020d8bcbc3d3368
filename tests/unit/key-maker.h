/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys, and signatures as a JWS has them, made by OpenSSL itself.  For tests of what checks them: it
 * must not know common/jws beyond its base64.
 */
#ifndef UNIT_KEY_MAKER_H
#define UNIT_KEY_MAKER_H

#include <jansson.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

#include "common/jws.h"

/* One that signs by that algorithm. */
static inline EVP_PKEY *new_key(const char *alg)
{
	EVP_PKEY *pkey = strcmp(alg, "ES256") == 0   ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256")
	                 : strcmp(alg, "ES384") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384")
	                 : strcmp(alg, "ES512") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521")
	                 : strcmp(alg, "EdDSA") == 0
	                         ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
	                         : EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);

	assert_non_null(pkey);
	return pkey;
}

static inline void add_octets(json_t *jwk, const char *name, const unsigned char *octets,
                              size_t len)
{
	struct buf text = { 0 };

	buf_init(&text, 4096);
	jws_base64url_add(&text, octets, len);
	assert_int_equal(json_object_set_new(jwk, name, json_string(buf_text(&text))), 0);
	buf_done(&text);
}

/* Its public half (RFC 7517). */
static inline json_t *jwk_of(EVP_PKEY *pkey)
{
	unsigned char raw[2100];
	size_t len = sizeof(raw), half;
	json_t *jwk;

	if (EVP_PKEY_is_a(pkey, "RSA")) {
		BIGNUM *modulus = NULL;

		assert_true(EVP_PKEY_get_bn_param(pkey, "n", &modulus));
		len = (size_t)BN_bn2bin(modulus, raw);
		BN_free(modulus);
		jwk = json_pack("{s:s s:s}", "kty", "RSA", "e", "AQAB");
		add_octets(jwk, "n", raw, len);
	} else if (EVP_PKEY_is_a(pkey, "EC")) {
		assert_true(EVP_PKEY_get_octet_string_param(pkey, "pub", raw, sizeof(raw), &len));
		half = (len - 1) / 2;
		jwk = json_pack("{s:s s:s}", "kty", "EC", "crv",
		                half == 32   ? "P-256"
		                : half == 48 ? "P-384"
		                             : "P-521");
		add_octets(jwk, "x", raw + 1, half);
		add_octets(jwk, "y", raw + 1 + half, half);
	} else {
		assert_true(EVP_PKEY_get_raw_public_key(pkey, raw, &len));
		jwk = json_pack("{s:s s:s}", "kty", "OKP", "crv", "Ed25519");
		add_octets(jwk, "x", raw, len);
	}
	return jwk;
}

/* Returns the length. */
static inline size_t sign(EVP_PKEY *pkey, const char *alg, const void *data, size_t data_len,
                          unsigned char ret[1024])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *parameters = NULL;
	const char *digest = strstr(alg, "256")   ? "SHA256"
	                     : strstr(alg, "384") ? "SHA384"
	                     : strstr(alg, "512") ? "SHA512"
	                                          : NULL;
	unsigned char der[1024];
	const unsigned char *at = der;
	size_t len = sizeof(der), half;
	ECDSA_SIG *pair;

	assert_true(EVP_DigestSignInit_ex(context, &parameters, digest, NULL, NULL, pkey, NULL));
	if (alg[0] == 'P') {
		EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING);
		EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST);
	}
	assert_true(EVP_DigestSign(context, der, &len, data, data_len));
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

#endif
