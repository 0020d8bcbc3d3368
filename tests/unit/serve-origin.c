/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Origins of requests, what is made of them, and the extra headers of [http].  It must not know the
 * HTTP library.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "host/serve/actions.h"
#include "host/serve/forwarded.h"
#include "host/serve/route.h"

/* A request in the making, and what comes out of it. */
struct asked {
	struct origin_rules rules;
	struct request request;
	struct sockaddr_storage from;
	struct origin_peer peer;
	struct origin origin;
};

static void set_peer(struct asked *a, const char *address)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(4321) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(4321) };

	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1) {
		memcpy(&a->from, &v4, sizeof v4);
	} else {
		assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
		memcpy(&a->from, &v6, sizeof v6);
	}
	a->peer.address = (const struct sockaddr *)&a->from;
}

static void begin(struct asked *a, const struct origin_options *options, const char *peer)
{
	memset(a, 0, sizeof *a);
	assert_int_equal(origin_open(&a->rules, options, NULL), STOW_OK);
	set_peer(a, peer);
}

static void say(struct asked *a, const char *name, const char *value)
{
	assert_true(request_header(&a->request, name, value));
}

static void find(struct asked *a)
{
	origin_find(&a->origin, &a->rules, &a->request, &a->peer);
}

static void end(struct asked *a)
{
	origin_done(&a->rules);
	request_done(&a->request);
}

static const struct origin_options trusting = { .trusted_proxies = "127.0.0.1, 10.0.0.0/8,::1" };

static void no_proxy_leaves_the_request_itself(void **state)
{
	const struct origin_options none = { .host = "", .prefix = "" };
	struct asked a;

	(void)state;
	begin(&a, &none, "192.0.2.1");
	say(&a, "Host", "registry.example.org:5000");
	find(&a);
	assert_string_equal(a.origin.scheme, "http");
	assert_string_equal(a.origin.host, "registry.example.org:5000");
	assert_string_equal(a.origin.prefix, "");
	assert_string_equal(a.origin.client, "192.0.2.1:4321");
	assert_true(a.origin.absolute);
	a.peer.tls = true;
	find(&a);
	assert_string_equal(a.origin.scheme, "https");
	end(&a);

	begin(&a, &none, "2001:db8::1");
	a.peer.address = NULL;
	find(&a);
	assert_string_equal(a.origin.client, "");
	assert_false(a.origin.absolute);
	a.peer.address = (const struct sockaddr *)&a.from;
	find(&a);
	assert_string_equal(a.origin.client, "[2001:db8::1]:4321");
	end(&a);
}

static void say_everything(struct asked *a)
{
	say(a, "Host", "inside:5000");
	say(a, "X-Forwarded-Proto", "https");
	say(a, "X-Forwarded-Host", "outside.example.org");
	say(a, "X-Forwarded-Prefix", "/outer");
	say(a, "X-Forwarded-For", "192.0.2.9");
}

