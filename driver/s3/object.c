/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small objects, one request each: stat, get, put, remove; and the check at start, which also has
 * the store probed.
 * It must not know multipart uploads, nor which key means what.
 */
#include "common/cleanup.h"
#include "common/error.h"
#include "driver/s3/call.h"
#include "driver/s3/describe.h"
#include "driver/s3/probe.h"

void describe_stat(struct call *c, struct s3 *s3, const char *key)
{
	call_init(c, s3, "s3.stat", "HEAD", key);
	c->attributes = ATTRIBUTES_KEY;
}

void describe_get(struct call *c, struct s3 *s3, const char *key, const char *if_match, void *buf,
                  size_t cap)
{
	/* An object without a byte needs a buffer to be taken for the caller's, too. */
	static char nothing;

	call_init(c, s3, "s3.get", "GET", key);
	call_header(c, "if-match", if_match);
	c->attributes = ATTRIBUTES_KEY;
	c->answer = buf ? buf : &nothing;
	c->answer_cap = buf ? cap : 0;
}

void describe_put(struct call *c, struct s3 *s3, const char *key, const void *data, size_t len,
                  const struct stow_put *put)
{
	call_init(c, s3, "s3.put", "PUT", key);
	call_put_headers(c, put);
	c->body = data;
	c->body_len = len;
	c->sha256 = put ? put->sha256 : NULL;
	c->attributes = ATTRIBUTES_MADE | ATTRIBUTES_KEY;
	c->bytes = true;
	c->write = true;
	c->answer_cap = S3_ANSWER_MAX;
}

void describe_remove(struct call *c, struct s3 *s3, const char *key, const char *if_match)
{
	call_init(c, s3, "s3.remove", "DELETE", key);
	call_header(c, "if-match", if_match);
	c->write = true;
	c->answer_cap = S3_ANSWER_MAX;
}

int finish_get(struct call *c, size_t *ret_len, struct stow_stat *ret_stat, struct stow_error *err)
{
	struct stow_stat st;
	char subject[ANSWER_SUBJECT_MAX];
	int r;

	if (c->status == STOW_ERANGE && c->http && http_request_status(c->http) / 100 == 2) {
		/* longer than the caller's buffer: say how long */
		r = answer_stat(c, &st, err);
		if (r != STOW_OK)
			return r;
		*ret_len = (size_t)st.size;
		return error_set(err, STOW_ERANGE, c->where, "%s: %lld bytes, the buffer has %zu",
		                 answer_subject(c, subject), (long long)st.size, c->answer_cap);
	}
	if (c->status != STOW_OK)
		return error_copy(err, &c->error);
	r = answer_stat(c, &st, err);
	if (r != STOW_OK)
		return r;
	if (http_request_status(c->http) != 200 || http_request_arrived(c->http) != (size_t)st.size)
		return error_set(err, STOW_EIO, c->where,
		                 "%s: a part where the whole was asked for",
		                 answer_subject(c, subject));
	*ret_len = (size_t)st.size;
	if (ret_stat)
		*ret_stat = st;
	return STOW_OK;
}

int finish_put(struct call *c, struct stow_stat *ret_stat, struct stow_error *err)
{
	if (c->status != STOW_OK)
		return error_copy(err, &c->error);
	if (ret_stat) {
		*ret_stat = (struct stow_stat){ .size = (int64_t)c->body_len };
		answer_etag(c, ret_stat->etag);
	}
	return STOW_OK;
}

int finish_remove(struct call *c, struct stow_error *err)
{
	if (c->status == STOW_OK || c->status == STOW_ENOTFOUND)
		return STOW_OK;
	return error_copy(err, &c->error);
}

int s3_stat(void *self, const struct stow_op *op, const char *key, struct stow_stat *ret,
            struct stow_error *err)
{
	cleanup_call struct call c = { 0 };
	int r;

	describe_stat(&c, self, key);
	r = s3_key_check(self, key, c.where, err);
	if (r == STOW_OK)
		r = call_run(&c, op, err);
	return r == STOW_OK ? answer_stat(&c, ret, err) : r;
}

