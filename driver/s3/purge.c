/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking away multipart uploads that nobody goes on with.
 * It must not know who began them; age and key decide, by the store's own clock.
 */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/text.h"
#include "driver/s3/park.h"

#define MARKER_MAX 4096

struct page {
	const char *prefix; /* with the root */
	size_t root;
	int64_t before_ns; /* begun before this is old */
	int64_t age_ns;
	struct buf found;  /* key NUL id NUL ... */
	struct buf parked; /* id NUL ...: uploads that park records name */
	bool looked;       /* at the records */
	char key_marker[MARKER_MAX], id_marker[MARKER_MAX];
	/* one of the markers from before: pages that go in a circle come by it again */
	char key_before[MARKER_MAX], id_before[MARKER_MAX];
	unsigned since, until; /* pages since it was noted, and when the next is */
	bool more;
};

/* The store's time where the answer tells it, else ours. */
static int64_t store_time(struct call *c)
{
	char text[64];
	int64_t seconds = -1;

	if (http_request_header(c->http, "Date", text, sizeof(text)))
		seconds = text_http_date(text);
	return seconds > 0 && seconds < INT64_MAX / CLOCK_SECOND ? seconds * CLOCK_SECOND
	                                                         : clock_host_now(c->s3->host);
}

static int take_uploads(struct page *p, const struct xml_node *root)
{
	char text[64], key[MARKER_MAX], id[MULTIPART_ID_MAX], keys[16];
	bool url = xml_text(root, "EncodingType", keys, sizeof(keys)) && strcmp(keys, "url") == 0;

	for (const struct xml_node *n = xml_child(root, "Upload"); n; n = xml_next(n, "Upload")) {
		int64_t begun;

		if (!xml_text(n, "Key", key, sizeof(key)) ||
		    !xml_text(n, "UploadId", id, sizeof(id)) ||
		    !xml_text(n, "Initiated", text, sizeof(text)))
			continue;
		if (url) {
			for (char *c = key; *c; c++)
				if (*c == '+')
					*c = ' ';
			if (!text_percent_decode(key))
				continue;
		}
		begun = text_rfc3339(text);
		if (!(text_starts(key, p->prefix) ||
		      (strlen(key) > p->root && strncmp(key, p->prefix, p->root) == 0 &&
		       text_starts(key + p->root, PARK_PROBES))) ||
		    begun < 0 || begun > p->before_ns)
			continue;
		buf_add(&p->found, key + p->root, strlen(key + p->root) + 1);
		buf_add(&p->found, id, strlen(id) + 1);
	}
	return buf_status(&p->found);
}

/* No order is taken for granted; the farther it goes the farther apart are the markers kept. */
static bool in_circles(struct page *p)
{
	if (strcmp(p->key_marker, p->key_before) == 0 && strcmp(p->id_marker, p->id_before) == 0)
		return true;
	if (++p->since >= p->until) {
		memcpy(p->key_before, p->key_marker, sizeof(p->key_before));
		memcpy(p->id_before, p->id_marker, sizeof(p->id_before));
		p->until = p->since * 2;
		p->since = 0;
	}
	return false;
}

static int accept_uploads(struct call *c, struct stow_error *err)
{
	struct page *p = c->arg;
	cleanup_xml struct xml *x = NULL;
	const struct xml_node *root;
	char text[16];
	int r = answer_xml(c, "ListMultipartUploadsResult", &x, err);

	if (r != STOW_OK)
		return r;
	root = xml_root(x, "ListMultipartUploadsResult");
	buf_reset(&p->found);
	/* all of them, where any age will do: the header's time is of whole seconds */
	p->before_ns = p->age_ns > 0 ? store_time(c) - p->age_ns : INT64_MAX;
	r = take_uploads(p, root);
	if (r != STOW_OK)
		return error_set(err, r, c->where, "too many uploads on a page");
	p->more = xml_text(root, "IsTruncated", text, sizeof(text)) && strcmp(text, "true") == 0;
	if (!p->more)
		return STOW_OK;
	xml_text(root, "NextKeyMarker", p->key_marker, sizeof(p->key_marker));
	xml_text(root, "NextUploadIdMarker", p->id_marker, sizeof(p->id_marker));
	if (!p->key_marker[0] || in_circles(p))
		return error_set(err, STOW_EIO, c->where,
		                 "bucket %s: the list of uploads does not go on", c->s3->o.bucket);
	return STOW_OK;
}

