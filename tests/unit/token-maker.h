/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bearer tokens made of whatever texts, signed by OpenSSL, and files with keys to trust.  For tests of
 * what checks them: one key is trusted where a test says nothing else.
 */
#ifndef UNIT_TOKEN_MAKER_H
#define UNIT_TOKEN_MAKER_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/text.h"
#include "host/serve/bearer.h"
#include "tests/unit/key-maker.h"

#define NOW 1800000000 /* seconds: tokens and certificates are of this time */
#define NOW_NS (NOW * INT64_C(1000000000))
#define ISSUER "https://auth.example.org"
#define SERVICE "registry.example.org"

static char folder[] = "/tmp/serve-bearer-XXXXXX";
static char set_path[64], bundle_path[64];
static EVP_PKEY *key; /* ES256: the one that is trusted, where nothing else is said */
static char kid[JWS_THUMBPRINT_LEN + 1];

/* ---- what is made ---- */

static inline void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* Takes the keys over. */
static inline void write_set(json_t *keys)
{
	json_t *set = json_pack("{s:o}", "keys", keys);
	cleanup_free char *text = json_dumps(set, 0);

	write_file(set_path, text);
	json_decref(set);
}

static inline void thumbprint_of(EVP_PKEY *pkey, char *ret)
{
	json_t *jwk = jwk_of(pkey);
	struct jws_key *public = NULL;

	assert_int_equal(jws_key_of_jwk(jwk, &public, NULL), STOW_OK);
	assert_int_equal(jws_key_thumbprint(public, ret, NULL), STOW_OK);
	jws_key_free(public);
	json_decref(jwk);
}

static inline struct bearer *open_files(const char *set, const char *bundle, const char *algorithms)
{
	const struct bearer_options options = {
		.issuer = ISSUER,
		.service = SERVICE,
		.jwks = set,
		.rootcertbundle = bundle,
		.algorithms = algorithms,
	};
	struct stow_error err = { 0 };
	struct bearer *b = NULL;

	if (bearer_open(&options, &b, &err) != STOW_OK)
		fail_msg("%s", err.message);
	return b;
}

/* Of one that trusts the key and no other. */
static inline struct bearer *open_one(EVP_PKEY *pkey)
{
	write_set(json_pack("[o]", jwk_of(pkey)));
	return open_files(set_path, NULL, NULL);
}

static inline void add_part(struct buf *b, const char *text)
{
	jws_base64url_add(b, text, strlen(text));
}

/* Of those texts, signed by alg whatever the header says. To be freed. */
static inline char *token_of(EVP_PKEY *pkey, const char *alg, const char *header,
                             const char *claims)
{
	struct buf text = { 0 };
	unsigned char signature[1024];
	size_t len;

	buf_init(&text, (size_t)1 << 20);
	add_part(&text, header);
	buf_addc(&text, '.');
	add_part(&text, claims);
	len = sign(pkey, alg, text.data, text.len, signature);
	buf_addc(&text, '.');
	jws_base64url_add(&text, signature, len);
	return buf_take(&text);
}

/* {"alg": alg, "typ": "JWT", and more}, more as in  "kid":"x". To be freed. */
static inline char *header_of(const char *alg, const char *more)
{
	struct buf text = { 0 };

	buf_init(&text, (size_t)1 << 20);
	buf_addf(&text, "{\"alg\":\"%s\",\"typ\":\"JWT\"%s%s}", alg, *more ? "," : "", more);
	return buf_take(&text);
}

static inline char *kid_of(const char *name)
{
	struct buf text = { 0 };

	buf_init(&text, 1000);
	buf_addf(&text, "\"kid\":\"%s\"", name);
	return buf_take(&text);
}

#define CLAIMS_WITH(more)                                                                          \
	"{\"iss\":\"" ISSUER "\",\"aud\":\"" SERVICE "\",\"exp\":1800000300" more "}"
#define ACCESS                                                                                     \
	"\"access\":[{\"type\":\"repository\",\"class\":\"image\",\"name\":\"a/b\","               \
	"\"actions\":[\"pull\",\"push\"]},"                                                        \
	"{\"type\":\"repository\",\"name\":\"all\",\"actions\":[\"*\"]},"                          \
	"{\"type\":\"registry\",\"name\":\"catalog\",\"actions\":[\"*\"]}]"
#define GOOD                                                                                       \
	CLAIMS_WITH(                                                                               \
		",\"sub\":\"alice\",\"nbf\":1799999990,\"iat\":1799999990,\"jti\":\"x\"," ACCESS)

/* ---- what comes of it ---- */

static inline int check_at(struct bearer *b, const char *token, int64_t now_ns)
{
	struct bearer_claims *claims = NULL;
	struct stow_error err = { 0 };
	int status = bearer_check(b, token, now_ns, &claims, &err);

	assert_true(status == STOW_OK || status == STOW_EDENIED);
	assert_true((status == STOW_OK) == (claims != NULL));
	assert_true((status == STOW_OK) == (err.message[0] == '\0'));
	bearer_claims_free(claims);
	return status;
}

static inline int check(struct bearer *b, const char *token)
{
	return check_at(b, token, NOW_NS);
}

/* Of a token with that alg and more in its header, signed by it. */
static inline int check_header(struct bearer *b, EVP_PKEY *pkey, const char *alg, const char *more)
{
	cleanup_free char *header = header_of(alg, more);
	cleanup_free char *token = token_of(pkey, alg, header, GOOD);

	return check(b, token);
}

static inline int check_kid(struct bearer *b, EVP_PKEY *pkey, const char *alg, const char *name)
{
	cleanup_free char *more = kid_of(name);

	return check_header(b, pkey, alg, more);
}

static inline int check_claims(struct bearer *b, const char *claims)
{
	cleanup_free char *more = kid_of(kid);
	cleanup_free char *header = header_of("ES256", more);
	cleanup_free char *token = token_of(key, "ES256", header, claims);

	return check(b, token);
}

static inline int set_up(void **state)
{
	(void)state;
	if (!mkdtemp(folder) || !text_format(set_path, sizeof(set_path), "%s/jwks.json", folder) ||
	    !text_format(bundle_path, sizeof(bundle_path), "%s/bundle.pem", folder))
		return -1;
	key = new_key("ES256");
	thumbprint_of(key, kid);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	EVP_PKEY_free(key);
	unlink(set_path);
	unlink(bundle_path);
	return rmdir(folder);
}

#endif
