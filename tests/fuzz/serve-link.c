/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the Link of tags/list, _catalog and referrers: lines with [http] host, prefix and
 * trustedproxies, a raw request target, how many names the store has and how many bytes a descriptor,
 * a name, which may be escaped, then headers of a request that comes from 127.0.0.1.
 *
 * What is written is one link, and asks for the page behind this one, whoever reads it.  The
 * registry's lists are the target's own.  It must not know what is in a page.
 */
#include "host/serve/actions.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "common/cleanup.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/head.h"

#define PAGE_MAX 10000 /* of tags and repositories; where n does not say it, of tags */
#define CATALOG_DEFAULT 100
#define COUNT_MAX 1200                        /* more than a page of descriptors holds */
#define SIZE_MAX_OF_ONE ((int64_t)700 * 1024) /* two are more than a page's bytes */
#define SAFE "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?=&%"

/* What the store has: count times the same, each a name, or a digest with its descriptor. */
struct shelf {
	int64_t count, given;
	const char *name, *descriptor;
};

/* ---- in the place of what lies below: linked by --wrap ---- */

struct stow_names;
struct stow_referrers;
int __wrap_stow_tags_open(struct stow_registry *, const struct stow_op *, const char *name,
                          const char *after, struct stow_names **ret, struct stow_error *);
int __wrap_stow_catalog_open(struct stow_registry *, const struct stow_op *, const char *after,
                             struct stow_names **ret, struct stow_error *);
int __wrap_stow_names_next(struct stow_names *, const struct stow_op *, const char **ret,
                           struct stow_error *);
void __wrap_stow_names_close(struct stow_names *);
int __wrap_stow_referrers_open(struct stow_registry *, const struct stow_op *, const char *name,
                               const char *subject, const char *type, const char *after,
                               struct stow_referrers **ret, struct stow_error *);
int __wrap_stow_referrers_next(struct stow_referrers *, const char **ret_digest,
                               const char **ret_descriptor);
void __wrap_stow_referrers_close(struct stow_referrers *);

int __wrap_stow_tags_open(struct stow_registry *registry, const struct stow_op *op,
                          const char *name, const char *after, struct stow_names **ret,
                          struct stow_error *err)
{
	(void)op, (void)name, (void)after, (void)err;
	*ret = (struct stow_names *)registry;
	return STOW_OK;
}

int __wrap_stow_catalog_open(struct stow_registry *registry, const struct stow_op *op,
                             const char *after, struct stow_names **ret, struct stow_error *err)
{
	(void)op, (void)after, (void)err;
	*ret = (struct stow_names *)registry;
	return STOW_OK;
}

int __wrap_stow_names_next(struct stow_names *names, const struct stow_op *op, const char **ret,
                           struct stow_error *err)
{
	struct shelf *s = (struct shelf *)names;

	(void)op, (void)err;
	*ret = s->name;
	return s->given++ < s->count ? STOW_OK : STOW_ENOTFOUND;
}

void __wrap_stow_names_close(struct stow_names *names)
{
	(void)names;
}

int __wrap_stow_referrers_open(struct stow_registry *registry, const struct stow_op *op,
                               const char *name, const char *subject, const char *type,
                               const char *after, struct stow_referrers **ret,
                               struct stow_error *err)
{
	(void)op, (void)name, (void)subject, (void)type, (void)after, (void)err;
	*ret = (struct stow_referrers *)registry;
	return STOW_OK;
}

int __wrap_stow_referrers_next(struct stow_referrers *list, const char **ret_digest,
                               const char **ret_descriptor)
{
	struct shelf *s = (struct shelf *)list;

	*ret_digest = s->name;
	*ret_descriptor = s->descriptor;
	return s->given++ < s->count ? STOW_OK : STOW_ENOTFOUND;
}

void __wrap_stow_referrers_close(struct stow_referrers *list)
{
	(void)list;
}

