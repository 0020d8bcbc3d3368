/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a head as the library shows it?  libmicrohttpd 0.9 adds a folded line to the name of the header
 * before it ("Content-Le: 5", " ngth") and cuts a value or a target at a NUL: another server in front
 * sees other headers, and so another request.  Version 1.0 refuses both.
 *
 * It promises to notice each, by where names and values lie: the library leaves them where they came,
 * in one piece of memory, with its line's end overwritten by zeros.  It reads only between the
 * beginning and the end that it is given, and must not know the library's types.
 */
#ifndef SERVE_HEAD_H
#define SERVE_HEAD_H

#include <stdbool.h>
#include <stddef.h>

struct head {
	const char *at;  /* the zero that ends what has been seen */
	const char *end; /* behind the empty line */
	bool odd;
};

/* Where the target lies and how long it came, and the version behind it; the head ends at end. */
void head_begin(struct head *, const char *target, size_t target_len, const char *version,
                const char *end);
/* The next header, in the order in which they came; value may be NULL. */
void head_line(struct head *, const char *name, const char *value);
/* After the last one: was there nothing but these? */
bool head_is_whole(const struct head *);

#endif
