/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the patterns of immutable tags.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/buf.h"
#include "plugin/immutable.h"

static bool is_immutable(const char *list, const char *name, const char *tag)
{
	struct immutable immutable = { 0 };
	bool ret;

	assert_int_equal(immutable_init(&immutable, list, NULL), STOW_OK);
	ret = immutable_tag(&immutable, name, tag);
	if (ret)
		assert_true(immutable_any(&immutable, name));
	immutable_done(&immutable);
	return ret;
}

static void matches(void **state)
{
	(void)state;
	assert_false(is_immutable(NULL, "a", "v1"));
	assert_false(is_immutable("", "a", "v1"));
	assert_false(is_immutable(" ,, ", "a", "v1"));
	assert_true(is_immutable("*", "a/b/c", "v1"));
	assert_true(is_immutable("v1", "a", "v1"));
	assert_false(is_immutable("v1", "a", "v10"));
	assert_false(is_immutable("v1", "a", "V1"));
	assert_true(is_immutable("V?.*", "a", "V1.0-rc_1"));
	assert_true(is_immutable("latest,\n\tv*\r\n", "a", "v1"));
	assert_true(is_immutable("a:v*", "a", "v1"));
	assert_false(is_immutable("a:v*", "b", "v1"));
	assert_false(is_immutable("a/*:v*", "a/b/c", "v1"));
	assert_true(is_immutable("a/**:v*", "a/b/c", "v1"));
	assert_true(is_immutable("a/**:v*", "a", "v1"));
	assert_false(is_immutable("a/**:v*", "ab", "v1"));
	assert_true(is_immutable("x:y a/**:v* z", "a/b", "v1"));
}

static void of_a_repository(void **state)
{
	struct immutable immutable = { 0 };

	(void)state;
	assert_int_equal(immutable_init(&immutable, "team/*:v*", NULL), STOW_OK);
	assert_true(immutable_any(&immutable, "team/a"));
	assert_false(immutable_any(&immutable, "other"));
	immutable_done(&immutable);
	assert_false(immutable_any(&immutable, "team/a"));
	immutable_done(&immutable);
}

/* One that can match nothing is told, with its text. */
static void mistakes(void **state)
{
	static const char *const bad[] = { "v1,:v2", "a/b",  "a:",    "A:v1",      "v[0-9]",
		                           "a:b:c",  "^v.+", "v1;v2", "team/x:v$", "\xc3\xa4" };
	struct immutable immutable = { 0 };
	struct stow_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (immutable_init(&immutable, bad[i], &err) != STOW_EINVAL)
			fail_msg("%s was taken", bad[i]);
		assert_non_null(strstr(err.message, "[manifests] immutable_tags"));
		assert_null(immutable.rules);
	}
}

static void bounds(void **state)
{
	struct immutable immutable = { 0 };
	struct buf text;

	(void)state;
	buf_init(&text, 1 << 16);
	for (int i = 0; i < IMMUTABLE_MAX; i++)
		buf_addf(&text, "t%d ", i);
	assert_int_equal(buf_status(&text), STOW_OK);
	assert_true(is_immutable(buf_text(&text), "a", "t999"));
	buf_adds(&text, "more");
	assert_int_equal(immutable_init(&immutable, buf_text(&text), NULL), STOW_EINVAL);
	buf_done(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches),
		cmocka_unit_test(of_a_repository),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
