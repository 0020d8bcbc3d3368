/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists the referrers of a digest: those of the index, and those that clients keep under the tag
 * schema of registries without such a list (OCI distribution-spec, "Referrers Tag Schema").
 *
 * One LIST finds the index's keys, one batch reads them and looks at their revision links; a tag
 * costs its own link, and one batch more.  It must not know how manifests are verified.
 */
#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "plugin/layout.h"
#include "plugin/listing.h"
#include "plugin/name.h"
#include "plugin/names.h"
#include "plugin/referrer.h"
#include "plugin/revision.h"
#include "plugin/tag.h"

#define WHERE "referrers.list"
#define SLICE 128 /* referrers a batch: 2 MiB of descriptors */

struct stow_referrers {
	struct stow_names digests, descriptors; /* side by side, in byte order of the digests */
	size_t skipped;
};

struct candidate {
	struct digest digest;
	char *descriptor; /* of a tag's list; NULL where the index has it */
};

struct search {
	struct stow_registry *registry;
	const char *name, *type, *after;
	struct layout_key prefix;
	const struct digest *subject;
	struct candidate *found;
	size_t n, cap;
	struct stow_referrers *ret;
};

static int add(struct search *s, const struct digest *digest, const char *descriptor,
               struct stow_error *err)
{
	struct candidate *c;

	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 16;
		struct candidate *grown = reallocarray(s->found, cap, sizeof(*grown));

		if (!grown)
			return error_nomem(err, WHERE);
		s->found = grown;
		s->cap = cap;
	}
	c = &s->found[s->n];
	c->digest = *digest;
	c->descriptor = descriptor ? strdup(descriptor) : NULL;
	if (descriptor && !c->descriptor)
		return error_nomem(err, WHERE);
	s->n++;
	return STOW_OK;
}

static int visit_key(void *arg, const struct stow_entry *entry, struct stow_error *err)
{
	struct search *s = arg;
	struct digest digest;

	if (!layout_is_referrer(entry->key + strlen(s->prefix.text), &digest))
		return STOW_OK;
	return strcmp(digest.text, s->after) > 0 ? add(s, &digest, NULL, err) : STOW_OK;
}

static int visit_listed(void *arg, const char *json, struct stow_error *err)
{
	struct search *s = arg;
	char type[STOW_MEDIA_TYPE_MAX + 1];
	struct digest digest;

	if (!referrer_parse(json, strlen(json), &digest, type)) {
		s->ret->skipped++;
		return STOW_OK;
	}
	return strcmp(digest.text, s->after) > 0 ? add(s, &digest, json, err) : STOW_OK;
}

/* What clients have listed under the tag; it may be of the index as well. */
static int search_tag(struct search *s, const struct stow_op *op, struct stow_error *err)
{
	char tag[STOW_TAG_MAX + 1];
	struct stow_error fault = { 0 };
	cleanup_free void *data = NULL;
	struct digest digest;
	size_t len = 0;
	int status;

	referrer_tag(tag, s->subject);
	status = tag_read(s->registry, op, s->name, tag, &digest, &fault);
	if (status == STOW_OK)
		status = revision_read(s->registry, op, s->name, &digest, &data, &len, NULL,
		                       &fault);
	if (status == STOW_ENOTFOUND || status == STOW_ECORRUPT)
		return STOW_OK; /* no list there, or none that can be used */
	if (status != STOW_OK)
		return error_copy(err, &fault);
	return referrer_each_listed(data, len, visit_listed, s, err);
}

/* By digest; of one digest that of the index first. */
static int compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int order = strcmp(x->digest.text, y->digest.text);

	return order != 0 ? order : (x->descriptor != NULL) - (y->descriptor != NULL);
}

static void drop_duplicates(struct search *s)
{
	size_t kept = 0;

	if (s->n)
		qsort(s->found, s->n, sizeof(s->found[0]), compare);
	for (size_t i = 0; i < s->n; i++) {
		if (kept && digest_equal(&s->found[kept - 1].digest, &s->found[i].digest))
			free(s->found[i].descriptor);
		else
			s->found[kept++] = s->found[i];
	}
	s->n = kept;
}

struct look { /* one candidate's calls and their memory */
	struct layout_key index_key, link_key;
	struct stow_error index_err, link_err;
	char text[REFERRER_MAX + 1];
};