static void only_trusted_peers_are_heard(void **state)
{
	static const struct {
		const char *peer;
		bool trusted;
	} cases[] = {
		{ "127.0.0.1", true },
		{ "127.0.0.2", false },
		{ "10.0.0.0", true },
		{ "10.255.255.255", true },
		{ "11.0.0.0", false },
		{ "9.255.255.255", false },
		{ "::1", true },
		{ "::2", false },
		{ "::ffff:10.1.2.3", true },
		{ "::ffff:11.1.2.3", false },
		{ "a00::", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct asked a;

		print_message("%s\n", cases[i].peer);
		begin(&a, &trusting, cases[i].peer);
		say_everything(&a);
		find(&a);
		if (cases[i].trusted) {
			assert_string_equal(a.origin.scheme, "https");
			assert_string_equal(a.origin.host, "outside.example.org");
			assert_string_equal(a.origin.prefix, "/outer");
			assert_string_equal(a.origin.client, "192.0.2.9");
		} else {
			assert_string_equal(a.origin.scheme, "http");
			assert_string_equal(a.origin.host, "inside:5000");
			assert_string_equal(a.origin.prefix, "");
			assert_non_null(strstr(a.origin.client, ":4321"));
		}
		end(&a);
	}
}

static void the_configured_host_wins(void **state)
{
	const struct origin_options options = {
		.host = "HTTPS://registry.example.org:8443/outside/",
		.prefix = "/inside/",
		.trusted_proxies = "127.0.0.1",
		.relative_urls = true,
	};
	struct origin_options bare = options;
	struct asked a;

	(void)state;
	begin(&a, &options, "127.0.0.1");
	say_everything(&a);
	say(&a, "Forwarded", "proto=http;host=other");
	find(&a);
	assert_string_equal(a.origin.scheme, "https");
	assert_string_equal(a.origin.host, "registry.example.org:8443");
	assert_string_equal(a.origin.prefix, "/outside");
	assert_string_equal(a.origin.client, "192.0.2.9");
	assert_true(a.origin.absolute);
	end(&a);

	/* without a path it says nothing of one */
	bare.host = "http://[2001:db8::1]:80";
	begin(&a, &bare, "127.0.0.1");
	find(&a);
	assert_string_equal(a.origin.host, "[2001:db8::1]:80");
	assert_string_equal(a.origin.prefix, "/inside");
	end(&a);
}

static void a_kept_and_a_stripped_prefix_add_up(void **state)
{
	const struct origin_options options = { .prefix = "/in/side/",
		                                .trusted_proxies = "127.0.0.1",
		                                .relative_urls = true };
	struct asked a;

	(void)state;
	begin(&a, &options, "127.0.0.1");
	find(&a);
	assert_string_equal(a.origin.prefix, "/in/side");
	say(&a, "X-Forwarded-Prefix", "/one/");
	say(&a, "X-Forwarded-Prefix", "/two");
	say(&a, "Host", "inside");
	find(&a);
	assert_string_equal(a.origin.prefix, "/one/two/in/side");
	assert_false(a.origin.absolute);
	end(&a);
}

/* scheme, host, client that come out of a trusted peer's header; NULL: as without it. */
struct heard {
	const char *name, *value;
	const char *scheme, *host, *client;
};

static const struct heard forwarded_cases[] = {
	{ "Forwarded", "proto=https", "https", NULL, NULL },
	{ "forwarded", "PROTO=HTTPS;Host=\"a.example.org:5000\";for=192.0.2.1", "https",
	  "a.example.org:5000", "192.0.2.1" },
	{ "Forwarded", "for=\"[2001:db8::1]:47011\"; proto=https ; by=203.0.113.43", "https", NULL,
	  "[2001:db8::1]:47011" },
	{ "Forwarded", "host=\"a\\.b\"", NULL, "a.b", NULL },
	{ "Forwarded", "host=a.b:5000", NULL, "a.b:5000", NULL },
	{ "Forwarded", "host=\"[2001:db8::1]\"", NULL, "[2001:db8::1]", NULL },
	{ "Forwarded", "x=\"a,b;c\";proto=https, proto=http;host=b", "https", NULL, NULL },
	{ "Forwarded", ";proto=https;", "https", NULL, NULL },
	{ "Forwarded", ", ,proto=https", "https", NULL, NULL },
	{ "Forwarded", "proto=ftp;host=a", NULL, "a", NULL },
	{ "Forwarded", "for=192.0.2.1, for=10.0.0.1", NULL, NULL, "192.0.2.1" },
	{ "Forwarded", "for=192.0.2.1, for=192.0.2.2", NULL, NULL, "192.0.2.2" },
	{ "Forwarded", "for=192.0.2.1, for=unknown, for=10.0.0.1", NULL, NULL, "10.0.0.1" },
	{ "Forwarded", "for=192.0.2.1, for=_hidden", NULL, NULL, NULL },
	{ "Forwarded", "for=192.0.2.1, proto=https", NULL, NULL, NULL },
	/* broken: nothing of it */
	{ "Forwarded", "proto=https;proto=https", NULL, NULL, NULL },
	{ "Forwarded", "proto=https;host=\"a", NULL, NULL, NULL },
	{ "Forwarded", "proto=https;host=\"a\\", NULL, NULL, NULL },
	{ "Forwarded", "proto=https, host", NULL, NULL, NULL },
	{ "Forwarded", "proto=https;host=", NULL, NULL, NULL },
	{ "Forwarded", "proto=https for=1.2.3.4", NULL, NULL, NULL },
	{ "Forwarded", "proto =https", NULL, NULL, NULL },
	{ "Forwarded", "proto=https;host=\"a\"b", NULL, NULL, NULL },
	{ "Forwarded", "proto=https;x=\xc3\xa4", NULL, NULL, NULL },
	{ "Forwarded", "", NULL, NULL, NULL },
	{ "X-Forwarded-Proto", "https", "https", NULL, NULL },
	{ "x-forwarded-proto", " HTTPS , http", "https", NULL, NULL },
	{ "X-Forwarded-Proto", "http, https", NULL, NULL, NULL },
	{ "X-Forwarded-Proto", ", https", NULL, NULL, NULL },
	{ "X-Forwarded-Proto", "https:", NULL, NULL, NULL },
	{ "X-Forwarded-Proto", "httpsx", NULL, NULL, NULL },
	{ "X-Forwarded-Proto", "javascript", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "A.example.org", NULL, "A.example.org", NULL },
	{ "X-Forwarded-Host", "a.example.org:8443, inner", NULL, "a.example.org:8443", NULL },
	{ "X-Forwarded-Host", "[::1]:1", NULL, "[::1]:1", NULL },
	{ "X-Forwarded-Host", "[::1", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "[::1]x", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "[1.2.3.4]", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "::1", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "a:b", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "a:", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "a:0", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "a:65536", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "a:80:80", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "user@a", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "a/b", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "a?b", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "a#b", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "a\\b", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "a b", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "a%2e", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "\"a\"", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "a>b", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "\xc3\xa4", NULL, NULL, NULL },
	{ "X-Forwarded-Host", "a\tb", NULL, NULL, NULL },
	{ "X-Forwarded-For", "192.0.2.1", NULL, NULL, "192.0.2.1" },
	{ "X-Forwarded-For", "192.0.2.1:80", NULL, NULL, "192.0.2.1:80" },
	{ "X-Forwarded-For", "2001:DB8::1", NULL, NULL, "2001:db8::1" },
	{ "X-Forwarded-For", "[2001:db8::1]:80", NULL, NULL, "[2001:db8::1]:80" },
	{ "X-Forwarded-For", "::ffff:192.0.2.1", NULL, NULL, "192.0.2.1" },
	{ "X-Forwarded-For", "192.0.2.1,10.0.0.1, 10.0.0.2", NULL, NULL, "192.0.2.1" },
	{ "X-Forwarded-For", "192.0.2.1,192.0.2.2,10.0.0.2", NULL, NULL, "192.0.2.2" },
	{ "X-Forwarded-For", "10.0.0.1,10.0.0.2", NULL, NULL, "10.0.0.1" },
	{ "X-Forwarded-For", "192.0.2.1,,", NULL, NULL, "192.0.2.1" },
	{ "X-Forwarded-For", "192.0.2.1, what", NULL, NULL, NULL },
	{ "X-Forwarded-For", "192.0.2.1, what, 10.0.0.3", NULL, NULL, "10.0.0.3" },
	{ "X-Forwarded-For", "1.2.3", NULL, NULL, NULL },
	{ "X-Forwarded-For", "1.2.3.4:", NULL, NULL, NULL },
	{ "X-Forwarded-For", "1.2.3.4:99999", NULL, NULL, NULL },
	{ "X-Forwarded-For", "fe80::1%eth0", NULL, NULL, NULL },
};

static void proxies_are_heard_as_far_as_they_make_sense(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof forwarded_cases / sizeof forwarded_cases[0]; i++) {
		const struct heard *h = &forwarded_cases[i];
		struct asked a;

		print_message("%s: %s\n", h->name, h->value);
		begin(&a, &trusting, "127.0.0.1");
		say(&a, "Host", "inside");
		say(&a, h->name, h->value);
		find(&a);
		assert_string_equal(a.origin.scheme, h->scheme ? h->scheme : "http");
		assert_string_equal(a.origin.host, h->host ? h->host : "inside");
		assert_string_equal(a.origin.client, h->client ? h->client : "127.0.0.1:4321");
		end(&a);
	}
}

