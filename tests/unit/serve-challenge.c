/* SPDX-License-Identifier: Apache-2.0 */
/* WWW-Authenticate to the octet. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "host/serve/challenge.h"

#define REALM "https://auth.example.org/token"

static void expect_bearer(const char *want, const char *realm, const char *scope, const char *error)
{
	struct buf b = { 0 };

	buf_init(&b, 1000);
	challenge_bearer(&b, realm, "registry.example.org", scope, error);
	assert_string_equal(buf_text(&b), want);
	buf_done(&b);
}

static void expect_basic(const char *want, const char *realm)
{
	struct buf b = { 0 };

	buf_init(&b, 1000);
	challenge_basic(&b, realm);
	assert_string_equal(buf_text(&b), want);
	buf_done(&b);
}

static void bearer(void **state)
{
	(void)state;
	expect_bearer("Bearer realm=\"" REALM "\",service=\"registry.example.org\"", REALM, "",
	              NULL);
	expect_bearer("Bearer realm=\"" REALM "\",service=\"registry.example.org\","
	              "scope=\"repository:a/b:pull,push\"",
	              REALM, "repository:a/b:pull,push", NULL);
	expect_bearer("Bearer realm=\"" REALM "\",service=\"registry.example.org\","
	              "scope=\"repository:a/b:pull,push repository:c:pull\","
	              "error=\"insufficient_scope\"",
	              REALM, "repository:a/b:pull,push repository:c:pull", "insufficient_scope");
	expect_bearer("Bearer realm=\"" REALM "\",service=\"registry.example.org\","
	              "scope=\"registry:catalog:*\",error=\"invalid_token\"",
	              REALM, "registry:catalog:*", "invalid_token");
	expect_bearer("Bearer realm=\"" REALM "\",service=\"registry.example.org\","
	              "error=\"invalid_token\"",
	              REALM, "", "invalid_token");
}

/* Nothing ends a quoted string, or a line, but its end. */
static void quotes(void **state)
{
	(void)state;
	expect_basic("Basic realm=\"a registry\"", "a registry");
	expect_basic("Basic realm=\"\"", "");
	expect_basic("Basic realm=\"a \\\"b\\\" \\\\c\"", "a \"b\" \\c");
	expect_basic("Basic realm=\"a?X: b??\"", "a\nX: b\r\x7f");
	expect_basic("Basic realm=\"\xc3\xa9\"", "\xc3\xa9");
	expect_bearer("Bearer realm=\"x\\\",service=\\\"y\",service=\"registry.example.org\"",
	              "x\",service=\"y", "", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bearer),
		cmocka_unit_test(quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
