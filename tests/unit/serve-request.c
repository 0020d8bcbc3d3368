/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's head: which headers are kept, which framing is refused, what of a target may be
 * logged.  It must not know the HTTP library.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "host/serve/request.h"

struct line {
	const char *name, *value;
};

/* The length of the body that up to two headers announce; -2 where they are refused. */
static int64_t framed(struct line one, struct line two)
{
	struct request r = { 0 };
	const char *why = NULL;
	int64_t length = -2;

	assert_true(request_header(&r, one.name, one.value));
	if (two.name)
		assert_true(request_header(&r, two.name, two.value));
	if (request_frame(&r, &why))
		length = r.length;
	else
		assert_non_null(why);
	request_done(&r);
	return length;
}

static const struct line none;

static void lengths(void **state)
{
	(void)state;
	assert_int_equal(framed((struct line){ "Host", "x" }, none), 0);
	assert_int_equal(framed((struct line){ "content-length", "5" }, none), 5);
	assert_int_equal(framed((struct line){ "Transfer-Encoding", "Chunked" }, none), -1);
	assert_int_equal(framed((struct line){ "Content-Length", "9223372036854775807" }, none),
	                 INT64_MAX);
}

static void what_two_servers_could_read_differently(void **state)
{
	const struct line length = { "Content-Length", "5" };
	static const struct line bad[] = {
		{ "Content-Length ", "5" },      { "Content-Length", "5, 5" },
		{ "Content-Length", "" },        { "Content-Length", NULL },
		{ "Content-Length", "+5" },      { "Content-Length", "9223372036854775808" },
		{ "Content\vLength", "5" },      { "Transfer-Encoding", "gzip" },
		{ "Transfer-Encoding ", "x" },   { "Transfer-Encoding", "chunked, chunked" },
		{ "Transfer-Encoding", "" },     { "", "x" },
		{ "A", "b\rContent-Length: 5" }, { "A\xc3\xa9", "b" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(framed(bad[i], none), -2);
		assert_int_equal(framed((struct line){ "Host", "x" }, bad[i]), -2);
	}
	assert_int_equal(framed(length, length), -2);
	assert_int_equal(framed(length, (struct line){ "Transfer-Encoding", "chunked" }), -2);
	assert_int_equal(framed((struct line){ "Host", "x" }, (struct line){ "host", "x" }), -2);
	assert_int_equal(framed(length, (struct line){ "X-Odd!#$%&'*+.^_`|~1", "\xff\t\x01" }), 5);
}

static void lines_of_one_list_are_joined(void **state)
{
	struct request r = { 0 };

	(void)state;
	assert_true(request_header(&r, "If-None-Match", "\"a\""));
	assert_true(request_header(&r, "if-none-match", "\"b\""));
	assert_true(request_header(&r, "Unknown", "c"));
	assert_string_equal(r.header[HEADER_IF_NONE_MATCH], "\"a\", \"b\"");
	assert_int_equal(r.header_times[HEADER_IF_NONE_MATCH], 2);
	request_done(&r);
}

static void states_are_not_logged(void **state)
{
	static const struct line cases[] = {
		{ "/v2/", "/v2/" },
		{ "/u?_state=abc", "/u?_state=***" },
		{ "/u?_state=abc&digest=d", "/u?_state=***&digest=d" },
		{ "/u?_state=a&x=y&_state=b", "/u?_state=***&x=y&_state=***" },
		{ "/u?_state=", "/u?_state=***" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct request r = { .target = strdup(cases[i].name) };
		char *text = request_loggable(&r);

		assert_non_null(text);
		assert_string_equal(text, cases[i].value);
		free(text);
		request_done(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths),
		cmocka_unit_test(what_two_servers_could_read_differently),
		cmocka_unit_test(lines_of_one_list_are_joined),
		cmocka_unit_test(states_are_not_logged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