static void forwarded_comes_before_the_others(void **state)
{
	struct asked a;

	(void)state;
	begin(&a, &trusting, "127.0.0.1");
	say_everything(&a);
	say(&a, "Forwarded", "proto=http;for=\"192.0.2.9:80\"");
	find(&a);
	assert_string_equal(a.origin.scheme, "http");
	assert_string_equal(a.origin.host, "outside.example.org");
	assert_string_equal(a.origin.client, "192.0.2.9:80");
	end(&a);
	/* in several lines it is one list; broken, it is as if it were not there */
	begin(&a, &trusting, "127.0.0.1");
	say_everything(&a);
	say(&a, "Forwarded", "proto=http;for=192.0.2.9");
	say(&a, "Forwarded", "what");
	find(&a);
	assert_string_equal(a.origin.scheme, "https");
	assert_string_equal(a.origin.client, "192.0.2.9");
	end(&a);
}

/* A proxy that writes one of them hands on the client's other one. */
static void headers_that_disagree_hide_the_client(void **state)
{
	static const struct {
		const char *forwarded, *client, *scheme;
	} cases[] = {
		{ "proto=http;for=192.0.2.77", "127.0.0.1:4321", "https" },
		{ "proto=http;for=192.0.2.9, for=192.0.2.77", "127.0.0.1:4321", "https" },
		{ "proto=http;for=192.0.2.77, for=192.0.2.9", "192.0.2.9", "http" },
		{ "proto=http;for=10.0.0.7, for=192.0.2.9", "192.0.2.9", "http" },
		{ "proto=http;for=192.0.2.77, for=unknown", "192.0.2.9", "http" },
		{ "proto=http;for=192.0.2.77, proto=http", "192.0.2.9", "http" },
		{ "proto=http", "192.0.2.9", "http" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct asked a;

		print_message("%s\n", cases[i].forwarded);
		begin(&a, &trusting, "127.0.0.1");
		say_everything(&a);
		say(&a, "Forwarded", cases[i].forwarded);
		find(&a);
		assert_string_equal(a.origin.client, cases[i].client);
		assert_string_equal(a.origin.scheme, cases[i].scheme);
		end(&a);
	}
}

static void prefixes_that_are_none_are_passed_over(void **state)
{
	static const char *const good[] = { "/a", "/a/", "/a/b", "/-._~Z9", "/..a", "/a." };
	static const char *const bad[] = {
		"a",   "//a",   "/a//b", "/a/../b", "/.",   "/..",       "/a/.",  "/a b", "/a%20",
		"/\"", "/a>;b", "/a?b",  "/a#b",    "/a\\", "/\xc3\xa4", "/a, b", "/a,",  "//",
	};
	struct asked a;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		size_t len = strlen(good[i]);

		begin(&a, &trusting, "127.0.0.1");
		say(&a, "X-Forwarded-Prefix", good[i]);
		find(&a);
		print_message("%s is %s\n", good[i], a.origin.prefix);
		assert_memory_equal(a.origin.prefix, good[i], len - (good[i][len - 1] == '/'));
		end(&a);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		print_message("%s\n", bad[i]);
		begin(&a, &trusting, "127.0.0.1");
		say(&a, "X-Forwarded-Prefix", bad[i]);
		find(&a);
		if (strcmp(bad[i], "/a,") == 0)
			assert_string_equal(a.origin.prefix, "/a");
		else
			assert_string_equal(a.origin.prefix, "");
		end(&a);
	}
}

