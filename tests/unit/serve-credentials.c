/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of host/serve/credentials and challenge: headers in, headers out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "host/serve/challenge.h"
#include "host/serve/credentials.h"

static void basic(const char *header, const char *user, const char *password)
{
	struct credentials c;

	credentials_parse(header, &c);
	assert_int_equal(c.kind, CREDENTIALS_BASIC);
	assert_string_equal(c.user, user);
	assert_string_equal(c.password, password);
	assert_null(c.token);
	credentials_done(&c);
	assert_null(c.memory);
}

static void names_and_passwords(void **state)
{
	(void)state;
	basic("Basic YWxpY2U6d29uZGVyIGxhbmQ=", "alice", "wonder land");
	basic("bAsIc   YWxpY2U6d29uZGVyIGxhbmQ=", "alice", "wonder land");
	basic("Basic YTpiOmM=", "a", "b:c");
	basic("Basic Og==", "", "");
	basic("Basic YTo=", "a", "");
	basic("Basic OmI=", "", "b");
	basic("Basic em/DqzpncsO2w59l", "zo\xc3\xab",
	      "gr\xc3\xb6\xc3\x9f"
	      "e");
}

static void tokens(void **state)
{
	struct credentials c;

	(void)state;
	credentials_parse("Bearer abc.DEF-_~+/==", &c);
	assert_int_equal(c.kind, CREDENTIALS_BEARER);
	assert_string_equal(c.token, "abc.DEF-_~+/==");
	credentials_done(&c);
	credentials_parse("BEARER  x", &c);
	assert_int_equal(c.kind, CREDENTIALS_BEARER);
	credentials_done(&c);
}

static void what_is_neither(void **state)
{
	static const char *const bad[] = {
		"",
		"Basic",
		"Basic ",
		"Basic\tYTpi",
		"Basic YTpi YTpi",
		"Basic YTpi,",
		"Basic YQ==",
		"Basic YTp",
		"Basic YTpi=",
		"Basic YT=pi",
		"Basic ===",
		"Basic YTp?",
		"Basic YQA6Yg==",
		"Basic YTpiCg==",
		"Basic YTr/",
		"Bearer",
		"Bearer ",
		"Bearer a b",
		"Bearer =",
		"Bearer a=b",
		"Bearer \xc3\xa4",
		"Digest abc",
		"BasicYTpi",
		"Bearerx y",
	};
	char *longest = malloc(200000);
	struct credentials c;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		credentials_parse(bad[i], &c);
		assert_int_equal(c.kind, CREDENTIALS_BAD);
		credentials_done(&c);
	}
	assert_non_null(longest);
	memset(longest, 'A', 199999);
	longest[199999] = '\0';
	memcpy(longest, "Basic ", 6);
	credentials_parse(longest, &c);
	assert_int_equal(c.kind, CREDENTIALS_BAD);
	credentials_done(&c);
	memcpy(longest, "Bearer ", 7);
	credentials_parse(longest, &c);
	assert_int_equal(c.kind, CREDENTIALS_BAD);
	credentials_done(&c);
	free(longest);
	credentials_parse(NULL, &c);
	assert_int_equal(c.kind, CREDENTIALS_NONE);
	credentials_done(&c);
}

static void challenges(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	challenge_basic(&b, "a \"realm\" \\ of ours");
	assert_string_equal(buf_text(&b), "Basic realm=\"a \\\"realm\\\" \\\\ of ours\"");
	buf_reset(&b);
	challenge_bearer(&b, "https://auth.example.org/token", "registry.example.org",
	                 "repository:a/b:pull,push repository:c:pull", NULL);
	assert_string_equal(buf_text(&b), "Bearer realm=\"https://auth.example.org/token\","
	                                  "service=\"registry.example.org\","
	                                  "scope=\"repository:a/b:pull,push repository:c:pull\"");
	buf_reset(&b);
	challenge_bearer(&b, "r", "s", "", "invalid_token");
	assert_string_equal(buf_text(&b),
	                    "Bearer realm=\"r\",service=\"s\",error=\"invalid_token\"");
	buf_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_passwords),
		cmocka_unit_test(tokens),
		cmocka_unit_test(what_is_neither),
		cmocka_unit_test(challenges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