struct stow_op exchange_op(struct exchange *x, int64_t timeout)
{
	(void)x, (void)timeout;
	return (struct stow_op){ .size = sizeof(struct stow_op) };
}

bool exchange_hold(struct exchange *x, int64_t more)
{
	(void)x, (void)more;
	return true;
}

bool exchange_hold_answer(struct exchange *x)
{
	return exchange_hold(x, 0);
}

bool auth_may_pull(struct auth *a, const struct identity *who, const char *repository)
{
	(void)a, (void)who, (void)repository;
	return true;
}

bool auth_may_list(struct auth *a, const struct identity *who, const char *repository)
{
	return auth_may_pull(a, who, repository);
}

bool auth_may_pull_all(struct auth *a, const struct identity *who)
{
	return auth_may_pull(a, who, NULL);
}

/* ---- what a link says ---- */

/* The only one of the answer; NULL where there is none. */
static const char *find_link(const struct reply *reply)
{
	const char *name, *value, *found = NULL;
	size_t cursor = 0;

	while (reply_next_header(reply, &cursor, &name, &value)) {
		if (!text_equal_nocase(name, "Link"))
			continue;
		REQUIRE(!found && fuzz_is_line(value));
		found = value;
	}
	return found;
}

/* The target of a header that is one link of RFC 8288, whatever reads it; to be freed. */
static char *target_of(const char *link)
{
	const char *end = strchr(link, '>');
	char *target;

	REQUIRE(*link == '<' && end && strcmp(end, ">; rel=\"next\"") == 0);
	target = strndup(link + 1, (size_t)(end - link - 1));
	REQUIRE(target && target[strspn(target, SAFE)] == '\0');
	/* the same host, wherever the client believes it to be */
	REQUIRE(target[0] == '/' && target[1] != '/');
	return target;
}

static bool equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* How many a page has; -1 where what n says is no number. */
static int64_t page_of(const struct route *r)
{
	int64_t n = r->kind == ROUTE_CATALOG ? CATALOG_DEFAULT : PAGE_MAX;

	if (r->n && !text_to_int64(r->n, &n))
		return -1;
	return n < PAGE_MAX ? n : PAGE_MAX;
}

/* It comes back without what proxies took away, and is the same list behind that name. */
static void check_link(const struct exchange *x, const char *link, const char *name)
{
	cleanup_free char *target = target_of(link);
	const struct route *asked = &x->request.route;
	const char *prefix = x->service->origin->prefix;
	cleanup_free char *inside = NULL;
	size_t cap = strlen(prefix) + strlen(target) + 1;
	struct route next;
	int64_t n;

	REQUIRE(text_starts(target, x->origin.prefix));
	inside = malloc(cap);
	REQUIRE(inside &&
	        text_format(inside, cap, "%s%s", prefix, target + strlen(x->origin.prefix)));
	REQUIRE(route_parse_below(&next, inside, prefix));
	REQUIRE(next.kind == asked->kind && next.v2);
	REQUIRE(equal(next.name, asked->name) && equal(next.reference, asked->reference));
	REQUIRE(equal(next.last, name));
	REQUIRE(!next.digest && !next.mount && !next.from && !next.state && next.n_tags == 0);
	if (next.kind == ROUTE_REFERRERS) {
		REQUIRE(equal(next.artifact_type ? next.artifact_type : "",
		              asked->artifact_type ? asked->artifact_type : ""));
		REQUIRE(!next.n);
	} else {
		REQUIRE(next.n && text_to_int64(next.n, &n) && n == page_of(asked));
	}
	route_done(&next);
}

static int64_t count_braces(const struct buf *body)
{
	int64_t n = 0;

	for (size_t i = 0; i < body->len; i++)
		n += body->data[i] == '{';
	return n;
}

