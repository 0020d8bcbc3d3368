/* SPDX-License-Identifier: Apache-2.0 */
/* pattern.h by two places to go back to. It must not know whose names these are. */
#include "common/pattern.h"

#include <string.h>

bool pattern_check(const char *pattern, size_t len)
{
	if (len == 0 || len > PATTERN_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)pattern[i];

		if (c <= ' ' || c == 0x7f)
			return false;
	}
	return true;
}

/* Where a star stands, and how much of the name it has taken so far. */
struct star {
	const char *after; /* of the pattern; NULL: there was none yet */
	const char *taken; /* of the name */
};

/* Gives the star one character more; false where it may not have it. */
static bool give(struct star *s, bool any, const char **p, const char **n)
{
	if (!s->after || !*s->taken || (!any && *s->taken == '/'))
		return false;
	*n = ++s->taken;
	*p = s->after;
	return true;
}

/*
 * A star that takes too little is given more; one behind it begins anew then.  It is enough to go
 * back to the last of each kind: what an earlier one could take, the later one can, but that * stops
 * at a slash, and then only a ** before it can help.
 */
static bool match(const char *pattern, const char *end, const char *name)
{
	struct star one = { NULL, NULL }, all = { NULL, NULL };
	const char *p = pattern, *n = name;

	for (;;) {
		if (end - p >= 2 && p[0] == '*' && p[1] == '*') {
			/* of components, it may stand for none: then its slash goes, too */
			bool whole = (p == pattern || p[-1] == '/') && end - p > 2 && p[2] == '/';

			all = (struct star){ p + 2, n };
			p += whole ? 3 : 2;
			one = (struct star){ NULL, NULL };
			continue;
		}
		if (p < end && *p == '*') {
			one = (struct star){ ++p, n };
			continue;
		}
		if (p == end && !*n)
			return true;
		if (p < end && *n && (*p == *n || (*p == '?' && *n != '/'))) {
			p++;
			n++;
			continue;
		}
		if (give(&one, false, &p, &n))
			continue;
		one = (struct star){ NULL, NULL };
		if (!give(&all, true, &p, &n))
			return false;
	}
}

bool pattern_match(const char *pattern, size_t len, const char *name)
{
	const char *end = pattern + len;

	if (match(pattern, end, name))
		return true;
	/* what is below a includes a */
	return len >= 3 && memcmp(end - 3, "/**", 3) == 0 && match(pattern, end - 3, name);
}