/* The prefix is not sent: some stores list uploads of one whole key, or all, and nothing else. */
static int fetch_uploads(struct s3 *s3, const struct stow_op *op, struct page *p,
                         struct stow_error *err)
{
	cleanup_free char *key = strdup(p->key_marker), *id = strdup(p->id_marker);
	cleanup_call struct call c = { 0 };

	call_init(&c, s3, "s3.purge", "GET", NULL);
	if (!key || !id)
		return error_nomem(err, c.where);
	call_query(&c, "uploads", "");
	if (key[0])
		call_query(&c, "key-marker", key);
	if (id[0])
		call_query(&c, "upload-id-marker", id);
	c.answer_cap = S3_LIST_MAX;
	c.accept = accept_uploads;
	c.arg = p;
	return call_run(&c, op, err);
}

static bool is_parked(const struct page *p, const char *id)
{
	const char *at = buf_text(&p->parked), *end = at + p->parked.len;

	for (; at < end; at += strlen(at) + 1)
		if (strcmp(at, id) == 0)
			return true;
	return false;
}

/*
 * An upload is as old as its last change, which for one that is parked is its record's.  So the
 * records are gone over first, once the store's time is known.
 */
static int look_at_records(struct s3 *s3, const struct stow_op *op, struct page *p, uint64_t *count,
                           struct stow_error *err)
{
	if (p->looked)
		return STOW_OK;
	p->looked = true;
	return park_purge(s3, op, p->prefix + p->root, p->before_ns, &p->parked, count, err);
}

static bool may_not_go_on(int status)
{
	return status == STOW_ECANCELED || status == STOW_ETIMEOUT || status == STOW_ENOMEM;
}

static int purge(struct s3 *s3, const struct stow_op *op, struct page *p, uint64_t *count,
                 struct stow_error *err)
{
	do {
		int r = fetch_uploads(s3, op, p, err);
		const char *at = buf_text(&p->found), *end = at + p->found.len;

		if (r != STOW_OK && !p->looked && !may_not_go_on(r)) {
			/* a store that lists no uploads: records are all there is to go by */
			p->before_ns = p->age_ns > 0 ? clock_host_now(s3->host) - p->age_ns
			                             : INT64_MAX;
			look_at_records(s3, op, p, count, NULL);
		}
		if (r == STOW_ENOTSUP) {
			log_line(s3->host, STOW_LOG_WARNING, "s3",
			         "bucket %s: the store does not list unfinished uploads, so that "
			         "those without a record stay until a rule of the bucket's ends "
			         "them",
			         s3->o.bucket);
			return STOW_OK;
		}
		if (r == STOW_OK)
			r = look_at_records(s3, op, p, count, err);
		if (r != STOW_OK)
			return r;
		while (at < end) {
			const char *key = at, *id = key + strlen(key) + 1;

			at = id + strlen(id) + 1;
			if (is_parked(p, id))
				continue;
			r = multipart_abort(s3, op, key, id, NULL, err);
			if (r != STOW_OK)
				return r;
			++*count;
		}
	} while (p->more);
	return STOW_OK;
}

int s3_purge_writes(void *self, const struct stow_op *op, const char *prefix, int64_t older_than_ns,
                    uint64_t *ret_count, struct stow_error *err)
{
	struct s3 *s3 = self;
	cleanup_free char *full = s3_full_key(s3, prefix);
	struct page *p = calloc(1, sizeof(*p));
	uint64_t count = 0;
	int r;

	if (!p || !full) {
		free(p);
		return error_nomem(err, "s3.purge");
	}
	p->prefix = full;
	p->root = strlen(s3->root);
	p->age_ns = older_than_ns;
	buf_init(&p->found, S3_LIST_MAX);
	buf_init(&p->parked, S3_LIST_MAX);
	r = purge(s3, op, p, &count, err);
	buf_done(&p->found);
	buf_done(&p->parked);
	free(p);
	if (r == STOW_OK && ret_count)
		*ret_count = count;
	return r;
}
