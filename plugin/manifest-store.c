/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests by tag and by digest: get, and put with every reference verified.
 * It must not know how a manifest is written down (manifest.c) nor how tags are kept (tag.c).
 */
#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "plugin/faults.h"
#include "plugin/link.h"
#include "plugin/manifest.h"
#include "plugin/name.h"
#include "plugin/presence.h"
#include "plugin/referrer.h"
#include "plugin/registry.h"
#include "plugin/revision.h"
#include "plugin/tag.h"

struct stow_manifest {
	struct stow_descriptor descriptor;
	struct cache_bytes *bytes;
};

const struct stow_descriptor *stow_manifest_descriptor(const struct stow_manifest *manifest)
{
	return &manifest->descriptor;
}

const void *stow_manifest_data(const struct stow_manifest *manifest)
{
	return manifest->bytes->data;
}

void stow_manifest_free(struct stow_manifest *manifest)
{
	if (!manifest)
		return;
	cache_bytes_unref(manifest->bytes);
	free(manifest);
}

static void describe(struct stow_descriptor *ret, const struct digest *digest, size_t len,
                     enum manifest_kind kind)
{
	memset(ret, 0, sizeof(*ret));
	ret->size = (int64_t)len;
	(void)text_copy(ret->digest, sizeof(ret->digest), digest->text);
	(void)text_copy(ret->media_type, sizeof(ret->media_type), manifest_media_type(kind));
}

/* ---- get ---- */

static int resolve(struct stow_registry *registry, const struct stow_op *op, const char *name,
                   const char *reference, struct digest *ret, struct stow_error *err)
{
	static const char where[] = "manifest.get";
	int status = name_require(name, where, err);

	if (status != STOW_OK)
		return status;
	if (name_is_reference_digest(reference))
		return digest_require(ret, reference, where, err);
	status = name_require_tag(reference, where, err);
	return status == STOW_OK ? tag_read(registry, op, name, reference, ret, err) : status;
}

/* The revision's bytes, verified, from the cache or the store. */
static int get_bytes(struct stow_registry *registry, const struct stow_op *op, const char *name,
                     const struct digest *digest, struct cache_bytes **ret, struct stow_error *err)
{
	struct cache_entry entry = { .size = 0 };
	cleanup_free void *data = NULL;
	struct cache_read read;
	size_t len = 0;
	int status;

	if (cache_get(registry->cache, CACHE_MANIFEST, name, digest, &entry)) {
		*ret = entry.bytes;
		return STOW_OK;
	}
	read = cache_read_begin(registry->cache);
	status = revision_read(registry, op, name, digest, &data, &len, err);
	if (status != STOW_OK)
		return status;
	*ret = cache_bytes_new(data, len);
	if (!*ret)
		return error_nomem(err, "manifest.get");
	cache_fill(registry->cache, read, CACHE_MANIFEST, name, digest,
	           (struct cache_entry){ .size = (int64_t)len,
	                                 .target = *digest,
	                                 .bytes = cache_bytes_ref(*ret) });
	return STOW_OK;
}

static void cleanup_manifest(struct stow_manifest **manifest)
{
	stow_manifest_free(*manifest);
}

int stow_manifest_get(struct stow_registry *registry, const struct stow_op *op, const char *name,
                      const char *reference, struct stow_manifest **ret, struct stow_error *err)
{
	cleanup(cleanup_manifest) struct stow_manifest *manifest = calloc(1, sizeof(*manifest));
	enum manifest_kind kind;
	struct digest digest;
	int status;

	if (!manifest)
		return error_nomem(err, "manifest.get");
	status = resolve(registry, op, name, reference, &digest, err);
	if (status == STOW_OK)
		status = get_bytes(registry, op, name, &digest, &manifest->bytes, err);
	if (status != STOW_OK)
		return status;
	status = manifest_recognise(&kind, manifest->bytes->data, manifest->bytes->len, err);
	if (status != STOW_OK)
		return error_prefix(err, status, "%s@%s", name, digest.text);
	describe(&manifest->descriptor, &digest, manifest->bytes->len, kind);
	*ret = take(manifest);
	return STOW_OK;
}

/* ---- exists, delete ---- */

static int unknown(const char *where, const char *name, const struct digest *digest,
                   struct stow_error *err)
{
	return error_set(err, STOW_ENOTFOUND, where, "%s has no manifest %s", name, digest->text);
}

