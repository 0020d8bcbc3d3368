/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The referrers of a digest as an image index, in pages (OCI distribution-spec, "Listing
 * Referrers").  It must not know where descriptors come from.
 */
#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "host/serve/actions.h"

#define PAGE_MAX 1000              /* descriptors of one answer */
#define BODY_MAX ((size_t)1 << 20) /* and bytes: clients hold an index to 4 MiB */

static bool check(struct exchange *x)
{
	return answer_check_digest(x, x->request.route.reference);
}

/* Percent-encoded, to be freed. */
static char *encode(const char *text)
{
	size_t cap = strlen(text) * 3 + 1;
	char *encoded = malloc(cap);

	if (encoded)
		text_percent_encode(encoded, cap, text, false);
	return encoded;
}

/* false without memory: then the list must not look complete. */
static bool add_link(struct exchange *x, const char *last)
{
	const struct route *r = &x->request.route;
	const char *type = r->artifact_type ? r->artifact_type : "";
	char *cleanup_free encoded_last = encode(last);
	char *cleanup_free encoded_type = encode(type);

	if (!encoded_last || !encoded_type)
		return false;
	answer_next(x, "/v2/%s/referrers/%s?%s%s%slast=%s", r->name, r->reference,
	            *type ? "artifactType=" : "", encoded_type, *type ? "&" : "", encoded_last);
	return true;
}

/* STOW_EBUSY without memory for it: then the reply is made. */
static int add_descriptors(struct exchange *x, struct stow_referrers *list, struct stow_error *err)
{
	struct buf *body = &x->reply.body;
	const char *digest, *descriptor, *last = NULL;

	for (int n = 0; stow_referrers_next(list, &digest, &descriptor) == STOW_OK; n++) {
		if (last && (n == PAGE_MAX || body->len + strlen(descriptor) > BODY_MAX))
			return add_link(x, last) ? STOW_OK : error_nomem(err, "referrers.page");
		if (last)
			buf_addc(body, ',');
		buf_adds(body, descriptor);
		if (!exchange_hold_answer(x))
			return STOW_EBUSY;
		last = digest;
	}
	return STOW_OK;
}

static void finish(struct exchange *x)
{
	const struct route *r = &x->request.route;
	struct stow_op op = exchange_op(x, x->service->request_timeout);
	struct stow_error err = { 0 };
	struct stow_referrers *list = NULL;
	int status = stow_referrers_open(x->service->registry, &op, r->name, r->reference,
	                                 r->artifact_type, r->last, &list, &err);

	if (status == STOW_OK) {
		x->reply.status = 200;
		reply_header(&x->reply, "Content-Type", "application/vnd.oci.image.index.v1+json");
		if (r->artifact_type && *r->artifact_type)
			reply_header(&x->reply, "OCI-Filters-Applied", "artifactType");
		buf_adds(&x->reply.body,
		         "{\"schemaVersion\":2,"
		         "\"mediaType\":\"application/vnd.oci.image.index.v1+json\","
		         "\"manifests\":[");
		status = add_descriptors(x, list, &err);
	}
	if (status == STOW_OK)
		buf_adds(&x->reply.body, "]}\n");
	else if (x->reply.errors == 0)
		answer_fault(x, status, &err, "NAME_UNKNOWN", "NAME_INVALID");
	stow_referrers_close(list);
}

const struct action actions_referrers[] = {
	{ ROUTE_REFERRERS, METHOD_GET, "referrers.list", BODY_DISCARD, check, NULL, NULL, finish },
	{ 0, 0, NULL, 0, NULL, NULL, NULL, NULL },
};
