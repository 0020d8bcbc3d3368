/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The origin of a request.  It must not know what URLs are made of it, nor look up a name.
 */
#include "host/serve/origin.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/error.h"
#include "common/text.h"
#include "host/serve/forwarded.h"

static const char where[] = "config";

#define ALPHANUMERIC "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* ---- grammar ---- */

/* NULL where it is neither. */
static const char *find_scheme(const char *text)
{
	if (text_equal_nocase(text, "https"))
		return "https";
	return text_equal_nocase(text, "http") ? "http" : NULL;
}

static bool is_port(const char *text)
{
	int64_t port;

	return text_to_int64(text, &port) && port >= 1 && port <= 65535;
}

static bool is_v6(const char *text, size_t len)
{
	char copy[INET6_ADDRSTRLEN];
	struct in6_addr address;

	return len < sizeof copy && text_format(copy, sizeof copy, "%.*s", (int)len, text) &&
	       inet_pton(AF_INET6, copy, &address) == 1;
}

/* host [ ":" port ] of RFC 3986, names without escapes: letters, digits, "-", ".", "_". */
static bool is_host(const char *text)
{
	size_t len;

	if (*text == '[') {
		len = strcspn(++text, "]");
		if (text[len] != ']' || !is_v6(text, len))
			return false;
		len++;
	} else {
		len = strspn(text, ALPHANUMERIC "-._");
		if (len == 0 || len > 255)
			return false;
	}
	return text[len] == '\0' || (text[len] == ':' && is_port(text + len + 1));
}

/*
 * Adds what a path prefix says to one, without the slash at its end.  No segment may be empty,
 * since "//host" is another host to a client, or one that clients take out ("..").  false, and *to
 * as it was, where it is no prefix or too long.
 */
static bool add_prefix(char *to, const char *text)
{
	size_t from = strlen(to), len = strlen(text);

	if (*text != '/')
		return false;
	if (text[len - 1] == '/')
		len--;
	if (from + len > ORIGIN_PREFIX_MAX)
		return false;
	for (const char *p = text; p < text + len;) {
		size_t n = strspn(p + 1, ALPHANUMERIC "-._~");

		if (n == 0 || (n == 1 && p[1] == '.') || (n == 2 && p[1] == '.' && p[2] == '.'))
			return false;
		p += 1 + n;
		if (*p != '\0' && *p != '/')
			return false;
	}
	memcpy(to + from, text, len);
	to[from + len] = '\0';
	return true;
}

/* ---- the configuration ---- */

static int bad_host(const char *text, struct stow_error *err)
{
	return error_set(err, STOW_EINVAL, where,
	                 "[http] host = %s: expected http:// or https://, a host, and a port and a "
	                 "path where there are any",
	                 text);
}

static int read_host(struct origin_rules *r, const char *text, struct stow_error *err)
{
	const char *rest = strstr(text, "://");
	char scheme[sizeof "https"];
	size_t len;

	if (!rest || !text_format(scheme, sizeof scheme, "%.*s", (int)(rest - text), text))
		return bad_host(text, err);
	r->scheme = find_scheme(scheme);
	rest += strlen("://");
	len = strcspn(rest, "/");
	if (!r->scheme || len > ORIGIN_HOST_MAX ||
	    !text_format(r->host, sizeof r->host, "%.*s", (int)len, rest) || !is_host(r->host))
		return bad_host(text, err);
	rest += len;
	return *rest == '\0' || add_prefix(r->outside, rest) ? STOW_OK : bad_host(text, err);
}

static int read_prefix(struct origin_rules *r, const char *text, struct stow_error *err)
{
	if (text_ends(text, "/") && add_prefix(r->prefix, text))
		return STOW_OK;
	return error_set(
		err, STOW_EINVAL, where,
		"[http] prefix = %s: expected a path with a slash at its beginning and its "
		"end, of letters, digits and -._~, not over %d bytes",
		text, ORIGIN_PREFIX_MAX);
}

int origin_open(struct origin_rules *ret, const struct origin_options *o, struct stow_error *err)
{
	int status;

	memset(ret, 0, sizeof *ret);
	ret->relative = o->relative_urls;
	status = networks_parse(&ret->proxies, "[http] trustedproxies", o->trusted_proxies, err);
	if (status == STOW_OK && o->prefix && *o->prefix)
		status = read_prefix(ret, o->prefix, err);
	if (status == STOW_OK && o->host && *o->host)
		status = read_host(ret, o->host, err);
	/* a host without a path says nothing of it */
	if (status == STOW_OK && !ret->outside[0])
		text_copy(ret->outside, sizeof ret->outside, ret->prefix);
	return status;
}

void origin_done(struct origin_rules *r)
{
	networks_done(&r->proxies);
	memset(r, 0, sizeof *r);
}

/* ---- what a proxy says ---- */

/* What is believed of it; NULL and "" where it said nothing, or nothing fit. */
struct said {
	const char *scheme;
	char host[ORIGIN_HOST_MAX + 1];
	char prefix[ORIGIN_PREFIX_MAX + 1];
};

static void set_host(struct said *s, const char *text)
{
	if (!s->host[0] && is_host(text))
		text_copy(s->host, sizeof s->host, text);
}

/* The next item of a list, without blanks around; "?", which nothing takes, for one that does not
 * fit. */
static bool next_item(const char **cursor, char *item, size_t cap)
{
	const char *from = *cursor + strspn(*cursor, " \t");
	size_t len = strcspn(from, ",");

	if (**cursor == '\0')
		return false;
	*cursor = from + len + (from[len] == ',');
	while (len > 0 && (from[len - 1] == ' ' || from[len - 1] == '\t'))
		len--;
	if (!text_format(item, cap, "%.*s", (int)len, from))
		text_copy(item, cap, "?");
	return true;
}

