/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed schema 1 manifests beyond their vectors (tests/schema1): cuts, flips, stored signatures that
 * are none, and the JSON that is written.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "plugin/json-write.h"
#include "plugin/schema1-text.h"
#include "plugin/schema1.h"

#define FOLDER "tests/vectors/schema1/"

static char *read_file(const char *name, size_t *ret_len)
{
	char path[500], *data = malloc(STOW_MANIFEST_MAX + 1);
	FILE *file;

	assert_non_null(data);
	assert_true(text_format(path, sizeof(path), FOLDER "%s", name));
	file = fopen(path, "rb");
	if (!file)
		fail_msg("%s is not there", path);
	*ret_len = fread(data, 1, STOW_MANIFEST_MAX, file);
	data[*ret_len] = '\0';
	fclose(file);
	return data;
}

/* Every cut of a good one is refused, and so is every byte turned over in its payload. */
static void cuts_and_flips(void **state)
{
	size_t len, step;
	char *data = read_file("manifests/ok-two-ec.json", &len);
	struct schema1 s;

	(void)state;
	for (size_t cut = 0; cut + 2 < len; cut += 1 + cut % 7) {
		assert_true(schema1_parse(&s, data, cut, NULL) != STOW_OK);
		schema1_done(&s);
	}
	for (size_t i = 0; i < 1370; i += step) {
		step = 1 + i % 11;
		data[i] ^= 1;
		assert_true(schema1_parse(&s, data, len, NULL) != STOW_OK);
		schema1_done(&s);
		data[i] ^= 1;
	}
	assert_int_equal(schema1_parse(&s, data, len, NULL), STOW_OK);
	assert_int_equal(s.n_signatures, 2);
	schema1_done(&s);
	assert_true(schema1_is_signed(data, len));
	assert_false(schema1_is_signed("{\"schemaVersion\":2}", 19));
	free(data);
}

/* Parses, writes, compares. */
static void check_written(const char *text, const char *indent, const char *want)
{
	json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL,
	                           NULL);
	struct buf ret = { 0 };

	assert_non_null(value);
	buf_init(&ret, 4096);
	json_write(&ret, value, indent, strlen(indent));
	assert_string_equal(buf_text(&ret), want);
	buf_done(&ret);
	json_decref(value);
}

/* As Go has them: json.Marshal and json.MarshalIndent. */
static void written_json(void **state)
{
	static const char *const numbers[][2] = {
		{ "0", "0" },
		{ "1", "1" },
		{ "-1.5", "-1.5" },
		{ "100", "100" },
		{ "0.000001", "0.000001" },
		{ "0.0000001", "1e-7" },
		{ "-0.00000012", "-1.2e-7" },
		{ "123456789", "123456789" },
		{ "12345678901234567890", "12345678901234567000" },
		{ "1e20", "100000000000000000000" },
		{ "1e21", "1e+21" },
		{ "123456789012345678901234567890", "1.2345678901234568e+29" },
		{ "0.1", "0.1" },
		{ "1e-300", "1e-300" },
		{ "1234.5678", "1234.5678" },
		{ "1.7976931348623157e308", "1.7976931348623157e+308" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		check_written(numbers[i][0], "", numbers[i][1]);
	check_written("\"a\\u0000\\u0007\\b\\f\\n\\r\\t\\\"\\\\/<&>\\u2028\\u2029\\u20acz\"", "",
	              "\"a\\u0000\\u0007\\b\\f\\n\\r\\t\\\"\\\\/"
	              "\\u003c\\u0026\\u003e\\u2028\\u2029\xe2\x82\xacz\"");
	check_written("{\"b\": [true, false, null, {}, []], \"a\": \"x\"}", "",
	              "{\"b\":[true,false,null,{},[]],\"a\":\"x\"}");
	check_written("{\"b\": [true, {}], \"a\": {\"c\": []}}", "  ",
	              "{\n    \"b\": [\n      true,\n      {}\n    ],\n    \"a\": {\n      "
	              "\"c\": []\n    }\n  }");
}

static int join(const char *payload, const char *const *stored, size_t n, struct buf *ret)
{
	struct buf texts[4] = { { 0 } };
	int status;

	for (size_t i = 0; i < n; i++) {
		buf_init(&texts[i], SCHEMA1_SIGNATURE_MAX);
		buf_adds(&texts[i], stored[i]);
	}
	buf_init(ret, 0);
	status = schema1_join(payload, strlen(payload), texts, n, ret, NULL);
	for (size_t i = 0; i < n; i++)
		buf_done(&texts[i]);
	return status;
}

/* What is no signature hides none that is; where none is left, that is said. */
static void stored_signatures_that_are_none(void **state)
{
	size_t len;
	char *good = read_file("signatures/ok-two-ec.0.json", &len);
	char *payload = read_file("payloads/ok-two-ec.bin", &len);
	const char *const junk[] = { "", "[]", "{\"header\":{}}", "{\"signature\":\"AA\"}" };
	const char *const mixed[] = { "null", good,
		                      "{\"header\":{\"jwk\":3},\"signature\":\"AA\","
		                      "\"protected\":\"e30\"}" };
	struct buf ret;
	struct schema1 s;

	(void)state;
	assert_int_equal(join(payload, junk, 4, &ret), STOW_ENOTFOUND);
	assert_int_equal(join("[]", junk, 4, &ret), STOW_ECORRUPT);
	assert_int_equal(join("", NULL, 0, &ret), STOW_ECORRUPT);
	assert_int_equal(join(payload, mixed, 3, &ret), STOW_OK);
	assert_int_equal(schema1_parse(&s, ret.data, ret.len, NULL), STOW_OK);
	assert_int_equal(s.n_signatures, 1);
	schema1_done(&s);
	buf_done(&ret);
	free(good);
	free(payload);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_json),
		cmocka_unit_test(stored_signatures_that_are_none),
		cmocka_unit_test(cuts_and_flips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
