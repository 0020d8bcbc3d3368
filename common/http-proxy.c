/* SPDX-License-Identifier: Apache-2.0 */
/* See http-proxy.h.  A word that makes no sense excepts nothing. */
#include "common/http-proxy.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include "common/text.h"

#define SEPARATORS ", \t"
#define WORD_MAX 300 /* a longer one is no name's */

struct number {
	int family; /* 0: it is a name */
	uint8_t bytes[16];
};

static struct number parse(const char *text)
{
	struct number n = { .family = 0 };

	if (inet_pton(AF_INET, text, n.bytes) == 1)
		n.family = AF_INET;
	else if (inet_pton(AF_INET6, text, n.bytes) == 1)
		n.family = AF_INET6;
	return n;
}

/* "10.0.0.0/8": the first bits are alike. */
static bool is_network_of(char *word, char *slash, const struct number *host)
{
	struct number net;
	int64_t bits;

	*slash = '\0';
	net = parse(word);
	if (!host->family || net.family != host->family || !text_to_int64(slash + 1, &bits) ||
	    bits < 0 || bits > (net.family == AF_INET ? 32 : 128))
		return false;
	for (size_t i = 0; bits > 0; i++, bits -= 8) {
		unsigned mask = bits >= 8 ? 0xffu : 0xffu << (8 - bits) & 0xffu;

		if ((net.bytes[i] ^ host->bytes[i]) & mask)
			return false;
	}
	return true;
}

/* Cuts brackets and the port off; false where the port is another. */
static bool is_of_port(char **word, unsigned port)
{
	char *colon = strrchr(*word, ':'), *bracket = strchr(*word, ']');
	int64_t given;

	if (**word == '[' && bracket) {
		colon = bracket[1] == ':' ? bracket + 1 : NULL;
		*bracket = '\0';
		++*word;
	} else if (colon && strchr(*word, ':') != colon) {
		colon = NULL; /* an IPv6 address as it is */
	}
	if (!colon)
		return true;
	*colon = '\0';
	return text_to_int64(colon + 1, &given) && given == port;
}

static size_t without_dot(const char *name)
{
	size_t len = strlen(name);

	return len && name[len - 1] == '.' ? len - 1 : len;
}

static bool is_domain_of(const char *word, const char *host)
{
	size_t len, host_len = without_dot(host);

	if (text_starts(word, "*."))
		word++;
	if (*word == '.')
		word++;
	len = without_dot(word);
	return len && len <= host_len && strncasecmp(host + host_len - len, word, len) == 0 &&
	       (len == host_len || host[host_len - len - 1] == '.');
}

static bool excepts(char *word, const char *host, const struct number *number, unsigned port)
{
	char *slash = strchr(word, '/');
	struct number other;

	if (strcmp(word, "*") == 0)
		return true;
	if (slash)
		return is_network_of(word, slash, number);
	if (!is_of_port(&word, port))
		return false;
	if (!number->family)
		return is_domain_of(word, host);
	other = parse(word);
	return other.family == number->family &&
	       memcmp(other.bytes, number->bytes, sizeof(other.bytes)) == 0;
}

bool http_proxy_excepts(const char *list, const char *host, unsigned port)
{
	struct number number = parse(host);
	char word[WORD_MAX];

	for (const char *p = list; *(p += strspn(p, SEPARATORS));) {
		size_t len = strcspn(p, SEPARATORS);

		if (len < sizeof(word)) {
			memcpy(word, p, len);
			word[len] = '\0';
			if (excepts(word, host, &number, port))
				return true;
		}
		p += len;
	}
	return false;
}
