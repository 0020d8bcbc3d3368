/* SPDX-License-Identifier: Apache-2.0 */
/*
 * referrers-tag.h over the list of referrers and the store of manifests.
 * It must not read the index of referrers itself.
 */
#include "plugin/referrers-tag.h"

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "plugin/layout.h"
#include "plugin/listing.h"
#include "plugin/manifest-store.h"
#include "plugin/manifest.h"
#include "plugin/name.h"
#include "plugin/names.h"
#include "plugin/referrer.h"
#include "plugin/revision.h"
#include "plugin/tag.h"

#define WHERE "referrers.tag"
#define ROUNDS 4 /* looks at the list, before others that write it are left to see to the rest */

/* The index of all that refer to the subject now. STOW_ERANGE where it does not fit. */
static int compose(struct stow_registry *registry, const struct stow_op *op, const char *name,
                   const struct digest *subject, struct buf *ret, size_t *ret_n,
                   struct stow_error *err)
{
	struct stow_referrers *list = NULL;
	const char *digest, *descriptor;
	int status = stow_referrers_open(registry, op, name, subject->text, NULL, NULL, &list, err);

	if (status != STOW_OK)
		return status;
	*ret_n = 0;
	buf_init(ret, STOW_MANIFEST_MAX);
	buf_addf(ret, "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"manifests\":[",
	         manifest_media_type(MANIFEST_OCI_INDEX));
	while (stow_referrers_next(list, &digest, &descriptor) == STOW_OK) {
		if ((*ret_n)++)
			buf_addc(ret, ',');
		buf_adds(ret, descriptor);
	}
	buf_adds(ret, "]}");
	stow_referrers_close(list);
	if (buf_status(ret) == STOW_ERANGE)
		return error_set(err, STOW_ERANGE, WHERE, "%s@%s: a list of over %d bytes", name,
		                 subject->text, STOW_MANIFEST_MAX);
	return buf_status(ret) == STOW_OK ? STOW_OK : error_nomem(err, WHERE);
}

/* What the tag stands on: STOW_ENOTFOUND for no tag, or one that leads nowhere; STOW_EEXIST where it
 * is not such an index. */
static int current(struct stow_registry *registry, const struct stow_op *op, const char *name,
                   const char *tag, struct digest *ret, struct stow_error *err)
{
	cleanup_free void *data = NULL;
	enum manifest_kind kind = 0;
	size_t len = 0;
	int status = tag_read(registry, op, name, tag, ret, err);

	if (status == STOW_OK)
		status = revision_read(registry, op, name, ret, &data, &len, NULL, err);
	if (status != STOW_OK)
		return status;
	if (manifest_recognise(&kind, data, len, NULL) == STOW_OK && kind == MANIFEST_OCI_INDEX)
		return STOW_OK;
	return error_set(err, STOW_EEXIST, WHERE, "%s:%s is no index and is left alone", name, tag);
}

static void report(struct stow_registry *registry, const struct stow_error *err)
{
	const struct stow_host *host = registry->host;

	if (host && host->log)
		host->log(host->arg, STOW_LOG_WARNING, WHERE, err->message);
}

/* *ret_done where the tag stands on the list as it is now, or none is needed; *ret_there where there
 * is one. */
static int write_once(struct stow_registry *registry, const struct stow_op *op, const char *name,
                      const char *tag, const struct digest *subject, bool *ret_done,
                      bool *ret_there, struct stow_error *err)
{
	cleanup_buf struct buf index = { 0 };
	struct digest wanted, found;
	struct stow_descriptor d;
	size_t n = 0;
	struct stow_error fault = { 0 };
	int status = compose(registry, op, name, subject, &index, &n, err);

	*ret_done = true;
	if (status != STOW_OK)
		return status;
	digest_of(&wanted, HASH_SHA256, index.data, index.len);
	status = current(registry, op, name, tag, &found, &fault);
	if (status != STOW_OK && status != STOW_ENOTFOUND)
		return error_copy(err, &fault);
	*ret_there = status == STOW_OK;
	if (*ret_there ? digest_equal(&wanted, &found) : n == 0)
		return STOW_OK;
	*ret_done = false;
	return manifest_put(registry, op, name, tag, manifest_media_type(MANIFEST_OCI_INDEX),
	                    index.data, index.len, STOW_MANIFESTS_SKIP_LAYERS, &d, NULL, err);
}

int referrers_tag_write(struct stow_registry *registry, const struct stow_op *op, const char *name,
                        const struct digest *subject, bool *ret_kept, struct stow_error *err)
{
	char tag[STOW_TAG_MAX + 1];
	struct stow_error fault = { 0 };
	bool done = false, there = false;
	int status = STOW_OK;

	referrer_tag(tag, subject);
	for (int i = 0; i < ROUNDS && status == STOW_OK && !done; i++)
		status = write_once(registry, op, name, tag, subject, &done, &there, &fault);
	if (ret_kept)
		*ret_kept = status == STOW_OK && (there || !done);
	if (status != STOW_EEXIST && status != STOW_ERANGE)
		return status == STOW_OK ? STOW_OK : error_copy(err, &fault);
	report(registry, &fault);
	return STOW_OK;
}

/* ---- all of a repository ---- */

struct subjects {
	size_t prefix_len;
	struct digest last; /* keys of one subject come together */
	struct stow_names names;
};

static int visit(void *arg, const struct stow_entry *entry, struct stow_error *err)
{
	struct subjects *subjects = arg;
	struct digest digest;

	if (!layout_is_subject(entry->key + subjects->prefix_len, &digest) ||
	    digest_equal(&digest, &subjects->last))
		return STOW_OK;
	subjects->last = digest;
	return names_add(&subjects->names, digest.text, strlen(digest.text), err);
}

int stow_referrers_write_tags(struct stow_registry *registry, const struct stow_op *op,
                              const char *name, size_t *ret_n, struct stow_error *err)
{
	struct subjects subjects = { 0 };
	struct layout_key prefix;
	int status = name_require(name, WHERE, err);

	*ret_n = 0;
	if (status != STOW_OK)
		return status;
	names_init(&subjects.names);
	layout_subjects_prefix(&prefix, name);
	subjects.prefix_len = strlen(prefix.text);
	status = listing_each(registry->store, op, prefix.text, NULL, visit, &subjects, err);
	for (size_t i = 0; i < subjects.names.n && status == STOW_OK; i++) {
		struct digest subject;
		bool kept = false;

		status = digest_require(&subject, names_at(&subjects.names, i), WHERE, err);
		if (status == STOW_OK)
			status = referrers_tag_write(registry, op, name, &subject, &kept, err);
		*ret_n += kept;
	}
	names_done(&subjects.names);
	return status;
}
