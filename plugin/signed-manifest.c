/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signed-manifest.h over schema1.h, signatures.h and presence.h.
 * It must not write.
 */
#include "plugin/signed-manifest.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "plugin/name.h"
#include "plugin/presence.h"
#include "plugin/schema1-text.h"
#include "plugin/signatures.h"

#define WHERE "manifest.schema1"

static int compare_digests(const void *a, const void *b)
{
	const struct presence *x = a, *y = b;

	return strcmp(x->digest->text, y->digest->text);
}

/* Each layer once, by digest. *ret_n may be 0. */
static struct presence *once_each(const struct schema1 *s, size_t *ret_n)
{
	struct presence *items = calloc(s->n_layers ? s->n_layers : 1, sizeof(*items));
	size_t n = 0;

	if (!items)
		return NULL;
	for (size_t i = 0; i < s->n_layers; i++)
		items[i].digest = &s->layers[i];
	if (s->n_layers > 1)
		qsort(items, s->n_layers, sizeof(items[0]), compare_digests);
	for (size_t i = 0; i < s->n_layers; i++) {
		if (n == 0 || !digest_equal(items[n - 1].digest, items[i].digest))
			items[n++] = items[i];
	}
	*ret_n = n;
	return items;
}

static int verify_layers(struct stow_registry *registry, const struct stow_op *op, const char *name,
                         const struct schema1 *s, struct stow_faults *faults,
                         struct stow_error *err)
{
	size_t n = 0;
	cleanup_free struct presence *items = once_each(s, &n);
	int status;

	if (!items)
		return error_nomem(err, WHERE);
	status = presence_check(registry->store, registry->cache, op, name, LAYOUT_LAYERS, items, n,
	                        err);
	for (size_t i = 0; i < s->n_layers && status == STOW_OK; i++) {
		const struct presence wanted = { .digest = &s->layers[i] };
		const struct presence *found = bsearch(&wanted, items, n, sizeof(items[0]),
		                                       compare_digests);

		if (!found || !found->present)
			faults_add(faults, STOW_FAULT_BLOB_UNKNOWN, s->layers[i].text,
			           "blob %s is not known to the repository", s->layers[i].text);
	}
	return status;
}

static void verify_tag(const struct schema1 *s, const char *tag, struct stow_faults *faults)
{
	if (!name_is_tag(s->tag))
		faults_add(faults, STOW_FAULT_TAG, NULL, "\"%.140s\" is not a tag", s->tag);
	else if (tag && strcmp(tag, s->tag) != 0)
		faults_add(faults, STOW_FAULT_TAG, NULL, "it names the tag %s, not %s", s->tag,
		           tag);
}

int signed_manifest_verify(struct stow_registry *registry, const struct stow_op *op,
                           const char *name, const char *tag, bool skip_layers, const void *data,
                           size_t len, struct schema1 *ret, struct stow_faults *faults,
                           struct stow_error *err)
{
	struct stow_error fault = { 0 };
	int status;

	memset(ret, 0, sizeof(*ret));
	if (!registry->policy.schema1) {
		faults_add(faults, STOW_FAULT_INVALID, NULL,
		           "schema 1 is not taken here: [manifests] schema1 = no");
		return STOW_OK;
	}
	status = schema1_parse(ret, data, len, &fault);
	if (status == STOW_ENOMEM)
		return error_copy(err, &fault);
	if (ret->readable && strcmp(ret->name, name) != 0)
		faults_add(faults, STOW_FAULT_NAME, NULL, "it names the repository \"%.140s\"",
		           ret->name);
	if (ret->unverified)
		faults_mismatch(faults, status, fault.message);
	else if (status != STOW_OK)
		faults_add(faults, STOW_FAULT_INVALID, NULL, "%s", fault.message);
	if (!ret->readable)
		return STOW_OK;
	verify_tag(ret, tag, faults);
	return skip_layers ? STOW_OK : verify_layers(registry, op, name, ret, faults, err);
}

int signed_manifest_read(struct stow_registry *registry, const struct stow_op *op, const char *name,
                         const struct digest *revision, const char *payload, size_t len,
                         struct buf *ret, struct stow_error *err)
{
	struct buf *signatures = NULL;
	size_t n = 0;
	int status = signatures_read(registry, op, name, revision, &signatures, &n, err);

	if (status != STOW_OK)
		return error_prefix(err, status, "%s@%s", name, revision->text);
	status = schema1_join(payload, len, signatures, n, ret, err);
	signatures_free(signatures, n);
	if (status == STOW_ENOTFOUND)
		return error_set(err, STOW_ENOTSUP, WHERE,
		                 "%s@%s: no signature is stored; Distribution 2.5 and later sign "
		                 "anew on each pull, which is not done here",
		                 name, revision->text);
	return status == STOW_OK ? STOW_OK
	                         : error_prefix(err, status, "%s@%s", name, revision->text);
}
