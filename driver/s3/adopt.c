/* SPDX-License-Identifier: Apache-2.0 */
/* adopt.h by two listings. It must not begin nor end an upload. */
#include "driver/s3/adopt.h"

#include <inttypes.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/log.h"
#include "common/text.h"

#define PAGES_MOST 20 /* of parts: 10,000 in pages of 1,000, and some more; and of uploads */

/* ---- the upload ---- */

struct search {
	const char *key; /* with the root */
	char key_marker[4 * STOW_KEY_MAX], id_marker[MULTIPART_ID_MAX];
	bool more;
	char id[MULTIPART_ID_MAX];
	int64_t begun;
};

static int accept_uploads(struct call *c, struct stow_error *err)
{
	struct search *s = c->arg;
	cleanup_xml struct xml *x = NULL;
	const struct xml_node *root;
	char key[4 * STOW_KEY_MAX], id[MULTIPART_ID_MAX], text[64];
	int r = answer_xml(c, "ListMultipartUploadsResult", &x, err);

	if (r != STOW_OK)
		return r;
	root = xml_root(x, "ListMultipartUploadsResult");
	for (const struct xml_node *n = xml_child(root, "Upload"); n; n = xml_next(n, "Upload")) {
		int64_t begun = xml_text(n, "Initiated", text, sizeof(text)) ? text_rfc3339(text)
		                                                             : 0;

		if (!xml_text(n, "Key", key, sizeof(key)) || strcmp(key, s->key) != 0 ||
		    !xml_text(n, "UploadId", id, sizeof(id)) || !id[0])
			continue;
		if (s->id[0] && begun < s->begun)
			continue;
		text_copy(s->id, sizeof(s->id), id);
		s->begun = begun;
	}
	s->more = xml_text(root, "IsTruncated", text, sizeof(text)) && strcmp(text, "true") == 0 &&
	          xml_text(root, "NextKeyMarker", s->key_marker, sizeof(s->key_marker)) &&
	          strcmp(s->key_marker, s->key) <= 0 &&
	          xml_text(root, "NextUploadIdMarker", s->id_marker, sizeof(s->id_marker));
	return STOW_OK;
}

/* The whole key is the prefix: it sorts first of all that begin with it, and some stores list
 * nothing for less. */
static int fetch_uploads(struct writer *w, const struct stow_op *op, struct search *s,
                         struct stow_error *err)
{
	cleanup_free char *key = strdup(s->key_marker), *id = strdup(s->id_marker);
	cleanup_call struct call c = { 0 };

	call_init(&c, w->s3, "s3.write", "GET", NULL);
	if (!key || !id)
		return error_nomem(err, c.where);
	call_query(&c, "uploads", "");
	call_query(&c, "prefix", s->key);
	if (s->more) {
		call_query(&c, "key-marker", key);
		call_query(&c, "upload-id-marker", id);
	}
	c.answer_cap = S3_LIST_MAX;
	c.accept = accept_uploads;
	c.arg = s;
	return call_run(&c, op, err);
}

static int find_upload(struct writer *w, const struct stow_op *op, struct search *s,
                       struct stow_error *err)
{
	int r = STOW_OK;

	for (unsigned i = 0; r == STOW_OK && (i == 0 || s->more) && i < PAGES_MOST; i++)
		r = fetch_uploads(w, op, s, err);
	if (r == STOW_ENOTSUP) {
		log_line(w->s3->host, STOW_LOG_WARNING, "s3",
		         "the store does not list uploads: one that left no record is not found");
		return STOW_ENOTFOUND;
	}
	return r;
}

/* ---- its parts ---- */

struct page {
	struct writer *w;
	int64_t first, last; /* sizes of the first and the last part that count */
	unsigned marker;
	bool more, hole;
	bool only_look; /* for parts that are not known yet */
};

/* After a hole, and behind a part that may only be the last, nothing counts. */
static bool is_behind(const struct page *p, int64_t number, int64_t size)
{
	const struct multipart *m = &p->w->upload;
	bool even = ability_lacks(&p->w->s3->abilities, ABILITY_UNEVEN_PARTS);

	if (p->only_look)
		return number > (int64_t)m->n;
	return number != (int64_t)m->n + 1 || (m->n && p->last < S3_PART_MIN) ||
	       size > S3_OBJECT_MAX - p->w->taken || (even && m->n && p->last != p->first);
}

static int take_part(struct page *p, const struct xml_node *n, struct stow_error *err)
{
	bool even = ability_lacks(&p->w->s3->abilities, ABILITY_UNEVEN_PARTS);
	struct multipart *m = &p->w->upload;
	char text[32], etag[80];
	int64_t number, size;
	unsigned next;
	int r;

	if (!xml_text(n, "PartNumber", text, sizeof(text)) || !text_to_int64(text, &number) ||
	    !xml_text(n, "Size", text, sizeof(text)) || !text_to_int64(text, &size) ||
	    !xml_text(n, "ETag", etag, sizeof(etag)) || !etag[0])
		return error_set(err, STOW_EIO, "s3.write",
		                 "bucket %s, key %s%s: the list of parts makes no sense",
		                 p->w->s3->o.bucket, p->w->s3->root, p->w->key);
	p->hole |= is_behind(p, number, size);
	if (p->hole || p->only_look)
		return STOW_OK;
	r = multipart_number(m, &next, err);
	if (r != STOW_OK)
		return r;
	memcpy(m->parts[next - 1].etag, etag, sizeof(etag));
	if (next == 1) {
		p->first = size;
		/* of one size, where they can be */
		if (size >= (even ? S3_PART_MIN : (int64_t)p->w->part_size) &&
		    size <= p->w->s3->o.memory / 4)
			p->w->part_size = (size_t)size;
	}
	p->w->taken += size;
	p->last = size;
	return STOW_OK;
}

