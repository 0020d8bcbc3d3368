/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bounded copies, numbers, encodings and dates.
 * Knows no locale and allocates nothing.
 */
#include "common/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool text_copy(char *dst, size_t cap, const char *src)
{
	size_t len = strlen(src);
	size_t n = len < cap ? len : cap - 1;

	memcpy(dst, src, n);
	dst[n] = 0;
	return n == len;
}

void text_shorten(char *dst, size_t cap, const char *src)
{
	size_t len = strlen(src), end = (cap - 4) / 2, start = cap - 4 - end;

	if (text_copy(dst, cap, src))
		return;
	text_format(dst + start, cap - start, "...%s", src + len - end);
}

bool text_format(char *dst, size_t cap, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(dst, cap, fmt, ap);
	va_end(ap);
	return n >= 0 && (size_t)n < cap;
}

bool text_starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool text_ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool text_equal_nocase(const char *a, const char *b)
{
	for (; *a && lower(*a) == lower(*b); a++, b++)
		;
	return lower(*a) == lower(*b);
}

size_t text_utf8_length(const char *s, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const unsigned char *u = (const unsigned char *)s;

	if (len == 0)
		return 0;
	if (u[0] < 0x80)
		return 1;
	size_t n = u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : 2;
	if (u[0] < 0xc2 || u[0] > 0xf4 || n > len)
		return 0;
	uint32_t c = u[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3fu);
	}
	return c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : n;
}

bool text_to_int64_n(const char *s, size_t len, int64_t *ret)
{
	int64_t v = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, s[i] - '0', &v))
			return false;
	}
	*ret = v;
	return true;
}

bool text_to_int64(const char *s, int64_t *ret)
{
	return text_to_int64_n(s, strlen(s), ret);
}

void text_hex(char *dst, const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++) {
		*dst++ = digits[p[i] >> 4];
		*dst++ = digits[p[i] & 15];
	}
	*dst = 0;
}

static int unhex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool text_unhex(void *dst, const char *s, size_t len)
{
	uint8_t *p = dst;

	if (len % 2)
		return false;
	for (size_t i = 0; i < len; i += 2) {
		int hi = unhex_digit(s[i]), lo = unhex_digit(s[i + 1]);

		if (hi < 0 || lo < 0)
			return false;
		*p++ = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

static const char standard_alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void base64(char *dst, const uint8_t *p, size_t len, const char *alphabet, bool pad)
{
	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t v = (uint32_t)p[i] << 16;

		if (n > 1)
			v |= (uint32_t)p[i + 1] << 8;
		if (n > 2)
			v |= p[i + 2];
		for (size_t j = 0; j < 4; j++) {
			if (j <= n)
				*dst++ = alphabet[v >> (18 - 6 * j) & 63];
			else if (pad)
				*dst++ = '=';
		}
	}
	*dst = 0;
}

void text_base64(char *dst, const void *data, size_t len)
{
	base64(dst, data, len, standard_alphabet, true);
}

void text_base64url(char *dst, const void *data, size_t len)
{
	base64(dst, data, len, url_alphabet, false);
}

static int unbase64url_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

ssize_t text_unbase64url(void *dst, size_t cap, const char *s, size_t len)
{
	uint8_t *p = dst;
	size_t n = 0;
	uint32_t v = 0;
	unsigned int bits = 0;

	if (len % 4 == 1)
		return -1;
	for (size_t i = 0; i < len; i++) {
		int digit = unbase64url_digit(s[i]);

		if (digit < 0)
			return -1;
		v = v << 6 | (uint32_t)digit;
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			if (n == cap)
				return -1;
			p[n++] = (uint8_t)(v >> bits);
			v &= (1u << bits) - 1;
		}
	}
	return v == 0 ? (ssize_t)n : -1;
}

static bool unreserved(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '.' || c == '_' || c == '~';
}

size_t text_percent_encode(char *dst, size_t cap, const char *s, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";
	size_t n = 0;

	for (; *s; s++) {
		char form[3] = { *s, 0, 0 };
		size_t len = 1;

		if (!unreserved(*s) && !(keep_slash && *s == '/')) {
			form[0] = '%';
			form[1] = digits[(unsigned char)*s >> 4];
			form[2] = digits[(unsigned char)*s & 15];
			len = 3;
		}
		/* an escape is cut whole, so that what fits stays well-formed */
		if (n + len < cap)
			memcpy(dst + n, form, len);
		else if (n < cap)
			dst[n] = 0;
		n += len;
	}
	if (n < cap)
		dst[n] = 0;
	return n;
}

