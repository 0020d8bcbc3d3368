/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes host/serve/route: a line with a raw request target; and lines with a name, a reference
 * and a query's value, which must come through a target made from them.
 * It must not know methods nor what a valid name is, beyond the public check.
 */
#include "host/serve/route.h"

#include <stowage/registry.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"

static size_t count(const char *s, const char *end, char c)
{
	size_t n = 0;

	for (; *s && (!end || s < end); s++)
		n += *s == c;
	return n;
}

static bool has_parts(const struct route *r, bool name, bool reference)
{
	return (r->name != NULL) == name && (r->reference != NULL) == reference;
}

/* Each kind has the parts that its form has, and no others. */
static void check_parts(const struct route *r)
{
	switch (r->kind) {
	case ROUTE_TAGS:
	case ROUTE_UPLOADS:
		REQUIRE(r->v2 && has_parts(r, true, false));
		break;
	case ROUTE_MANIFEST:
	case ROUTE_REFERRERS:
	case ROUTE_BLOB:
	case ROUTE_UPLOAD:
		REQUIRE(r->v2 && has_parts(r, true, true));
		break;
	case ROUTE_BASE:
	case ROUTE_CATALOG:
		REQUIRE(r->v2 && has_parts(r, false, false));
		break;
	case ROUTE_ROOT:
	case ROUTE_LIVE:
	case ROUTE_READY:
		REQUIRE(!r->v2 && has_parts(r, false, false));
		break;
	default:
		REQUIRE(r->kind == ROUTE_UNKNOWN || r->kind == ROUTE_BROKEN);
		break;
	}
}

/* Escapes make no slash: a name has no more of them than the target's path. */
static void check_target(const char *target)
{
	const char *query = strchr(target, '?');
	struct route r;

	REQUIRE(route_parse(&r, target));
	check_parts(&r);
	if (r.kind > ROUTE_BROKEN && r.name)
		REQUIRE(count(r.name, NULL, '/') < count(target, query, '/'));
	if (!query)
		REQUIRE(!r.digest && !r.mount && !r.from && !r.state && !r.last && !r.n &&
		        r.n_tags == 0);
	for (size_t i = 0; i < r.n_tags && i < ROUTE_TAGS_MAX; i++)
		REQUIRE(strlen(r.tags[i]) < strlen(target));
	route_done(&r);
	REQUIRE(!r.name && !r.memory);
}

static void add_encoded(struct buf *to, const char *text, bool keep_slash)
{
	size_t len = text_percent_encode(NULL, 0, text, keep_slash);

	REQUIRE(buf_reserve(to, len + 1) == STOW_OK);
	to->len += text_percent_encode(to->data + to->len, len + 1, text, keep_slash);
}

/* Every byte as an escape, which means the same. */
static void add_escaped(struct buf *to, const char *text)
{
	for (; *text; text++)
		buf_addf(to, "%%%02x", (unsigned)(unsigned char)*text);
}

static bool equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* A path in which all that stands for itself is escaped is the same path. */
static void check_same(const char *target)
{
	const size_t path = strcspn(target, "?");
	struct buf cleanup_buf escaped = { 0 };
	struct route a, b;

	/* another form */
	if (*target != '/')
		return;
	buf_init(&escaped, (size_t)1 << 20);
	for (size_t i = 0; i < path; i++) {
		if (target[i] == '%') {
			/* as it stands, whole or broken */
			size_t n = strnlen(target + i, path - i < 3 ? path - i : 3);

			buf_add(&escaped, target + i, n);
			i += n - 1;
		} else if (target[i] == '/') {
			buf_addc(&escaped, '/');
		} else {
			buf_addf(&escaped, "%%%02X", (unsigned)(unsigned char)target[i]);
		}
	}
	buf_adds(&escaped, target + path);
	if (buf_status(&escaped) != STOW_OK)
		return;
	REQUIRE(route_parse(&a, target) && route_parse(&b, buf_text(&escaped)));
	REQUIRE(a.kind == b.kind && (a.kind == ROUTE_BROKEN || a.v2 == b.v2));
	REQUIRE(equal(a.name, b.name) && equal(a.reference, b.reference));
	route_done(&a);
	route_done(&b);
}

static void check_made(const char *name, const char *reference, const char *value, bool escaped)
{
	struct buf cleanup_buf target = { 0 };
	struct route r;

	buf_init(&target, (size_t)1 << 20);
	buf_adds(&target, "/v2/");
	add_encoded(&target, name, true);
	buf_adds(&target, "/manifests/");
	if (escaped)
		add_escaped(&target, reference);
	else
		add_encoded(&target, reference, false);
	buf_adds(&target, "?x=1&digest=");
	add_encoded(&target, value, false);
	buf_adds(&target, "&digest=later&n=7&tag=");
	add_encoded(&target, value, false);
	buf_adds(&target, "&tag=later");
	if (buf_status(&target) != STOW_OK)
		return;
	REQUIRE(route_parse(&r, buf_text(&target)));
	if (strchr(reference, '/')) {
		REQUIRE(r.kind == ROUTE_BROKEN && !r.name && !r.reference);
		route_done(&r);
		return;
	}
	REQUIRE(r.kind == ROUTE_MANIFEST);
	REQUIRE(strcmp(r.name, name) == 0 && strcmp(r.reference, reference) == 0);
	REQUIRE(r.digest && strcmp(r.digest, value) == 0);
	REQUIRE(r.n && strcmp(r.n, "7") == 0 && !r.last);
	REQUIRE(r.n_tags == 2 && strcmp(r.tags[0], value) == 0 && strcmp(r.tags[1], "later") == 0);
	route_done(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup_free char *text = fuzz_text(data, len);
	char *rest = text, *target = fuzz_line(&rest), *name = fuzz_line(&rest);
	char *reference = fuzz_line(&rest), *value = fuzz_line(&rest);

	check_target(target);
	check_same(target);
	if (*reference && stow_name_check(name) == STOW_OK) {
		check_made(name, reference, value, false);
		check_made(name, reference, value, true);
	}
	return 0;
}
