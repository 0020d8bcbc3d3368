/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bearer tokens: what a token must be to count, which claims, and what it then allows.  Whose key it
 * may be is in serve-keyring.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/hmac.h>
#include <openssl/pem.h>

#include "tests/unit/token-maker.h"

static void each_algorithm(void **state)
{
	static const char *const algs[] = { "RS256", "RS384", "RS512", "PS256", "PS384",
		                            "PS512", "ES256", "ES384", "ES512", "EdDSA" };

	(void)state;
	for (size_t i = 0; i < sizeof(algs) / sizeof(algs[0]); i++) {
		EVP_PKEY *pkey = new_key(algs[i]), *other = new_key(algs[i]);
		struct bearer *b = open_one(pkey), *narrow;
		char name[JWS_THUMBPRINT_LEN + 1];

		thumbprint_of(pkey, name);
		assert_int_equal(check_kid(b, pkey, algs[i], name), STOW_OK);
		assert_int_equal(check_kid(b, other, algs[i], name), STOW_EDENIED);
		narrow = open_files(set_path, NULL,
		                    strcmp(algs[i], "RS256") == 0 ? "ES256,EdDSA" : "RS256");
		assert_int_equal(check_kid(narrow, pkey, algs[i], name), STOW_EDENIED);
		bearer_free(narrow);
		narrow = open_files(set_path, NULL, algs[i]);
		assert_int_equal(check_kid(narrow, pkey, algs[i], name), STOW_OK);
		bearer_free(narrow);
		bearer_free(b);
		EVP_PKEY_free(pkey);
		EVP_PKEY_free(other);
	}
}

/* ---- forged ---- */

static char *hmac_token(const char *alg, const char *secret, size_t len)
{
	cleanup_free char *more = kid_of(kid), *header = header_of(alg, more);
	struct buf text = { 0 };
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	buf_init(&text, (size_t)1 << 20);
	add_part(&text, header);
	buf_addc(&text, '.');
	add_part(&text, GOOD);
	assert_non_null(HMAC(EVP_sha256(), secret, (int)len, (const unsigned char *)text.data,
	                     text.len, sum, &n));
	buf_addc(&text, '.');
	jws_base64url_add(&text, sum, n);
	return buf_take(&text);
}

/* What a server might take for a shared secret is public. */
static void a_public_key_is_no_secret(void **state)
{
	BIO *bio = BIO_new(BIO_s_mem());
	unsigned char *der = NULL;
	int der_len = i2d_PUBKEY(key, &der);
	struct bearer *b = open_one(key);
	char *pem, *token;
	long len;

	(void)state;
	assert_true(PEM_write_bio_PUBKEY(bio, key) && der_len > 0);
	len = BIO_get_mem_data(bio, &pem);
	token = hmac_token("HS256", pem, (size_t)len);
	assert_int_equal(check(b, token), STOW_EDENIED);
	free(token);
	token = hmac_token("HS256", (const char *)der, (size_t)der_len);
	assert_int_equal(check(b, token), STOW_EDENIED);
	free(token);
	token = hmac_token("ES256", pem, (size_t)len);
	assert_int_equal(check(b, token), STOW_EDENIED);
	free(token);
	token = hmac_token("HS256", "", 0);
	assert_int_equal(check(b, token), STOW_EDENIED);
	free(token);
	OPENSSL_free(der);
	BIO_free(bio);
	bearer_free(b);
}

