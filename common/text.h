/* SPDX-License-Identifier: Apache-2.0 */
/* Small work on text: bounded copies, numbers, encodings, dates. No locale, no allocation. */
#ifndef COMMON_TEXT_H
#define COMMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Copies with NUL; false, and dst cut, where it does not fit. cap is at least 1. */
bool text_copy(char *dst, size_t cap, const char *src);
/* Copies with NUL; where it does not fit "..." stands for its middle. cap is at least 4. */
void text_shorten(char *dst, size_t cap, const char *src);
/* snprintf that says whether all fitted. */
bool text_format(char *dst, size_t cap, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
bool text_starts(const char *s, const char *prefix);
bool text_ends(const char *s, const char *suffix);
/* ASCII only. */
bool text_equal_nocase(const char *a, const char *b);

/* Bytes of the UTF-8 character at s, of which len bytes are there; 0 if it is none (RFC 3629), or
 * len is 0. */
size_t text_utf8_length(const char *s, size_t len);

/* Decimal digits only, the whole text, no sign, no space; false on overflow or anything else. */
bool text_to_int64(const char *s, int64_t *ret);
/* Likewise of the first len bytes. */
bool text_to_int64_n(const char *s, size_t len, int64_t *ret);

/* dst takes 2 * len + 1 bytes. */
void text_hex(char *dst, const void *data, size_t len);
/* Lower and upper case; len is of s and even; dst takes len / 2. */
bool text_unhex(void *dst, const char *s, size_t len);

/* RFC 4648. Sizes: TEXT_BASE64_LEN bytes and a NUL. The url form has no padding. */
#define TEXT_BASE64_LEN(n) (((n) + 2) / 3 * 4)
void text_base64(char *dst, const void *data, size_t len);
void text_base64url(char *dst, const void *data, size_t len);
/* Takes the url alphabet without padding and nothing else; returns the length, -1 if it is
 * malformed (unused bits set, too) or over cap. */
ssize_t text_unbase64url(void *dst, size_t cap, const char *s, size_t len);

/* Percent-encodes all but A-Z a-z 0-9 - . _ ~ and, if keep_slash, '/'. Returns the length it
 * has or would need, without the NUL; cut where cap is smaller. */
size_t text_percent_encode(char *dst, size_t cap, const char *s, bool keep_slash);
/* Decodes in place what lies in s; false on a broken escape or %00. '+' stays. */
bool text_percent_decode(char *s);

/* Edits (insert, delete, replace, swap) between two short words; for "did you mean". */
size_t text_distance(const char *a, const char *b);

/* RFC 9110 §5.6.7, "Sun, 06 Nov 1994 08:49:37 GMT"; -1 if it is not one. Seconds since 1970. */
int64_t text_http_date(const char *s);
/* RFC 3339 in UTC, "2009-10-12T17:50:30.000Z", fraction optional; nanoseconds; -1 if not one. */
int64_t text_rfc3339(const char *s);
/* dst takes 21: "2026-11-25T07:29:39Z". */
void text_format_rfc3339(char *dst, int64_t seconds);
/* Civil UTC from seconds since 1970. */
struct text_utc {
	int year, month, day, hour, minute, second, weekday; /* month 1-12, weekday 0 = Sunday */
};
struct text_utc text_utc(int64_t seconds);

#endif
