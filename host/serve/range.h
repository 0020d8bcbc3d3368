/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ranges and entity tags as text: Range and Content-Range as registries use them, If-None-Match,
 * If-Range.  No overflow whatever the digits; no knowledge of blobs.
 */
#ifndef SERVE_RANGE_H
#define SERVE_RANGE_H

#include <stdbool.h>
#include <stdint.h>

enum range_kind {
	RANGE_NONE = 0, /* absent, malformed, another unit, or several: the whole is the answer */
	RANGE_FROM,     /* first to last; last -1 is to the end */
	RANGE_SUFFIX,   /* the last `first` bytes */
	RANGE_BACKWARD  /* ends before it begins: no byte is in it */
};
struct range {
	int kind; /* enum range_kind */
	int64_t first, last;
};
/* RFC 9110 §14.2. text may be NULL. A number too big for an int64_t counts as the biggest. */
struct range range_parse(const char *text);

/* "<first>-<last>" of an upload's chunk, decimal digits only, last >= first. false if it is not
 * that. */
bool range_parse_chunk(const char *text, int64_t *ret_first, int64_t *ret_last);

/* Does an If-None-Match value name the digest? Lists, W/ and "*" are understood, and a digest
 * without quotes is, which some clients send. text may be NULL. */
bool range_none_match(const char *text, const char *digest);
/* May a Range be honoured under this If-Range value? NULL is yes. */
bool range_if_range(const char *text, const char *digest);

#endif