static void no_algorithm_is_none(void **state)
{
	static const char *const headers[] = {
		"{\"alg\":\"none\"}",
		"{\"alg\":\"None\",\"kid\":\"%s\"}",
		"{\"alg\":\"\",\"kid\":\"%s\"}",
		"{\"kid\":\"%s\"}",
		"{\"alg\":null,\"kid\":\"%s\"}",
		"{\"alg\":[\"ES256\"],\"kid\":\"%s\"}",
		"{\"alg\":\"es256\",\"kid\":\"%s\"}",
		"{\"alg\":\"ES384\",\"kid\":\"%s\"}",
		"{\"alg\":\"RS256\",\"kid\":\"%s\"}",
		"{\"alg\":\"EdDSA\",\"kid\":\"%s\"}",
		"{\"alg\":\"HS256\",\"kid\":\"%s\"}",
		"{\"alg\":\"ES256,RS256\",\"kid\":\"%s\"}",
		"{\"alg\":\"ES256\",\"alg\":\"ES256\",\"kid\":\"%s\"}",
		"{\"alg\":\"ES256\",\"kid\":\"%s\",\"crit\":[\"b64\"],\"b64\":false}",
		"{\"alg\":\"ES256\",\"kid\":\"%s\",\"crit\":[]}",
		"{\"alg\":\"ES256\",\"kid\":\"%s\",\"x\":[[[[[[[[]]]]]]]]}",
		"{\"alg\":\"ES256\",\"kid\":\"%s\"",
		"{\"alg\":\"ES256\",\"kid\":\"%s\"}{}",
		"[\"ES256\",\"%s\"]",
		"\"ES256\"",
		"",
	};
	struct bearer *b = open_one(key);

	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		const char *at = strstr(headers[i], "%s");
		char header[300], *end;
		char *token;

		assert_true(text_format(header, sizeof(header), "%.*s%s%s",
		                        (int)(at ? at - headers[i] : (ptrdiff_t)strlen(headers[i])),
		                        headers[i], at ? kid : "", at ? at + 2 : ""));
		token = token_of(key, "ES256", header, GOOD);
		assert_int_equal(check(b, token), STOW_EDENIED);
		end = strrchr(token, '.');
		end[1] = '\0'; /* no signature */
		assert_int_equal(check(b, token), STOW_EDENIED);
		*end = '\0';
		assert_int_equal(check(b, token), STOW_EDENIED);
		free(token);
	}
	bearer_free(b);
}

static void a_token_is_three_parts(void **state)
{
	struct bearer *b = open_one(key);
	cleanup_free char *more = kid_of(kid), *header = header_of("ES256", more);
	cleanup_free char *token = token_of(key, "ES256", header, GOOD);
	size_t len = strlen(token);
	cleanup_free char *changed = calloc(1, len + 100), *large = malloc(100000);

	(void)state;
	assert_int_equal(check(b, token), STOW_OK);
	(void)text_format(changed, len + 100, "%s.", token);
	assert_int_equal(check(b, changed), STOW_EDENIED);
	(void)text_format(changed, len + 100, "%s=", token);
	assert_int_equal(check(b, changed), STOW_EDENIED);
	(void)text_format(changed, len + 100, " %s", token);
	assert_int_equal(check(b, changed), STOW_EDENIED);
	(void)text_format(changed, len + 100, ".%s", token);
	assert_int_equal(check(b, changed), STOW_EDENIED);
	assert_int_equal(check(b, ""), STOW_EDENIED);
	assert_int_equal(check(b, ".."), STOW_EDENIED);
	assert_int_equal(check(b, "..."), STOW_EDENIED);
	/* each octet of it counts */
	for (size_t i = 0; i < len; i += 3) {
		memcpy(changed, token, len + 1);
		changed[i] = changed[i] == 'A' ? 'B' : 'A';
		assert_int_equal(check(b, changed), STOW_EDENIED);
	}
	memset(large, ' ', 99999);
	large[99999] = '\0';
	memcpy(large, "{\"iss\":1", 8);
	large[60000] = '}';
	large[60001] = '\0';
	assert_int_equal(check_claims(b, large), STOW_EDENIED); /* over 64 KiB */
	bearer_free(b);
}

/* ---- claims ---- */

static void claims_of_the_time(void **state)
{
	struct bearer *b = open_one(key);
	cleanup_free char *more = kid_of(kid), *header = header_of("ES256", more);
	cleanup_free char *token = token_of(key, "ES256", header,
	                                    "{\"iss\":\"" ISSUER "\",\"aud\":[\"x\",\"" SERVICE
	                                    "\"],\"exp\":1800000000.5,"
	                                    "\"nbf\":1799999000.25,\"iat\":9999999999}");
	const int64_t ms = 1000000, second = 1000 * ms;

	(void)state;
	assert_int_equal(check_at(b, token, NOW_NS), STOW_OK);
	assert_int_equal(check_at(b, token, NOW_NS + 60 * second + 500 * ms), STOW_OK);
	assert_int_equal(check_at(b, token, NOW_NS + 60 * second + 600 * ms), STOW_EDENIED);
	assert_int_equal(check_at(b, token, NOW_NS - 1060 * second + 250 * ms), STOW_OK);
	assert_int_equal(check_at(b, token, NOW_NS - 1060 * second + 150 * ms), STOW_EDENIED);
	assert_int_equal(check_at(b, token, 0), STOW_EDENIED);
	assert_int_equal(check_at(b, token, INT64_MAX), STOW_EDENIED);
	bearer_free(b);
}