bool text_percent_decode(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (*s != '%') {
			*out++ = *s;
			continue;
		}
		int hi = unhex_digit(s[1]);
		int lo = hi < 0 ? -1 : unhex_digit(s[2]);

		if (lo < 0 || (hi == 0 && lo == 0))
			return false;
		*out++ = (char)(hi << 4 | lo);
		s += 2;
	}
	*out = 0;
	return true;
}

size_t text_distance(const char *a, const char *b)
{
	enum { MOST = 64 };
	size_t n = strlen(a), m = strlen(b);
	size_t rows[3][MOST + 1];

	if (n > MOST || m > MOST)
		return n > m ? n : m;
	size_t *before = rows[0], *last = rows[1], *row = rows[2];
	for (size_t j = 0; j <= m; j++)
		last[j] = before[j] = j;
	for (size_t i = 1; i <= n; i++) {
		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = last[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));

			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		size_t *spare = before;
		before = last;
		last = row;
		row = spare;
	}
	return last[m];
}

/* Days since 1970-01-01 of a civil date; Hinnant's era arithmetic, years from March. */
static int64_t days_of_civil(int64_t y, int m, int d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + doe - 719468;
}

struct text_utc text_utc(int64_t seconds)
{
	int64_t days = seconds / 86400, left = seconds % 86400;

	if (left < 0) {
		left += 86400;
		days--;
	}
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	int month = (int)(mp < 10 ? mp + 3 : mp - 9);

	return (struct text_utc){
		.year = (int)(yoe + era * 400 + (month <= 2)),
		.month = month,
		.day = (int)(doy - (153 * mp + 2) / 5 + 1),
		.hour = (int)(left / 3600),
		.minute = (int)(left / 60 % 60),
		.second = (int)(left % 60),
		.weekday = (int)(((days + 4) % 7 + 7) % 7),
	};
}

/* Reads len digits at s. */
static bool digits(const char *s, size_t len, int *ret)
{
	int64_t v;

	if (strnlen(s, len) < len || !text_to_int64_n(s, len, &v))
		return false;
	*ret = (int)v;
	return true;
}

static int64_t seconds_of(int year, int month, int day, int hour, int minute, int second)
{
	if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 ||
	    second > 60)
		return -1;
	int64_t days = days_of_civil(year, month, day);
	return days < 0 ? -1 : days * 86400 + hour * 3600 + minute * 60 + second;
}

int64_t text_http_date(const char *s)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int day, year, hour, minute, second, month = 0;

	if (strlen(s) != 29 || s[3] != ',' || s[4] != ' ' || strcmp(s + 25, " GMT") != 0)
		return -1;
	for (int i = 0; i < 12; i++)
		if (!memcmp(names + 3 * i, s + 8, 3))
			month = i + 1;
	if (!digits(s + 5, 2, &day) || !digits(s + 12, 4, &year) || !digits(s + 17, 2, &hour) ||
	    !digits(s + 20, 2, &minute) || !digits(s + 23, 2, &second) || s[7] != ' ' ||
	    s[11] != ' ' || s[16] != ' ' || s[19] != ':' || s[22] != ':')
		return -1;
	return seconds_of(year, month, day, hour, minute, second);
}

int64_t text_rfc3339(const char *s)
{
	int year, month, day, hour, minute, second;
	int64_t ns = 0, scale = 100000000;

	if (strlen(s) < 20 || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' ||
	    s[16] != ':' || !digits(s, 4, &year) || !digits(s + 5, 2, &month) ||
	    !digits(s + 8, 2, &day) || !digits(s + 11, 2, &hour) || !digits(s + 14, 2, &minute) ||
	    !digits(s + 17, 2, &second))
		return -1;
	const char *p = s + 19;
	if (*p == '.') {
		p++;
		if (*p < '0' || *p > '9')
			return -1;
		for (; *p >= '0' && *p <= '9'; p++, scale /= 10)
			ns += (*p - '0') * scale;
	}
	if (strcmp(p, "Z") != 0)
		return -1;
	int64_t seconds = seconds_of(year, month, day, hour, minute, second);
	if (seconds < 0 || __builtin_mul_overflow(seconds, INT64_C(1000000000), &seconds) ||
	    __builtin_add_overflow(seconds, ns, &seconds))
		return -1;
	return seconds;
}

void text_format_rfc3339(char *dst, int64_t seconds)
{
	struct text_utc t = text_utc(seconds);

	text_format(dst, 21, "%04d-%02d-%02dT%02d:%02d:%02dZ", t.year, t.month, t.day, t.hour,
	            t.minute, t.second);
}
