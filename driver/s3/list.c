/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings by ListObjectsV2, or ListObjects where there is no other, page by page, objects and folders merged in byte order.
 * It must not know what the keys name; a page that does not go on from the one before is an error,
 * since a loop over it would never end.
 */
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/text.h"
#include "driver/s3/park.h"

#define EMPTY_PAGES_MAX 100
#define PAGE_ENTRIES_MAX 10000

struct item {
	size_t key; /* offset in the page's text, as the next */
	size_t etag;
	int64_t size, mtime_ns;
	bool is_folder;
};

struct list {
	struct s3 *s3;
	char *prefix;      /* with the root */
	char *after;       /* with the root; of the last entry given */
	char *start_after; /* sent with the first page; NULL: not sent */
	bool folders, end, begun;
	bool any;         /* the driver's own keys, too */
	bool first;       /* version 1: token is a key, the marker */
	struct buf token; /* of the next page; "" at the last */
	unsigned empty_pages;

	struct buf text; /* keys and ETags of this page */
	struct item *items;
	size_t n, at, room;
};

void s3_list_close(void *handle)
{
	struct list *l = handle;

	if (!l)
		return;
	free(l->prefix);
	free(l->after);
	free(l->start_after);
	free(l->items);
	buf_done(&l->token);
	buf_done(&l->text);
	free(l);
}

static int list_open(void *self, const struct stow_op *op, const char *prefix, const char *after,
                     uint32_t flags, bool any, void **ret_list, struct stow_error *err)
{
	struct list *l;
	int r;

	r = clock_op_check(op, "s3.list", err);
	if (r != STOW_OK)
		return r;
	if (flags & ~STOW_LIST_FOLDERS)
		return error_set(err, STOW_EINVAL, "s3.list", "unknown flags");
	if (!after)
		after = "";
	if (strlen(prefix) > STOW_KEY_MAX || strlen(after) > STOW_KEY_MAX)
		return error_set(err, STOW_EINVAL, "s3.list", "prefix or start is over %d bytes",
		                 STOW_KEY_MAX);
	l = calloc(1, sizeof(*l));
	if (!l)
		return error_nomem(err, "s3.list");
	l->s3 = self;
	l->folders = flags & STOW_LIST_FOLDERS;
	l->any = any;
	l->first = ability_lacks(&l->s3->abilities, ABILITY_LIST_V2);
	buf_init(&l->token, (size_t)4 << 10);
	buf_init(&l->text, S3_LIST_MAX);
	l->prefix = s3_full_key(l->s3, prefix);
	l->after = after[0] ? s3_full_key(l->s3, after) : strdup("");
	/* A start before all that has the prefix says nothing, and some stores stumble over it. */
	if (after[0] && strcmp(after, prefix) > 0) {
		l->start_after = s3_full_key(l->s3, after);
		l->end = !text_starts(after, prefix);
	}
	if (!l->prefix || !l->after || (after[0] && strcmp(after, prefix) > 0 && !l->start_after)) {
		s3_list_close(l);
		return error_nomem(err, "s3.list");
	}
	*ret_list = l;
	return STOW_OK;
}

int s3_list_open(void *self, const struct stow_op *op, const char *prefix, const char *after,
                 uint32_t flags, void **ret_list, struct stow_error *err)
{
	return list_open(self, op, prefix, after, flags, false, ret_list, err);
}

int s3_list_any(void *self, const struct stow_op *op, const char *prefix, const char *after,
                uint32_t flags, void **ret_list, struct stow_error *err)
{
	return list_open(self, op, prefix, after, flags, true, ret_list, err);
}

/* ---- a page ---- */

static bool decode_url(char *s)
{
	for (char *p = s; *p; p++)
		if (*p == '+')
			*p = ' ';
	return text_percent_decode(s);
}

/* Adds the text of an element to the page, decoded; its offset. */
static bool keep_text(struct list *l, const struct xml_node *n, bool url, size_t *ret)
{
	size_t at = l->text.len;

	buf_adds(&l->text, "");
	if (xml_add_text(n, &l->text) != STOW_OK || !l->text.data)
		return false;
	if (url) {
		if (!decode_url(l->text.data + at))
			return false;
		l->text.len = at + strlen(l->text.data + at);
	}
	*ret = at;
	return buf_addc(&l->text, '\0') == STOW_OK;
}

static bool keep_item(struct list *l, struct item item)
{
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 256;
		struct item *more = room <= 2 * PAGE_ENTRIES_MAX
		                            ? realloc(l->items, room * sizeof(*more))
		                            : NULL;

		if (!more)
			return false;
		l->items = more;
		l->room = room;
	}
	l->items[l->n++] = item;
	return true;
}

