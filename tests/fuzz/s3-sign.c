/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes driver/s3/sign: lines with the method, the key, then "name=value" pairs, which become a
 * query and, where they can, headers.
 * It must not know sockets.
 */
#include "driver/s3/sign.h"

#include <stowage/types.h>

#include "common/cleanup.h"
#include "common/hash.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"

#define ROOM ((size_t)1 << 20)

static const struct sign_keys keys = {
	.accesskey = "AKIDEXAMPLE",
	.secretkey = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	.region = "us-east-1",
	.service = "s3",
	.seconds = 1369353600,
};

/* Of each pair as many as in the query, decoded. */
static size_t times(const struct sign_pair *pairs, size_t n, const char *name, const char *value)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += strcmp(pairs[i].name, name) == 0 && strcmp(pairs[i].value, value) == 0;
	return found;
}

/* Encoded once, in order, nothing lost and nothing added. */
static void check_query(const struct sign_pair *pairs, size_t n)
{
	struct buf cleanup_buf query = { 0 };
	struct sign_pair decoded[SIGN_QUERY_MAX];
	cleanup_free char *copy = NULL;
	char *p, *before = NULL;
	size_t m = 0;

	buf_init(&query, ROOM);
	if (sign_query(pairs, n, &query) != STOW_OK)
		return;
	copy = strdup(buf_text(&query));
	REQUIRE(copy);
	REQUIRE(strspn(copy, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~%="
	                     "&") == strlen(copy));
	for (p = copy; n > 0 && p;) {
		char *next = strchr(p, '&'), *value = strchr(p, '=');

		if (next)
			*next++ = '\0';
		REQUIRE(value && m < n);
		*value++ = '\0';
		REQUIRE(!before || strcmp(before, p) <= 0);
		before = p;
		decoded[m++] = (struct sign_pair){ p, value };
		p = next;
	}
	REQUIRE(m == n);
	for (size_t i = 0; i < n; i++) {
		/* decoding in place is fine now that the order has been looked at */
		REQUIRE(text_percent_decode((char *)(uintptr_t)decoded[i].name));
		REQUIRE(text_percent_decode((char *)(uintptr_t)decoded[i].value));
	}
	for (size_t i = 0; i < n; i++)
		REQUIRE(times(pairs, n, pairs[i].name, pairs[i].value) ==
		        times(decoded, n, pairs[i].name, pairs[i].value));
}

/* The signature as the rules say it is made, over the canonical request given out. */
static void expected(const struct sign_request *r, char ret[65])
{
	struct buf cleanup_buf text = { 0 };
	uint8_t a[32], b[32];
	char hex[65], key[64];

	buf_init(&text, ROOM);
	REQUIRE(sign_canonical(r, &text) == STOW_OK);
	hash_sha256(text.data, text.len, a);
	text_hex(hex, a, 32);
	buf_reset(&text);
	buf_addf(&text,
	         "AWS4-HMAC-SHA256\n20130524T000000Z\n20130524/us-east-1/s3/aws4_request\n%s", hex);
	REQUIRE(text_format(key, sizeof(key), "AWS4%s", keys.secretkey));
	hash_hmac_sha256(key, strlen(key), "20130524", 8, a);
	hash_hmac_sha256(a, 32, "us-east-1", 9, b);
	hash_hmac_sha256(b, 32, "s3", 2, a);
	hash_hmac_sha256(a, 32, "aws4_request", 12, b);
	hash_hmac_sha256(b, 32, text.data, text.len, a);
	text_hex(ret, a, 32);
}

static void check_header_form(const struct sign_request *r)
{
	struct buf cleanup_buf authorization = { 0 }, canonical = { 0 };
	char hex[65];
	size_t lines = 0;

	buf_init(&authorization, ROOM);
	buf_init(&canonical, ROOM);
	REQUIRE(sign_canonical(r, &canonical) == STOW_OK);
	for (size_t i = 0; i < canonical.len; i++)
		lines += canonical.data[i] == '\n';
	REQUIRE(lines == 5 + r->n_headers);
	if (sign_authorization(&keys, r, &authorization) != STOW_OK)
		return;
	expected(r, hex);
	REQUIRE(text_ends(buf_text(&authorization), hex));
	REQUIRE(text_starts(buf_text(&authorization), "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"
	                                              "20130524/us-east-1/s3/aws4_request,"
	                                              "SignedHeaders="));
	REQUIRE(!strstr(buf_text(&authorization), keys.secretkey) ||
	        strstr(buf_text(&canonical), keys.secretkey));
}

static void check_query_form(const char *path, const struct sign_pair *pairs, size_t n)
{
	struct sign_pair host = { "host", "bucket.example" };
	struct buf cleanup_buf query = { 0 };
	struct sign_request r = { .method = "GET",
		                  .path = path,
		                  .headers = &host,
		                  .n_headers = 1,
		                  .payload = SIGN_UNSIGNED };
	cleanup_free char *unsigned_query = NULL;
	char *mark, hex[65];

	buf_init(&query, ROOM);
	if (sign_presign(&keys, "GET", host.value, path, pairs, n, 600, &query) != STOW_OK)
		return;
	unsigned_query = strdup(buf_text(&query));
	REQUIRE(unsigned_query);
	mark = strstr(unsigned_query, "&X-Amz-Signature=");
	while (mark && strstr(mark + 1, "&X-Amz-Signature="))
		mark = strstr(mark + 1, "&X-Amz-Signature=");
	REQUIRE(mark);
	*mark = '\0';
	r.query = unsigned_query;
	expected(&r, hex);
	REQUIRE(strcmp(mark + strlen("&X-Amz-Signature="), hex) == 0);
}

static int compare_names(const void *a, const void *b)
{
	const struct sign_pair *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup_free char *text = fuzz_text(data, len), *path = NULL;
	char *rest = text, *method = fuzz_line(&rest), *key = fuzz_line(&rest);
	struct sign_pair pairs[SIGN_HEADERS_MAX];
	struct buf cleanup_buf query = { 0 };
	size_t n = 0, path_len = text_percent_encode(NULL, 0, key, true);

	while (*rest && n < SIGN_HEADERS_MAX) {
		char *name = fuzz_line(&rest), *value = strchr(name, '=');

		if (value)
			*value++ = '\0';
		pairs[n++] = (struct sign_pair){ name, value ? value : "" };
	}
	path = malloc(path_len + 2);
	REQUIRE(path);
	path[0] = '/';
	text_percent_encode(path + 1, path_len + 1, key, true);
	buf_init(&query, ROOM);
	check_query(pairs, n);
	check_query_form(path, pairs, n);
	if (sign_query(pairs, n, &query) != STOW_OK)
		return 0;
	qsort(pairs, n, sizeof(pairs[0]), compare_names);
	check_header_form(&(struct sign_request){ .method = method,
	                                          .path = path,
	                                          .query = buf_text(&query),
	                                          .headers = pairs,
	                                          .n_headers = n,
	                                          .payload = SIGN_UNSIGNED });
	return 0;
}
