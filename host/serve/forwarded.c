/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parser of Forwarded.  It must not know hosts, schemes or addresses.
 */
#include "host/serve/forwarded.h"

#include <string.h>

#include "common/text.h"

static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
			    "!#$%&'*+-.^_`|~";

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

static void put(char *value, size_t *len, char c)
{
	/* one more than fits is remembered as such */
	if (*len < FORWARDED_VALUE_MAX)
		value[(*len)++] = c;
}

static void end(char *value, size_t len)
{
	value[len < FORWARDED_VALUE_MAX ? len : 0] = '\0';
}

/* quoted-string (RFC 9110, 5.6.4) behind its first quote; NULL if it does not end. */
static const char *take_quoted(const char *p, char *value)
{
	size_t len = 0;

	while (*p != '"') {
		if (*p == '\\')
			p++;
		if (*p == '\0')
			return NULL;
		put(value, &len, *p++);
	}
	end(value, len);
	return p + 1;
}

static const char *take_plain(const char *p, char *value)
{
	const char *from = p;
	size_t len = 0;

	while (*p > ' ' && *p < 0x7f && !strchr("\",;\\", *p))
		put(value, &len, *p++);
	end(value, len);
	return p > from ? p : NULL;
}

/* Where the value of this parameter goes; NULL for those that nobody asks for. */
static char *place(struct forwarded *f, const char *name, size_t len, unsigned *ret_bit)
{
	const struct {
		const char *name;
		char *value;
	} known[] = { { "for", f->client }, { "host", f->host }, { "proto", f->proto } };

	for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++) {
		*ret_bit = 1u << i;
		if (strlen(known[i].name) == len && strncasecmp(known[i].name, name, len) == 0)
			return known[i].value;
	}
	*ret_bit = 0;
	return NULL;
}

/* forwarded-pair = token "=" ( token / quoted-string ); NULL where it is none. */
static const char *take_pair(const char *p, struct forwarded *f, unsigned *seen)
{
	char unused[FORWARDED_VALUE_MAX], *value;
	size_t len = strspn(p, token);
	unsigned bit;

	if (len == 0 || p[len] != '=')
		return NULL;
	value = place(f, p, len, &bit);
	if (*seen & bit)
		return NULL;
	*seen |= bit;
	if (!value)
		value = unused;
	p += len + 1;
	return *p == '"' ? take_quoted(p + 1, value) : take_plain(p, value);
}

static void clear(struct forwarded *f)
{
	f->client[0] = f->host[0] = f->proto[0] = '\0';
}

enum forwarded_step forwarded_next(const char **cursor, struct forwarded *ret)
{
	const char *p = *cursor + strspn(*cursor, " \t,");
	unsigned seen = 0;

	clear(ret);
	*cursor = p;
	if (*p == '\0')
		return FORWARDED_END;
	while (p && *p != '\0' && *p != ',') {
		if (*p != ';')
			p = take_pair(p, ret, &seen);
		if (p)
			p = skip_blanks(p);
		if (p && *p == ';')
			p = skip_blanks(p + 1);
		else if (p && *p != '\0' && *p != ',')
			p = NULL;
	}
	if (!p) {
		clear(ret);
		return FORWARDED_BROKEN;
	}
	*cursor = p;
	return FORWARDED_ELEMENT;
}
