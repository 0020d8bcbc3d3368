/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json-write.h over jansson's values.
 * It must not sort, leave out or add anything.
 */
#include "plugin/json-write.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

#define DIGITS_MAX 17 /* that tell any two doubles apart */

struct form {
	const char *indent;
	size_t indent_len;
};

static void write_string(struct buf *ret, const char *text, size_t len)
{
	static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";

	buf_addc(ret, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		const char *known = c ? strchr(plain, c) : NULL;

		if (known) {
			buf_addc(ret, '\\');
			buf_addc(ret, letters[known - plain]);
		} else if (c < 0x20 || c == '<' || c == '>' || c == '&') {
			buf_addf(ret, "\\u%04x", (unsigned int)c);
		} else if (len - i > 2 && memcmp(text + i, "\xe2\x80", 2) == 0 &&
		           (text[i + 2] == '\xa8' || text[i + 2] == '\xa9')) {
			buf_adds(ret, text[i + 2] == '\xa8' ? "\\u2028" : "\\u2029");
			i += 2;
		} else {
			buf_addc(ret, (char)c);
		}
	}
	buf_addc(ret, '"');
}

/* The fewest digits that mean the same number, without the exponent that is returned. */
static int shortest(double value, char digits[DIGITS_MAX + 1])
{
	char text[DIGITS_MAX + 16] = "";
	const char *exponent;
	size_t n = 0;

	for (int more = 0; more < DIGITS_MAX; more++) {
		(void)text_format(text, sizeof(text), "%.*e", more, value);
		if (strtod(text, NULL) == value)
			break;
	}
	exponent = strchr(text, 'e');
	for (const char *p = text; p < exponent && n < DIGITS_MAX; p++) {
		if (*p >= '0' && *p <= '9')
			digits[n++] = *p;
	}
	digits[n] = '\0';
	return exponent ? (int)strtol(exponent + 1, NULL, 10) : 0;
}

static void write_real(struct buf *ret, double value)
{
	char digits[DIGITS_MAX + 1];
	int exponent = shortest(value < 0 ? -value : value, digits);
	int n = (int)strlen(digits), whole;

	if (value < 0)
		buf_addc(ret, '-');
	if (exponent < -6 || exponent >= 21) {
		buf_addf(ret, "%c%s%se%+d", digits[0], n > 1 ? "." : "", digits + 1, exponent);
		return;
	}
	if (exponent < 0) {
		buf_addf(ret, "0.%.*s%s", -exponent - 1, "00000", digits);
		return;
	}
	whole = exponent + 1 < n ? exponent + 1 : n;
	buf_add(ret, digits, (size_t)whole);
	for (int i = n; i <= exponent; i++)
		buf_addc(ret, '0');
	if (whole < n)
		buf_addf(ret, ".%s", digits + whole);
}

static void new_line(struct buf *ret, const struct form *form, int depth)
{
	if (form->indent_len == 0)
		return;
	buf_addc(ret, '\n');
	for (int i = 0; i <= depth; i++)
		buf_add(ret, form->indent, form->indent_len);
}

static void write_value(struct buf *ret, json_t *value, const struct form *form, int depth);

static void write_object(struct buf *ret, json_t *object, const struct form *form, int depth)
{
	buf_addc(ret, '{');
	for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i)) {
		const char *key = json_object_iter_key(i);

		if (i != json_object_iter(object))
			buf_addc(ret, ',');
		new_line(ret, form, depth + 1);
		write_string(ret, key, strlen(key));
		buf_adds(ret, form->indent_len ? ": " : ":");
		write_value(ret, json_object_iter_value(i), form, depth + 1);
	}
	if (json_object_size(object) > 0)
		new_line(ret, form, depth);
	buf_addc(ret, '}');
}

static void write_array(struct buf *ret, json_t *array, const struct form *form, int depth)
{
	buf_addc(ret, '[');
	for (size_t i = 0; i < json_array_size(array); i++) {
		if (i > 0)
			buf_addc(ret, ',');
		new_line(ret, form, depth + 1);
		write_value(ret, json_array_get(array, i), form, depth + 1);
	}
	if (json_array_size(array) > 0)
		new_line(ret, form, depth);
	buf_addc(ret, ']');
}

static void write_value(struct buf *ret, json_t *value, const struct form *form, int depth)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		write_object(ret, value, form, depth);
		break;
	case JSON_ARRAY:
		write_array(ret, value, form, depth);
		break;
	case JSON_STRING:
		write_string(ret, json_string_value(value), json_string_length(value));
		break;
	case JSON_INTEGER:
		buf_addf(ret, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		write_real(ret, json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		buf_adds(ret, json_is_true(value) ? "true" : "false");
		break;
	case JSON_NULL:
	default:
		buf_adds(ret, "null");
		break;
	}
}

void json_write(struct buf *ret, struct json_t *value, const char *indent, size_t indent_len)
{
	const struct form form = { indent, indent_len };

	write_value(ret, value, &form, 0);
}