static void what_is_too_long_is_passed_over(void **state)
{
	char name[600];
	struct asked a;

	(void)state;
	for (size_t len = 250; len < sizeof name - 1; len++) {
		bool is_name = len <= 255;

		memset(name, 'a', len);
		name[len] = '\0';
		begin(&a, &trusting, "127.0.0.1");
		say(&a, "Host", "inside");
		say(&a, "X-Forwarded-Host", name);
		name[0] = '/';
		say(&a, "X-Forwarded-Prefix", name);
		find(&a);
		assert_string_equal(a.origin.host,
		                    is_name ? a.request.header[HEADER_X_FORWARDED_HOST] : "inside");
		assert_string_equal(a.origin.prefix, is_name ? name : "");
		end(&a);
	}
	/* two that fit, but not together */
	begin(&a, &(struct origin_options){ .prefix = "/kept/", .trusted_proxies = "127.0.0.1" },
	      "127.0.0.1");
	name[255] = '\0';
	say(&a, "X-Forwarded-Prefix", name);
	find(&a);
	assert_string_equal(a.origin.prefix, "/kept");
	end(&a);
}

static void long_values_of_forwarded_are_empty(void **state)
{
	char header[FORWARDED_VALUE_MAX + 40] = "host=", *end = header + 5 + FORWARDED_VALUE_MAX;
	struct forwarded f;

	(void)state;
	memset(header + 5, 'a', FORWARDED_VALUE_MAX);
	for (int cut = 0; cut < 2; cut++) {
		const char *cursor = header;

		memcpy(end - cut, ";proto=https", sizeof ";proto=https");
		assert_int_equal(forwarded_next(&cursor, &f), FORWARDED_ELEMENT);
		assert_int_equal(strlen(f.host), cut ? FORWARDED_VALUE_MAX - 1 : 0);
		assert_string_equal(f.proto, "https");
		assert_int_equal(forwarded_next(&cursor, &f), FORWARDED_END);
	}
}

