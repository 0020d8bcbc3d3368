/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tags/list and _catalog, in pages.  It must not know where names come from, and never sizes
 * anything by what the client asks for.
 */
#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "host/serve/actions.h"

#define PAGE_MAX 10000 /* names of one answer */
#define CATALOG_DEFAULT 100

/* n, clamped; -1 if it is not a number that a page can have. */
static int64_t page_size(const struct exchange *x)
{
	const char *n = x->request.route.n;
	int64_t value;

	if (!n)
		return x->request.route.kind == ROUTE_CATALOG ? CATALOG_DEFAULT : PAGE_MAX;
	if (!text_to_int64(n, &value))
		return -1;
	return value < PAGE_MAX ? value : PAGE_MAX;
}

static bool check(struct exchange *x)
{
	if (page_size(x) >= 0)
		return true;
	reply_error(&x->reply, 400, "PAGINATION_NUMBER_INVALID", "n is not a number of names",
	            x->request.route.n);
	return false;
}

/* false without memory: then the list must not look complete. */
static bool add_link(struct exchange *x, const char *last, int64_t n)
{
	const struct route *r = &x->request.route;
	size_t cap = strlen(last) * 3 + 1;
	char *cleanup_free encoded = malloc(cap);

	if (!encoded)
		return false;
	text_percent_encode(encoded, cap, last, false);
	if (r->kind == ROUTE_CATALOG)
		answer_next(x, "/v2/_catalog?last=%s&n=%lld", encoded, (long long)n);
	else
		answer_next(x, "/v2/%s/tags/list?last=%s&n=%lld", r->name, encoded, (long long)n);
	return true;
}

/* Writes the array and, where there is more than n, the Link. STOW_EBUSY without memory for it:
 * then the reply is made. */
static int add_names(struct exchange *x, struct stow_names *names, int64_t n,
                     struct stow_error *err)
{
	const struct route *r = &x->request.route;
	struct buf *body = &x->reply.body;
	struct buf cleanup_buf last = { 0 };
	int status = STOW_OK;

	buf_init(&last, (size_t)8 * 1024);
	buf_addc(body, '[');
	for (int64_t i = 0; n > 0; i++) {
		struct stow_op op = exchange_op(x, x->service->request_timeout);
		const char *name;

		status = stow_names_next(names, &op, &name, err);
		if (status != STOW_OK)
			break;
		if (r->kind == ROUTE_CATALOG && !auth_may_list(x->service->auth, &x->who, name)) {
			i--;
			continue;
		}
		if (i == n) {
			if (buf_status(&last) != STOW_OK || !add_link(x, buf_text(&last), n))
				return error_nomem(err, "list.page");
			break;
		}
		if (i > 0)
			buf_addc(body, ',');
		reply_json_string(body, name);
		if (!exchange_hold_answer(x))
			return STOW_EBUSY;
		buf_reset(&last);
		buf_adds(&last, name);
	}
	buf_addc(body, ']');
	return status == STOW_ENOTFOUND ? STOW_OK : status;
}

static void finish(struct exchange *x)
{
	const struct route *r = &x->request.route;
	bool catalog = r->kind == ROUTE_CATALOG;
	struct stow_op op = exchange_op(x, x->service->request_timeout);
	struct stow_error err = { 0 };
	struct stow_names *names = NULL;
	int status;

	if (catalog)
		status = stow_catalog_open(x->service->registry, &op, r->last, &names, &err);
	else
		status = stow_tags_open(x->service->registry, &op, r->name, r->last, &names, &err);
	if (status == STOW_OK) {
		x->reply.status = 200;
		reply_header(&x->reply, "Content-Type", "application/json");
		if (catalog) {
			buf_adds(&x->reply.body, "{\"repositories\":");
		} else {
			buf_adds(&x->reply.body, "{\"name\":");
			reply_json_string(&x->reply.body, r->name);
			buf_adds(&x->reply.body, ",\"tags\":");
		}
		status = add_names(x, names, page_size(x), &err);
	}
	if (status == STOW_OK)
		buf_adds(&x->reply.body, "}\n");
	else if (x->reply.errors == 0)
		answer_fault(x, status, &err, "NAME_UNKNOWN", "NAME_INVALID");
	stow_names_close(names);
}

const struct action actions_lists[] = {
	{ ROUTE_TAGS, METHOD_GET, "tags.list", BODY_DISCARD, check, NULL, NULL, finish },
	{ ROUTE_CATALOG, METHOD_GET, "catalog.list", BODY_DISCARD, check, NULL, NULL, finish },
	{ 0, 0, NULL, 0, NULL, NULL, NULL, NULL },
};
