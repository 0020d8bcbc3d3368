/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header Forwarded (RFC 7239), element by element.  It promises to move on with each element
 * and to say where the header is not well-formed; the values it only unquotes: what is in them is
 * as hostile as before.  It must not know who may be believed.
 */
#ifndef SERVE_FORWARDED_H
#define SERVE_FORWARDED_H

#include <stdbool.h>

/* A longer value is taken for an empty one. */
#define FORWARDED_VALUE_MAX 512

/* What one proxy said; "" where it said nothing of it, or something too long. */
struct forwarded {
	char client[FORWARDED_VALUE_MAX]; /* the parameter "for" */
	char host[FORWARDED_VALUE_MAX];
	char proto[FORWARDED_VALUE_MAX];
};

enum forwarded_step {
	FORWARDED_ELEMENT, /* *ret is the next element */
	FORWARDED_END,
	FORWARDED_BROKEN /* *ret says nothing, and nothing of the header should be believed */
};

/*
 * The next element at *cursor, which begins at the header's value.  A parameter twice in one
 * element is broken (section 4); blanks around ";" and values that a token could not hold ("host=a:5000"
 * without quotes) are taken, since proxies send them.
 */
enum forwarded_step forwarded_next(const char **cursor, struct forwarded *ret);

#endif
