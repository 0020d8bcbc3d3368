/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which digests a tag has stood on: its index links, each as old as when it was last written,
 * which a push does every time.  It must not know what the digests stand for.
 */
#include <stdlib.h>

#include "common/error.h"
#include "plugin/layout.h"
#include "plugin/listing.h"
#include "plugin/name.h"
#include "plugin/registry.h"

#define WHERE "tag.history"

struct stood {
	int64_t set_ns;
	struct digest digest;
};

struct stow_history {
	struct stood *list;
	size_t n, cap, cursor;
	size_t prefix_len; /* of the tags' prefix, whose keys layout.h takes apart */
};

static int visit(void *arg, const struct stow_entry *entry, struct stow_error *err)
{
	struct stow_history *h = arg;
	struct stood one = { .set_ns = entry->mtime_ns };
	size_t tag_len;

	if (!layout_is_index(entry->key + h->prefix_len, &tag_len, &one.digest))
		return STOW_OK;
	if (h->n == h->cap) {
		size_t cap = h->cap ? 2 * h->cap : 16;
		struct stood *grown = reallocarray(h->list, cap, sizeof(*grown));

		if (!grown)
			return error_nomem(err, WHERE);
		h->list = grown;
		h->cap = cap;
	}
	h->list[h->n++] = one;
	return STOW_OK;
}

/* Newest first; of one time, which stores give by the second, by digest. */
static int compare(const void *a, const void *b)
{
	const struct stood *x = a, *y = b;

	if (x->set_ns != y->set_ns)
		return x->set_ns > y->set_ns ? -1 : 1;
	return strcmp(x->digest.text, y->digest.text);
}

int stow_tag_history(struct stow_registry *registry, const struct stow_op *op, const char *name,
                     const char *tag, struct stow_history **ret, struct stow_error *err)
{
	struct layout_key prefix;
	struct stow_history *h;
	int status = name_require(name, WHERE, err);

	if (status == STOW_OK)
		status = name_require_tag(tag, WHERE, err);
	if (status != STOW_OK)
		return status;
	h = calloc(1, sizeof(*h));
	if (!h)
		return error_nomem(err, WHERE);
	layout_tags_prefix(&prefix, name);
	h->prefix_len = strlen(prefix.text);
	layout_tag_prefix(&prefix, name, tag);
	status = listing_each(registry->store, op, prefix.text, NULL, visit, h, err);
	if (status == STOW_OK && h->n == 0)
		status = error_set(err, STOW_ENOTFOUND, WHERE, "%s has no tag %s", name, tag);
	if (status != STOW_OK) {
		stow_history_close(h);
		return status;
	}
	qsort(h->list, h->n, sizeof(h->list[0]), compare);
	*ret = h;
	return STOW_OK;
}

int stow_history_next(struct stow_history *h, const char **ret_digest, int64_t *ret_set_ns)
{
	if (h->cursor == h->n)
		return STOW_ENOTFOUND;
	*ret_digest = h->list[h->cursor].digest.text;
	*ret_set_ns = h->list[h->cursor++].set_ns;
	return STOW_OK;
}

void stow_history_close(struct stow_history *h)
{
	if (!h)
		return;
	free(h->list);
	free(h);
}
