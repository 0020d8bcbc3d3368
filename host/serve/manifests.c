/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET, HEAD, PUT and DELETE of a manifest, by tag or by digest.  It must not know what is in a
 * manifest.
 */
#include "host/serve/actions.h"

/* A reference with ':' can only be meant as a digest; all others as a tag. */
static bool is_digest(const struct exchange *x)
{
	return strchr(x->request.route.reference, ':') != NULL;
}

static bool check_reference(struct exchange *x)
{
	if (is_digest(x))
		return answer_check_digest(x, x->request.route.reference);
	if (stow_tag_check(x->request.route.reference) == STOW_OK)
		return true;
	if (x->request.method == METHOD_PUT)
		reply_error(&x->reply, 400, "TAG_INVALID", "not a tag", NULL);
	else
		reply_error(&x->reply, 404, "MANIFEST_UNKNOWN", "not known to this registry", NULL);
	return false;
}

static void fault(struct exchange *x, int status, const struct stow_error *err)
{
	if (status == STOW_EEXIST) { /* what clients show and do not try again */
		sink_event(x->service->sink, STOW_LOG_INFO, x->action->label, x->trace, "%s",
		           err->message);
		reply_error(&x->reply, 403, "DENIED",
		            x->request.method == METHOD_DELETE
		                    ? "the tag, or one that stands on the manifest, is immutable"
		                    : "the tag is immutable and stands on another manifest",
		            is_digest(x) ? NULL : x->request.route.reference);
		return;
	}
	answer_fault(x, status, err, "MANIFEST_UNKNOWN", "MANIFEST_INVALID");
}

/* Reads what the tag stands on, for all that are parked for it, too. */
static void read_tag(struct exchange *x)
{
	const struct route *r = &x->request.route;
	struct stow_op op = exchange_op(x, x->service->request_timeout);
	struct exchange_tag *tag = &x->tag;
	bool leads = x->parked.leads;
	struct parked *group = leads ? parking_take(x->service->parking, &x->parked) : NULL;

	tag->status = stow_tag_get(x->service->registry, &op, r->name, r->reference, tag->digest,
	                           &tag->err);
	tag->known = true;
	if (!leads)
		return;
	/* it was this one's time that ended, or its client that went: another reads anew */
	if (tag->status == STOW_ETIMEOUT || tag->status == STOW_ECANCELED) {
		parking_leave(x->service->parking, &x->parked, group);
		return;
	}
	parking_leave(x->service->parking, &x->parked, NULL);
	while (group) {
		struct parked *one = group;
		struct exchange *other = one->owner;

		group = one->next;
		other->tag = *tag;
		one->go_on(one);
	}
}

/* false where it is not known yet: the exchange parks first. */
static bool resolve(struct exchange *x)
{
	const struct route *r = &x->request.route;

	if (x->tag.known)
		return true;
	if (!x->tag.asked) {
		x->tag.asked = true;
		if (asprintf(&x->park_key, "%s:%s", r->name, r->reference) >= 0)
			return false;
		x->park_key = NULL; /* then by itself */
	}
	read_tag(x);
	return true;
}

static void finish_get(struct exchange *x)
{
	const struct route *r = &x->request.route;
	bool by_tag = !is_digest(x);
	struct stow_error err = { 0 };
	struct stow_manifest *m = NULL;
	const struct stow_descriptor *d;
	struct stow_op op;
	int status = STOW_OK;

	if (by_tag && !resolve(x))
		return;
	op = exchange_op(x, x->service->request_timeout);
	if (by_tag) {
		status = x->tag.status;
		err = x->tag.err;
	}
	if (status == STOW_OK)
		status = stow_manifest_get(x->service->registry, &op, r->name,
		                           by_tag ? x->tag.digest : r->reference, &m, &err);
	if (status == STOW_ENOTSUP) { /* not a matter of the method, as it is elsewhere */
		sink_event(x->service->sink, STOW_LOG_WARNING, err.where, x->trace, "%s",
		           err.message);
		reply_error(&x->reply, 404, "MANIFEST_UNKNOWN",
		            "a manifest of schema 1 whose signatures or link a registry of another "
		            "version left out",
		            NULL);
		return;
	}
	if (status != STOW_OK) {
		fault(x, status, &err);
		return;
	}
	d = stow_manifest_descriptor(m);
	if (!answer_not_modified(x, d) &&
	    (x->request.method == METHOD_HEAD || exchange_hold(x, d->size))) {
		x->reply.status = 200;
		reply_header(&x->reply, "Content-Type", "%s", d->media_type);
		reply_header(&x->reply, "Docker-Content-Digest", "%s", d->digest);
		reply_header(&x->reply, "ETag", "\"%s\"", d->digest);
		if (x->request.method == METHOD_HEAD)
			x->reply.stream = d->size;
		else
			buf_add(&x->reply.body, stow_manifest_data(m), (size_t)d->size);
	}
	stow_manifest_free(m);
}

