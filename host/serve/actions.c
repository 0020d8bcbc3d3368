/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a route and a method to an action, and what actions share.  It must not know what the
 * single actions do.
 */
#include "host/serve/actions.h"

#include <stdarg.h>

#include "common/text.h"
#include "host/serve/health.h"
#include "host/serve/range.h"

/* These ask nothing of the store, and so of no worker: who looks whether the host is alive gets
 * an answer while all workers wait. */
static bool answer_base(struct exchange *x)
{
	x->reply.status = 200;
	reply_header(&x->reply, "Content-Type", "application/json");
	buf_adds(&x->reply.body, "{}");
	return false;
}

static bool answer_root(struct exchange *x)
{
	x->reply.status = 200;
	reply_header(&x->reply, "Cache-Control", "no-cache");
	return false;
}

static void answer_word(struct exchange *x, int status, const char *word)
{
	x->reply.status = status;
	reply_header(&x->reply, "Content-Type", "text/plain");
	reply_header(&x->reply, "Cache-Control", "no-store");
	buf_addf(&x->reply.body, "%s\n", word);
}

static bool answer_live(struct exchange *x)
{
	answer_word(x, 200, "alive");
	return false;
}

static bool answer_ready(struct exchange *x)
{
	if (__atomic_load_n(&x->service->draining, __ATOMIC_RELAXED))
		answer_word(x, 503, "ending");
	else if (!health_ready(x->service->health))
		answer_word(x, 503, "the store does not answer");
	else
		answer_word(x, 200, "ready");
	return false;
}

static const struct action actions_base[] = {
	{ ROUTE_LIVE, METHOD_GET, "live.get", BODY_DISCARD, answer_live, NULL, NULL, NULL },
	{ ROUTE_READY, METHOD_GET, "ready.get", BODY_DISCARD, answer_ready, NULL, NULL, NULL },
	{ ROUTE_BASE, METHOD_GET, "base.get", BODY_DISCARD, answer_base, NULL, NULL, NULL },
	{ ROUTE_ROOT, METHOD_GET, "root.get", BODY_DISCARD, answer_root, NULL, NULL, NULL },
	{ 0, 0, NULL, 0, NULL, NULL, NULL, NULL },
};

/* NULL where the method is not the route's; *ret_methods are those that are. */
static const struct action *find(int kind, int method, int *ret_methods)
{
	const struct action *const tables[] = {
		actions_base,      actions_blobs, actions_uploads,
		actions_manifests, actions_lists, actions_referrers,
	};
	const struct action *found = NULL;

	*ret_methods = 0;
	if (method == METHOD_HEAD)
		method = METHOD_GET;
	for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
		for (const struct action *a = tables[i]; a->kind; a++) {
			if (a->kind != kind)
				continue;
			*ret_methods |= a->method;
			if (a->method == method)
				found = a;
		}
	}
	return found;
}

static void refuse_method(struct exchange *x, int methods)
{
	reply_header(&x->reply, "Allow", "%s%s%s%s%s", methods & METHOD_GET ? "GET, HEAD" : "",
	             methods & METHOD_POST ? (methods & METHOD_GET ? ", POST" : "POST") : "",
	             methods & METHOD_PUT ? ", PUT" : "", methods & METHOD_PATCH ? ", PATCH" : "",
	             methods & METHOD_DELETE ? ", DELETE" : "");
	reply_error(&x->reply, 405, "UNSUPPORTED", "the route does not take this method", NULL);
}