/* ---- the configuration ---- */

static void refused(struct origin_options options, const char *key)
{
	struct origin_rules rules;
	struct stow_error err = { 0 };

	assert_int_equal(origin_open(&rules, &options, &err), STOW_EINVAL);
	print_message("%s\n", err.message);
	assert_non_null(strstr(err.message, key));
	origin_done(&rules);
}

static void mistakes_in_the_configuration_are_named(void **state)
{
	static const char *const hosts[] = {
		"registry.example.org", "ftp://a",      "http://",       "https://a b", "://a",
		"http://a@b",           "http://a/b?c", "http://a/../b", "http://a:x",  "https//a",
		"http://a//",
	};
	static const char *const prefixes[] = { "registry", "/registry", "registry/", "//",
		                                "/a b/",    "/a//b/",    "/../" };
	static const char *const proxies[] = {
		"localhost",         "10.0.0.0/33", "::/129",           "10.0.0/8",
		"10.0.0.0/",         "a,",          "10.0.0.1,",        ",",
		"::ffff:1.2.3.4/95", "unix",        "10.0.0.1 10.0.0.2"
	};

	(void)state;
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
		refused((struct origin_options){ .host = hosts[i] }, "[http] host");
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
		refused((struct origin_options){ .prefix = prefixes[i] }, "[http] prefix");
	for (size_t i = 0; i < sizeof proxies / sizeof proxies[0]; i++)
		refused((struct origin_options){ .trusted_proxies = proxies[i] },
		        "[http] trustedproxies");
}

static bool in(const char *set, const char *text)
{
	struct networks networks;
	struct address a;
	unsigned port;
	bool have;

	assert_int_equal(networks_parse(&networks, "set", set, NULL), STOW_OK);
	assert_true(address_parse(&a, &port, text));
	have = networks_have(&networks, &a);
	networks_done(&networks);
	return have;
}