/* Those of a push by digest (draft of the distribution-spec, "Pushing Manifests"). */
static bool check_tags(struct exchange *x)
{
	const struct route *r = &x->request.route;

	if (!is_digest(x))
		return true;
	if (r->n_tags > STOW_MANIFEST_TAGS_MAX) {
		reply_error(&x->reply, 414, "TAG_INVALID", "too many tags at once", NULL);
		return false;
	}
	for (size_t i = 0; i < r->n_tags; i++) {
		if (stow_tag_check(r->tags[i]) == STOW_OK)
			continue;
		reply_error(&x->reply, 400, "TAG_INVALID", "not a tag", r->tags[i]);
		return false;
	}
	return true;
}

static bool check_put(struct exchange *x)
{
	if (!check_reference(x) || !check_tags(x))
		return false;
	if (x->request.length <= STOW_MANIFEST_MAX)
		return true;
	reply_error(&x->reply, 413, "MANIFEST_INVALID", "the manifest is over 4 MiB", NULL);
	return false;
}

static void add_fault(struct exchange *x, const struct stow_fault *f)
{
	int status = 400;
	const char *code = "MANIFEST_INVALID";

	switch (f->kind) {
	case STOW_FAULT_DIGEST:
		code = "DIGEST_INVALID";
		break;
	case STOW_FAULT_BLOB_UNKNOWN:
		code = "MANIFEST_BLOB_UNKNOWN";
		break;
	case STOW_FAULT_NAME:
		code = "NAME_INVALID";
		break;
	case STOW_FAULT_UNVERIFIED:
		code = "MANIFEST_UNVERIFIED";
		break;
	case STOW_FAULT_TAG:
		code = "TAG_INVALID";
		break;
	case STOW_FAULT_TOO_LARGE:
		status = 413;
		break;
	default:
		break;
	}
	reply_error(&x->reply, status, code, f->message, f->digest);
}

_Static_assert(ROUTE_TAGS_MAX >= STOW_MANIFEST_TAGS_MAX, "the route keeps all tags that are taken");

static int put(struct exchange *x, struct stow_descriptor *ret, struct stow_faults **ret_faults,
               struct stow_error *err)
{
	const struct route *r = &x->request.route;
	struct stow_op op = exchange_op(x, x->service->request_timeout);
	const char *type = x->request.header[HEADER_CONTENT_TYPE];

	if (is_digest(x))
		return stow_manifest_put_tagged(x->service->registry, &op, r->name, r->reference,
		                                r->tags, r->n_tags, type, buf_text(&x->collected),
		                                x->collected.len, ret, ret_faults, err);
	return stow_manifest_put(x->service->registry, &op, r->name, r->reference, type,
	                         buf_text(&x->collected), x->collected.len, ret, ret_faults, err);
}

static void add_created(struct exchange *x, const struct stow_descriptor *d)
{
	const struct route *r = &x->request.route;
	char subject[STOW_DIGEST_MAX + 1];

	x->reply.status = 201;
	answer_location(x, "/v2/%s/manifests/%s", r->name, d->digest);
	reply_header(&x->reply, "Docker-Content-Digest", "%s", d->digest);
	/* tells a client that it need not keep the tag schema */
	if (stow_manifest_subject(buf_text(&x->collected), x->collected.len, subject) == STOW_OK)
		reply_header(&x->reply, "OCI-Subject", "%s", subject);
	/* each is told that the client asked for, be it twice */
	for (size_t i = 0; is_digest(x) && i < r->n_tags; i++)
		reply_header(&x->reply, "OCI-Tag", "%s", r->tags[i]);
}

static void finish_put(struct exchange *x)
{
	struct stow_error err = { 0 };
	struct stow_descriptor d = { 0 };
	struct stow_faults *faults = NULL;
	struct stow_fault f;
	int status = put(x, &d, &faults, &err);

	if (status == STOW_OK) {
		add_created(x, &d);
	} else if (stow_faults_count(faults) > 0) {
		for (size_t i = 0; i < stow_faults_count(faults); i++) {
			if (stow_faults_at(faults, i, &f) == STOW_OK)
				add_fault(x, &f);
		}
		sink_event(x->service->sink, STOW_LOG_INFO, x->action->label, x->trace, "%s",
		           err.message);
	} else {
		fault(x, status, &err);
	}
	stow_faults_free(faults);
}

static void finish_delete(struct exchange *x)
{
	const struct route *r = &x->request.route;
	struct stow_op op = exchange_op(x, x->service->commit_timeout);
	struct stow_error err = { 0 };
	int status;

	if (is_digest(x))
		status = stow_manifest_delete_tagged(x->service->registry, &op, r->name,
		                                     r->reference, &err);
	else
		status = stow_tag_delete(x->service->registry, &op, r->name, r->reference, &err);
	if (status == STOW_OK)
		x->reply.status = 202;
	else
		fault(x, status, &err);
}

const struct action actions_manifests[] = {
	{ ROUTE_MANIFEST, METHOD_GET, "manifest.get", BODY_DISCARD, check_reference, NULL, NULL,
	  finish_get },
	{ ROUTE_MANIFEST, METHOD_PUT, "manifest.put", BODY_COLLECT, check_put, NULL, NULL,
	  finish_put },
	{ ROUTE_MANIFEST, METHOD_DELETE, "manifest.delete", BODY_DISCARD, check_reference, NULL,
	  NULL, finish_delete },
	{ 0, 0, NULL, 0, NULL, NULL, NULL, NULL },
};
