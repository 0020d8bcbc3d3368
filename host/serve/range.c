/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parsers of range.h.  They must not know what is served, nor touch anything but their text.
 */
#include "host/serve/range.h"

#include <stddef.h>

#include "common/text.h"

/* Digits at *p, which moves behind them; too many are INT64_MAX. false if there is none. */
static bool number(const char **p, int64_t *ret)
{
	const char *s = *p;
	int64_t value = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		int digit = *s - '0';

		if (value > (INT64_MAX - digit) / 10)
			value = INT64_MAX;
		else
			value = value * 10 + digit;
	}
	*p = s;
	*ret = value;
	return true;
}

static const char *skip_space(const char *p)
{
	while (*p == ' ' || *p == '\t')
		p++;
	return p;
}

struct range range_parse(const char *text)
{
	const struct range none = { RANGE_NONE, 0, 0 };
	struct range r = { RANGE_FROM, 0, -1 };
	const char *p;

	if (!text || strncasecmp(text, "bytes=", 6) != 0)
		return none;
	p = skip_space(text + 6);
	if (*p == '-') {
		r.kind = RANGE_SUFFIX;
		p++;
		if (!number(&p, &r.first))
			return none;
	} else {
		if (!number(&p, &r.first) || *p != '-')
			return none;
		p++;
		if (number(&p, &r.last) && r.last < r.first)
			r = (struct range){ RANGE_BACKWARD, 0, 0 };
	}
	return *skip_space(p) == '\0' ? r : none;
}

bool range_parse_chunk(const char *text, int64_t *ret_first, int64_t *ret_last)
{
	const char *dash = strchr(text, '-');
	int64_t first, last;

	if (!dash || !text_to_int64_n(text, (size_t)(dash - text), &first) ||
	    !text_to_int64(dash + 1, &last) || last < first || last == INT64_MAX)
		return false;
	*ret_first = first;
	*ret_last = last;
	return true;
}

bool range_none_match(const char *text, const char *digest)
{
	size_t len = strlen(digest);
	const char *p = text ? skip_space(text) : "";

	if (strcmp(p, "*") == 0)
		return true;
	while (*p) {
		const char *end;

		if (text_starts(p, "W/"))
			p += 2;
		if (*p == '"') {
			p++;
			end = strchr(p, '"');
			if (!end)
				return false;
			if ((size_t)(end - p) == len && memcmp(p, digest, len) == 0)
				return true;
			end++;
		} else {
			end = p + strcspn(p, ", \t");
			if ((size_t)(end - p) == len && memcmp(p, digest, len) == 0)
				return true;
		}
		p = end + strspn(end, ", \t");
		if (p == end && *p)
			return false;
	}
	return false;
}

bool range_if_range(const char *text, const char *digest)
{
	size_t len = strlen(digest);

	if (!text)
		return true;
	return strlen(text) == len + 2 && text[0] == '"' && text[len + 1] == '"' &&
	       memcmp(text + 1, digest, len) == 0;
}