static void networks_have_their_addresses(void **state)
{
	(void)state;
	assert_false(in("", "10.0.0.1"));
	assert_false(in("  ", "10.0.0.1"));
	assert_true(in("0.0.0.0/0", "10.0.0.1"));
	assert_false(in("0.0.0.0/0", "::1"));
	assert_true(in("::/0", "::1"));
	assert_false(in("::/0", "10.0.0.1"));
	assert_true(in("10.1.2.3/15", "10.0.255.255"));
	assert_false(in("10.1.2.3/15", "10.2.0.0"));
	assert_true(in("192.0.2.4/31", "192.0.2.5"));
	assert_false(in("192.0.2.4/31", "192.0.2.6"));
	assert_true(in("::ffff:10.0.0.0/104", "10.9.9.9"));
	assert_true(in("2001:db8::/33", "2001:db8:7fff::"));
	assert_false(in("2001:db8::/33", "2001:db8:8000::"));
	assert_true(in("::1 ,\t10.0.0.1\n", "10.0.0.1"));
}

static void a_set_of_networks_is_bounded(void **state)
{
	struct networks networks;
	char text[NETWORKS_MAX * 4 + 4] = "";

	(void)state;
	for (int i = 0; i < NETWORKS_MAX; i++)
		memcpy(text + i * 4, ",::1", 5);
	assert_int_equal(networks_parse(&networks, "set", text + 1, NULL), STOW_OK);
	assert_int_equal(networks.n, NETWORKS_MAX);
	networks_done(&networks);
	assert_int_equal(networks_parse(&networks, "set", text, NULL), STOW_EINVAL);
}

/* ---- extra headers ---- */

static void expect_headers(const char *text, const char *const *lines)
{
	struct headers h;
	const char *name, *value;
	size_t cursor = 0;

	print_message("%s\n", text ? text : "(null)");
	assert_int_equal(headers_parse(&h, "headers", text, NULL), STOW_OK);
	for (; *lines; lines += 2) {
		assert_true(headers_next(&h, &cursor, &name, &value));
		assert_string_equal(name, lines[0]);
		assert_string_equal(value, lines[1]);
	}
	assert_false(headers_next(&h, &cursor, &name, &value));
	headers_done(&h);
}

#define EXPECT_HEADERS(text, ...) expect_headers(text, (const char *const[]){ __VA_ARGS__, NULL })

static void extra_headers_are_cut(void **state)
{
	(void)state;
	expect_headers(NULL, (const char *const[]){ NULL });
	expect_headers(" ; ", (const char *const[]){ NULL });
	EXPECT_HEADERS("X-Content-Type-Options: nosniff", "X-Content-Type-Options", "nosniff");
	EXPECT_HEADERS("A: 1; B:2 ;C: ;", "A", "1", "B", "2", "C", "");
	EXPECT_HEADERS("S: max-age=1; includeSubDomains; X-B: y", "S",
	               "max-age=1; includeSubDomains", "X-B", "y");
	EXPECT_HEADERS("A: 1; X: y\r\n\r\nB: 2\r\n", "A", "1; X: y", "B", "2");
	EXPECT_HEADERS("A: b: c", "A", "b: c");
}

static void extra_headers_that_do_harm_are_refused(void **state)
{
	static const char *const bad[] = {
		"A",
		": x",
		"A B: x",
		"A : x",
		"A: x\ty",
		"A: x\x7f",
		"A: x\ry\nB: 1",
		"\xc3\xa4: x",
		"content-length: 5",
		"Connection: close",
		"Transfer-Encoding: chunked",
		"A: 1; Location: x",
		"A: 1\nnothing",
	};
	char many[HEADERS_EXTRA_MAX + 1];
	struct headers h;
	struct stow_error err;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		err = (struct stow_error){ 0 };
		assert_int_equal(headers_parse(&h, "[http] headers", bad[i], &err), STOW_EINVAL);
		print_message("%s\n", err.message);
		assert_non_null(strstr(err.message, "[http] headers: "));
		headers_done(&h);
	}
	/* "A", "B..." and two NULs are the most */
	memset(many, 'b', sizeof many);
	memcpy(many, "A:", 2);
	many[HEADERS_EXTRA_MAX - 1] = '\0';
	assert_int_equal(headers_parse(&h, "headers", many, NULL), STOW_OK);
	headers_done(&h);
	many[HEADERS_EXTRA_MAX - 1] = 'b';
	many[HEADERS_EXTRA_MAX] = '\0';
	assert_int_equal(headers_parse(&h, "headers", many, NULL), STOW_EINVAL);
}

