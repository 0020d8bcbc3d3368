/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes host/serve/origin and what it stands on: lines with [http] host, prefix and
 * trustedproxies, a peer's address, then "Name: value" headers of a request.
 * It must not know what the URLs are for.
 */
#include "host/serve/origin.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/cleanup.h"
#include "common/text.h"
#include "host/serve/forwarded.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/head.h"

#define SAFE "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._"

/* Whatever came in: it can stand in a URL, and a client reads no other host out of it. */
static void check_origin(const struct origin *o)
{
	struct address a;
	unsigned port;

	REQUIRE(strcmp(o->scheme, "http") == 0 || strcmp(o->scheme, "https") == 0);
	REQUIRE(o->host[strspn(o->host, SAFE ":[]")] == '\0');
	REQUIRE(!o->absolute || o->host[0]);
	REQUIRE(o->prefix[strspn(o->prefix, SAFE "~/")] == '\0');
	REQUIRE(!o->prefix[0] || o->prefix[0] == '/');
	REQUIRE(!strstr(o->prefix, "//") && !strstr(o->prefix, "/../"));
	REQUIRE(!text_ends(o->prefix, "/") && !text_ends(o->prefix, "/.."));
	REQUIRE(!o->client[0] || address_parse(&a, &port, o->client));
}

static void check_networks(const struct origin_rules *rules)
{
	REQUIRE(rules->proxies.n <= NETWORKS_MAX);
	for (size_t i = 0; i < rules->proxies.n; i++) {
		const struct network *n = &rules->proxies.list[i];

		REQUIRE(n->bits <= (n->address.v4 ? 32 : 128));
		REQUIRE(networks_have(&rules->proxies, &n->address));
	}
}

/* An address is the same after it was written. */
static void check_address(const char *text)
{
	char copy[ADDRESS_TEXT_MAX];
	struct address a, b;
	unsigned port, port_again;

	if (!address_parse(&a, &port, text))
		return;
	address_format(&a, port, copy);
	REQUIRE(address_parse(&b, &port_again, copy));
	REQUIRE(port == port_again && a.v4 == b.v4);
	REQUIRE(memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0);
}

/* It comes to an end, and each step takes something. */
static void check_forwarded(const char *header)
{
	const char *cursor = header, *before;
	struct forwarded f;
	enum forwarded_step step;

	do {
		before = cursor;
		step = forwarded_next(&cursor, &f);
		REQUIRE(step != FORWARDED_ELEMENT || cursor > before);
		REQUIRE(cursor <= header + strlen(header));
		REQUIRE(strlen(f.client) < FORWARDED_VALUE_MAX);
		REQUIRE(strlen(f.host) < FORWARDED_VALUE_MAX);
		REQUIRE(strlen(f.proto) < FORWARDED_VALUE_MAX);
	} while (step == FORWARDED_ELEMENT);
	REQUIRE(step != FORWARDED_END || *cursor == '\0');
}

static bool parse_peer(struct sockaddr_storage *ret, const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	memset(ret, 0, sizeof *ret);
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		memcpy(ret, &v4, sizeof v4);
	else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		memcpy(ret, &v6, sizeof v6);
	else
		return false;
	return true;
}

static bool is_same(const struct origin *a, const struct origin *b)
{
	return a->scheme == b->scheme && strcmp(a->host, b->host) == 0 &&
	       strcmp(a->prefix, b->prefix) == 0 && strcmp(a->client, b->client) == 0 &&
	       a->absolute == b->absolute;
}

/* With the rules, and once more without a proxy that is trusted, where headers say nothing. */
static void check_request(struct origin_rules *rules, const struct request *r,
                          const struct origin_peer *peer)
{
	const struct networks nobody = { 0 }, proxies = rules->proxies;
	struct request bare = { 0 };
	struct origin found, deaf, silent;
	struct address a;

	origin_find(&found, rules, r, peer);
	check_origin(&found);
	bare.header[HEADER_HOST] = r->header[HEADER_HOST];
	rules->proxies = nobody;
	origin_find(&deaf, rules, r, peer);
	origin_find(&silent, rules, &bare, peer);
	rules->proxies = proxies;
	check_origin(&deaf);
	REQUIRE(is_same(&deaf, &silent));
	if (!address_from_socket(&a, peer->address) || !networks_have(&proxies, &a))
		REQUIRE(is_same(&found, &deaf));
	if (rules->scheme)
		REQUIRE(strcmp(found.host, rules->host) == 0 && found.scheme == rules->scheme &&
		        strcmp(found.prefix, rules->outside) == 0 && found.absolute);
	else
		REQUIRE(text_ends(found.prefix, rules->prefix));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup_free char *text = fuzz_text(data, len);
	char *rest = text;
	struct origin_options options = { 0 };
	struct origin_rules rules;
	struct stow_error err = { 0 };
	struct sockaddr_storage from;
	struct origin_peer peer = { 0 };
	struct request r = { 0 };

	options.host = fuzz_line(&rest);
	options.prefix = fuzz_line(&rest);
	options.trusted_proxies = fuzz_line(&rest);
	options.relative_urls = len % 2;
	peer.tls = len % 3 == 0;
	if (parse_peer(&from, fuzz_line(&rest)))
		peer.address = (const struct sockaddr *)&from;
	fuzz_headers(&r, rest);
	if (origin_open(&rules, &options, &err) == STOW_OK) {
		check_networks(&rules);
		check_request(&rules, &r, &peer);
	} else {
		REQUIRE(text_starts(err.message, "[http] ") && fuzz_is_line(err.message));
	}
	if (r.header[HEADER_FORWARDED])
		check_forwarded(r.header[HEADER_FORWARDED]);
	if (r.header[HEADER_X_FORWARDED_FOR])
		check_address(r.header[HEADER_X_FORWARDED_FOR]);
	origin_done(&rules);
	request_done(&r);
	return 0;
}
