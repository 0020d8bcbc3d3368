/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses and networks.  It must not know requests, nor resolve names.
 */
#include "host/serve/networks.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"

static const char where[] = "config";

static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static void set_v4(struct address *a, const void *bytes)
{
	memset(a, 0, sizeof *a);
	a->v4 = true;
	memcpy(a->bytes, bytes, 4);
}

static void set_v6(struct address *a, const unsigned char *bytes)
{
	memset(a, 0, sizeof *a);
	if (memcmp(bytes, mapped, sizeof mapped) == 0)
		set_v4(a, bytes + sizeof mapped);
	else
		memcpy(a->bytes, bytes, sizeof a->bytes);
}

bool address_from_socket(struct address *ret, const struct sockaddr *from)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	switch (from ? from->sa_family : AF_UNSPEC) {
	case AF_INET:
		memcpy(&v4, from, sizeof v4);
		set_v4(ret, &v4.sin_addr);
		return true;
	case AF_INET6:
		memcpy(&v6, from, sizeof v6);
		set_v6(ret, v6.sin6_addr.s6_addr);
		return true;
	default:
		return false;
	}
}

/* One without brackets and port. */
static bool parse_bare(struct address *ret, const char *text)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		set_v4(ret, &v4);
		return true;
	}
	if (inet_pton(AF_INET6, text, &v6) == 1) {
		set_v6(ret, v6.s6_addr);
		return true;
	}
	return false;
}

static bool parse_port(const char *text, unsigned *ret_port)
{
	int64_t port;

	if (!text_to_int64(text, &port) || port < 1 || port > 65535)
		return false;
	*ret_port = (unsigned)port;
	return true;
}

bool address_parse(struct address *ret, unsigned *ret_port, const char *text)
{
	char copy[ADDRESS_TEXT_MAX];
	char *host = copy, *behind;

	*ret_port = 0;
	if (!text_copy(copy, sizeof copy, text))
		return false;
	if (*host == '[') {
		behind = strchr(++host, ']');
		if (!behind)
			return false;
		*behind++ = '\0';
		if (!strchr(host, ':') || (*behind && *behind != ':'))
			return false;
		return parse_bare(ret, host) && (!*behind || parse_port(behind + 1, ret_port));
	}
	behind = strchr(host, ':');
	/* a second colon: version 6, and no port */
	if (behind && !strchr(behind + 1, ':')) {
		*behind = '\0';
		if (!parse_port(behind + 1, ret_port))
			return false;
	}
	return parse_bare(ret, host);
}

void address_format(const struct address *a, unsigned port, char *text)
{
	char number[INET6_ADDRSTRLEN] = "";
	bool brackets = !a->v4 && port;

	if (!inet_ntop(a->v4 ? AF_INET : AF_INET6, a->bytes, number, sizeof number))
		number[0] = '\0';
	if (port)
		text_format(text, ADDRESS_TEXT_MAX, "%s%s%s:%u", brackets ? "[" : "", number,
		            brackets ? "]" : "", port);
	else
		text_copy(text, ADDRESS_TEXT_MAX, number);
}

/* "address" or "address/bits" */
static bool parse_network(struct network *ret, const char *text)
{
	char copy[ADDRESS_TEXT_MAX], *slash;
	bool v6 = strchr(text, ':') != NULL;
	int64_t most = v6 ? 128 : 32, bits = most;

	if (!text_copy(copy, sizeof copy, text))
		return false;
	slash = strchr(copy, '/');
	if (slash) {
		*slash++ = '\0';
		if (!text_to_int64(slash, &bits) || bits > most)
			return false;
	}
	if (!parse_bare(&ret->address, copy))
		return false;
	/* ::ffff:10.0.0.0/104 is 10.0.0.0/8 */
	if (v6 && ret->address.v4)
		bits -= 96;
	ret->bits = (unsigned)bits;
	return bits >= 0;
}

static char *cut_blanks(char *text)
{
	size_t len;

	text += strspn(text, " \t\r\n");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r\n", text[len - 1]))
		text[--len] = '\0';
	return text;
}

int networks_parse(struct networks *ret, const char *what, const char *text, struct stow_error *err)
{
	char *cleanup_free copy = strdup(text ? text : "");
	struct network *cleanup_free list = calloc(NETWORKS_MAX, sizeof *list);
	char *next = copy;
	size_t n = 0;

	memset(ret, 0, sizeof *ret);
	if (!copy || !list)
		return error_nomem(err, where);
	while (next) {
		char *item = next;

		next = strchr(item, ',');
		if (next)
			*next++ = '\0';
		item = cut_blanks(item);
		if (!*item && n == 0 && !next)
			break;
		if (n == NETWORKS_MAX)
			return error_set(err, STOW_EINVAL, where, "%s: more than %d networks", what,
			                 NETWORKS_MAX);
		if (!parse_network(&list[n++], item))
			return error_set(err, STOW_EINVAL, where,
			                 "%s: expected addresses and networks (192.0.2.1, "
			                 "10.0.0.0/8, ::1) parted by commas, got \"%s\"",
			                 what, item);
	}
	ret->n = n;
	ret->list = n > 0 ? take(list) : NULL;
	return STOW_OK;
}

static bool has(const struct network *network, const struct address *a)
{
	unsigned whole = network->bits / 8, rest = network->bits % 8;
	unsigned mask = rest ? 0xffu << (8 - rest) & 0xffu : 0;

	return network->address.v4 == a->v4 &&
	       memcmp(network->address.bytes, a->bytes, whole) == 0 &&
	       (!rest || ((network->address.bytes[whole] ^ a->bytes[whole]) & mask) == 0);
}

bool networks_have(const struct networks *set, const struct address *a)
{
	for (size_t i = 0; i < set->n; i++) {
		if (has(&set->list[i], a))
			return true;
	}
	return false;
}

void networks_done(struct networks *set)
{
	free(set->list);
	memset(set, 0, sizeof *set);
}