#define WHO "\"iss\":\"" ISSUER "\",\"aud\":\"" SERVICE "\""

static void claims_must_be_there(void **state)
{
	static const char *const good[] = {
		"{" WHO ",\"exp\":1800000300}",
		"{" WHO ",\"exp\":1.8e9}",
		"{" WHO ",\"exp\":1e300}",
		"{" WHO ",\"exp\":1800000300,\"sub\":\"\",\"access\":[]}",
		"{" WHO ",\"exp\":1800000300,\"sub\":null,\"access\":null}",
	};
	static const char *const bad[] = {
		"{}",
		"[]",
		"{" WHO "}",
		"{" WHO ",\"exp\":\"1800000300\"}",
		"{" WHO ",\"exp\":null}",
		"{" WHO ",\"exp\":true}",
		"{" WHO ",\"exp\":1e999}",
		"{" WHO ",\"exp\":-1}",
		"{" WHO ",\"exp\":1800000300,\"exp\":1800000301}",
		"{" WHO ",\"exp\":1700000300,\"exp\":1800000301}",
		"{" WHO ",\"exp\":1800000300,\"nbf\":1800000061}",
		"{" WHO ",\"exp\":1800000300,\"nbf\":\"0\"}",
		"{" WHO ",\"exp\":1800000300,\"nbf\":null}",
		"{" WHO ",\"exp\":1800000300,\"sub\":7}",
		"{" WHO ",\"exp\":1800000300,\"sub\":[\"alice\"]}",
		"{" WHO ",\"exp\":1800000300,\"sub\":\"a\\nb\"}",
		"{" WHO ",\"exp\":1800000300,\"sub\":\"a\\u0000b\"}",
		"{" WHO ",\"exp\":1800000300,\"sub\":\"\xff\"}",
		"{" WHO ",\"exp\":1800000300} x",
		"{" WHO ",\"exp\":1800000300",
		"{\"aud\":\"" SERVICE "\",\"exp\":1800000300}",
		"{\"iss\":\"" ISSUER "/\",\"aud\":\"" SERVICE "\",\"exp\":1800000300}",
		"{\"iss\":[\"" ISSUER "\"],\"aud\":\"" SERVICE "\",\"exp\":1800000300}",
		"{\"iss\":\"" ISSUER "\",\"exp\":1800000300}",
		"{\"iss\":\"" ISSUER "\",\"aud\":\"other.example.org\",\"exp\":1800000300}",
		"{\"iss\":\"" ISSUER "\",\"aud\":\"" SERVICE "x\",\"exp\":1800000300}",
		"{\"iss\":\"" ISSUER "\",\"aud\":[\"x\",7],\"exp\":1800000300}",
		"{\"iss\":\"" ISSUER "\",\"aud\":[],\"exp\":1800000300}",
		"{\"iss\":\"" ISSUER "\",\"aud\":{\"" SERVICE "\":1},\"exp\":1800000300}",
	};
	struct bearer *b = open_one(key);

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_int_equal(check_claims(b, good[i]), STOW_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (check_claims(b, bad[i]) != STOW_EDENIED)
			fail_msg("%s", bad[i]);
	}
	bearer_free(b);
}

/* A long name is refused and not cut: what is left might be another's. */
static void names_have_a_length(void **state)
{
	struct bearer *b = open_one(key);
	char claims[700], name[300];

	(void)state;
	for (size_t len = BEARER_SUBJECT_MAX; len <= BEARER_SUBJECT_MAX + 1; len++) {
		memset(name, 'a', len);
		name[len] = '\0';
		assert_true(text_format(claims, sizeof(claims),
		                        "{" WHO ",\"exp\":1800000300,\"sub\":\"%s\"}", name));
		assert_int_equal(check_claims(b, claims),
		                 len > BEARER_SUBJECT_MAX ? STOW_EDENIED : STOW_OK);
	}
	bearer_free(b);
}