/* Gives it out if it is there and of the type asked for. */
static int judge(struct search *s, const struct candidate *c, const struct stow_call *link,
                 const struct stow_call *index, struct stow_error *err)
{
	char type[STOW_MEDIA_TYPE_MAX + 1];
	const char *json = c->descriptor;
	size_t len = json ? strlen(json) : 0;
	struct digest digest;
	int status;

	if (link->status == STOW_ENOTFOUND || (index && index->status == STOW_ENOTFOUND))
		return STOW_OK;
	if (link->status != STOW_OK)
		return error_copy(err, link->err);
	if (index && index->status == STOW_OK) {
		json = index->buf;
		len = index->ret_len;
	} else if (index && index->status != STOW_ERANGE) {
		return error_copy(err, index->err);
	}
	if (!json || !referrer_parse(json, len, &digest, type) ||
	    !digest_equal(&digest, &c->digest)) {
		s->ret->skipped++;
		return STOW_OK;
	}
	if (s->type && strcmp(s->type, type) != 0)
		return STOW_OK;
	status = names_add(&s->ret->digests, c->digest.text, strlen(c->digest.text), err);
	return status == STOW_OK ? names_add(&s->ret->descriptors, json, len, err) : status;
}

static int judge_slice(struct search *s, const struct stow_op *op, const struct candidate *found,
                       size_t n, struct look *looks, struct stow_call *calls,
                       struct stow_error *err)
{
	size_t n_calls = 0;
	int status;

	for (size_t i = 0; i < n; i++) {
		struct look *look = &looks[i];

		layout_link(&look->link_key, s->name, LAYOUT_REVISIONS, &found[i].digest);
		calls[n_calls++] = (struct stow_call){ .verb = STOW_CALL_STAT,
			                               .key = look->link_key.text,
			                               .err = &look->link_err };
		if (found[i].descriptor)
			continue;
		layout_referrer(&look->index_key, s->name, s->subject, &found[i].digest);
		calls[n_calls++] = (struct stow_call){ .verb = STOW_CALL_GET,
			                               .key = look->index_key.text,
			                               .buf = look->text,
			                               .len = REFERRER_MAX,
			                               .err = &look->index_err };
	}
	status = store_batch(s->registry->store, op, calls, n_calls, sizeof(calls[0]), err);
	n_calls = 0;
	for (size_t i = 0; i < n && status == STOW_OK; i++) {
		const struct stow_call *link = &calls[n_calls++];

		status = judge(s, &found[i], link, found[i].descriptor ? NULL : &calls[n_calls++],
		               err);
	}
	return status;
}

static int judge_all(struct search *s, const struct stow_op *op, struct stow_error *err)
{
	size_t slice = s->n < SLICE ? s->n : SLICE;
	cleanup_free struct look *looks = calloc(slice ? slice : 1, sizeof(*looks));
	cleanup_free struct stow_call *calls = calloc(slice ? 2 * slice : 1, sizeof(*calls));
	int status = STOW_OK;

	if (!looks || !calls)
		return error_nomem(err, WHERE);
	for (size_t i = 0; i < s->n && status == STOW_OK; i += slice)
		status = judge_slice(s, op, s->found + i, s->n - i < slice ? s->n - i : slice,
		                     looks, calls, err);
	return status;
}

int stow_referrers_open(struct stow_registry *registry, const struct stow_op *op, const char *name,
                        const char *text, const char *artifact_type, const char *after,
                        struct stow_referrers **ret, struct stow_error *err)
{
	struct digest subject;
	struct search s = { .registry = registry,
		            .name = name,
		            .type = artifact_type && *artifact_type ? artifact_type : NULL,
		            .after = after ? after : "",
		            .subject = &subject };
	int status = name_require(name, WHERE, err);

	if (status == STOW_OK)
		status = digest_require(&subject, text, WHERE, err);
	if (status != STOW_OK)
		return status;
	s.ret = calloc(1, sizeof(*s.ret));
	if (!s.ret)
		return error_nomem(err, WHERE);
	names_init(&s.ret->digests);
	names_init(&s.ret->descriptors);
	layout_referrers_prefix(&s.prefix, name, &subject);
	status = listing_each(registry->store, op, s.prefix.text, NULL, visit_key, &s, err);
	if (status == STOW_OK)
		status = search_tag(&s, op, err);
	drop_duplicates(&s);
	if (status == STOW_OK)
		status = judge_all(&s, op, err);
	for (size_t i = 0; i < s.n; i++)
		free(s.found[i].descriptor);
	free(s.found);
	if (status != STOW_OK) {
		stow_referrers_close(s.ret);
		return status;
	}
	*ret = s.ret;
	return STOW_OK;
}

int stow_referrers_next(struct stow_referrers *r, const char **ret_digest,
                        const char **ret_descriptor)
{
	size_t i = r->digests.cursor;

	if (i == r->digests.n)
		return STOW_ENOTFOUND;
	*ret_digest = names_at(&r->digests, i);
	*ret_descriptor = names_at(&r->descriptors, i);
	r->digests.cursor++;
	return STOW_OK;
}

size_t stow_referrers_skipped(const struct stow_referrers *r)
{
	return r->skipped;
}

void stow_referrers_close(struct stow_referrers *r)
{
	if (!r)
		return;
	names_done(&r->digests);
	names_done(&r->descriptors);
	free(r);
}
