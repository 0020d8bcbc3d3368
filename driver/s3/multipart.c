/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of a multipart upload and what their answers say.
 * It must not know buffers, windows or whose bytes these are: that is writer.c.
 */
#include "driver/s3/multipart.h"

#include <inttypes.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"

#define COMPLETE_MAX ((size_t)4 << 20)

/* ---- begin ---- */

static int accept_begun(struct call *c, struct stow_error *err)
{
	cleanup_xml struct xml *x = NULL;
	char *id = c->arg;
	int r = answer_xml(c, "InitiateMultipartUploadResult", &x, err);

	if (r != STOW_OK)
		return r;
	if (xml_text(xml_root(x, "InitiateMultipartUploadResult"), "UploadId", id,
	             MULTIPART_ID_MAX) &&
	    id[0])
		return STOW_OK;
	return error_set(err, STOW_EIO, c->where, "bucket %s, key %s%s: the answer has no UploadId",
	                 c->s3->o.bucket, c->s3->root, c->key);
}

int multipart_begin(struct multipart *m, const struct stow_op *op, const struct stow_put *put,
                    struct stow_error *err)
{
	const char *type = put ? put->content_type : NULL;
	char id[MULTIPART_ID_MAX] = "";
	cleanup_call struct call c = { 0 };
	int r;

	call_init(&c, m->s3, "s3.write", "POST", m->key);
	call_query(&c, "uploads", "");
	c.attributes = ATTRIBUTES_MADE | ATTRIBUTES_KEY;
	call_header(&c, "content-type", type ? type : "application/octet-stream");
	c.answer_cap = S3_ANSWER_MAX;
	c.accept = accept_begun;
	c.arg = id;
	r = call_run(&c, op, err);
	if (r != STOW_OK)
		return r;
	m->id = strdup(id);
	return m->id ? STOW_OK : error_nomem(err, c.where);
}

int multipart_number(struct multipart *m, unsigned *ret, struct stow_error *err)
{
	if (m->n >= m->s3->abilities.parts_most)
		return error_set(err, STOW_ERANGE, "s3.write",
		                 "bucket %s, key %s%s: more than %u parts: a larger chunksize, or "
		                 "memory for larger parts, is needed",
		                 m->s3->o.bucket, m->s3->root, m->key, m->s3->abilities.parts_most);
	if (m->n == m->room) {
		size_t room = m->room ? m->room * 2 : 16;
		struct multipart_part *more = realloc(m->parts, room * sizeof(*more));

		if (!more)
			return error_nomem(err, "s3.write");
		m->parts = more;
		m->room = room;
	}
	m->parts[m->n].etag[0] = '\0';
	m->n++;
	*ret = (unsigned)m->n;
	return STOW_OK;
}

/* ---- parts ---- */

static void describe_part(struct multipart *m, struct multipart_job *j, unsigned number)
{
	j->number = number;
	j->active = true;
	text_format(j->number_text, sizeof(j->number_text), "%u", number);
	call_init(&j->call, m->s3, "s3.write", "PUT", m->key);
	call_query(&j->call, "partNumber", j->number_text);
	call_query(&j->call, "uploadId", m->id);
	j->call.answer_cap = S3_ANSWER_MAX;
	j->call.attributes = ATTRIBUTES_KEY;
}

void multipart_describe(struct multipart *m, struct multipart_job *j, unsigned number,
                        const void *data, size_t len)
{
	describe_part(m, j, number);
	j->etag[0] = '\0';
	j->call.body = data;
	j->call.body_len = len;
	j->call.part = true;
	j->call.bytes = true;
}

static int accept_copied(struct call *c, struct stow_error *err)
{
	cleanup_xml struct xml *x = NULL;
	struct multipart_job *j = c->arg;
	int r = answer_xml(c, "CopyPartResult", &x, err);

	if (r != STOW_OK)
		return r;
	if (!xml_text(xml_root(x, "CopyPartResult"), "ETag", j->etag, sizeof(j->etag)))
		j->etag[0] = '\0';
	return STOW_OK;
}

void multipart_describe_copy(struct multipart *m, struct multipart_job *j, unsigned number,
                             const char *source, const char *if_match, int64_t offset,
                             int64_t length)
{
	describe_part(m, j, number);
	text_format(j->range, sizeof(j->range), "bytes=%" PRId64 "-%" PRId64, offset,
	            offset + length - 1);
	call_header(&j->call, "x-amz-copy-source", source);
	call_header(&j->call, "x-amz-copy-source-range", j->range);
	call_header(&j->call, "x-amz-copy-source-if-match", if_match);
	j->call.attributes = ATTRIBUTES_KEY | ATTRIBUTES_SOURCE;
	j->call.accept = accept_copied;
	j->call.arg = j;
}