static struct bearer_claims *claims_of(struct bearer *b, const char *claims)
{
	cleanup_free char *more = kid_of(kid), *header = header_of("ES256", more);
	cleanup_free char *token = token_of(key, "ES256", header, claims);
	struct bearer_claims *ret = NULL;

	assert_int_equal(bearer_check(b, token, NOW_NS, &ret, NULL), STOW_OK);
	return ret;
}

static void rights(void **state)
{
	struct bearer *b = open_one(key);
	struct bearer_claims *c = claims_of(b, GOOD);

	(void)state;
	assert_string_equal(bearer_subject(c), "alice");
	assert_true(bearer_allows(c, "repository", "a/b", "pull"));
	assert_true(bearer_allows(c, "repository", "a/b", "push"));
	assert_false(bearer_allows(c, "repository", "a/b", "delete"));
	assert_false(bearer_allows(c, "repository", "a/b", "*"));
	assert_false(bearer_allows(c, "repository", "a/b", ""));
	assert_false(bearer_allows(c, "repository", "a", "pull"));
	assert_false(bearer_allows(c, "repository", "a/b/c", "pull"));
	assert_false(bearer_allows(c, "registry", "a/b", "pull"));
	assert_true(bearer_allows(c, "repository", "all", "delete"));
	assert_true(bearer_allows(c, "registry", "catalog", "*"));
	assert_false(bearer_allows(c, "repository", "catalog", "*"));
	bearer_claims_free(c);
	c = claims_of(b,
	              CLAIMS_WITH(",\"access\":[null,7,\"*\",[],{},{\"type\":\"repository\"},"
	                          "{\"type\":\"repository\",\"name\":\"a\"},"
	                          "{\"type\":\"repository\",\"name\":\"a\",\"actions\":null},"
	                          "{\"type\":\"repository\",\"name\":\"a\",\"actions\":\"*\"},"
	                          "{\"type\":\"repository\",\"name\":\"a\",\"actions\":[7,{}]},"
	                          "{\"type\":\"repository\",\"name\":[\"a\"],\"actions\":[\"*\"]},"
	                          "{\"type\":\"repository(x)\",\"name\":\"a\",\"actions\":[\"*\"]},"
	                          "{\"name\":\"a\",\"actions\":[\"*\"]}]"));
	assert_string_equal(bearer_subject(c), "");
	assert_false(bearer_allows(c, "repository", "a", "pull"));
	assert_false(bearer_allows(c, "", "a", "pull"));
	bearer_claims_free(c);
	c = claims_of(b, CLAIMS_WITH(",\"access\":{\"type\":\"repository\",\"name\":\"a\","
	                             "\"actions\":[\"*\"]}"));
	assert_false(bearer_allows(c, "repository", "a", "pull"));
	bearer_claims_free(c);
	bearer_free(b);
}

static void rights_are_bounded(void **state)
{
	struct bearer *b = open_one(key);

	(void)state;
	for (int n = 1000; n <= 1001; n++) {
		struct buf text = { 0 };

		buf_init(&text, 100000);
		buf_adds(&text, "{" WHO ",\"exp\":1800000300,\"access\":[");
		for (int i = 0; i < n; i++)
			buf_adds(&text, i ? ",{\"type\":\"r\"}" : "{\"type\":\"r\"}");
		buf_adds(&text, "]}");
		assert_int_equal(check_claims(b, buf_text(&text)),
		                 n > 1000 ? STOW_EDENIED : STOW_OK);
		buf_done(&text);
	}
	bearer_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_algorithm),       cmocka_unit_test(a_public_key_is_no_secret),
		cmocka_unit_test(no_algorithm_is_none), cmocka_unit_test(a_token_is_three_parts),
		cmocka_unit_test(claims_of_the_time),   cmocka_unit_test(claims_must_be_there),
		cmocka_unit_test(names_have_a_length),  cmocka_unit_test(rights),
		cmocka_unit_test(rights_are_bounded),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