static bool take_object(struct list *l, const struct xml_node *n, bool url)
{
	struct item item = { .size = 0 };
	char text[80];

	if (!keep_text(l, xml_child(n, "Key"), url, &item.key) ||
	    !keep_text(l, xml_child(n, "ETag"), false, &item.etag))
		return false;
	if (!xml_text(n, "Size", text, sizeof(text)) || !text_to_int64(text, &item.size))
		return false;
	if (xml_text(n, "LastModified", text, sizeof(text)))
		item.mtime_ns = text_rfc3339(text);
	if (item.mtime_ns < 0)
		item.mtime_ns = 0;
	return keep_item(l, item);
}

static bool take_folder(struct list *l, const struct xml_node *n, bool url)
{
	struct item item = { .is_folder = true };

	if (!keep_text(l, xml_child(n, "Prefix"), url, &item.key))
		return false;
	item.etag = l->text.len;
	return buf_addc(&l->text, '\0') == STOW_OK && keep_item(l, item);
}

/* Both kinds, each in its order as the store gives it, become one order. */
static int compare_items(const void *a, const void *b, void *text)
{
	const struct item *x = a, *y = b;

	return strcmp((const char *)text + x->key, (const char *)text + y->key);
}

/* Where the next page of version 1 begins: at what the store says, else after this page's last. */
static bool next_marker(const struct list *l, const struct xml_node *root, bool url,
                        struct buf *ret)
{
	if (xml_add_text(xml_child(root, "NextMarker"), ret) != STOW_OK)
		return false;
	if (ret->len && url) {
		if (!decode_url(ret->data))
			return false;
		ret->len = strlen(ret->data);
	}
	if (ret->len == 0 && l->n)
		buf_adds(ret, l->text.data + l->items[l->n - 1].key);
	return buf_status(ret) == STOW_OK;
}

static int take_page(struct list *l, const struct xml_node *root)
{
	char text[16];
	bool url = xml_text(root, "EncodingType", text, sizeof(text)) && strcmp(text, "url") == 0;
	bool more = xml_text(root, "IsTruncated", text, sizeof(text)) && strcmp(text, "true") == 0;
	cleanup_buf struct buf token = { 0 };
	bool ok = true;

	l->n = l->at = 0;
	buf_reset(&l->text);
	for (const struct xml_node *n = xml_first(root); n && ok; n = xml_after(n)) {
		if (xml_is(n, "Contents"))
			ok = take_object(l, n, url);
		else if (xml_is(n, "CommonPrefixes"))
			ok = take_folder(l, n, url);
	}
	if (!ok)
		return STOW_ECORRUPT;
	if (l->n)
		qsort_r(l->items, l->n, sizeof(l->items[0]), compare_items, l->text.data);

	buf_init(&token, (size_t)4 << 10);
	/* a store that knows no version 2 may pass list-type over, and answer as ever */
	if (!l->begun && !l->first && more && xml_child(root, "Marker") &&
	    !xml_child(root, "NextContinuationToken"))
		l->first = true;
	if (more && l->first && !next_marker(l, root, url, &token))
		return STOW_ECORRUPT;
	if (more && !l->first &&
	    xml_add_text(xml_child(root, "NextContinuationToken"), &token) != STOW_OK)
		return STOW_ECORRUPT;
	if (more && (token.len == 0 || strcmp(buf_text(&token), buf_text(&l->token)) == 0))
		return STOW_EIO; /* the next page would be this one again */
	/* what it passed over of the first page's question it has to be told anew */
	if (more && l->first && !l->begun && l->start_after &&
	    strcmp(l->start_after, buf_text(&token)) > 0) {
		buf_reset(&token);
		buf_adds(&token, l->start_after);
	}
	buf_reset(&l->token);
	return buf_add(&l->token, buf_text(&token), token.len);
}

/* Does the page bring anything after what was given out already? */
static bool goes_on(const struct list *l)
{
	return l->n && strcmp(l->text.data + l->items[l->n - 1].key, l->after) > 0;
}

static int accept_page(struct call *c, struct stow_error *err)
{
	struct list *l = c->arg;
	cleanup_xml struct xml *x = NULL;
	char subject[ANSWER_SUBJECT_MAX];
	int r = answer_xml(c, "ListBucketResult", &x, err);

	if (r != STOW_OK)
		return r;
	r = take_page(l, xml_root(x, "ListBucketResult"));
	if (r == STOW_OK)
		return STOW_OK;
	return error_set(err, STOW_EIO, c->where, "%s: %s", answer_subject(c, subject),
	                 r == STOW_EIO ? "the listing does not go on: the store gives one page "
	                                 "again and again"
	                               : "a page of the listing makes no sense");
}

