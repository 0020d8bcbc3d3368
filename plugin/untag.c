/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The delete of a manifest: the tags that stand on it first, then its revision link.
 * It must not know the manifest's bytes: they stay for collection.
 */
#include "common/cleanup.h"
#include "common/error.h"
#include "plugin/link.h"
#include "plugin/name.h"
#include "plugin/removal.h"
#include "plugin/tag.h"

#define WHERE "manifest.delete"
#define SLICE 128 /* tags whose current links are read in one batch */

struct untag {
	struct stow_registry *registry;
	const char *name;
	const struct digest *digest;
	size_t prefix_len;
	struct stow_names keys; /* all below the repository's tags */
	bool *standing;         /* of each key: a current link that names the digest */
	char (*etags)[80];      /* of those */
};

/* One slice of current links: indices into keys. */
static int read_slice(struct untag *untag, const struct stow_op *op, const size_t *indices,
                      size_t n, struct stow_error *err)
{
	cleanup_free struct stow_call *calls = calloc(n, sizeof(*calls));
	cleanup_free struct stow_error *errs = calloc(n, sizeof(*errs));
	cleanup_free char *bodies = calloc(n, LINK_BODY_MAX);
	cleanup_free struct layout_key *keys = calloc(n, sizeof(*keys));
	int status;

	if (!calls || !errs || !bodies || !keys)
		return error_nomem(err, WHERE);
	for (size_t i = 0; i < n; i++) {
		const char *key = names_at(&untag->keys, indices[i]);

		memcpy(keys[i].text, key, strlen(key) + 1);
		link_call(&calls[i], &keys[i], bodies + i * LINK_BODY_MAX, &errs[i]);
	}
	status = store_batch(untag->registry->store, op, calls, n, sizeof(calls[0]), err);
	for (size_t i = 0; i < n && status == STOW_OK; i++) {
		struct stow_error fault = { 0 };
		struct digest target;

		status = link_call_result(&calls[i], NULL, &target, &fault);
		if (status == STOW_OK && digest_equal(&target, untag->digest)) {
			untag->standing[indices[i]] = true;
			memcpy(untag->etags[indices[i]], calls[i].ret_stat.etag,
			       sizeof(untag->etags[0]));
		} else if (status == STOW_ENOTFOUND || status == STOW_ECORRUPT) {
			status = STOW_OK; /* gone meanwhile, or it names nothing */
		} else if (status != STOW_OK) {
			return error_copy(err, &fault);
		}
	}
	return status;
}

static int find_standing(struct untag *untag, const struct stow_op *op, struct stow_error *err)
{
	size_t indices[SLICE], n = 0, tag_len;
	int status = STOW_OK;

	for (size_t i = 0; i < untag->keys.n && status == STOW_OK; i++) {
		if (layout_is_current(names_at(&untag->keys, i) + untag->prefix_len, &tag_len))
			indices[n++] = i;
		if (n == SLICE) {
			status = read_slice(untag, op, indices, n, err);
			n = 0;
		}
	}
	if (status == STOW_OK && n > 0)
		status = read_slice(untag, op, indices, n, err);
	return status;
}

/* A tag that was moved since its link was read keeps what it has now, where the store can tell. */
static int remove_current(struct untag *untag, const struct stow_op *op, size_t i,
                          struct stow_error *err)
{
	bool conditional = (store_caps(untag->registry->store) & STOW_CAP_REMOVE_IF_MATCH) != 0 &&
	                   untag->etags[i][0] != '\0';
	struct stow_error fault = { 0 };
	int status;

	status = store_remove(untag->registry->store, op, names_at(&untag->keys, i),
	                      conditional ? untag->etags[i] : NULL, &fault);
	if (status == STOW_ECHANGED) {
		untag->standing[i] = false;
		return STOW_OK;
	}
	return status == STOW_OK ? STOW_OK : error_copy(err, &fault);
}

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
			removed = untag->standing[i] ? rest : NULL;
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

static int run(struct untag *untag, const struct stow_op *op, struct stow_error *err)
{
	struct stow_store *store = untag->registry->store;
	struct layout_key prefix;
	struct stow_names history;
	int status;

	layout_tags_prefix(&prefix, untag->name);
	untag->prefix_len = strlen(prefix.text);
	status = removal_list(store, op, prefix.text, &untag->keys, err);
	if (status != STOW_OK || untag->keys.n == 0)
		return status;
	untag->standing = calloc(untag->keys.n, sizeof(*untag->standing));
	untag->etags = calloc(untag->keys.n, sizeof(*untag->etags));
	if (!untag->standing || !untag->etags)
		return error_nomem(err, WHERE);
	status = find_standing(untag, op, err);
	for (size_t i = 0; i < untag->keys.n && status == STOW_OK; i++) {
		if (untag->standing[i])
			status = remove_current(untag, op, i, err);
	}
	if (status != STOW_OK)
		return status;
	names_init(&history);
	status = gather_history(untag, &history, err);
	if (status == STOW_OK)
		status = removal_keys(store, op, &history, err);
	names_done(&history);
	return status;
}

int tag_remove_on(struct stow_registry *registry, const struct stow_op *op, const char *name,
                  const struct digest *digest, struct stow_error *err)
{
	struct untag untag = { .registry = registry, .name = name, .digest = digest };
	int status;

	names_init(&untag.keys);
	status = run(&untag, op, err);
	names_done(&untag.keys);
	free(untag.standing);
	free(untag.etags);
	return status;
}

int stow_manifest_delete_tagged(struct stow_registry *registry, const struct stow_op *op,
                                const char *name, const char *text, struct stow_error *err)
{
	struct layout_key link;
	struct digest digest;
	struct stow_stat stat;
	int status;

	status = registry_require_delete(registry, WHERE, err);
	if (status == STOW_OK)
		status = name_require(name, WHERE, err);
	if (status == STOW_OK)
		status = digest_require(&digest, text, WHERE, err);
	if (status != STOW_OK)
		return status;
	layout_link(&link, name, LAYOUT_REVISIONS, &digest);
	status = store_stat(registry->store, op, link.text, &stat, err);
	if (status == STOW_ENOTFOUND)
		return error_set(err, STOW_ENOTFOUND, WHERE, "%s has no manifest %s", name,
		                 digest.text);
	if (status == STOW_OK)
		status = tag_remove_on(registry, op, name, &digest, err);
	if (status == STOW_OK)
		status = store_remove(registry->store, op, link.text, NULL, err);
	return status;
}
