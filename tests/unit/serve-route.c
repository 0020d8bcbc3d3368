/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes from raw targets.  It must not know what the routes do.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "host/serve/route.h"

struct expected {
	const char *target;
	int kind;
	const char *name, *reference;
};

static const struct expected cases[] = {
	{ "/", ROUTE_ROOT, NULL, NULL },
	{ "/v2", ROUTE_BASE, NULL, NULL },
	{ "/v2/", ROUTE_BASE, NULL, NULL },
	{ "/v2/?a=b", ROUTE_BASE, NULL, NULL },
	{ "http://host:5000/v2/", ROUTE_BASE, NULL, NULL },
	{ "http://host", ROUTE_ROOT, NULL, NULL },
	{ "HTTP://host/v2/", ROUTE_BASE, NULL, NULL },
	{ "http://host?a=/v2/", ROUTE_ROOT, NULL, NULL },
	{ "/v2/_catalog", ROUTE_CATALOG, NULL, NULL },
	{ "/v2/a/tags/list", ROUTE_TAGS, "a", NULL },
	{ "/v2/a/b/c/tags/list", ROUTE_TAGS, "a/b/c", NULL },
	{ "/v2/tags/list/tags/list", ROUTE_TAGS, "tags/list", NULL },
	{ "/v2/a/manifests/latest", ROUTE_MANIFEST, "a", "latest" },
	{ "/v2/x/blobs/uploads/manifests/t", ROUTE_MANIFEST, "x/blobs/uploads", "t" },
	{ "/v2/a/manifests/", ROUTE_MANIFEST, "a", "" },
	{ "/v2/a/manifests/sha256%3Aab", ROUTE_MANIFEST, "a", "sha256:ab" },
	{ "/v2/a/manifests/x%2Fy", ROUTE_BROKEN, NULL, NULL },
	{ "/v2/a/manifests/x%252Fy", ROUTE_MANIFEST, "a", "x%2Fy" },
	{ "/%762/%61/%6Danifest%73/%78", ROUTE_MANIFEST, "a", "x" },
	{ "/%762/", ROUTE_BASE, NULL, NULL },
	{ "/v2/%5fcatalog", ROUTE_CATALOG, NULL, NULL },
	{ "/v2/%5Fcatalog%3Fn=1", ROUTE_UNKNOWN, NULL, NULL },
	{ "/v2/a/t%61gs/lis%74", ROUTE_TAGS, "a", NULL },
	{ "/v2/a/blo%62s/upload%73/", ROUTE_UPLOADS, "a", NULL },
	{ "/v2/a/%2562lobs/x", ROUTE_UNKNOWN, NULL, NULL },
	{ "/%6civez", ROUTE_LIVE, NULL, NULL },
	{ "/v2%2F_catalog", ROUTE_BROKEN, NULL, NULL },
	{ "/v2/a%2ftags%2flist", ROUTE_BROKEN, NULL, NULL },
	{ "/v2/a/blobs/sha256:ab", ROUTE_BLOB, "a", "sha256:ab" },
	{ "/v2/manifests/blobs/sha256:ab", ROUTE_BLOB, "manifests", "sha256:ab" },
	{ "/v2/a/blobs/uploads/", ROUTE_UPLOADS, "a", NULL },
	{ "/v2/a/blobs/uploads", ROUTE_UPLOADS, "a", NULL },
	{ "/v2/a/b/blobs/uploads/u-1", ROUTE_UPLOAD, "a/b", "u-1" },
	{ "/v2/%61/b/tags/list", ROUTE_TAGS, "a/b", NULL },
	{ "/v2/a/../c/tags/list", ROUTE_TAGS, "a/../c", NULL },
	{ "/v2/a//b/tags/list", ROUTE_TAGS, "a//b", NULL },
	{ "/v2//tags/list", ROUTE_TAGS, "", NULL },
	{ "/v2/a/%2e%2e/tags/list", ROUTE_TAGS, "a/..", NULL },
	{ "/v2/a%2Fb/tags/list", ROUTE_BROKEN, NULL, NULL },
	{ "/v2/a%00/tags/list", ROUTE_BROKEN, NULL, NULL },
	{ "/v2/a/manifests/x%00", ROUTE_BROKEN, NULL, NULL },
	{ "/v2/a/manifests/%ZZ", ROUTE_BROKEN, NULL, NULL },
	{ "/v2/a/manifests/%4", ROUTE_BROKEN, NULL, NULL },
	{ "/v2/a/nothing/%", ROUTE_BROKEN, NULL, NULL },
	{ "/v2/a", ROUTE_UNKNOWN, NULL, NULL },
	{ "/v2/tags/list", ROUTE_UNKNOWN, NULL, NULL },
	{ "/v2/blobs/uploads/", ROUTE_UNKNOWN, NULL, NULL },
	{ "/v2/a/tags/list/", ROUTE_UNKNOWN, NULL, NULL },
	{ "/v2/a/referrers/sha256:ab", ROUTE_REFERRERS, "a", "sha256:ab" },
	{ "/v2/referrers/sha256:ab", ROUTE_UNKNOWN, NULL, NULL },
	{ "/v1/", ROUTE_UNKNOWN, NULL, NULL },
	{ "*", ROUTE_UNKNOWN, NULL, NULL },
	{ "", ROUTE_UNKNOWN, NULL, NULL },
};

static void targets_find_their_routes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct expected *e = &cases[i];
		struct route r;

		print_message("%s\n", e->target);
		assert_true(route_parse(&r, e->target));
		assert_int_equal(r.kind, e->kind);
		if (e->name)
			assert_string_equal(r.name, e->name);
		if (e->reference)
			assert_string_equal(r.reference, e->reference);
		route_done(&r);
	}
}