static void hear_proto(struct said *s, const char *header)
{
	char item[ORIGIN_HOST_MAX + 1];

	if (!s->scheme && header && next_item(&header, item, sizeof item))
		s->scheme = find_scheme(item);
}

static void hear_host(struct said *s, const char *header)
{
	char item[ORIGIN_HOST_MAX + 1];

	if (header && next_item(&header, item, sizeof item))
		set_host(s, item);
}

/* Each proxy that takes a prefix away adds it at the end: all together are what the client sees. */
static void hear_prefix(struct said *s, const char *header)
{
	char prefix[ORIGIN_PREFIX_MAX + 1] = "";
	char item[ORIGIN_PREFIX_MAX + 2];

	while (header && next_item(&header, item, sizeof item)) {
		if (!add_prefix(prefix, item))
			return;
	}
	text_copy(s->prefix, sizeof s->prefix, prefix);
}

/*
 * The client's address by what the hops say of whom they took the request from, the last hop last:
 * the last one that is not trusted, else the first.  One that cannot be read hides all before it.
 */
struct hops {
	const struct networks *trusted;
	bool known, said; /* said: last is the last hop's word, which need not be trusted */
	struct address address, last;
	unsigned port;
};

static void hear_hop(struct hops *h, const char *text)
{
	struct address a;
	unsigned port;

	h->said = address_parse(&a, &port, text);
	if (!h->said) {
		h->known = false;
		return;
	}
	h->last = a;
	if (h->known && networks_have(h->trusted, &a))
		return;
	h->known = true;
	h->address = a;
	h->port = port;
}

/* The proxy that spoke to us wrote the end of what it wrote: where two headers say another end, one
 * of them is not from it. */
static bool agree(const struct hops *a, const struct hops *b)
{
	return !a->said || !b->said ||
	       (a->last.v4 == b->last.v4 &&
	        memcmp(a->last.bytes, b->last.bytes, sizeof a->last.bytes) == 0);
}

static void hear_for(struct hops *h, const char *header)
{
	char item[ADDRESS_TEXT_MAX];

	while (header && next_item(&header, item, sizeof item)) {
		if (*item)
			hear_hop(h, item);
	}
}

/* false where the header is not there or not well-formed: then nothing of it is heard. The first
 * element is that of the proxy that the client spoke to. */
static bool hear_forwarded(struct said *s, struct hops *h, const char *header)
{
	struct forwarded f;
	enum forwarded_step step;
	int n = 0;

	if (!header)
		return false;
	while ((step = forwarded_next(&header, &f)) == FORWARDED_ELEMENT) {
		if (n++ == 0) {
			s->scheme = find_scheme(f.proto);
			set_host(s, f.host);
		}
		hear_hop(h, f.client);
	}
	return step == FORWARDED_END && n > 0;
}

/* ---- one request ---- */

static void hear(struct said *s, struct hops *h, const struct request *r)
{
	struct hops by_forwarded = *h, by_for = *h;
	struct said said = { 0 };
	bool well = hear_forwarded(&said, &by_forwarded, r->header[HEADER_FORWARDED]);

	hear_for(&by_for, r->header[HEADER_X_FORWARDED_FOR]);
	if (!well) {
		*h = by_for;
	} else if (agree(&by_forwarded, &by_for)) {
		*h = by_forwarded.known ? by_forwarded : by_for;
		*s = said;
	}
	/* what Forwarded left open the others may say, which some proxies mix */
	hear_proto(s, r->header[HEADER_X_FORWARDED_PROTO]);
	hear_host(s, r->header[HEADER_X_FORWARDED_HOST]);
	hear_prefix(s, r->header[HEADER_X_FORWARDED_PREFIX]);
}

static unsigned port_of(const struct sockaddr *address)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (address->sa_family == AF_INET) {
		memcpy(&v4, address, sizeof v4);
		return ntohs(v4.sin_port);
	}
	memcpy(&v6, address, sizeof v6);
	return ntohs(v6.sin6_port);
}

static void find_peer(struct said *s, struct hops *h, const struct request *r,
                      const struct origin_peer *peer)
{
	struct address a;

	if (!address_from_socket(&a, peer->address))
		return;
	if (networks_have(h->trusted, &a))
		hear(s, h, r);
	if (h->known)
		return;
	h->known = true;
	h->address = a;
	h->port = port_of(peer->address);
}

void origin_find(struct origin *ret, const struct origin_rules *rules, const struct request *r,
                 const struct origin_peer *peer)
{
	const char *host = r->header[HEADER_HOST];
	struct said said = { 0 };
	struct hops hops = { .trusted = &rules->proxies };

	memset(ret, 0, sizeof *ret);
	find_peer(&said, &hops, r, peer);
	if (hops.known)
		address_format(&hops.address, hops.port, ret->client);
	if (rules->scheme) {
		ret->scheme = rules->scheme;
		text_copy(ret->host, sizeof ret->host, rules->host);
		text_copy(ret->prefix, sizeof ret->prefix, rules->outside);
		ret->absolute = true;
		return;
	}
	ret->scheme = said.scheme ? said.scheme : peer->tls ? "https" : "http";
	if (host)
		set_host(&said, host);
	text_copy(ret->host, sizeof ret->host, said.host);
	/* what the proxy took away stood in front of what came through */
	if (!text_format(ret->prefix, sizeof ret->prefix, "%s%s", said.prefix, rules->prefix))
		text_copy(ret->prefix, sizeof ret->prefix, rules->prefix);
	ret->absolute = !rules->relative && ret->host[0];
}
