/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers that every answer has because the configuration says so.  It promises that they cannot
 * change where an answer begins or ends, nor what it says of its content; it knows no answers.
 */
#ifndef SERVE_HEADERS_H
#define SERVE_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stowage/types.h>

/* Bytes of all of them: an answer's head shares [http] maxheader with the request's. */
#define HEADERS_EXTRA_MAX 4096

struct headers {
	char *data; /* name NUL value NUL ..., NULL where there are none */
	size_t len;
};

/*
 * "Name: value", parted by line ends where there are any, else by ";" before what looks like a name
 * and a colon; so a value may have a ";" ("max-age=31536000; includeSubDomains").  NULL or "" are
 * none.  STOW_EINVAL with a line that begins with what, and ret is empty.
 */
int headers_parse(struct headers *ret, const char *what, const char *text, struct stow_error *);
/* Walks them; *cursor starts at 0. */
bool headers_next(const struct headers *, size_t *cursor, const char **ret_name,
                  const char **ret_value);
void headers_done(struct headers *);

#endif