static void queries_are_decoded_once(void **state)
{
	struct route r;

	(void)state;
	assert_true(route_parse(&r,
	                        "/v2/a/blobs/uploads/?mount=sha256%3Aab&from=b%2Fc&n=2&n=3"
	                        "&last=x+y%2By&digest=%ZZ&_state=&other&digest-algorithm=%2531"));
	assert_int_equal(r.kind, ROUTE_UPLOADS);
	assert_string_equal(r.mount, "sha256:ab");
	assert_string_equal(r.from, "b/c");
	assert_string_equal(r.n, "2");
	assert_string_equal(r.last, "x y+y");
	assert_string_equal(r.digest, "%ZZ");
	assert_string_equal(r.state, "");
	assert_string_equal(r.algorithm, "%31");
	route_done(&r);
	assert_true(
		route_parse(&r, "/v2/a/blobs/uploads/?%6Dount=x&mount=y&f%72om=%61&%zz=1&fr+om=z"));
	assert_string_equal(r.mount, "x");
	assert_string_equal(r.from, "a");
	route_done(&r);
	assert_true(route_parse(&r, "/v2/a/tags/list?&&=&n"));
	assert_string_equal(r.n, "");
	assert_null(r.last);
	route_done(&r);
}

static void tags_are_gathered(void **state)
{
	char target[64 + 8 * (ROUTE_TAGS_MAX + 1)] = "/v2/a/manifests/x?tag=v1";
	size_t len = strlen(target);
	struct route r;

	(void)state;
	assert_true(route_parse(&r, "/v2/a/manifests/x?tag=v1&n=1&tag=a%2Bb+c&tag=&tag=%ZZ&tag"
	                            "&Tag=no&tags=no&tag=v1"));
	assert_int_equal(r.n_tags, 6);
	assert_string_equal(r.tags[0], "v1");
	assert_string_equal(r.tags[1], "a+b c");
	assert_string_equal(r.tags[2], "");
	assert_string_equal(r.tags[3], "%ZZ");
	assert_string_equal(r.tags[4], "");
	assert_string_equal(r.tags[5], "v1");
	route_done(&r);
	assert_int_equal(r.n_tags, 0);
	/* more than fit are counted all the same */
	for (size_t i = 0; i < ROUTE_TAGS_MAX; i++, len += 7)
		memcpy(target + len, "&tag=v2", 8);
	assert_true(route_parse(&r, target));
	assert_int_equal(r.n_tags, ROUTE_TAGS_MAX + 1);
	assert_string_equal(r.tags[ROUTE_TAGS_MAX - 1], "v2");
	route_done(&r);
}

static void v2_is_known_even_where_nothing_else_is(void **state)
{
	struct route r;

	(void)state;
	assert_true(route_parse(&r, "/v2/nothing"));
	assert_true(r.v2);
	route_done(&r);
	assert_true(route_parse(&r, "/v2/%"));
	assert_true(r.v2);
	route_done(&r);
	assert_true(route_parse(&r, "/v22"));
	assert_false(r.v2);
	route_done(&r);
}

static const struct {
	const char *target, *prefix;
	int kind;
	bool v2;
} below[] = {
	{ "/registry/v2/", "/registry", ROUTE_BASE, true },
	{ "/registry/v2", "/registry", ROUTE_BASE, true },
	{ "http://host/registry/v2/", "/registry", ROUTE_BASE, true },
	{ "/registry/v2/a/tags/list?n=1", "/registry", ROUTE_TAGS, true },
	{ "/registry/v2/a/%", "/registry", ROUTE_BROKEN, true },
	{ "/a/b/v2/", "/a/b", ROUTE_BASE, true },
	{ "/", "/registry", ROUTE_ROOT, false },
	{ "/registry", "/registry", ROUTE_ROOT, false },
	{ "/registry/", "/registry", ROUTE_ROOT, false },
	{ "/registry?x", "/registry", ROUTE_ROOT, false },
	{ "/livez", "/registry", ROUTE_LIVE, false },
	{ "/readyz?x", "/registry", ROUTE_READY, false },
	{ "/registry/livez", "/registry", ROUTE_UNKNOWN, false },
	{ "/v2/", "/registry", ROUTE_UNKNOWN, false },
	{ "/v2/%", "/registry", ROUTE_UNKNOWN, false },
	{ "/registryv2/", "/registry", ROUTE_UNKNOWN, false },
	{ "/registry/registry/v2/", "/registry", ROUTE_UNKNOWN, false },
	{ "/registry//v2/", "/registry", ROUTE_UNKNOWN, false },
	{ "/registr%79/v2/", "/registry", ROUTE_BASE, true },
	{ "/registr%2579/v2/", "/registry", ROUTE_UNKNOWN, false },
	{ "/registry%2Fv2/", "/registry", ROUTE_UNKNOWN, false },
	{ "/Registry/v2/", "/registry", ROUTE_UNKNOWN, false },
	{ "/a/v2/", "/a/b", ROUTE_UNKNOWN, false },
	{ "/v2/a/../../registry/v2/", "/registry", ROUTE_UNKNOWN, false },
	{ "", "/registry", ROUTE_UNKNOWN, false },
};

static void routes_lie_below_a_prefix(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof below / sizeof below[0]; i++) {
		struct route r;

		print_message("%s below %s\n", below[i].target, below[i].prefix);
		assert_true(route_parse_below(&r, below[i].target, below[i].prefix));
		assert_int_equal(r.kind, below[i].kind);
		assert_int_equal(r.v2, below[i].v2);
		route_done(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(targets_find_their_routes),
		cmocka_unit_test(queries_are_decoded_once),
		cmocka_unit_test(tags_are_gathered),
		cmocka_unit_test(v2_is_known_even_where_nothing_else_is),
		cmocka_unit_test(routes_lie_below_a_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