static int accept_parts(struct call *c, struct stow_error *err)
{
	struct page *p = c->arg;
	cleanup_xml struct xml *x = NULL;
	const struct xml_node *root;
	char text[16];
	int64_t marker = 0;
	int r = answer_xml(c, "ListPartsResult", &x, err);

	if (r != STOW_OK)
		return r;
	root = xml_root(x, "ListPartsResult");
	for (const struct xml_node *n = xml_child(root, "Part"); n && r == STOW_OK;
	     n = xml_next(n, "Part"))
		r = take_part(p, n, err);
	if (r != STOW_OK)
		return r;
	p->more = xml_text(root, "IsTruncated", text, sizeof(text)) && strcmp(text, "true") == 0;
	if (!p->more)
		return STOW_OK;
	if (!xml_text(root, "NextPartNumberMarker", text, sizeof(text)) ||
	    !text_to_int64(text, &marker) || marker <= p->marker || marker > S3_PARTS_MAX)
		return error_set(err, STOW_EIO, c->where,
		                 "bucket %s, key %s%s: the list of parts does not go on",
		                 c->s3->o.bucket, c->s3->root, c->key);
	p->marker = (unsigned)marker;
	return STOW_OK;
}

static int fetch_parts(struct page *p, const struct stow_op *op, struct stow_error *err)
{
	cleanup_call struct call c = { 0 };
	char marker[16];
	int r;

	text_format(marker, sizeof(marker), "%u", p->marker);
	call_init(&c, p->w->s3, "s3.write", "GET", p->w->key);
	call_query(&c, "uploadId", p->w->upload.id);
	if (p->marker)
		call_query(&c, "part-number-marker", marker);
	c.answer_cap = S3_LIST_MAX;
	c.accept = accept_parts;
	c.arg = p;
	r = call_run(&c, op, err);
	if (r != STOW_OK && strcmp(c.code, MULTIPART_GONE) == 0) /* it has just ended */
		return error_set(err, STOW_ENOTFOUND, c.where,
		                 "bucket %s, key %s%s: there is no unfinished write any more",
		                 c.s3->o.bucket, c.s3->root, c.key);
	return r;
}

/* Would a part that is sent be another than the one that the store then has? */
static int refuse_later_parts(const struct writer *w, struct stow_error *err)
{
	return error_set(
		err, STOW_ENOTFOUND, "s3.write",
		"bucket %s, key %s%s: the unfinished write cannot be gone on with: parts were "
		"sent behind its end, and this store keeps the first bytes of a part",
		w->s3->o.bucket, w->s3->root, w->key);
}

int adopt_check(struct writer *w, const struct stow_op *op, struct stow_error *err)
{
	struct page p = {
		.w = w, .marker = (unsigned)w->upload.n, .more = true, .only_look = true
	};
	int r = STOW_OK;

	if (!w->upload.id || !ability_lacks(&w->s3->abilities, ABILITY_REPLACE_PART))
		return STOW_OK;
	for (unsigned i = 0; i < PAGES_MOST && p.more && !p.hole && r == STOW_OK; i++)
		r = fetch_parts(&p, op, err);
	return r == STOW_OK && p.hole ? refuse_later_parts(w, err) : r;
}

int adopt_upload(struct writer *w, const struct stow_op *op, struct stow_error *err)
{
	cleanup_free char *key = s3_full_key(w->s3, w->key);
	struct search s = { .key = key };
	struct page p = { .w = w, .more = true };
	int r = key ? find_upload(w, op, &s, err) : error_nomem(err, "s3.write");

	if (r == STOW_OK && !s.id[0])
		r = STOW_ENOTFOUND;
	if (r == STOW_ENOTFOUND)
		return error_set(err, STOW_ENOTFOUND, "s3.write",
		                 "bucket %s, key %s%s: there is no unfinished write",
		                 w->s3->o.bucket, w->s3->root, w->key);
	if (r != STOW_OK)
		return r;
	w->upload.id = strdup(s.id);
	if (!w->upload.id)
		return error_nomem(err, "s3.write");
	for (unsigned i = 0; i < PAGES_MOST && p.more && !p.hole && r == STOW_OK; i++)
		r = fetch_parts(&p, op, err);
	w->last_part = w->upload.n && p.last < S3_PART_MIN;
	if (r == STOW_OK && p.hole && ability_lacks(&w->s3->abilities, ABILITY_REPLACE_PART))
		return refuse_later_parts(w, err);
	return r;
}