int s3_get(void *self, const struct stow_op *op, const char *key, const char *if_match, void *buf,
           size_t cap, size_t *ret_len, struct stow_stat *ret_stat, struct stow_error *err)
{
	cleanup_call struct call c = { 0 };
	int r;

	describe_get(&c, self, key, if_match, buf, cap);
	r = s3_key_check(self, key, c.where, err);
	if (r != STOW_OK)
		return r;
	r = call_run(&c, op, err);
	if (!c.finished)
		return r;
	return finish_get(&c, ret_len, ret_stat, err);
}

int s3_put(void *self, const struct stow_op *op, const char *key, const void *data, size_t len,
           const struct stow_put *put, struct stow_stat *ret_stat, struct stow_error *err)
{
	cleanup_call struct call c = { 0 };
	int r;

	describe_put(&c, self, key, data, len, put);
	r = s3_key_check(self, key, c.where, err);
	if (r == STOW_OK)
		r = probe_sum_check(self, data, len, put, c.where, key, err);
	if (r == STOW_OK)
		r = call_run(&c, op, err);
	return r == STOW_OK ? finish_put(&c, ret_stat, err) : r;
}

/* A store that passes the condition over would remove what must stay. */
int s3_may_remove_if(const struct s3 *s3, const char *where, const char *key,
                     struct stow_error *err)
{
	if (ability_has(&s3->abilities, ABILITY_REMOVE_IF_MATCH))
		return STOW_OK;
	return error_set(err, STOW_ENOTSUP, where,
	                 "bucket %s, key %s%s: the store is not known to remove on a condition",
	                 s3->o.bucket, s3->root, key);
}

int s3_remove(void *self, const struct stow_op *op, const char *key, const char *if_match,
              struct stow_error *err)
{
	cleanup_call struct call c = { 0 };
	int r;

	describe_remove(&c, self, key, if_match);
	r = s3_key_check(self, key, c.where, err);
	if (r == STOW_OK && if_match)
		r = s3_may_remove_if(self, c.where, key, err);
	if (r != STOW_OK)
		return r;
	call_run(&c, op, &c.error);
	if (!c.finished)
		return error_copy(err, &c.error);
	return finish_remove(&c, err);
}

static int accept_list(struct call *c, struct stow_error *err)
{
	cleanup_xml struct xml *x = NULL;

	return answer_xml(c, "ListBucketResult", &x, err);
}

static void describe_check(struct call *c, struct s3 *s3, bool second)
{
	call_init(c, s3, "s3.check", "GET", NULL);
	if (second)
		call_query(c, "list-type", "2");
	call_query(c, "max-keys", "1");
	call_query(c, "prefix", s3->root);
	c->answer_cap = S3_ANSWER_MAX;
	c->accept = accept_list;
}

int s3_check(void *self, const struct stow_op *op, struct stow_error *err)
{
	struct s3 *s3 = self;
	cleanup_call struct call c = { 0 };

	describe_check(&c, s3, !ability_lacks(&s3->abilities, ABILITY_LIST_V2));
	if (call_run(&c, op, err) != STOW_OK && list_is_first_only(&c)) {
		call_done(&c);
		describe_check(&c, s3, false);
		if (call_run(&c, op, err) == STOW_OK)
			ability_set(&s3->abilities, ABILITY_LIST_V2, false);
	}
	if (c.finished && c.status == STOW_OK) {
		probe_once(s3, op);
		return STOW_OK;
	}
	if (!c.place) /* there were no keys, or no time */
		return c.finished ? error_copy(err, &c.error) : c.error.status;
	if (c.status == STOW_ENOTFOUND)
		error_set(err, STOW_EIO, c.where, "bucket %s at %s: %s", s3->o.bucket,
		          c.place->address.base, "the endpoint answers 404: no such bucket");
	return error_prefix(err, c.status == STOW_ENOTFOUND ? STOW_EIO : c.status,
	                    "endpoint %s, region %s%s", c.place->address.base, c.place->region,
	                    strcmp(c.code, "AccessDenied") == 0 ? ": s3:ListBucket is needed" : "");
}
