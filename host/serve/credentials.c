/* SPDX-License-Identifier: Apache-2.0 */
/* One copy of the header's value, cut up. It must not know users. */
#include "host/serve/credentials.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/";

/* The value behind a scheme of that name; NULL for another. */
static const char *behind(const char *header, const char *scheme)
{
	size_t len = strlen(scheme);

	if (strncasecmp(header, scheme, len) != 0 || header[len] != ' ')
		return NULL;
	return header + len + strspn(header + len, " ");
}

static bool copy(struct credentials *c, const char *value, size_t len)
{
	c->size = len + 1;
	c->memory = malloc(c->size);
	if (!c->memory)
		return false;
	memcpy(c->memory, value, len);
	c->memory[len] = '\0';
	return true;
}

/* To the URL's alphabet, which the decoder knows. */
static void translate(char *text)
{
	for (; *text; text++)
		*text = *text == '+' ? '-' : *text == '/' ? '_' : *text;
}

/* No control characters but what UTF-8 needs, and UTF-8 it is. */
static bool is_text(const char *text, size_t len)
{
	while (len) {
		size_t n = text_utf8_length(text, len);

		if (n == 0 || (unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
		text += n;
		len -= n;
	}
	return true;
}

static bool parse_basic(const char *value, struct credentials *c)
{
	size_t len = strspn(value, base64), rest = strspn(value + len, "=");
	char *decoded, *colon;
	ssize_t n;

	if (len == 0 || len > CREDENTIALS_BASIC_MAX / 3 * 4 || rest > 2 || (len + rest) % 4 ||
	    value[len + rest] || !copy(c, value, len))
		return false;
	translate(c->memory);
	decoded = malloc(len + 1);
	if (!decoded)
		return false;
	n = text_unbase64url(decoded, len, c->memory, len);
	explicit_bzero(c->memory, c->size);
	free(c->memory);
	c->memory = decoded;
	c->size = len + 1;
	if (n < 0 || !is_text(decoded, (size_t)n))
		return false;
	decoded[n] = '\0';
	colon = strchr(decoded, ':');
	if (!colon)
		return false;
	*colon = '\0';
	c->user = decoded;
	c->password = colon + 1;
	return true;
}

static bool parse_bearer(const char *value, struct credentials *c)
{
	size_t len = strspn(value, token);

	len += len ? strspn(value + len, "=") : 0;
	if (len == 0 || len > CREDENTIALS_BEARER_MAX || value[len] || !copy(c, value, len))
		return false;
	c->token = c->memory;
	return true;
}

void credentials_parse(const char *header, struct credentials *ret)
{
	const char *value;
	bool good = false;

	*ret = (struct credentials){ .kind = CREDENTIALS_BAD };
	if (!header) {
		ret->kind = CREDENTIALS_NONE;
	} else if ((value = behind(header, "Basic"))) {
		good = parse_basic(value, ret);
		ret->kind = good ? CREDENTIALS_BASIC : CREDENTIALS_BAD;
	} else if ((value = behind(header, "Bearer"))) {
		good = parse_bearer(value, ret);
		ret->kind = good ? CREDENTIALS_BEARER : CREDENTIALS_BAD;
	}
}

void credentials_done(struct credentials *c)
{
	if (c->memory)
		explicit_bzero(c->memory, c->size);
	free(c->memory);
	*c = (struct credentials){ .kind = CREDENTIALS_NONE };
}
