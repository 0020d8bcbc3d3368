/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes away the tags that stand on a digest.
 * It must not know what the digest stands for.
 *
 * Pushes of this process wait meanwhile (repository-lock.h).  A host beside it may move a tag
 * between the look at its current link and the removal.  Where the store removes on condition, the
 * tag then stays; where it does not, a second look at the tags' histories finds what the other host
 * wrote, and that is put back.
 */
#include "common/cleanup.h"
#include "common/error.h"
#include "plugin/layout.h"
#include "plugin/link.h"
#include "plugin/listing.h"
#include "plugin/name.h"
#include "plugin/removal.h"
#include "plugin/tag-once.h"
#include "plugin/tag.h"

#define WHERE "manifest.delete"
#define SLICE 128 /* tags whose current links are read, and removed, in one batch */

struct untag {
	struct stow_registry *registry;
	const char *name;
	const struct digest *digest;
	size_t prefix_len;
	struct stow_names keys; /* all below the repository's tags, in order */
	size_t cap;
	int64_t *mtimes; /* of each key as it was listed */
	bool *removed;   /* of each key: a current link that was taken away */
	bool blindly;    /* one of them without a condition */
};

/* Of a slice of tags: what is needed to read their current links and to take some away. */
struct slice {
	size_t n;
	size_t indices[SLICE]; /* into keys */
	struct stow_call calls[SLICE];
	struct stow_error errs[SLICE];
	struct layout_key keys[SLICE];
	char bodies[SLICE][LINK_BODY_MAX];
	/* those that stand on the digest */
	size_t standing_n;
	size_t standing[SLICE]; /* into keys of untag */
	const char *standing_keys[SLICE];
	const char *standing_etags[SLICE]; /* NULL: no condition can be made */
};

/* ---- what is there ---- */

static int add_key(void *arg, const struct stow_entry *entry, struct stow_error *err)
{
	struct untag *untag = arg;

	if (untag->keys.n == untag->cap) {
		size_t cap = untag->cap ? 2 * untag->cap : 64;
		int64_t *mtimes = reallocarray(untag->mtimes, cap, sizeof(*mtimes));

		if (!mtimes)
			return error_nomem(err, WHERE);
		untag->mtimes = mtimes;
		untag->cap = cap;
	}
	untag->mtimes[untag->keys.n] = entry->mtime_ns;
	return names_add(&untag->keys, entry->key, strlen(entry->key), err);
}

