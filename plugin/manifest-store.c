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
#include "plugin/manifest-store.h"
#include "plugin/manifest.h"
#include "plugin/name.h"
#include "plugin/presence.h"
#include "plugin/referrer.h"
#include "plugin/referrers-tag.h"
#include "plugin/registry.h"
#include "plugin/revision.h"
#include "plugin/signatures.h"
#include "plugin/signed-manifest.h"
#include "plugin/tag-once.h"
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

/* Registry 2.1.0 linked revisions as layers. They are not read there, or every manifest could be
 * fetched as a layer and every layer deleted as a manifest; but it is said.  Of other data the store is
 * not asked once more: the time it takes would tell what other repositories have. */
static int check_legacy(struct stow_registry *registry, const struct stow_op *op, const char *name,
                        const struct digest *digest, const void *data, size_t len,
                        struct stow_error *err)
{
	enum manifest_kind kind = 0;
	struct layout_key key;
	struct digest target;

	if (manifest_recognise(&kind, data, len, NULL) != STOW_OK || kind != MANIFEST_SCHEMA1)
		return STOW_ENOTFOUND;
	layout_link(&key, name, LAYOUT_LAYERS, digest);
	if (link_read(registry->store, op, &key, digest, &target, NULL) != STOW_OK)
		return STOW_ENOTFOUND;
	return error_set(err, STOW_ENOTSUP, "manifest.get",
	                 "%s@%s is linked under _layers alone, as registry 2.1.0 left manifests; "
	                 "push it again",
	                 name, digest->text);
}

