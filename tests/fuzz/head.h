/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's head in a fuzz target's input: lines of "Name: value" until its end.  It must not know
 * what the target asks for with it.
 */
#ifndef FUZZ_HEAD_H
#define FUZZ_HEAD_H

#include "host/serve/request.h"
#include "tests/fuzz/fuzz.h"

/* Cuts rest at each line's end; a line without a colon is a header without a value. */
static inline void fuzz_headers(struct request *r, char *rest)
{
	while (*rest) {
		char *name = fuzz_line(&rest), *value = strchr(name, ':');

		if (value)
			*value++ = '\0';
		while (value && *value == ' ')
			value++;
		REQUIRE(request_header(r, name, value));
	}
}

#endif
