/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of driver/s3/xml: whole answers are walked, everything else is refused.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stowage/types.h>

#include "driver/s3/xml.h"

static struct xml *parse(const char *text)
{
	return xml_parse(text, strlen(text));
}

static void walks(void **state)
{
	struct xml *x = parse(" \n<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	                      "<R xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n"
	                      " <K>a&amp;b &#x9;<![CDATA[<c>]]></K><O/><K>2</K>\n"
	                      "<ETag>&quot;e&quot;</ETag></R>\n");
	const struct xml_node *root, *k;
	char text[16], small[3];

	(void)state;
	assert_non_null(x);
	assert_null(xml_root(x, "Error"));
	root = xml_root(x, "R");
	assert_non_null(root);
	k = xml_child(root, "K");
	assert_non_null(k);
	assert_true(xml_text(root, "K", text, sizeof(text)));
	assert_string_equal(text, "a&b \t<c>");
	assert_true(xml_text(root, "ETag", text, sizeof(text)));
	assert_string_equal(text, "\"e\"");
	assert_true(xml_text(root, "O", text, sizeof(text)));
	assert_string_equal(text, "");
	assert_false(xml_text(root, "K", small, sizeof(small)));
	assert_string_equal(small, "");
	assert_false(xml_text(root, "N", text, sizeof(text)));
	assert_true(xml_is(xml_after(k), "O"));
	k = xml_next(k, "K");
	assert_non_null(k);
	assert_null(xml_next(k, "K"));
	assert_ptr_equal(xml_first(root), xml_child(root, "K"));
	xml_free(x);
}

static void refuses(void **state)
{
	static const char *const texts[] = {
		"",
		"   ",
		"x",
		"<R>",
		"<R><K></R>",
		"<R/><R/>",
		"<R>&unknown;</R>",
		"<!DOCTYPE R [<!ENTITY a \"b\">]><R>&a;</R>",
		"<?xml version=\"1.0\"?><!DOCTYPE R SYSTEM \"file:///etc/passwd\"><R/>",
		"<R>\x01</R>",
		"<R>\xff\xfe</R>",
		"{\"json\":1}",
		"<html><body>502 Bad Gateway<br></body></html>",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_null(parse(texts[i]));
}

static void deep(void **state)
{
	const size_t depth = 100000;
	char *text = malloc(depth * 7 + 1), *p = text;

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < depth; i++, p += 3)
		memcpy(p, "<a>", 3);
	for (size_t i = 0; i < depth; i++, p += 4)
		memcpy(p, "</a>", 4);
	assert_null(xml_parse(text, depth * 7));
	free(text);
}

static void escapes(void **state)
{
	struct buf to;

	(void)state;
	buf_init(&to, 256);
	assert_true(xml_escape(&to, "a&<>\"'\t\xc3\xa9"));
	assert_string_equal(buf_text(&to), "a&amp;&lt;&gt;&quot;'&#9;\xc3\xa9");
	assert_false(xml_escape(&to, "\x01"));
	assert_false(xml_escape(&to, "\xff"));
	buf_done(&to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walks),
		cmocka_unit_test(refuses),
		cmocka_unit_test(deep),
		cmocka_unit_test(escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