int multipart_note(struct multipart *m, struct multipart_job *j, struct stow_error *err)
{
	char *etag = m->parts[j->number - 1].etag;

	if (j->call.accept)
		memcpy(etag, j->etag, sizeof(j->etag));
	else
		answer_etag(&j->call, etag);
	if (etag[0])
		return STOW_OK;
	return error_set(err, STOW_EIO, j->call.where,
	                 "bucket %s, key %s%s: the answer to part %u has no ETag", m->s3->o.bucket,
	                 m->s3->root, m->key, j->number);
}

/* ---- complete ---- */

static int accept_completed(struct call *c, struct stow_error *err)
{
	cleanup_xml struct xml *x = NULL;
	char *etag = c->arg;
	int r = answer_xml(c, "CompleteMultipartUploadResult", &x, err);

	if (r != STOW_OK)
		return r;
	if (!xml_text(xml_root(x, "CompleteMultipartUploadResult"), "ETag", etag, 80))
		etag[0] = '\0';
	return STOW_OK;
}

/* The ETag of an object of n parts ends, where it is made the usual way, with "-n". */
static bool etag_may_be(const char *etag, size_t n)
{
	char tail[16];
	const char *dash = strrchr(etag, '-');

	text_format(tail, sizeof(tail), "-%zu", n);
	return !dash || text_starts(dash, tail);
}

/*
 * The first answer was lost, and the store no longer knows the upload: either it was completed
 * then, or it was aborted by somebody.  The object tells.
 */
static int look_for_object(struct multipart *m, const struct stow_op *op, int64_t size,
                           struct stow_stat *ret, struct stow_error *err)
{
	struct stow_stat st = { 0 };
	int r = s3_stat(m->s3, op, m->key, &st, err);

	if (r == STOW_OK && st.size == size && etag_may_be(st.etag, m->n)) {
		*ret = st;
		return STOW_OK;
	}
	if (r == STOW_OK || r == STOW_ENOTFOUND)
		r = error_set(err, STOW_EIO, "s3.write",
		              "bucket %s, key %s%s: the store lost the upload before it was "
		              "completed",
		              m->s3->o.bucket, m->s3->root, m->key);
	error_flag(err, STOW_ERROR_MAYBE);
	return r;
}

static int complete_body(const struct multipart *m, struct buf *body)
{
	buf_adds(body, "<CompleteMultipartUpload "
	               "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
	for (size_t i = 0; i < m->n; i++) {
		buf_addf(body, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1);
		if (!xml_escape(body, m->parts[i].etag))
			return STOW_EIO;
		buf_adds(body, "</ETag></Part>");
	}
	return buf_adds(body, "</CompleteMultipartUpload>");
}

int multipart_complete(struct multipart *m, const struct stow_op *op, const struct stow_put *put,
                       int64_t size, struct stow_stat *ret, bool *ret_gone, struct stow_error *err)
{
	struct stow_stat st = { .size = size };
	cleanup_buf struct buf body = { 0 };
	cleanup_call struct call c = { 0 };
	int r;

	call_init(&c, m->s3, "s3.write", "POST", m->key);
	buf_init(&body, COMPLETE_MAX);
	r = complete_body(m, &body);
	if (r != STOW_OK)
		return error_set(err, r, c.where, "bucket %s, key %s%s: cannot list the parts",
		                 m->s3->o.bucket, m->s3->root, m->key);
	call_query(&c, "uploadId", m->id);
	call_header(&c, "content-type", "application/xml");
	if (put && (put->flags & STOW_PUT_CREATE)) {
		call_header(&c, "if-none-match", "*");
		c.create = true;
	}
	call_header(&c, "if-match", put ? put->if_match : NULL);
	c.body = body.data;
	c.body_len = body.len;
	c.write = true;
	c.answer_cap = S3_ANSWER_MAX;
	c.accept = accept_completed;
	c.arg = st.etag;
	r = call_run(&c, op, err);
	*ret_gone = strcmp(c.code, MULTIPART_GONE) == 0;
	if (c.maybe && (r == STOW_ENOTFOUND || *ret_gone))
		r = look_for_object(m, op, size, &st, err);
	if (r == STOW_OK)
		*ret = st;
	return r;
}

int multipart_abort(struct s3 *s3, const struct stow_op *op, const char *key, const char *id,
                    bool *ret_known, struct stow_error *err)
{
	cleanup_call struct call c = { 0 };
	int r;

	call_init(&c, s3, "s3.abort", "DELETE", key);
	call_query(&c, "uploadId", id);
	c.answer_cap = S3_ANSWER_MAX;
	r = call_run(&c, op, err);
	if (ret_known)
		*ret_known = r == STOW_OK;
	return r == STOW_ENOTFOUND || strcmp(c.code, MULTIPART_GONE) == 0 ? STOW_OK : r;
}

void multipart_done(struct multipart *m)
{
	free(m->id);
	free(m->parts);
	*m = (struct multipart){ 0 };
}