/* There is a link where the page does not end the list, and only there. */
static void check_answer(const struct exchange *x, const struct shelf *s)
{
	const struct route *r = &x->request.route;
	const char *link = find_link(&x->reply);
	int64_t n = page_of(r), shown;

	/* what does not fit must not look complete; headers that do not are sent as a bare 500 */
	if (buf_status(&x->reply.headers) != STOW_OK || x->reply.status != 200) {
		REQUIRE(!link);
		REQUIRE(strlen(s->name) + (r->artifact_type ? strlen(r->artifact_type) : 0) > 4096);
		return;
	}
	if (r->kind == ROUTE_REFERRERS) {
		shown = count_braces(&x->reply.body) - 1;
		REQUIRE(shown > 0 || s->count == 0);
		REQUIRE(!link == (shown == s->count));
	} else {
		REQUIRE(!link == (n == 0 || n >= s->count));
	}
	if (link)
		check_link(x, link, s->name);
}

static void run(struct exchange *x, struct shelf *s)
{
	const struct route *r = &x->request.route;

	if (r->kind != ROUTE_TAGS && r->kind != ROUTE_CATALOG && r->kind != ROUTE_REFERRERS)
		return;
	actions_route(x);
	if (!x->action || !x->action->check(x)) {
		REQUIRE(x->reply.status == 400 && !find_link(&x->reply));
		return;
	}
	REQUIRE(r->kind == ROUTE_REFERRERS || page_of(r) >= 0);
	x->action->finish(x);
	check_answer(x, s);
}

/* ---- the input ---- */

/* A number of the line, at most so much. */
static int64_t take_number(char **line, int64_t most)
{
	int64_t n;

	if (!text_to_int64(fuzz_word(line), &n))
		return 0;
	return n < most ? n : most;
}

/* The line with its escapes, or as it stands where they are none; to be freed. */
static char *take_name(const char *line)
{
	char *name = strdup(line);

	REQUIRE(name);
	if (!text_percent_decode(name))
		memcpy(name, line, strlen(line) + 1);
	return name;
}

/* A descriptor of so many bytes, at least "{}"; to be freed. */
static char *make_descriptor(int64_t size)
{
	size_t len = size < 2 ? 2 : (size_t)size;
	char *text = malloc(len + 1);

	REQUIRE(text);
	memset(text, ' ', len);
	text[0] = '{';
	text[len - 1] = '}';
	text[len] = '\0';
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct sockaddr_in from = { .sin_family = AF_INET,
		                          .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct origin_peer peer = { .address = (const struct sockaddr *)&from };
	const struct sink quiet = { .levels = NULL };
	cleanup_free char *text = fuzz_text(data, len);
	cleanup_free char *name = NULL, *descriptor = NULL;
	char *rest = text, *target, *numbers;
	struct origin_options options = { 0 };
	struct origin_rules rules;
	struct service service = { .sink = &quiet, .origin = &rules };
	cleanup_free struct exchange *x = calloc(1, sizeof(*x));
	struct shelf shelf = { 0 };
	struct stow_error err = { 0 };

	options.host = fuzz_line(&rest);
	options.prefix = fuzz_line(&rest);
	options.trusted_proxies = fuzz_line(&rest);
	options.relative_urls = len % 2;
	target = fuzz_line(&rest);
	numbers = fuzz_line(&rest);
	shelf.count = take_number(&numbers, COUNT_MAX);
	shelf.descriptor = descriptor = make_descriptor(take_number(&numbers, SIZE_MAX_OF_ONE));
	shelf.name = name = take_name(fuzz_line(&rest));
	REQUIRE(x);
	x->service = &service;
	service.registry = (struct stow_registry *)&shelf;
	x->request.method = METHOD_GET;
	reply_init(&x->reply);
	fuzz_headers(&x->request, rest);
	if (origin_open(&rules, &options, &err) == STOW_OK) {
		origin_find(&x->origin, &rules, &x->request, &peer);
		REQUIRE(route_parse_below(&x->request.route, target, rules.prefix));
		run(x, &shelf);
	}
	origin_done(&rules);
	reply_done(&x->reply);
	request_done(&x->request);
	return 0;
}