/* The revision's bytes, verified, from the cache or the store. */
static int get_bytes(struct stow_registry *registry, const struct stow_op *op, const char *name,
                     const struct digest *digest, struct cache_bytes **ret, struct stow_error *err)
{
	struct cache_entry entry = { .size = 0 };
	cleanup_free void *data = NULL;
	struct cache_read read;
	bool unlinked = false;
	size_t len = 0;
	int status;

	if (cache_get(registry->cache, CACHE_MANIFEST, name, digest, &entry)) {
		*ret = entry.bytes;
		return STOW_OK;
	}
	read = cache_read_begin(registry->cache);
	status = revision_read(registry, op, name, digest, &data, &len, &unlinked, err);
	if (status == STOW_ENOTFOUND && unlinked)
		return check_legacy(registry, op, name, digest, data, len, err);
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

/* In the place of the payload comes the signed form, which no cache keeps: signatures are added. */
static int get_signed(struct stow_registry *registry, const struct stow_op *op, const char *name,
                      const struct digest *digest, struct cache_bytes **bytes,
                      struct stow_error *err)
{
	cleanup_buf struct buf text = { 0 };
	struct cache_bytes *whole;
	int status = signed_manifest_read(registry, op, name, digest, (*bytes)->data, (*bytes)->len,
	                                  &text, err);

	if (status != STOW_OK)
		return status;
	whole = cache_bytes_new(text.data, text.len);
	if (!whole)
		return error_nomem(err, "manifest.get");
	cache_bytes_unref(*bytes);
	*bytes = whole;
	return STOW_OK;
}

static int get(struct stow_registry *registry, const struct stow_op *op, const char *name,
               const struct digest *digest, struct stow_manifest **ret, struct stow_error *err)
{
	cleanup(cleanup_manifest) struct stow_manifest *manifest = calloc(1, sizeof(*manifest));
	enum manifest_kind kind;
	int status;

	if (!manifest)
		return error_nomem(err, "manifest.get");
	status = get_bytes(registry, op, name, digest, &manifest->bytes, err);
	if (status != STOW_OK)
		return status;
	status = manifest_recognise(&kind, manifest->bytes->data, manifest->bytes->len, err);
	if (status != STOW_OK)
		return error_prefix(err, status, "%s@%s", name, digest->text);
	if (kind == MANIFEST_SCHEMA1)
		status = get_signed(registry, op, name, digest, &manifest->bytes, err);
	if (status != STOW_OK)
		return status;
	describe(&manifest->descriptor, digest, manifest->bytes->len, kind);
	*ret = take(manifest);
	return STOW_OK;
}

int stow_manifest_get(struct stow_registry *registry, const struct stow_op *op, const char *name,
                      const char *reference, struct stow_manifest **ret, struct stow_error *err)
{
	struct digest digest;
	int status = resolve(registry, op, name, reference, &digest, err);

	return status == STOW_OK ? get(registry, op, name, &digest, ret, err) : status;
}

int stow_manifest_get_by_digest(struct stow_registry *registry, const struct stow_op *op,
                                const char *name, const char *text, struct stow_manifest **ret,
                                struct stow_error *err)
{
	struct digest digest;
	int status = name_require_with_digest(name, text, &digest, "manifest.get", err);

	return status == STOW_OK ? get(registry, op, name, &digest, ret, err) : status;
}

/* ---- exists ---- */

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

/* ---- put ---- */

struct push { /* what is known of a manifest that is to be stored */
	const char *name;
	const char *tag;                          /* NULL where it is pushed by its digest */
	const char *tags[STOW_MANIFEST_TAGS_MAX]; /* then these, each once */
	size_t n_tags;
	uint32_t flags;
	struct digest digest;
	const void *data; /* what is digested and stored: of schema 1, the payload */
	size_t len;
	bool written; /* the data is there */
	enum manifest_kind kind;
	struct manifest manifest; /* of any kind but schema 1 */
	struct schema1 signed_form;
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
	                : registry->policy.blobs && !reference->elsewhere;
}

/* Where nothing is wrong so far, the data goes out beside the questions: it is seen by nobody until
 * it is linked. */
static int verify_references(struct stow_registry *registry, const struct stow_op *op,
                             struct push *push, struct stow_faults *faults, struct stow_error *err)
{
	const struct manifest *manifest = &push->manifest;
	bool is_index = manifest->kind && manifest_is_index(manifest->kind);
	cleanup_free struct presence *presences = NULL;
	bool beside = stow_faults_count(faults) == 0;
	struct revision_write write;
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
	revision_write_prepare(&write, &push->digest, push->data, push->len);
	status = presence_check_beside(registry->store, registry->cache, op, push->name,
	                               is_index ? LAYOUT_REVISIONS : LAYOUT_LAYERS, presences, n,
	                               beside ? &write.call : NULL, err);
	push->written = beside && write.call.status == STOW_OK;
	n = 0;
	for (size_t i = 0; i < manifest->n && status == STOW_OK; i++) {
		if (must_be_there(registry, &manifest->references[i], is_index))
			judge_reference(&manifest->references[i], &presences[n++],
			                is_index ? "manifest" : "blob", faults);
	}
	return status;
}

/* Is it pushed by tag or by digest? Then *ret is that digest, else its text is "". */
static int read_reference(struct push *push, const char *reference, struct digest *ret,
                          struct stow_error *err)
{
	static const char where[] = "manifest.put";
	int status = name_require(push->name, where, err);

	memset(ret, 0, sizeof(*ret));
	if (status != STOW_OK)
		return status;
	if (!reference)
		return push->kind == MANIFEST_SCHEMA1
		               ? STOW_OK
		               : error_set(err, STOW_EINVAL, where, "neither tag nor digest");
	if (name_is_reference_digest(reference))
		return digest_require(ret, reference, where, err);
	push->tag = reference;
	return name_require_tag(reference, where, err);
}

/* Which digest the bytes have, and is it the one that they are pushed by? */
static void verify_digest(struct push *push, const struct digest *wanted,
                          struct stow_faults *faults)
{
	bool by_digest = wanted->text[0] != '\0';

	if (push->len > STOW_MANIFEST_MAX)
		return;
	digest_of(&push->digest, by_digest ? wanted->algorithm : HASH_SHA256, push->data,
	          push->len);
	if (by_digest && !digest_equal(wanted, &push->digest))
		faults_add(faults, STOW_FAULT_DIGEST, wanted->text, "its bytes are %s, not %s",
		           push->digest.text, wanted->text);
}

/* The payload takes the place of the file. */
static int verify_signed(struct stow_registry *registry, const struct stow_op *op,
                         struct push *push, const struct digest *wanted, struct stow_faults *faults,
                         struct stow_error *err)
{
	bool by_digest = wanted->text[0] != '\0';
	const char *tag = push->n_tags > 0 ? push->tags[0] : push->tag;
	int status = signed_manifest_verify(registry, op, push->name, tag,
	                                    (push->flags & STOW_MANIFESTS_SKIP_LAYERS) != 0 ||
	                                            !registry->policy.blobs,
	                                    push->data, push->len, &push->signed_form, faults, err);

	if (status != STOW_OK)
		return status;
	if (push->n_tags > 1)
		faults_add(faults, STOW_FAULT_TAG, NULL, "it names one tag, not %zu", push->n_tags);
	push->data = buf_text(&push->signed_form.payload);
	push->len = push->signed_form.payload.len;
	if (stow_faults_count(faults) > 0 && push->len == 0)
		return STOW_OK; /* no payload whose digest could be right */
	verify_digest(push, wanted, faults);
	if (!by_digest)
		push->tag = push->signed_form.tag;
	return STOW_OK;
}

static int verify(struct stow_registry *registry, const struct stow_op *op, struct push *push,
                  const char *reference, const char *media_type, struct stow_faults *faults,
                  struct stow_error *err)
{
	struct digest wanted;
	int status;

	if (manifest_is_schema1(media_type, push->data, push->len))
		push->kind = MANIFEST_SCHEMA1;
	status = read_reference(push, reference, &wanted, err);
	if (status == STOW_OK && push->kind == MANIFEST_SCHEMA1) {
		status = verify_signed(registry, op, push, &wanted, faults, err);
	} else if (status == STOW_OK) {
		verify_digest(push, &wanted, faults);
		status = manifest_parse(&push->manifest, &registry->policy, media_type, push->data,
		                        push->len, faults, err);
		push->kind = push->manifest.kind;
		if (status == STOW_OK && !(push->flags & STOW_MANIFESTS_SKIP_LAYERS))
			status = verify_references(registry, op, push, faults, err);
	}
	if (status == STOW_OK && stow_faults_count(faults) > 0)
		return faults_error(faults, "manifest.put", push->name, err);
	return status;
}

/* Before the revision's link: a list of referrers looks at that. */
static int index_subject(struct stow_registry *registry, const struct stow_op *op,
                         const struct push *push, struct stow_error *err)
{
	cleanup_free char *descriptor = referrer_descriptor(push->kind, &push->digest, push->data,
	                                                    push->len);

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

/* The tags of a push, and which of them are set once. */
struct tagging {
	const char *const *tags;
	size_t n;
	bool any_once;
	bool once[STOW_MANIFEST_TAGS_MAX];
	bool stands[STOW_MANIFEST_TAGS_MAX]; /* already, on the same digest */
};

static struct tagging tagging_of(const struct stow_registry *registry, const struct push *push)
{
	struct tagging t = {
		.tags = push->tag ? &push->tag : push->tags,
		.n = push->tag ? 1 : push->n_tags,
	};

	for (size_t i = 0; i < t.n; i++) {
		t.once[i] = immutable_tag(&registry->policy.immutable, push->name, t.tags[i]);
		t.any_once |= t.once[i];
	}
	return t;
}

/* A push that one of these refuses links nothing. */
static int look_at_tags(struct stow_registry *registry, const struct stow_op *op,
                        const struct push *push, struct tagging *t, bool alone,
                        struct stow_error *err)
{
	for (size_t i = 0; i < t->n; i++) {
		struct stow_error fault = { 0 };
		int status = STOW_OK;

		if (t->once[i])
			status = tag_once_look(registry, op, push->name, t->tags[i], &push->digest,
			                       &t->stands[i], &fault);
		/* a link that names nothing may be mended, by who has the repository alone */
		if (status != STOW_OK && !(status == STOW_ECORRUPT && alone))
			return error_copy(err, &fault);
	}
	return STOW_OK;
}

/* Those that are set once come first: where one of them is refused, no other has moved. */
static int set_tags(struct stow_registry *registry, const struct stow_op *op,
                    const struct push *push, const struct tagging *t, bool alone,
                    struct stow_error *err)
{
	const char *others[STOW_MANIFEST_TAGS_MAX];
	size_t n = 0;
	int status = STOW_OK;

	for (size_t i = 0; i < t->n && status == STOW_OK; i++) {
		if (!t->once[i])
			others[n++] = t->tags[i];
		else if (!t->stands[i])
			status = tag_once_write(registry, op, push->name, t->tags[i], &push->digest,
			                        !alone, err);
	}
	if (status != STOW_OK)
		return status;
	return tags_write(registry, op, push->name, others, n, &push->digest, err);
}

static int link_push(struct stow_registry *registry, const struct stow_op *op,
                     const struct push *push, struct tagging *t, bool alone, struct stow_error *err)
{
	struct repository_lock *lock = NULL;
	int status = alone ? repository_lock_alone(&registry->locks, op, push->name, &lock, err)
	                   : repository_lock_shared(&registry->locks, op, push->name, &lock, err);

	if (status != STOW_OK)
		return status;
	status = look_at_tags(registry, op, push, t, alone, err);
	if (status == STOW_OK)
		status = revision_link(registry, op, push->name, t->tags, t->n, &push->digest, err);
	if (status == STOW_OK)
		status = set_tags(registry, op, push, t, alone, err);
	repository_unlock(lock);
	return status;
}

/* An immutable tag's push goes side by side with others where the store tells who was first. */
static int link_all(struct stow_registry *registry, const struct stow_op *op,
                    const struct push *push, struct stow_error *err)
{
	struct tagging t = tagging_of(registry, push);
	bool alone = t.any_once && !(store_caps(registry->store) & STOW_CAP_CREATE);
	struct stow_error fault = { 0 };
	int status = link_push(registry, op, push, &t, alone, &fault);

	/* only now it shows that the store does not, or the tag's link is broken */
	if (t.any_once && !alone && (status == STOW_ENOTSUP || status == STOW_ECORRUPT))
		return link_push(registry, op, push, &t, true, err);
	return status == STOW_OK ? STOW_OK : error_copy(err, &fault);
}

/* Signatures, too, come before the link, since a revision without them cannot be got. */
static int store(struct stow_registry *registry, const struct stow_op *op, const struct push *push,
                 struct stow_error *err)
{
	int status = STOW_OK;

	if (!push->written)
		status = revision_write_data(registry, op, &push->digest, push->data, push->len,
		                             err);
	if (status == STOW_OK && push->manifest.has_subject)
		status = index_subject(registry, op, push, err);
	if (status == STOW_OK && push->kind == MANIFEST_SCHEMA1)
		status = signatures_write(registry, op, push->name, &push->digest,
		                          push->signed_form.signatures,
		                          push->signed_form.n_signatures, err);
	if (status == STOW_OK)
		registry_saw_data(registry, &push->digest, (int64_t)push->len);
	if (status == STOW_OK)
		status = link_all(registry, op, push, err);
	if (status == STOW_OK && push->manifest.has_subject && registry->policy.referrers_tag)
		status = referrers_tag_write(registry, op, push->name, &push->manifest.subject,
		                             NULL, err);
	return status;
}

static int put(struct stow_registry *registry, const struct stow_op *op, struct push *push,
               const char *reference, const char *media_type, struct stow_descriptor *ret,
               struct stow_faults **ret_faults, struct stow_error *err)
{
	struct stow_faults *faults = NULL;
	size_t len = push->len;
	int status;

	status = faults_new(&faults, err);
	if (status != STOW_OK)
		return status;
	status = verify(registry, op, push, reference, media_type, faults, err);
	if (status == STOW_OK)
		status = store(registry, op, push, err);
	if (status == STOW_OK)
		describe(ret, &push->digest, len, push->kind);
	if (ret_faults && stow_faults_count(faults) > 0 && status == STOW_ECORRUPT)
		*ret_faults = take(faults);
	stow_faults_free(faults);
	manifest_done(&push->manifest);
	schema1_done(&push->signed_form);
	return status;
}

int manifest_put(struct stow_registry *registry, const struct stow_op *op, const char *name,
                 const char *reference, const char *media_type, const void *data, size_t len,
                 uint32_t flags, struct stow_descriptor *ret, struct stow_faults **ret_faults,
                 struct stow_error *err)
{
	struct push push = { .name = name, .flags = flags, .data = data, .len = len };

	return put(registry, op, &push, reference, media_type, ret, ret_faults, err);
}

static int add_tag(struct push *push, const char *tag, struct stow_error *err)
{
	int status = name_require_tag(tag, "manifest.put", err);

	if (status != STOW_OK)
		return status;
	for (size_t i = 0; i < push->n_tags; i++) {
		if (strcmp(push->tags[i], tag) == 0)
			return STOW_OK;
	}
	if (push->n_tags == STOW_MANIFEST_TAGS_MAX)
		return error_set(err, STOW_ERANGE, "manifest.put", "more than %d tags at once",
		                 STOW_MANIFEST_TAGS_MAX);
	push->tags[push->n_tags++] = tag;
	return STOW_OK;
}

int stow_manifest_put_tagged(struct stow_registry *registry, const struct stow_op *op,
                             const char *name, const char *digest, const char *const *tags,
                             size_t n_tags, const char *media_type, const void *data, size_t len,
                             struct stow_descriptor *ret, struct stow_faults **ret_faults,
                             struct stow_error *err)
{
	struct push push = { .name = name, .data = data, .len = len };
	struct digest checked;
	int status = name_require_with_digest(name, digest, &checked, "manifest.put", err);

	for (size_t i = 0; i < n_tags && status == STOW_OK; i++)
		status = add_tag(&push, tags[i], err);
	if (status != STOW_OK)
		return status;
	return put(registry, op, &push, digest, media_type, ret, ret_faults, err);
}

int stow_manifest_put(struct stow_registry *registry, const struct stow_op *op, const char *name,
                      const char *reference, const char *media_type, const void *data, size_t len,
                      struct stow_descriptor *ret, struct stow_faults **ret_faults,
                      struct stow_error *err)
{
	return manifest_put(registry, op, name, reference, media_type, data, len, 0, ret,
	                    ret_faults, err);
}
