/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies of whole objects: CopyObject, in parts above the threshold, through this process where
 * the store cannot or where a condition on the target must hold.
 * It must not know why an object is copied.
 */
#include <inttypes.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "driver/s3/describe.h"
#include "driver/s3/writer.h"

int copy_source(const struct s3 *s3, const char *from, const char *where, char ret[COPY_SOURCE_MAX],
                struct stow_error *err)
{
	cleanup_free char *full = s3_full_key(s3, from);
	size_t n;

	if (!full)
		return error_nomem(err, where);
	ret[0] = '/';
	n = 1 + text_percent_encode(ret + 1, COPY_SOURCE_MAX - 1, s3->o.bucket, false);
	if (n + 1 < COPY_SOURCE_MAX) {
		ret[n++] = '/';
		n += text_percent_encode(ret + n, COPY_SOURCE_MAX - n, full, true);
	}
	if (n >= COPY_SOURCE_MAX)
		return error_set(err, STOW_EINVAL, where, "the source's key is too long");
	return STOW_OK;
}

static int accept_copied(struct call *c, struct stow_error *err)
{
	cleanup_xml struct xml *x = NULL;

	return answer_xml(c, "CopyObjectResult", &x, err);
}

int describe_copy(struct call *c, struct s3 *s3, const char *from, const char *from_if_match,
                  const char *to, const struct stow_put *put, char source[COPY_SOURCE_MAX],
                  struct stow_error *err)
{
	call_init(c, s3, "s3.copy", "PUT", to);
	c->attributes = ATTRIBUTES_MADE | ATTRIBUTES_KEY | ATTRIBUTES_SOURCE;
	call_header(c, "x-amz-copy-source", source);
	call_header(c, "x-amz-copy-source-if-match", from_if_match);
	if (put && put->content_type) {
		call_header(c, "content-type", put->content_type);
		call_header(c, "x-amz-metadata-directive", "REPLACE");
	}
	c->write = true;
	c->answer_cap = S3_ANSWER_MAX;
	c->accept = accept_copied;
	return copy_source(s3, from, c->where, source, err);
}

/* ---- through a writer ---- */

static int append_through(struct s3 *s3, void *writer, const struct stow_op *op, const char *from,
                          const char *if_match, struct stow_error *err)
{
	const size_t cap = (size_t)256 << 10;
	cleanup_free char *buf = malloc(cap);
	struct stow_stat st;
	void *reader = NULL;
	size_t len = 0;
	int r;

	if (!buf)
		return error_nomem(err, "s3.copy");
	r = s3_read_open(s3, op, from, if_match, 0, -1, &reader, &st, err);
	while (r == STOW_OK) {
		r = s3_read(reader, op, buf, cap, &len, err);
		if (r != STOW_OK || len == 0)
			break;
		r = s3_write(writer, op, buf, len, err);
	}
	s3_read_close(reader);
	return r;
}

/* size -1: unknown, the bytes go through this process; else the store copies parts. */
static int copy_by_writer(struct s3 *s3, const struct stow_op *op, const char *from,
                          const char *if_match, const char *to, const struct stow_put *put,
                          int64_t size, struct stow_error *err)
{
	struct stow_put mine = { .size = sizeof(mine), .length = size };
	void *writer = NULL;
	int64_t offset;
	int r;

	if (put) {
		mine.flags = put->flags & STOW_PUT_CREATE;
		mine.if_match = put->if_match;
		mine.content_type = put->content_type;
	}
	r = writer_open(s3, op, to, &mine, size >= 0, &writer, &offset, err);
	if (r != STOW_OK)
		return r;
	r = size >= 0 ? s3_write_copy(writer, op, from, if_match, 0, size, err)
	              : append_through(s3, writer, op, from, if_match, err);
	if (r == STOW_OK)
		r = s3_write_commit(writer, op, NULL, err);
	s3_write_close(writer, op);
	return r;
}

int copy_through(struct s3 *s3, const struct stow_op *op, const char *from,
                 const char *from_if_match, const char *to, const struct stow_put *put,
                 struct stow_error *err)
{
	return copy_by_writer(s3, op, from, from_if_match, to, put, -1, err);
}

int s3_copy(void *self, const struct stow_op *op, const char *from, const char *from_if_match,
            const char *to, const struct stow_put *put, struct stow_error *err)
{
	struct s3 *s3 = self;
	cleanup_free char *source = malloc(COPY_SOURCE_MAX);
	bool conditional = put && (put->flags & STOW_PUT_CREATE || put->if_match);
	struct stow_stat st = { .size = put && put->length > 0 ? put->length : -1 };
	struct stow_error e = { 0 };
	cleanup_call struct call c = { 0 };
	int r;

	if (!source)
		return error_nomem(err, "s3.copy");
	r = s3_key_check(s3, from, "s3.copy", err);
	if (r == STOW_OK)
		r = s3_key_check(s3, to, "s3.copy", err);
	if (r != STOW_OK)
		return r;
	if (ability_lacks(&s3->abilities, ABILITY_COPY) && !conditional)
		return copy_through(s3, op, from, from_if_match, to, put, err);
	if (st.size < 0 || conditional || st.size > s3->o.multipartcopythresholdsize) {
		r = s3_stat(s3, op, from, &st, err);
		if (r != STOW_OK)
			return r;
		if (from_if_match && st.etag[0] && strcmp(from_if_match, st.etag) != 0)
			return error_set(err, STOW_ECHANGED, "s3.copy",
			                 "bucket %s, key %s%s is another version", s3->o.bucket,
			                 s3->root, from);
	}
	/* Not every store heeds a condition on the target of CopyObject; on PUT and Complete they
	 * do. */
	if (conditional || st.size > s3->o.multipartcopythresholdsize)
		return copy_by_writer(s3, op, from,
		                      from_if_match ? from_if_match
		                      : st.etag[0]  ? st.etag
		                                    : NULL,
		                      to, put, st.size, err);
	r = describe_copy(&c, s3, from, from_if_match, to, put, source, err);
	if (r == STOW_OK)
		r = call_run(&c, op, &e);
	if (r == STOW_ENOTSUP) {
		ability_set(&s3->abilities, ABILITY_COPY, false);
		return copy_through(s3, op, from, from_if_match, to, put, err);
	}
	return r == STOW_OK || !e.status ? r : error_copy(err, &e);
}