int stow_manifest_exists(struct stow_registry *registry, const struct stow_op *op, const char *name,
                         const char *text, struct stow_error *err)
{
	static const char where[] = "manifest.exists";
	struct cache_entry entry = { .size = 0 };
	struct digest digest;
	struct presence presence = { .digest = &digest };
	int status = name_require_with_digest(name, text, &digest, where, err);

	if (status != STOW_OK)
		return status;
	if (cache_get(registry->cache, CACHE_MANIFEST, name, &digest, &entry)) {
		cache_bytes_unref(entry.bytes);
		return STOW_OK;
	}
	status = presence_check(registry->store, registry->cache, op, name, LAYOUT_REVISIONS,
	                        &presence, 1, err);
	return status == STOW_OK && !presence.present ? unknown(where, name, &digest, err) : status;
}

int stow_manifest_delete(struct stow_registry *registry, const struct stow_op *op, const char *name,
                         const char *text, struct stow_error *err)
{
	static const char where[] = "manifest.delete";
	struct repository_lock *lock = NULL;
	struct layout_key key;
	struct digest digest;
	struct stow_stat stat;
	int status = registry_require_delete(registry, where, err);

	if (status == STOW_OK)
		status = name_require_with_digest(name, text, &digest, where, err);
	if (status == STOW_OK)
		status = repository_lock_alone(&registry->locks, op, name, &lock, err);
	if (status != STOW_OK)
		return status;
	layout_link(&key, name, LAYOUT_REVISIONS, &digest);
	cache_clear(registry->cache, CACHE_MANIFEST, name, &digest);
	status = store_stat(registry->store, op, key.text, &stat, err);
	if (status == STOW_OK)
		status = store_remove(registry->store, op, key.text, NULL, err);
	else if (status == STOW_ENOTFOUND)
		status = unknown(where, name, &digest, err);
	cache_clear(registry->cache, CACHE_MANIFEST, name, &digest);
	repository_unlock(lock);
	return status;
}

/* ---- put ---- */

struct push { /* what is known of a manifest that is to be stored */
	const char *name;
	const char *tag; /* NULL where it is pushed by its digest */
	struct digest digest;
	struct manifest manifest;
};

static void judge_reference(const struct manifest_reference *reference,
                            const struct presence *presence, const char *what,
                            struct stow_faults *faults)
{
	if (!presence->present)
		faults_add(faults, STOW_FAULT_BLOB_UNKNOWN, reference->digest.text,
		           "%s %s is not known to the repository", what, reference->digest.text);
	else if (presence->size != reference->size)
		faults_add(faults, STOW_FAULT_BLOB_UNKNOWN, reference->digest.text,
		           "%s %s: size differs: %lld bytes, not %lld", what,
		           reference->digest.text, (long long)presence->size,
		           (long long)reference->size);
}

static bool must_be_there(const struct stow_registry *registry,
                          const struct manifest_reference *reference, bool is_index)
{
	return is_index ? policy_requires(&registry->policy, reference->platform)
	                : !reference->elsewhere;
}

static int verify_references(struct stow_registry *registry, const struct stow_op *op,
                             const struct push *push, struct stow_faults *faults,
                             struct stow_error *err)
{
	const struct manifest *manifest = &push->manifest;
	bool is_index = manifest->kind && manifest_is_index(manifest->kind);
	cleanup_free struct presence *presences = NULL;
	size_t n = 0;
	int status;

	if (manifest->n == 0)
		return STOW_OK;
	presences = calloc(manifest->n, sizeof(*presences));
	if (!presences)
		return error_nomem(err, "manifest.put");
	for (size_t i = 0; i < manifest->n; i++) {
		if (must_be_there(registry, &manifest->references[i], is_index))
			presences[n++].digest = &manifest->references[i].digest;
	}
	status = presence_check(registry->store, registry->cache, op, push->name,
	                        is_index ? LAYOUT_REVISIONS : LAYOUT_LAYERS, presences, n, err);
	n = 0;
	for (size_t i = 0; i < manifest->n && status == STOW_OK; i++) {
		if (must_be_there(registry, &manifest->references[i], is_index))
			judge_reference(&manifest->references[i], &presences[n++],
			                is_index ? "manifest" : "blob", faults);
	}
	return status;
}