/* The place of a key in the first listing, or n. */
static size_t find_key(const struct untag *untag, const char *key)
{
	size_t low = 0, high = untag->keys.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(names_at(&untag->keys, middle), key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < untag->keys.n && strcmp(names_at(&untag->keys, low), key) == 0 ? low
	                                                                            : untag->keys.n;
}

/* ---- the current links ---- */

static int read_slice(struct untag *untag, const struct stow_op *op, struct slice *slice,
                      struct stow_error *err)
{
	struct stow_store *store = untag->registry->store;
	bool conditional = (store_caps(store) & STOW_CAP_REMOVE_IF_MATCH) != 0;
	int status;

	for (size_t i = 0; i < slice->n; i++) {
		const char *key = names_at(&untag->keys, slice->indices[i]);

		memcpy(slice->keys[i].text, key, strlen(key) + 1);
		link_call(&slice->calls[i], &slice->keys[i], slice->bodies[i], &slice->errs[i]);
	}
	slice->standing_n = 0;
	status = store_batch(store, op, slice->calls, slice->n, sizeof(slice->calls[0]), err);
	for (size_t i = 0; i < slice->n && status == STOW_OK; i++) {
		struct stow_error fault = { 0 };
		const char *etag = slice->calls[i].ret_stat.etag;
		struct digest target;

		status = link_call_result(&slice->calls[i], NULL, &target, &fault);
		if (status == STOW_OK && digest_equal(&target, untag->digest)) {
			size_t at = slice->standing_n++;

			slice->standing[at] = slice->indices[i];
			slice->standing_keys[at] = slice->keys[i].text;
			slice->standing_etags[at] = conditional && *etag ? etag : NULL;
		} else if (status == STOW_ENOTFOUND || status == STOW_ECORRUPT) {
			status = STOW_OK; /* gone meanwhile, or it names nothing */
		} else if (status != STOW_OK) {
			return error_copy(err, &fault);
		}
	}
	return status;
}

/* A tag that was moved since its link was read keeps what it has now, where the store can tell. */
static int remove_slice(struct untag *untag, const struct stow_op *op, const struct slice *slice,
                        struct stow_error *err)
{
	struct stow_store *store = untag->registry->store;
	struct stow_error fault = { 0 };
	int statuses[SLICE], status = STOW_OK;

	if (slice->standing_n == 1)
		statuses[0] = store_remove(store, op, slice->standing_keys[0],
		                           slice->standing_etags[0], &fault);
	else
		(void)store_remove_many(store, op, slice->standing_keys, slice->standing_etags,
		                        slice->standing_n, statuses, &fault);
	for (size_t i = 0; i < slice->standing_n; i++) {
		/* one whose removal failed may be gone all the same */
		untag->removed[slice->standing[i]] = statuses[i] != STOW_ECHANGED;
		untag->blindly |= !slice->standing_etags[i];
		if (status == STOW_OK && statuses[i] != STOW_OK && statuses[i] != STOW_ECHANGED)
			status = statuses[i];
	}
	if (status == STOW_OK || status == fault.status)
		return status == STOW_OK ? STOW_OK : error_copy(err, &fault);
	return error_set(err, status, WHERE, "%s: a tag on %s: %s", untag->name,
	                 untag->digest->text, error_status_text(status));
}

/* Is the key a tag's current link? ret takes the tag. */
static bool read_current_key(const struct untag *untag, size_t i, char ret[STOW_TAG_MAX + 1])
{
	const char *rest = names_at(&untag->keys, i) + untag->prefix_len;
	size_t tag_len;

	if (!layout_is_current(rest, &tag_len) || tag_len > STOW_TAG_MAX)
		return false;
	memcpy(ret, rest, tag_len);
	ret[tag_len] = '\0';
	return true;
}

static int refuse_slice(const struct untag *untag, const struct slice *slice,
                        struct stow_error *err)
{
	char tag[STOW_TAG_MAX + 1];

	if (slice->standing_n == 0 || !read_current_key(untag, slice->standing[0], tag))
		return STOW_OK;
	return tag_once_refuse(WHERE, untag->name, tag, err);
}

/* once: those of immutable tags, which are only looked at; else the others. */
static int each_current(struct untag *untag, const struct stow_op *op, bool once,
                        struct stow_error *err)
{
	const struct immutable *immutable = &untag->registry->policy.immutable;
	cleanup_free struct slice *slice = calloc(1, sizeof(*slice));
	char tag[STOW_TAG_MAX + 1];
	int status = STOW_OK;

	if (!slice)
		return error_nomem(err, WHERE);
	for (size_t i = 0; i < untag->keys.n && status == STOW_OK; i++) {
		if (read_current_key(untag, i, tag) &&
		    immutable_tag(immutable, untag->name, tag) == once)
			slice->indices[slice->n++] = i;
		if (slice->n == 0 || (slice->n < SLICE && i + 1 < untag->keys.n))
			continue;
		status = read_slice(untag, op, slice, err);
		if (status == STOW_OK)
			status = once ? refuse_slice(untag, slice, err)
			              : remove_slice(untag, op, slice, err);
		slice->n = 0;
	}
	return status;
}

/* Immutable tags first: where one stands on the digest nothing goes. */
static int remove_currents(struct untag *untag, const struct stow_op *op, struct stow_error *err)
{
	int status = STOW_OK;

	if (immutable_any(&untag->registry->policy.immutable, untag->name))
		status = each_current(untag, op, true, err);
	return status == STOW_OK ? each_current(untag, op, false, err) : status;
}

/* ---- the second look ---- */

struct second { /* at one tag whose current link was taken away */
	struct untag *untag;
	const struct stow_op *op;
	char tag[STOW_TAG_MAX + 1];
	size_t index;        /* of its current link in keys; keys.n: no such tag */
	bool has_current;    /* it has one again */
	bool moved;          /* another digest was written into its history meanwhile */
	int64_t moved_ns;    /* when */
	struct digest newer; /* which */
};

/* The other host's write is put back, unless it is there again, or its manifest is not. */
static int settle(const struct second *second, struct stow_error *err)
{
	struct untag *untag = second->untag;
	const struct stow_op *op = second->op;
	struct stow_put put = { .size = sizeof(put), .length = -1 };
	struct stow_store *store = untag->registry->store;
	struct stow_error fault = { 0 };
	struct layout_key key;
	struct stow_stat stat;
	int status;

	if (second->index == untag->keys.n)
		return STOW_OK;
	if (second->has_current)
		untag->removed[second->index] = false;
	if (second->has_current || !second->moved)
		return STOW_OK;
	layout_link(&key, untag->name, LAYOUT_REVISIONS, &second->newer);
	status = store_stat(store, op, key.text, &stat, &fault);
	if (status == STOW_ENOTFOUND)
		return STOW_OK;
	if (store_caps(store) & STOW_CAP_CREATE)
		put.flags = STOW_PUT_CREATE;
	if (status == STOW_OK)
		status = store_put(store, op, names_at(&untag->keys, second->index),
		                   second->newer.text, strlen(second->newer.text), &put, NULL,
		                   &fault);
	if (status != STOW_OK && status != STOW_EEXIST)
		return error_copy(err, &fault);
	untag->removed[second->index] = false;
	return STOW_OK;
}

static struct second begin_second(struct untag *untag, const struct stow_op *op, const char *rest,
                                  size_t tag_len)
{
	struct second second = { .untag = untag, .op = op };
	struct layout_key key;

	memcpy(second.tag, rest, tag_len);
	layout_tag_current(&key, untag->name, second.tag);
	second.index = find_key(untag, key.text);
	if (second.index < untag->keys.n && !untag->removed[second.index])
		second.index = untag->keys.n;
	return second;
}

static void see_index(struct second *second, const struct stow_entry *entry,
                      const struct digest *digest)
{
	const struct untag *untag = second->untag;
	size_t before = find_key(untag, entry->key);

	if (digest_equal(digest, untag->digest) ||
	    (before < untag->keys.n && untag->mtimes[before] == entry->mtime_ns) ||
	    (second->moved && second->moved_ns > entry->mtime_ns))
		return;
	second->moved = true;
	second->moved_ns = entry->mtime_ns;
	second->newer = *digest;
}

static int see_again(void *arg, const struct stow_entry *entry, struct stow_error *err)
{
	struct second *second = arg;
	const char *rest = entry->key + second->untag->prefix_len;
	struct digest digest;
	size_t tag_len;
	bool is_current = layout_is_current(rest, &tag_len);
	int status = STOW_OK;

	if (!is_current && !layout_is_index(rest, &tag_len, &digest))
		return STOW_OK;
	if (strlen(second->tag) != tag_len || memcmp(second->tag, rest, tag_len) != 0) {
		status = settle(second, err);
		*second = begin_second(second->untag, second->op, rest, tag_len);
	}
	if (is_current)
		second->has_current = true;
	else if (second->index < second->untag->keys.n)
		see_index(second, entry, &digest);
	return status;
}

static int look_again(struct untag *untag, const struct stow_op *op,
                      const struct layout_key *prefix, struct stow_error *err)
{
	struct second second = { .untag = untag, .op = op, .index = untag->keys.n };
	int status;

	status = listing_each(untag->registry->store, op, prefix->text, NULL, see_again, &second,
	                      err);
	return status == STOW_OK ? settle(&second, err) : status;
}

/* ---- the history ---- */

/* Does the key belong to a tag whose current link was taken away?  Keys of one tag lie together,
 * its current link before its index. */
static int gather_history(struct untag *untag, struct stow_names *history, struct stow_error *err)
{
	const char *removed = NULL; /* "<tag>" of the last that was taken away, and its length */
	size_t removed_len = 0, tag_len;
	int status = STOW_OK;

	for (size_t i = 0; i < untag->keys.n && status == STOW_OK; i++) {
		const char *key = names_at(&untag->keys, i), *rest = key + untag->prefix_len;
		struct digest digest;

		if (layout_is_current(rest, &tag_len)) {
			removed = untag->removed[i] ? rest : NULL;
			removed_len = tag_len;
		} else if (layout_is_index(rest, &tag_len, &digest)) {
			bool of_removed = removed && tag_len == removed_len &&
			                  strncmp(rest, removed, tag_len) == 0;

			if (of_removed || digest_equal(&digest, untag->digest))
				status = names_add(history, key, strlen(key), err);
		}
	}
	return status;
}

static int remove_history(struct untag *untag, const struct stow_op *op, struct stow_error *err)
{
	struct stow_names history;
	int status;

	names_init(&history);
	status = gather_history(untag, &history, err);
	if (status == STOW_OK)
		status = removal_keys(untag->registry->store, op, &history, err);
	names_done(&history);
	return status;
}

static int list(struct untag *untag, const struct stow_op *op, struct layout_key *prefix,
                struct stow_error *err)
{
	layout_tags_prefix(prefix, untag->name);
	untag->prefix_len = strlen(prefix->text);
	return listing_each(untag->registry->store, op, prefix->text, NULL, add_key, untag, err);
}

static int run(struct untag *untag, const struct stow_op *op, struct stow_error *err)
{
	struct layout_key prefix;
	int status = list(untag, op, &prefix, err);

	if (status != STOW_OK || untag->keys.n == 0)
		return status;
	untag->removed = calloc(untag->keys.n, sizeof(*untag->removed));
	if (!untag->removed)
		return error_nomem(err, WHERE);
	status = remove_currents(untag, op, err);
	if (untag->blindly) {
		/* after a failure, too: what was taken away wrongly must not stay so */
		int second = look_again(untag, op, &prefix, status == STOW_OK ? err : NULL);

		status = status == STOW_OK ? second : status;
	}
	return status == STOW_OK ? remove_history(untag, op, err) : status;
}

static void untag_done(struct untag *untag)
{
	names_done(&untag->keys);
	free(untag->mtimes);
	free(untag->removed);
}

int tag_remove_on(struct stow_registry *registry, const struct stow_op *op, const char *name,
                  const struct digest *digest, struct stow_error *err)
{
	struct untag untag = { .registry = registry, .name = name, .digest = digest };
	int status;

	names_init(&untag.keys);
	status = run(&untag, op, err);
	untag_done(&untag);
	return status;
}

int tag_require_movable(struct stow_registry *registry, const struct stow_op *op, const char *name,
                        const struct digest *digest, struct stow_error *err)
{
	struct untag untag = { .registry = registry, .name = name, .digest = digest };
	struct layout_key prefix;
	int status;

	if (!immutable_any(&registry->policy.immutable, name))
		return STOW_OK;
	names_init(&untag.keys);
	status = list(&untag, op, &prefix, err);
	if (status == STOW_OK)
		status = each_current(&untag, op, true, err);
	untag_done(&untag);
	return status;
}
