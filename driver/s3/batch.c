/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many small calls side by side, and DeleteObjects for removals.
 * It must not know how one of them is built: that is describe.h.
 */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/text.h"
#include "driver/s3/describe.h"
#include "driver/s3/probe.h"

#define REMOVE_MOST 700 /* some stores fail above */
#define REMOVE_BODY_MAX ((size_t)8 << 20)
#define BATCH_WINDOW 128

struct lane {
	struct call call;
	struct stow_call *item; /* NULL: free */
	char *source;           /* of a copy */
};

struct batch {
	struct s3 *s3;
	const struct stow_op *op;
	struct http_waiter *waiter;
	struct lane *lanes;
	size_t n_lanes;
};

/* ---- one item ---- */

static int begin_copy(struct batch *b, struct lane *l, struct stow_call *i, struct stow_error *err)
{
	int r = s3_key_check(b->s3, i->from, "s3.copy", err);

	if (r != STOW_OK)
		return r;
	/* What CopyObject cannot promise goes the long way, as a call of its own. */
	if (ability_lacks(&b->s3->abilities, ABILITY_COPY) ||
	    (i->put && (i->put->flags & STOW_PUT_CREATE || i->put->if_match))) {
		r = s3_copy(b->s3, b->op, i->from, i->if_match, i->key, i->put, err);
		i->status = r;
		return r;
	}
	l->source = malloc(COPY_SOURCE_MAX);
	if (!l->source)
		return error_nomem(err, "s3.copy");
	r = describe_copy(&l->call, b->s3, i->from, i->if_match, i->key, i->put, l->source, err);
	if (r == STOW_OK)
		l->item = i;
	return r;
}

/* Starts the item in a free lane, or ends it at once with its status. */
static int begin_item(struct batch *b, struct lane *l, struct stow_call *i)
{
	int r = s3_key_check(b->s3, i->key, "s3.batch", i->err);

	if (r != STOW_OK)
		return r;
	switch (i->verb) {
	case STOW_CALL_STAT:
		describe_stat(&l->call, b->s3, i->key);
		break;
	case STOW_CALL_GET:
		describe_get(&l->call, b->s3, i->key, i->if_match, i->buf, i->len);
		break;
	case STOW_CALL_PUT:
		r = probe_sum_check(b->s3, i->data, i->len, i->put, "s3.put", i->key, i->err);
		if (r == STOW_OK)
			describe_put(&l->call, b->s3, i->key, i->data, i->len, i->put);
		break;
	case STOW_CALL_REMOVE:
		if (i->if_match)
			r = s3_may_remove_if(b->s3, "s3.remove", i->key, i->err);
		if (r == STOW_OK)
			describe_remove(&l->call, b->s3, i->key, i->if_match);
		break;
	case STOW_CALL_COPY:
		r = begin_copy(b, l, i, i->err);
		break;
	default:
		return error_set(i->err, STOW_EINVAL, "s3.batch", "verb %d is unknown", i->verb);
	}
	if (r == STOW_OK && (i->verb != STOW_CALL_COPY || l->item)) {
		l->item = i;
		l->call.waiter = b->waiter;
	}
	return r;
}

static int end_copy(struct batch *b, struct lane *l)
{
	struct stow_call *i = l->item;
	int status = l->call.status;

	if (status == STOW_OK)
		return STOW_OK;
	/* too large for one request, or not offered at all */
	if (status == STOW_ENOTSUP || strcmp(l->call.code, "EntityTooLarge") == 0 ||
	    strcmp(l->call.code, "InvalidRequest") == 0) {
		struct stow_put big = i->put ? *i->put : (struct stow_put){ .size = sizeof(big) };

		big.length = -1;
		if (status == STOW_ENOTSUP)
			return copy_through(b->s3, b->op, i->from, i->if_match, i->key, &big,
			                    i->err);
		return s3_copy(b->s3, b->op, i->from, i->if_match, i->key, &big, i->err);
	}
	return error_copy(i->err, &l->call.error);
}

static void end_item(struct batch *b, struct lane *l)
{
	struct stow_call *i = l->item;

	switch (i->verb) {
	case STOW_CALL_STAT:
		i->status = l->call.status == STOW_OK ? answer_stat(&l->call, &i->ret_stat, i->err)
		                                      : error_copy(i->err, &l->call.error);
		break;
	case STOW_CALL_GET:
		i->status = finish_get(&l->call, &i->ret_len, &i->ret_stat, i->err);
		break;
	case STOW_CALL_PUT:
		i->status = finish_put(&l->call, &i->ret_stat, i->err);
		break;
	case STOW_CALL_REMOVE:
		i->status = finish_remove(&l->call, i->err);
		break;
	default:
		i->status = end_copy(b, l);
		break;
	}
	call_done(&l->call);
	free(take(l->source));
	l->item = NULL;
}

