/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of common/option: units, checks against a table, filling a struct. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/option.h"

static void sizes(void **state)
{
	int64_t v;

	(void)state;
	assert_true(option_size("8388608", &v) && v == 8388608);
	assert_true(option_size("8M", &v) && v == 8 << 20);
	assert_true(option_size("1.5g", &v) && v == 3 << 29);
	assert_true(option_size("10MiB", &v) && v == 10 << 20);
	assert_true(option_size("0", &v) && v == 0);
	static const char *const bad[] = { "",    "M",   "8X",     "-1",       "8 M",
		                           "1.M", ".5M", "1.5.5M", "9000000T", "0x10" };
	for (size_t i = 0; i < 10; i++)
		assert_false(option_size(bad[i], &v));
}

static void times_and_switches(void **state)
{
	int64_t v;
	bool b;

	(void)state;
	assert_true(option_time("30s", &v) && v == INT64_C(30000000000));
	assert_true(option_time("500ms", &v) && v == 500000000);
	assert_true(option_time("7d", &v) && v == INT64_C(604800000000000));
	assert_true(option_time("30", &v) && v == INT64_C(30000000000));
	assert_true(option_time("1.5m", &v) && v == INT64_C(90000000000));
	assert_false(option_time("30x", &v));
	assert_false(option_time("106752d", &v)); /* over 2^63 ns */
	assert_true(option_bool("Yes", &b) && b);
	assert_true(option_bool("off", &b) && !b);
	assert_false(option_bool("", &b));
	assert_false(option_bool("yess", &b));
}

struct target {
	char *bucket, *secret;
	int64_t chunk, wait;
	bool on;
};

static const struct stow_option table[] = {
	{ "bucket", STOW_OPTION_STRING, STOW_OPTION_REQUIRED, NULL, "the bucket's name" },
	{ "secret", STOW_OPTION_STRING, STOW_OPTION_SECRET, NULL, "the secret key" },
	{ "chunksize", STOW_OPTION_SIZE, 0, "8M", "bytes of a part" },
	{ "wait", STOW_OPTION_TIME, 0, "30s", "how long" },
	{ "on", STOW_OPTION_BOOL, 0, "yes", "whether" },
	{ 0 },
};
static const struct option_slot slots[] = {
	{ "bucket", offsetof(struct target, bucket) },
	{ "secret", offsetof(struct target, secret) },
	{ "chunksize", offsetof(struct target, chunk) },
	{ "wait", offsetof(struct target, wait) },
	{ "on", offsetof(struct target, on) },
	{ 0 },
};

static void loading(void **state)
{
	struct target t = { 0 };
	struct stow_error err;
	const struct stow_kv good[] = {
		{ "bucket", "b" }, { "bucket", "c" }, { "on", "no" }, { "secret", "x" }
	};

	(void)state;
	assert_int_equal(option_load(table, slots, good, 4, &t, "t", &err), STOW_OK);
	assert_string_equal(t.bucket, "c");
	assert_string_equal(t.secret, "x");
	assert_true(t.chunk == 8 << 20);
	assert_false(t.on);
	option_free(table, slots, &t);
	assert_null(t.bucket);
}

static void mistakes(void **state)
{
	struct target t = { 0 };
	struct stow_error err;
	const struct stow_kv unknown = { "chunksise", "1" }, wrong = { "chunksize", "8X" };
	const struct stow_kv empty = { "bucket", "" };

	(void)state;
	assert_int_equal(option_load(table, slots, &unknown, 1, &t, "t", &err), STOW_EINVAL);
	assert_string_equal(err.message,
	                    "there is no option \"chunksise\", did you mean \"chunksize\"?");
	assert_int_equal(option_load(table, slots, &wrong, 1, &t, "t", &err), STOW_EINVAL);
	assert_string_equal(err.message,
	                    "option chunksize: expected a size such as 8M, got \"8X\"");
	assert_int_equal(option_load(table, slots, &empty, 1, &t, "t", &err), STOW_EINVAL);
	assert_string_equal(err.message, "option bucket is required: the bucket's name");
	option_free(table, slots, &t);
	assert_null(option_nearest(table, "zzzzzz"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(times_and_switches),
		cmocka_unit_test(loading),
		cmocka_unit_test(mistakes),
	};

	return cmocka_run_group_tests_name("common option", tests, NULL, NULL);
}
