/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts brackets and separators outside of strings, in one pass.
 * It must not know what the text is for.
 */
#include "common/json-scan.h"

/* Steps to the quote that ends a string, or to the end. */
static const char *skip_string(const char *p, const char *end)
{
	while (p < end && *p != '"') {
		if (*p == '\\' && end - p > 1)
			p++;
		p++;
	}
	return p;
}

const char *json_scan(const void *data, size_t len, size_t depth_max, size_t values_max)
{
	const char *p = len ? data : "", *end = p + len;
	size_t depth = 0, values = 0;

	for (; p < end; p++) {
		switch (*p) {
		case '"':
			p = skip_string(p + 1, end);
			if (p == end)
				return NULL; /* cut: the parser says so */
			break;
		case '{':
		case '[':
			if (++depth > depth_max)
				return "nested too deep";
			values++;
			break;
		case '}':
		case ']':
			if (depth > 0)
				depth--;
			break;
		case ',':
			values++;
			break;
		default:
			break;
		}
		if (values > values_max)
			return "too many values";
	}
	return NULL;
}