void actions_route(struct exchange *x)
{
	const struct route *route = &x->request.route;
	const struct action *action;
	const char *why;
	int methods;

	if (!request_frame(&x->request, &why)) {
		reply_error(&x->reply, 400, "UNSUPPORTED", why, NULL);
		x->reply.close = true;
		return;
	}
	if (route->kind == ROUTE_BROKEN) {
		reply_error(&x->reply, 400, "NAME_INVALID", "the path's escapes are not valid",
		            NULL);
		return;
	}
	action = find(route->kind, x->request.method, &methods);
	if (methods == 0) {
		reply_error(&x->reply, 404, "UNSUPPORTED", "no such route", NULL);
		return;
	}
	if (!action) {
		refuse_method(x, methods);
		return;
	}
	if (x->service->read_only && action->method != METHOD_GET) {
		reply_header(&x->reply, "Allow", "GET, HEAD");
		reply_error(&x->reply, 405, "UNSUPPORTED", "the registry is read-only", NULL);
		return;
	}
	if (route->name && stow_name_check(route->name) != STOW_OK) {
		reply_error(&x->reply, 400, "NAME_INVALID", "not a repository name", NULL);
		return;
	}
	x->action = action;
}

void answer_fault(struct exchange *x, int status, const struct stow_error *err,
                  const char *code_unknown, const char *code_invalid)
{
	int32_t level = STOW_LOG_DEBUG;

	if (reply_fault(&x->reply, status, err, code_unknown, code_invalid) &&
	    !__atomic_load_n(&x->cancel, __ATOMIC_RELAXED))
		level = x->reply.status == 500 ? STOW_LOG_ERROR : STOW_LOG_WARNING;
	if (x->reply.status == 405)
		reply_header(&x->reply, "Allow", "GET, HEAD%s",
		             x->request.route.kind == ROUTE_MANIFEST ? ", PUT" : "");
	sink_event(x->service->sink, level, err->where[0] ? err->where : x->action->label, x->trace,
	           "%s: %s%s%s%s", x->action->label, err->message,
	           err->request[0] ? " (store request " : "", err->request,
	           err->request[0] ? ")" : "");
}

/* A path that does not fit, or has no memory, must not look like one: it sticks in the headers and
 * the answer becomes a 500. */
static void add_path(struct buf *path, struct exchange *x, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));
static void add_path(struct buf *path, struct exchange *x, const char *fmt, va_list ap)
{
	buf_init(path, x->reply.headers.max);
	if (buf_addv(path, fmt, ap) != STOW_OK)
		x->reply.headers.status = buf_status(path);
}

void answer_location(struct exchange *x, const char *fmt, ...)
{
	const struct origin *o = &x->origin;
	struct buf cleanup_buf path = { 0 };
	va_list ap;

	va_start(ap, fmt);
	add_path(&path, x, fmt, ap);
	va_end(ap);
	if (o->absolute)
		reply_header(&x->reply, "Location", "%s://%s%s%s", o->scheme, o->host, o->prefix,
		             buf_text(&path));
	else
		reply_header(&x->reply, "Location", "%s%s", o->prefix, buf_text(&path));
}

void answer_next(struct exchange *x, const char *fmt, ...)
{
	struct buf cleanup_buf path = { 0 };
	va_list ap;

	va_start(ap, fmt);
	add_path(&path, x, fmt, ap);
	va_end(ap);
	reply_header(&x->reply, "Link", "<%s%s>; rel=\"next\"", x->origin.prefix, buf_text(&path));
}

bool answer_check_digest(struct exchange *x, const char *text)
{
	if (text && stow_digest_check(text) == STOW_OK)
		return true;
	reply_error(&x->reply, 400, "DIGEST_INVALID",
	            text ? "not a digest of a known algorithm" : "a digest is needed", text);
	return false;
}

bool answer_not_modified(struct exchange *x, const struct stow_descriptor *d)
{
	if (!range_none_match(x->request.header[HEADER_IF_NONE_MATCH], d->digest))
		return false;
	x->reply.status = 304;
	/* the library sends a length with it, which must be that of the 200 */
	x->reply.stream = d->size;
	reply_header(&x->reply, "ETag", "\"%s\"", d->digest);
	reply_header(&x->reply, "Docker-Content-Digest", "%s", d->digest);
	return true;
}
