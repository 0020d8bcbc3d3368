/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads and writes manifests' bytes and revision links.
 * It must not know kinds of manifests, nor which tag stands where.
 */
#include "plugin/revision.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "plugin/link.h"
#include "plugin/presence.h"

static int unknown(const char *name, const struct digest *digest, struct stow_error *err)
{
	return error_set(err, STOW_ENOTFOUND, "manifest.get", "%s has no manifest %s", name,
	                 digest->text);
}

static int too_large(const struct digest *digest, struct stow_error *err)
{
	return error_set(err, STOW_ECORRUPT, "manifest.get", "%s: its data is over %d bytes",
	                 digest->text, STOW_MANIFEST_MAX);
}

/* The data of the digest that the link named instead of its path's. */
static int read_alias(struct stow_registry *registry, const struct stow_op *op,
                      const struct digest *target, void *buf, size_t *ret_len,
                      struct stow_error *err)
{
	struct layout_key key;
	int status;

	layout_data(&key, target);
	status = store_get(registry->store, op, key.text, NULL, buf, STOW_MANIFEST_MAX, ret_len,
	                   NULL, err);
	return status == STOW_ERANGE ? too_large(target, err) : status;
}

static int data_result(const struct stow_call *call, const struct digest *digest, size_t *ret_len,
                       struct stow_error *err)
{
	if (call->status == STOW_ERANGE)
		return too_large(digest, err);
	if (call->status != STOW_OK)
		return error_copy(err, call->err);
	*ret_len = call->ret_len;
	return STOW_OK;
}

/* The buffer is cut to what came. */
static void *shrink(void *data, size_t len)
{
	void *smaller = realloc(data, len ? len : 1);

	return smaller ? smaller : data;
}

int revision_read(struct stow_registry *registry, const struct stow_op *op, const char *name,
                  const struct digest *digest, void **ret_data, size_t *ret_len, bool *ret_unlinked,
                  struct stow_error *err)
{
	cleanup_free void *data = malloc(STOW_MANIFEST_MAX);
	struct stow_error errs[2] = { { 0 }, { 0 } };
	struct layout_key link_key, data_key;
	char body[LINK_BODY_MAX];
	struct stow_call calls[2];
	struct digest target;
	size_t len = 0;
	int status;

	if (!data)
		return error_nomem(err, "manifest.get");
	layout_link(&link_key, name, LAYOUT_REVISIONS, digest);
	layout_data(&data_key, digest);
	link_call(&calls[0], &link_key, body, &errs[0]);
	calls[1] = (struct stow_call){
		.verb = STOW_CALL_GET,
		.key = data_key.text,
		.buf = data,
		.len = STOW_MANIFEST_MAX,
		.err = &errs[1],
	};
	status = store_batch(registry->store, op, calls, 2, sizeof(calls[0]), err);
	if (status == STOW_OK)
		status = link_call_result(&calls[0], digest, &target, err);
	if (ret_unlinked && status == STOW_ENOTFOUND && calls[1].status == STOW_OK) {
		*ret_unlinked = true;
		*ret_len = calls[1].ret_len;
		*ret_data = shrink(take(data), *ret_len);
		return unknown(name, digest, err);
	}
	if (status == STOW_OK && digest_equal(&target, digest))
		status = data_result(&calls[1], digest, &len, err);
	else if (status == STOW_OK)
		status = read_alias(registry, op, &target, data, &len, err);
	if (status == STOW_ENOTFOUND)
		return unknown(name, digest, err);
	if (status != STOW_OK)
		return status;
	if (!digest_matches(digest, data, len))
		return error_set(err, STOW_ECORRUPT, "manifest.get",
		                 "%s: the %zu bytes under it are not its own", digest->text, len);
	*ret_data = shrink(take(data), len);
	*ret_len = len;
	return STOW_OK;
}

void revision_write_prepare(struct revision_write *w, const struct digest *digest, const void *data,
                            size_t len)
{
	memset(w, 0, sizeof(*w));
	layout_data(&w->key, digest);
	w->put = (struct stow_put){ .size = sizeof(w->put), .length = (int64_t)len };
	if (digest->algorithm == HASH_SHA256) {
		digest_value(digest, w->value);
		w->put.sha256 = w->value;
	}
	w->call = (struct stow_call){
		.verb = STOW_CALL_PUT,
		.status = STOW_EIO, /* until it was done */
		.key = w->key.text,
		.data = data,
		.len = len,
		.put = &w->put,
		.err = &w->err,
	};
}

int revision_write_data(struct stow_registry *registry, const struct stow_op *op,
                        const struct digest *digest, const void *data, size_t len,
                        struct stow_error *err)
{
	struct revision_write w;
	int64_t there;
	int status;

	revision_write_prepare(&w, digest, data, len);
	status = store_put(registry->store, op, w.key.text, data, len, &w.put, NULL, &w.err);
	if (status == STOW_OK)
		return STOW_OK;
	/* Another request that writes the same bytes is no failure where they are there. */
	if ((status == STOW_EBUSY || status == STOW_EEXIST) &&
	    presence_data(registry->store, op, digest, &there, NULL) == STOW_OK &&
	    there == (int64_t)len)
		return STOW_OK;
	return error_copy(err, &w.err);
}

int revision_link(struct stow_registry *registry, const struct stow_op *op, const char *name,
                  const char *const *tags, size_t n, const struct digest *digest,
                  struct stow_error *err)
{
	cleanup_free struct layout_key *keys = calloc(n + 1, sizeof(*keys));

	if (!keys)
		return error_nomem(err, "manifest.put");
	layout_link(&keys[0], name, LAYOUT_REVISIONS, digest);
	for (size_t i = 0; i < n; i++)
		layout_tag_index(&keys[i + 1], name, tags[i], digest);
	return link_write(registry->store, op, keys, n + 1, digest, err);
}