bool list_is_first_only(const struct call *c)
{
	int http;

	if (!c->finished || !c->http || c->n_query == 0 ||
	    strcmp(c->query[0].name, "list-type") != 0)
		return false;
	http = http_request_status(c->http);
	return http == 501 || http == 405 ||
	       (http == 400 &&
	        (strcmp(c->code, "InvalidArgument") == 0 ||
	         strcmp(c->code, "NotImplemented") == 0 || strcmp(c->code, "InvalidRequest") == 0));
}

/* What each version calls things; encoded keys make some stores of version 1 stumble. */
static void describe_page(struct list *l, struct call *c, const char *token)
{
	call_init(c, l->s3, "s3.list", "GET", NULL);
	if (!l->first) {
		call_query(c, "list-type", "2");
		call_query(c, "encoding-type", "url");
	}
	call_query(c, "prefix", l->prefix);
	if (l->folders)
		call_query(c, "delimiter", "/");
	if (*token)
		call_query(c, l->first ? "marker" : "continuation-token", token);
	else if (l->start_after)
		call_query(c, l->first ? "marker" : "start-after", l->start_after);
	c->answer_cap = S3_LIST_MAX;
	c->accept = accept_page;
	c->arg = l;
}

static int fetch_page(struct list *l, const struct stow_op *op, struct stow_error *err)
{
	cleanup_buf struct buf token = { 0 };
	cleanup_call struct call c = { 0 };
	int r;

	buf_init(&token, l->token.max);
	buf_adds(&token, buf_text(&l->token));
	if (buf_status(&token) != STOW_OK)
		return error_nomem(err, "s3.list");
	describe_page(l, &c, buf_text(&token));
	r = call_run(&c, op, err);
	if (r != STOW_OK && !l->begun && !l->first && list_is_first_only(&c)) {
		call_done(&c);
		l->first = true;
		describe_page(l, &c, "");
		r = call_run(&c, op, err);
		if (r == STOW_OK)
			ability_set(&l->s3->abilities, ABILITY_LIST_V2, false);
	}
	if (r == STOW_ENOTFOUND && c.place) /* a listing is never not found: the bucket is */
		return error_set(err, STOW_EIO, c.where, "bucket %s at %s does not exist",
		                 l->s3->o.bucket, c.place->address.base);
	if (r != STOW_OK)
		return r;
	l->begun = true;
	l->empty_pages = goes_on(l) ? 0 : l->empty_pages + 1;
	if (l->token.len && l->empty_pages > EMPTY_PAGES_MAX)
		return error_set(err, STOW_EIO, c.where,
		                 "bucket %s, prefix %s: %u pages brought nothing new",
		                 l->s3->o.bucket, l->prefix, l->empty_pages);
	return STOW_OK;
}

/* Takes what is ours and new; anything else is passed over. */
static bool give_item(struct list *l, const struct item *item, struct stow_entry *ret, bool *ok)
{
	const char *key = l->text.data + item->key;
	size_t len = strlen(key);
	char *after;

	if (!text_starts(key, l->prefix) || strcmp(key, l->after) <= 0)
		return false;
	/* A marker of a folder, as consoles write them, is not an object; and a folder is one. */
	if (len == 0 || (key[len - 1] == '/') != item->is_folder)
		return false;
	if (item->is_folder && !l->folders)
		return false;
	if (!l->any && park_is_hidden(key + strlen(l->s3->root)))
		return false;
	after = strdup(key);
	*ok = after != NULL;
	if (!after)
		return true;
	free(l->after);
	l->after = after;
	*ret = (struct stow_entry){ .key = key + strlen(l->s3->root),
		                    .size = item->size,
		                    .mtime_ns = item->mtime_ns,
		                    .etag = l->text.data + item->etag,
		                    .is_folder = item->is_folder };
	return true;
}

int s3_list_next(void *handle, const struct stow_op *op, struct stow_entry *ret,
                 struct stow_error *err)
{
	struct list *l = handle;

	for (;;) {
		int r;

		while (l->at < l->n) {
			bool ok = true;

			if (give_item(l, &l->items[l->at++], ret, &ok))
				return ok ? STOW_OK : error_nomem(err, "s3.list");
		}
		if (l->end || (l->begun && l->token.len == 0))
			return error_set(err, STOW_ENOTFOUND, "s3.list", "the end");
		r = fetch_page(l, op, err);
		if (r != STOW_OK)
			return r;
	}
}