/* Which digest the bytes have, and is it the one that they are pushed by? */
static int verify_reference(struct push *push, const char *reference, const void *data, size_t len,
                            struct stow_faults *faults, struct stow_error *err)
{
	static const char where[] = "manifest.put";
	struct digest wanted;
	int status = name_require(push->name, where, err);

	if (status != STOW_OK)
		return status;
	if (!name_is_reference_digest(reference)) {
		push->tag = reference;
		status = name_require_tag(reference, where, err);
		if (status == STOW_OK && len <= STOW_MANIFEST_MAX)
			digest_of(&push->digest, HASH_SHA256, data, len);
		return status;
	}
	status = digest_require(&wanted, reference, where, err);
	if (status != STOW_OK || len > STOW_MANIFEST_MAX)
		return status;
	digest_of(&push->digest, wanted.algorithm, data, len);
	if (!digest_equal(&wanted, &push->digest))
		faults_add(faults, STOW_FAULT_DIGEST, wanted.text, "its bytes are %s, not %s",
		           push->digest.text, wanted.text);
	return STOW_OK;
}

static int verify(struct stow_registry *registry, const struct stow_op *op, struct push *push,
                  const char *reference, const char *media_type, const void *data, size_t len,
                  struct stow_faults *faults, struct stow_error *err)
{
	int status;

	status = verify_reference(push, reference, data, len, faults, err);
	if (status == STOW_OK)
		status = manifest_parse(&push->manifest, media_type, data, len, faults, err);
	if (status == STOW_OK)
		status = verify_references(registry, op, push, faults, err);
	if (status == STOW_OK && stow_faults_count(faults) > 0)
		return faults_error(faults, "manifest.put", push->name, err);
	return status;
}

/* Before the revision's link: a list of referrers looks at that. */
static int index_subject(struct stow_registry *registry, const struct stow_op *op,
                         const struct push *push, const void *data, size_t len,
                         struct stow_error *err)
{
	cleanup_free char *descriptor = referrer_descriptor(push->manifest.kind, &push->digest,
	                                                    data, len);

	if (!descriptor)
		return error_nomem(err, "manifest.put");
	return referrer_write(registry, op, push->name, &push->manifest.subject, &push->digest,
	                      descriptor, err);
}

int stow_manifest_subject(const void *data, size_t len, char *ret)
{
	struct digest subject;

	if (!manifest_subject(&subject, data, len))
		return STOW_ENOTFOUND;
	(void)text_copy(ret, STOW_DIGEST_MAX + 1, subject.text);
	return STOW_OK;
}

static int store(struct stow_registry *registry, const struct stow_op *op, const struct push *push,
                 const void *data, size_t len, struct stow_error *err)
{
	struct repository_lock *lock = NULL;
	int status;

	status = revision_write_data(registry, op, &push->digest, data, len, err);
	if (status == STOW_OK && push->manifest.has_subject)
		status = index_subject(registry, op, push, data, len, err);
	if (status == STOW_OK)
		registry_saw_data(registry, &push->digest, (int64_t)len);
	if (status == STOW_OK)
		status = repository_lock_shared(&registry->locks, op, push->name, &lock, err);
	if (status != STOW_OK)
		return status;
	status = revision_link(registry, op, push->name, push->tag, &push->digest, err);
	if (status == STOW_OK && push->tag)
		status = tag_write(registry, op, push->name, push->tag, &push->digest, err);
	repository_unlock(lock);
	return status;
}

int stow_manifest_put(struct stow_registry *registry, const struct stow_op *op, const char *name,
                      const char *reference, const char *media_type, const void *data, size_t len,
                      struct stow_descriptor *ret, struct stow_faults **ret_faults,
                      struct stow_error *err)
{
	struct push push = { .name = name };
	struct stow_faults *faults = NULL;
	int status;

	status = faults_new(&faults, err);
	if (status != STOW_OK)
		return status;
	status = verify(registry, op, &push, reference, media_type, data, len, faults, err);
	if (status == STOW_OK)
		status = store(registry, op, &push, data, len, err);
	if (status == STOW_OK)
		describe(ret, &push.digest, len, push.manifest.kind);
	if (ret_faults && stow_faults_count(faults) > 0 && status == STOW_ECORRUPT)
		*ret_faults = take(faults);
	stow_faults_free(faults);
	manifest_done(&push.manifest);
	return status;
}
