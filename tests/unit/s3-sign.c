/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of driver/s3/sign: the examples that Amazon publishes for S3 and for the signature in
 * general, and the encodings on which signers are known to differ.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stowage/types.h>

#include "common/text.h"
#include "driver/s3/sign.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SECONDS_2013 INT64_C(1369353600) /* 2013-05-24T00:00:00Z */
#define SECONDS_2015 INT64_C(1440938160) /* 2015-08-30T12:36:00Z */

static const struct sign_keys s3_keys = { "AKIAIOSFODNN7EXAMPLE",
	                                  "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
	                                  NULL,
	                                  "us-east-1",
	                                  "s3",
	                                  SECONDS_2013 };
static const struct sign_keys suite_keys = {
	"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", NULL, "us-east-1", "service",
	SECONDS_2015
};

struct vector {
	const struct sign_keys *keys;
	const char *method, *path;
	struct sign_pair query[4];
	size_t n_query;
	struct sign_pair headers[6];
	size_t n_headers;
	const char *payload, *signature;
};

static const struct vector vectors[] = {
	/* "Signature Calculations for the Authorization Header", Amazon S3 API Reference */
	{ &s3_keys,
	  "GET",
	  "/test.txt",
	  { { NULL, NULL } },
	  0,
	  { { "host", "examplebucket.s3.amazonaws.com" },
	    { "range", "bytes=0-9" },
	    { "x-amz-content-sha256", EMPTY },
	    { "x-amz-date", "20130524T000000Z" } },
	  4,
	  EMPTY,
	  "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },
	{ &s3_keys,
	  "PUT",
	  "/test%24file.text",
	  { { NULL, NULL } },
	  0,
	  { { "date", "Fri, 24 May 2013 00:00:00 GMT" },
	    { "host", "examplebucket.s3.amazonaws.com" },
	    { "x-amz-content-sha256",
	      "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072" },
	    { "x-amz-date", "20130524T000000Z" },
	    { "x-amz-storage-class", "REDUCED_REDUNDANCY" } },
	  5,
	  "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
	  "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd" },
	{ &s3_keys,
	  "GET",
	  "/",
	  { { "lifecycle", "" } },
	  1,
	  { { "host", "examplebucket.s3.amazonaws.com" },
	    { "x-amz-content-sha256", EMPTY },
	    { "x-amz-date", "20130524T000000Z" } },
	  3,
	  EMPTY,
	  "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
	{ &s3_keys,
	  "GET",
	  "/",
	  { { "prefix", "J" }, { "max-keys", "2" } },
	  2,
	  { { "host", "examplebucket.s3.amazonaws.com" },
	    { "x-amz-content-sha256", EMPTY },
	    { "x-amz-date", "20130524T000000Z" } },
	  3,
	  EMPTY,
	  "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
	/* get-vanilla of the signature version 4 test suite */
	{ &suite_keys,
	  "GET",
	  "/",
	  { { NULL, NULL } },
	  0,
	  { { "host", "example.amazonaws.com" }, { "x-amz-date", "20150830T123600Z" } },
	  2,
	  EMPTY,
	  "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
	/* get-vanilla-query-order-key-case */
	{ &suite_keys,
	  "GET",
	  "/",
	  { { "Param2", "value2" }, { "Param1", "value1" } },
	  2,
	  { { "host", "example.amazonaws.com" }, { "x-amz-date", "20150830T123600Z" } },
	  2,
	  EMPTY,
	  "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
};

static void published(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		struct buf query, line;
		char want[80];

		buf_init(&query, 4096);
		buf_init(&line, 4096);
		assert_int_equal(sign_query(v->query, v->n_query, &query), STOW_OK);
		assert_int_equal(
			sign_authorization(v->keys,
		                           &(struct sign_request){ .method = v->method,
		                                                   .path = v->path,
		                                                   .query = buf_text(&query),
		                                                   .headers = v->headers,
		                                                   .n_headers = v->n_headers,
		                                                   .payload = v->payload },
		                           &line),
			STOW_OK);
		assert_true(text_format(want, sizeof(want), "Signature=%s", v->signature));
		assert_non_null(strstr(buf_text(&line), want));
		assert_true(text_starts(buf_text(&line), "AWS4-HMAC-SHA256 Credential=AKI"));
		buf_done(&query);
		buf_done(&line);
	}
}

/* "Authenticating Requests: Using Query Parameters", Amazon S3 API Reference */
static void published_presign(void **state)
{
	struct buf query;

	(void)state;
	buf_init(&query, 4096);
	assert_int_equal(sign_presign(&s3_keys, "GET", "examplebucket.s3.amazonaws.com",
	                              "/test.txt", NULL, 0, 86400, &query),
	                 STOW_OK);
	assert_string_equal(
		buf_text(&query),
		"X-Amz-Algorithm=AWS4-HMAC-SHA256"
		"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
		"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
		"&X-Amz-Signature="
		"aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
	buf_done(&query);
}

/* A session token of the query form is signed as part of the query. */
static void presign_with_token(void **state)
{
	struct sign_keys keys = s3_keys;
	struct buf query;

	(void)state;
	keys.sessiontoken = "a+b/c=";
	buf_init(&query, 4096);
	assert_int_equal(sign_presign(&keys, "GET", "h:9000", "/b/k", NULL, 0, 60, &query),
	                 STOW_OK);
	assert_non_null(strstr(buf_text(&query), "&X-Amz-Security-Token=a%2Bb%2Fc%3D&"));
	assert_non_null(strstr(buf_text(&query), "&X-Amz-Signature="));
	buf_done(&query);
}

static void query_order(void **state)
{
	static const struct {
		struct sign_pair pairs[3];
		size_t n;
		const char *want;
	} rows[] = {
		/* by name, not by "name=value": '-' sorts before '=' */
		{ { { "select-type", "2" }, { "select", "" } }, 2, "select=&select-type=2" },
		/* one name twice: by value */
		{ { { "a", "2" }, { "a", "1" } }, 2, "a=1&a=2" },
		/* without a value */
		{ { { "uploads", "" } }, 1, "uploads=" },
		/* by what is sent: %2F sorts before A */
		{ { { "p", "A" }, { "p", "/" } }, 2, "p=%2F&p=A" },
		{ { { "t", "a+b/c%2F==" } }, 1, "t=a%2Bb%2Fc%252F%3D%3D" },
		{ { { "x", "a b~c" } }, 1, "x=a%20b~c" },
		{ { { NULL, NULL } }, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf query;

		buf_init(&query, 4096);
		assert_int_equal(sign_query(rows[i].pairs, rows[i].n, &query), STOW_OK);
		assert_string_equal(buf_text(&query), rows[i].want);
		buf_done(&query);
	}
}

/* A session token of any service's fits, and what does not is no lack of memory. */
static void query_length(void **state)
{
	static const size_t sizes[] = { 4095, 4096, 65536, 65537 };
	static char text[65537 + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct sign_pair pair = { "t", text };
		struct buf query;
		int r;

		memset(text, 'x', sizes[i]);
		text[sizes[i]] = '\0';
		buf_init(&query, (size_t)1 << 20);
		r = sign_query(&pair, 1, &query);
		assert_int_equal(r, sizes[i] > 65536 ? STOW_ERANGE : STOW_OK);
		assert_int_equal(query.len, r == STOW_OK ? sizes[i] + 2 : 0);
		buf_done(&query);
	}
}

static void canonical_headers(void **state)
{
	const struct sign_pair headers[] = { { "host", "h" }, { "x-a", "  a   b  c \t d  " } };
	struct buf text;

	(void)state;
	buf_init(&text, 4096);
	assert_int_equal(sign_canonical(&(struct sign_request){ .method = "GET",
	                                                        .path = "/a~b/%252F",
	                                                        .query = "",
	                                                        .headers = headers,
	                                                        .n_headers = 2,
	                                                        .payload = SIGN_UNSIGNED },
	                                &text),
	                 STOW_OK);
	assert_string_equal(buf_text(&text), "GET\n/a~b/%252F\n\nhost:h\nx-a:a b c d\n\nhost;x-a\n"
	                                     "UNSIGNED-PAYLOAD");
	buf_done(&text);
}

/* Each byte that is not unreserved is encoded once, upper case; '/' stays in a path. */
static void path_encoding(void **state)
{
	static const char all[] = "a?b:c#d*!'()@$&,;=[]^ %3A+\xc3\xa9";
	char to[256];

	(void)state;
	text_percent_encode(to, sizeof(to), all, true);
	assert_string_equal(to, "a%3Fb%3Ac%23d%2A%21%27%28%29%40%24%26%2C%3B%3D%5B%5D%5E%20%253A%2B"
	                        "%C3%A9");
	text_percent_encode(to, sizeof(to), "x/./y//z/..", true);
	assert_string_equal(to, "x/./y//z/..");
}

static void dates(void **state)
{
	char date[SIGN_DATE_LEN + 1];

	(void)state;
	sign_date(SECONDS_2013, date);
	assert_string_equal(date, "20130524T000000Z");
	sign_date(INT64_C(1709164799), date);
	assert_string_equal(date, "20240228T235959Z");
	sign_date(INT64_C(1709164800), date);
	assert_string_equal(date, "20240229T000000Z");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published),          cmocka_unit_test(published_presign),
		cmocka_unit_test(presign_with_token), cmocka_unit_test(query_order),
		cmocka_unit_test(query_length),       cmocka_unit_test(canonical_headers),
		cmocka_unit_test(path_encoding),      cmocka_unit_test(dates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