/* ---- URLs that are made ---- */

static struct exchange *make_exchange(struct service *service)
{
	const struct exchange_hooks hooks = { NULL, NULL, NULL };
	struct exchange *x = exchange_new(service, &hooks, "0");

	assert_non_null(x);
	return x;
}

static const char *header_of(struct exchange *x, const char *wanted)
{
	const char *name, *value;
	size_t cursor = 0;

	while (reply_next_header(&x->reply, &cursor, &name, &value)) {
		if (strcmp(name, wanted) == 0)
			return value;
	}
	return "";
}

static void urls_lead_back_to_the_route(void **state)
{
	static const char *const prefixes[] = { "", "/registry/", "/a/b/" };
	struct service service = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
		struct exchange *x = make_exchange(&service);
		const char *value, *path;
		struct route route;
		struct asked a;
		char target[200];

		begin(&a, &(struct origin_options){ .prefix = prefixes[i] }, "127.0.0.1");
		say(&a, "Host", "registry.example.org");
		find(&a);
		x->origin = a.origin;
		answer_location(x, "/v2/%s/blobs/uploads/%s", "c/d", "u-1");
		value = header_of(x, "Location");
		assert_memory_equal(value, "http://registry.example.org/", 28);
		assert_true(route_parse_below(&route, value, a.rules.prefix));
		assert_int_equal(route.kind, ROUTE_UPLOAD);
		assert_string_equal(route.name, "c/d");
		route_done(&route);

		/* RFC 8288: <URI-reference>; rel="next" */
		answer_next(x, "/v2/c/d/tags/list?last=%s&n=%d", "a%2Bb", 3);
		value = header_of(x, "Link");
		assert_int_equal(value[0], '<');
		path = strchr(value, '>');
		assert_non_null(path);
		assert_string_equal(path, ">; rel=\"next\"");
		memcpy(target, value + 1, (size_t)(path - value - 1));
		target[path - value - 1] = '\0';
		assert_int_equal(target[strcspn(target, "<>\" ")], '\0');
		assert_true(route_parse_below(&route, target, a.rules.prefix));
		assert_int_equal(route.kind, ROUTE_TAGS);
		assert_string_equal(route.last, "a+b");
		assert_string_equal(route.n, "3");
		route_done(&route);
		exchange_leave(x);
		end(&a);
	}
}

static void a_path_that_does_not_fit_is_no_path(void **state)
{
	struct service service = { 0 };
	struct exchange *x = make_exchange(&service);
	size_t len = x->reply.headers.max + 1;
	char *text = malloc(len + 1);

	(void)state;
	assert_non_null(text);
	memset(text, 'a', len);
	text[len] = '\0';
	answer_next(x, "/v2/%s", text);
	assert_int_not_equal(buf_status(&x->reply.headers), STOW_OK);
	free(text);
	exchange_leave(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_proxy_leaves_the_request_itself),
		cmocka_unit_test(only_trusted_peers_are_heard),
		cmocka_unit_test(the_configured_host_wins),
		cmocka_unit_test(a_kept_and_a_stripped_prefix_add_up),
		cmocka_unit_test(proxies_are_heard_as_far_as_they_make_sense),
		cmocka_unit_test(forwarded_comes_before_the_others),
		cmocka_unit_test(headers_that_disagree_hide_the_client),
		cmocka_unit_test(prefixes_that_are_none_are_passed_over),
		cmocka_unit_test(what_is_too_long_is_passed_over),
		cmocka_unit_test(long_values_of_forwarded_are_empty),
		cmocka_unit_test(mistakes_in_the_configuration_are_named),
		cmocka_unit_test(networks_have_their_addresses),
		cmocka_unit_test(a_set_of_networks_is_bounded),
		cmocka_unit_test(extra_headers_are_cut),
		cmocka_unit_test(extra_headers_that_do_harm_are_refused),
		cmocka_unit_test(urls_lead_back_to_the_route),
		cmocka_unit_test(a_path_that_does_not_fit_is_no_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