/* ---- all ---- */

static size_t fill_lanes(struct batch *b, void *calls, size_t n, size_t stride, size_t next)
{
	for (size_t k = 0; k < b->n_lanes && next < n; k++) {
		struct lane *l = &b->lanes[k];

		while (!l->item && next < n) {
			struct stow_call *i = (struct stow_call *)(void *)((char *)calls +
			                                                   next * stride);

			next++;
			i->status = begin_item(b, l, i);
		}
	}
	return next;
}

static int run(struct batch *b, void *calls, size_t n, size_t stride)
{
	size_t next = 0;

	for (;;) {
		uint64_t seen = http_waiter_seen(b->waiter);
		int64_t until = clock_monotonic() + CLOCK_SECOND;
		size_t busy = 0;
		bool ended = false;

		next = fill_lanes(b, calls, n, stride, next);
		for (size_t k = 0; k < b->n_lanes; k++) {
			struct lane *l = &b->lanes[k];

			if (!l->item)
				continue;
			if (call_poll(&l->call, b->op)) {
				end_item(b, l);
				ended = true;
				continue;
			}
			busy++;
			if (call_wake_time(&l->call) < until)
				until = call_wake_time(&l->call);
		}
		if (busy == 0 && next == n)
			return STOW_OK;
		if (!ended)
			http_waiter_wait(b->waiter, b->op, seen, until);
	}
}

int s3_batch(void *self, const struct stow_op *op, struct stow_call *calls, size_t n, size_t stride,
             struct stow_error *err)
{
	struct batch b = { .s3 = self, .op = op };
	int r;

	if (n == 0)
		return STOW_OK;
	if (stride < sizeof(*calls))
		return error_set(err, STOW_EINVAL, "s3.batch", "a stride of %zu bytes", stride);
	r = clock_op_check(op, "s3.batch", err);
	if (r != STOW_OK)
		return r;
	b.n_lanes = n < BATCH_WINDOW ? n : BATCH_WINDOW;
	b.lanes = calloc(b.n_lanes, sizeof(b.lanes[0]));
	if (!b.lanes)
		return error_nomem(err, "s3.batch");
	r = http_waiter_new(&b.waiter, err);
	if (r == STOW_OK)
		r = run(&b, calls, n, stride);
	http_waiter_free(b.waiter);
	free(b.lanes);
	return r;
}

/* ---- DeleteObjects ---- */

struct removal {
	const char *const *keys, *const *if_match; /* if_match may be NULL */
	int *statuses;
	size_t n;
	size_t root; /* length of the root, cut from the keys of answers */
};

/* Where the key is, most likely at or after `at`; n if it is none of ours. */
static size_t find_key(const struct removal *m, const char *key, size_t at)
{
	for (size_t k = 0; k < m->n; k++) {
		size_t i = (at + k) % m->n;

		if (strcmp(m->keys[i], key) == 0)
			return i;
	}
	return m->n;
}

static int status_of_code(const char *code)
{
	if (strcmp(code, "NoSuchKey") == 0)
		return STOW_OK;
	if (strcmp(code, "AccessDenied") == 0)
		return STOW_EDENIED;
	if (strcmp(code, "PreconditionFailed") == 0)
		return STOW_ECHANGED;
	if (strcmp(code, "SlowDown") == 0 || strcmp(code, "ServiceUnavailable") == 0)
		return STOW_EBUSY;
	return STOW_EIO;
}

static int accept_removed(struct call *c, struct stow_error *err)
{
	struct removal *m = c->arg;
	cleanup_xml struct xml *x = NULL;
	size_t at = 0;
	int r = answer_xml(c, "DeleteResult", &x, err);

	if (r != STOW_OK)
		return r;
	for (size_t i = 0; i < m->n; i++)
		m->statuses[i] = STOW_EIO; /* what the answer does not name was not removed */
	for (const struct xml_node *n = xml_first(xml_root(x, "DeleteResult")); n;
	     n = xml_after(n)) {
		char key[STOW_KEY_MAX * 2], code[64] = "";
		size_t i;

		if (!xml_is(n, "Deleted") && !xml_is(n, "Error"))
			continue;
		if (!xml_text(n, "Key", key, sizeof(key)) || strlen(key) < m->root)
			continue;
		i = find_key(m, key + m->root, at);
		if (i == m->n)
			continue;
		if (xml_is(n, "Error"))
			xml_text(n, "Code", code, sizeof(code));
		m->statuses[i] = xml_is(n, "Deleted") ? STOW_OK : status_of_code(code);
		at = i + 1;
	}
	return STOW_OK;
}

/* False where XML cannot hold one of the keys. */
static bool removal_body(const struct s3 *s3, const struct removal *m, struct buf *body)
{
	buf_adds(body, "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
	               "<Quiet>false</Quiet>");
	for (size_t i = 0; i < m->n; i++) {
		buf_adds(body, "<Object><Key>");
		if (!xml_escape(body, s3->root) || !xml_escape(body, m->keys[i]))
			return false;
		buf_adds(body, "</Key>");
		if (m->if_match && m->if_match[i]) {
			buf_adds(body, "<ETag>");
			if (!xml_escape(body, m->if_match[i]))
				return false;
			buf_adds(body, "</ETag>");
		}
		buf_adds(body, "</Object>");
	}
	return buf_adds(body, "</Delete>") == STOW_OK;
}

/* Removes up to REMOVE_MOST; STOW_ENOTSUP where it must be done one by one. */
static int remove_some(struct s3 *s3, const struct stow_op *op, struct removal *m,
                       struct stow_error *err)
{
	char md5_text[TEXT_BASE64_LEN(16) + 1];
	cleanup_call struct call c = { 0 };
	cleanup_buf struct buf body = { 0 };
	uint8_t md5[16];

	call_init(&c, s3, "s3.remove", "POST", NULL);
	buf_init(&body, REMOVE_BODY_MAX);
	if (!removal_body(s3, m, &body) || !hash_md5(body.data, body.len, md5))
		return STOW_ENOTSUP;
	text_base64(md5_text, md5, sizeof(md5));
	call_query(&c, "delete", "");
	call_header(&c, "content-md5", md5_text);
	call_header(&c, "content-type", "application/xml");
	c.body = body.data;
	c.body_len = body.len;
	c.write = true;
	c.answer_cap = S3_ANSWER_MAX * 2;
	c.accept = accept_removed;
	c.arg = m;
	return call_run(&c, op, err);
}

static int remove_singly(struct s3 *s3, const struct stow_op *op, const struct removal *m,
                         struct stow_error *err)
{
	struct stow_call *calls = calloc(m->n, sizeof(*calls));
	int r;

	if (!calls)
		return error_nomem(err, "s3.remove");
	for (size_t i = 0; i < m->n; i++)
		calls[i] = (struct stow_call){ .verb = STOW_CALL_REMOVE,
			                       .key = m->keys[i],
			                       .if_match = m->if_match ? m->if_match[i] : NULL };
	r = s3_batch(s3, op, calls, m->n, sizeof(*calls), err);
	for (size_t i = 0; i < m->n && r == STOW_OK; i++)
		m->statuses[i] = calls[i].status;
	free(calls);
	return r;
}

int remove_listed(struct s3 *s3, const struct stow_op *op, const char *const *keys,
                  const char *const *if_match, size_t n, int *ret_status, struct stow_error *err)
{
	struct removal m = { .keys = keys,
		             .if_match = if_match,
		             .statuses = ret_status,
		             .n = n,
		             .root = strlen(s3->root) };

	return remove_some(s3, op, &m, err);
}

static int check_removals(const struct s3 *s3, const char *const *keys, const char *const *if_match,
                          size_t n, bool *ret_conditional, struct stow_error *err)
{
	int r = STOW_OK;

	for (size_t i = 0; i < n && r == STOW_OK; i++) {
		r = s3_key_check(s3, keys[i], "s3.remove", err);
		if (r == STOW_OK && if_match && if_match[i]) {
			*ret_conditional = true;
			r = s3_may_remove_if(s3, "s3.remove", keys[i], err);
		}
	}
	return r;
}

int s3_remove_many(void *self, const struct stow_op *op, const char *const *keys,
                   const char *const *if_match, size_t n, int *ret_status, struct stow_error *err)
{
	struct s3 *s3 = self;
	bool conditional = false, singly;
	int r = check_removals(s3, keys, if_match, n, &conditional, err);

	if (r != STOW_OK)
		return r;
	singly = ability_lacks(&s3->abilities, ABILITY_REMOVE_MANY) ||
	         (conditional && !ability_has(&s3->abilities, ABILITY_MANY_IF_MATCH));
	for (size_t at = 0; at < n; at += REMOVE_MOST) {
		struct removal m = { .keys = keys + at,
			             .if_match = conditional ? if_match + at : NULL,
			             .statuses = ret_status + at,
			             .n = n - at < REMOVE_MOST ? n - at : REMOVE_MOST,
			             .root = strlen(s3->root) };

		r = singly ? STOW_ENOTSUP : remove_some(s3, op, &m, err);
		if (r == STOW_ENOTSUP)
			r = remove_singly(s3, op, &m, err);
		if (r != STOW_OK)
			return r;
	}
	return STOW_OK;
}
