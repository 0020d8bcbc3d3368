/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registry: manifests, tags, blobs and uploads of repositories, over one store.
 *
 * It promises that nothing is visible before it is verified, that what it acknowledged is durable
 * in the store, that a crash at any point leaves no link to what is not there, and that what is
 * finished lies byte for byte where CNCF Distribution looks for it.  It knows nothing of HTTP.
 *
 * Threads: a registry may be used by any number of threads at once; an upload, a reader or a list
 * belongs to one thread at a time.  Outputs, ownership and deadlines are as in driver.h.
 * A name, tag, digest or token that is not of its grammar is STOW_EINVAL before the store is
 * touched; hosts that must tell these apart ask the _check functions first.
 */
#ifndef STOWAGE_REGISTRY_H
#define STOWAGE_REGISTRY_H

#include <stowage/store.h>
#include <stowage/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STOW_NAME_MAX 255                   /* bytes of a repository name */
#define STOW_TAG_MAX 128                    /* bytes of a tag */
#define STOW_DIGEST_MAX 135                 /* "sha512:" and 128 hex digits */
#define STOW_MEDIA_TYPE_MAX 255             /* bytes */
#define STOW_MANIFEST_MAX (4 * 1024 * 1024) /* bytes of a manifest */
#define STOW_TOKEN_MAX 2048                 /* bytes of an upload's token with its NUL */
#define STOW_UUID_LEN 36

struct stow_descriptor {
	int64_t size;
	char digest[STOW_DIGEST_MAX + 1];
	char media_type[STOW_MEDIA_TYPE_MAX + 1];
	uint64_t reserved[4];
};

struct stow_registry;

/* store and config must outlive the registry. Reads [uploads], [delete], [manifests], [cache] and
 * [http] secret. No request to the store is made before one is needed. */
STOW_EXPORT int stow_registry_open(struct stow_store *, const struct stow_config *,
                                   const struct stow_host *, struct stow_registry **ret,
                                   struct stow_error *);
STOW_EXPORT void stow_registry_close(struct stow_registry *);

/* What this process remembers of the store ([cache]), since the registry was opened. */
struct stow_cache_statistics {
	uint64_t hits, misses;
	uint64_t fills;      /* entries made */
	uint64_t drops;      /* not made: cleared meanwhile, seen later already, too large */
	uint64_t evictions;  /* went for want of room */
	uint64_t mismatches; /* data in the store that was not that of its digest */
	uint64_t entries, bytes;
	uint64_t reserved[8];
};
STOW_EXPORT void stow_cache_statistics(struct stow_registry *, struct stow_cache_statistics *ret);

/* ---- grammar (OCI distribution-spec, "Pulling manifests") ---- */

/* [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/...)*, at most 255 bytes */
STOW_EXPORT int stow_name_check(const char *name);
/* [A-Za-z0-9_][A-Za-z0-9._-]{0,127} */
STOW_EXPORT int stow_tag_check(const char *tag);
/* sha256:, sha384: or sha512: and lower-case hex of exactly that length */
STOW_EXPORT int stow_digest_check(const char *digest);

/* ---- blobs ---- */

struct stow_reader;

/* STOW_ENOTFOUND where the repository does not link it or its data is gone. */
STOW_EXPORT int stow_blob_stat(struct stow_registry *, const struct stow_op *, const char *name,
                               const char *digest, struct stow_descriptor *ret,
                               struct stow_error *);
/* length -1 is to the end. STOW_ERANGE where offset lies beyond the end; ret is filled then, too. */
STOW_EXPORT int stow_blob_open(struct stow_registry *, const struct stow_op *, const char *name,
                               const char *digest, int64_t offset, int64_t length,
                               struct stow_reader **ret_reader, struct stow_descriptor *ret,
                               struct stow_error *);
/* A URL of the store's for GETs of the blob, good for so many seconds or as long as the keys that it
 * is signed with; who has it needs no leave of this registry's any more, and nobody checks what comes.
 * STOW_ENOTFOUND as stow_blob_stat; STOW_ENOTSUP where the driver has none; STOW_ERANGE where it
 * does not fit into cap bytes. */
STOW_EXPORT int stow_blob_url(struct stow_registry *, const struct stow_op *, const char *name,
                              const char *digest, int64_t seconds, char *ret, size_t cap,
                              struct stow_error *);
/* What is ready; *ret_len 0 at the end. STOW_ECORRUPT where the data ends before the size that was
 * told, and, unless [cache] verify = no, in place of the last bytes of a whole blob that is not
 * that of its digest. STOW_EBUSY with STOW_ERROR_AGAIN (STOW_OP_NOWAIT): nothing is ready now. */
STOW_EXPORT int stow_reader_read(struct stow_reader *, const struct stow_op *, void *buf,
                                 size_t cap, size_t *ret_len, struct stow_error *);
STOW_EXPORT void stow_reader_close(struct stow_reader *);
/* Removes the link; the data stays for collection. STOW_ENOTSUP unless [delete] enabled. */
STOW_EXPORT int stow_blob_delete(struct stow_registry *, const struct stow_op *, const char *name,
                                 const char *digest, struct stow_error *);
/* Links a blob of `from` in `name`. STOW_ENOTFOUND where `from` lacks it. from NULL is any
 * repository: STOW_ENOTSUP unless [uploads] anonymousmount, since whoever knows a digest then has
 * the blob. */
STOW_EXPORT int stow_blob_mount(struct stow_registry *, const struct stow_op *, const char *name,
                                const char *from, const char *digest, struct stow_descriptor *ret,
                                struct stow_error *);

/* ---- uploads ---- */

/*
 * An upload's whole state travels in its token, which is signed; no call needs more than it.
 * A token stands for the bytes up to its offset, and each of them is durable in the store.
 *
 *   create -> token(0);   open(token) write* seal -> token(n);   ... open(token) write* commit
 *
 * A handle that is closed without seal or commit leaves nothing behind: the token it was opened
 * with goes on holding.
 */
struct stow_upload;

/* A seal of fewer bytes is written once more, together with those that follow it: what a host tells
 * clients to send at least, at a time. */
#define STOW_UPLOAD_CHUNK (5 * 1024 * 1024)

/* No request to the store, but for the first use of a signing key that is kept there. algorithm
 * ("sha512") is a hint of the digest to come, NULL: sha256.
 * token takes STOW_TOKEN_MAX bytes, uuid STOW_UUID_LEN + 1; both end with NUL. */
STOW_EXPORT int stow_upload_create(struct stow_registry *, const char *name, const char *algorithm,
                                   char *ret_token, char *ret_uuid, struct stow_error *);
/*
 * STOW_ENOTFOUND for a token that is forged, cut, too old, of another repository or uuid, or whose
 * bytes are gone.  length is of the bytes to come, -1 if unknown; STOW_ERANGE where more come, or
 * fewer, or so many cannot be.  digest is that of the whole
 * blob where commit will be called, else NULL; with offset 0 the bytes then go straight to the
 * blob's own key, visible only after the commit.
 */
STOW_EXPORT int stow_upload_open(struct stow_registry *, const struct stow_op *, const char *name,
                                 const char *uuid, const char *token, int64_t length,
                                 const char *digest, struct stow_upload **ret, struct stow_error *);
/* Checks signature, name, uuid and age alone; no request to the store, as create.
 * STOW_ENOTFOUND as above. */
STOW_EXPORT int stow_upload_offset(struct stow_registry *, const char *name, const char *uuid,
                                   const char *token, int64_t *ret_offset, struct stow_error *);
/* After a failure only close is of use; but for STOW_ERROR_AGAIN (STOW_OP_NOWAIT, which counts for this
 * call alone): then the same bytes are to be given once more, after a while. */
STOW_EXPORT int stow_upload_write(struct stow_upload *, const struct stow_op *, const void *data,
                                  size_t len, struct stow_error *);
/* What was written is durable when this returns; the new token stands for it. Then close. */
STOW_EXPORT int stow_upload_seal(struct stow_upload *, const struct stow_op *, char *ret_token,
                                 int64_t *ret_offset, struct stow_error *);
/*
 * The digest given to open, verified: data, then link.  STOW_ECORRUPT where it is not that of the
 * bytes, and for no other reason; then what was sealed is gone.  Where it is gone already, but the
 * repository has the blob, the answer to an earlier commit was lost: STOW_OK once more.  After any
 * other failure the token goes on holding.  Then close.
 */
STOW_EXPORT int stow_upload_commit(struct stow_upload *, const struct stow_op *,
                                   struct stow_descriptor *ret, struct stow_error *);
STOW_EXPORT void stow_upload_close(struct stow_upload *, const struct stow_op *);
/* The token's own offset after one look at the store. */
STOW_EXPORT int stow_upload_status(struct stow_registry *, const struct stow_op *, const char *name,
                                   const char *uuid, const char *token, int64_t *ret_offset,
                                   struct stow_error *);
/* Removes all that the upload has in the store. */
STOW_EXPORT int stow_upload_cancel(struct stow_registry *, const struct stow_op *, const char *name,
                                   const char *uuid, const char *token, struct stow_error *);

/*
 * Takes away what uploads have left that nobody goes on with: segments older than age_ns; what
 * Distribution keeps of an upload under _uploads, by its startedat, and open multipart uploads,
 * these two never younger than 168 hours.  STOW_EINVAL where age_ns is below [uploads] age, whose
 * tokens are still good.  *ret is filled after a failure, too: what had gone by then.
 */
struct stow_purge {
	uint64_t uploads;      /* of our own */
	uint64_t distribution; /* of Distribution */
	uint64_t objects;      /* of both */
	uint64_t writes;       /* unfinished ones that the store held; not counted by a dry run */
	uint64_t reserved[4];
};
#define STOW_PURGE_DRY_RUN 1u
STOW_EXPORT int stow_uploads_purge(struct stow_registry *, const struct stow_op *, int64_t age_ns,
                                   uint32_t flags, struct stow_purge *ret, struct stow_error *);

/* ---- manifests ---- */

struct stow_manifest; /* the bytes of one, and what they are */

/* STOW_OK where the repository links the manifest and its data is there, else STOW_ENOTFOUND. */
STOW_EXPORT int stow_manifest_exists(struct stow_registry *, const struct stow_op *,
                                     const char *name, const char *digest, struct stow_error *);
/*
 * reference is a tag or a digest.  A signed manifest of schema 1 is put together from its payload,
 * whose digest it has, and the signatures in the store; STOW_ENOTSUP where none is stored, as
 * Distribution 2.5 and later left it.
 */
STOW_EXPORT int stow_manifest_get(struct stow_registry *, const struct stow_op *, const char *name,
                                  const char *reference, struct stow_manifest **ret,
                                  struct stow_error *);
/* The same of a digest alone: STOW_EINVAL for anything else. */
STOW_EXPORT int stow_manifest_get_by_digest(struct stow_registry *, const struct stow_op *,
                                            const char *name, const char *digest,
                                            struct stow_manifest **ret, struct stow_error *);
/* Borrowed until stow_manifest_free. */
STOW_EXPORT const struct stow_descriptor *stow_manifest_descriptor(const struct stow_manifest *);
STOW_EXPORT const void *stow_manifest_data(const struct stow_manifest *);
STOW_EXPORT void stow_manifest_free(struct stow_manifest *);

/* Everything that verification found wrong, not the first of it alone. */
enum stow_fault_kind {
	STOW_FAULT_INVALID = 1,      /* not a manifest of the kind that it claims to be */
	STOW_FAULT_DIGEST = 2,       /* not the digest it was pushed by */
	STOW_FAULT_BLOB_UNKNOWN = 3, /* refers to what the repository does not have */
	STOW_FAULT_NAME = 4,         /* names another repository (schema 1) */
	STOW_FAULT_UNVERIFIED = 5,   /* signature does not hold (schema 1) */
	STOW_FAULT_TOO_LARGE = 6,    /* over STOW_MANIFEST_MAX */
	STOW_FAULT_TAG = 7           /* names another tag (schema 1) */
};
struct stow_fault {
	int32_t kind;
	/* STOW_ENOTFOUND: push what it refers to first. STOW_EDENIED: nothing is signed, or an EC
	 * signature does not hold; that of RSA is STOW_ECORRUPT, as is all that will never do. */
	int32_t status;
	char digest[STOW_DIGEST_MAX + 1]; /* of the reference; "" where it is of the whole */
	char message[256];
};
struct stow_faults;

/*
 * Verifies and stores: data, revision link, then the tag's index and current links.
 * reference is a tag or the manifest's digest, or NULL: the tag that a manifest of schema 1 names
 * (STOW_EINVAL for any other kind); media_type NULL or "" takes the body's own.  Schema 1 is
 * refused unless [manifests] schema1; its signatures are stored beside those that are there.
 * STOW_ECORRUPT with *ret_faults where verification failed: then nothing was linked,
 * though where references alone are at fault the bytes may lie there for collection.  After any
 * other failure the manifest may be there by its digest, whole; the tag is as it was, or on it.
 * STOW_EEXIST where the tag is immutable ([manifests] immutable_tags) and stands on another digest;
 * where it stands on this one already the push is done.
 */
STOW_EXPORT int stow_manifest_put(struct stow_registry *, const struct stow_op *, const char *name,
                                  const char *reference, const char *media_type, const void *data,
                                  size_t len, struct stow_descriptor *ret,
                                  struct stow_faults **ret_faults, struct stow_error *);
/*
 * The same by digest, with tags that are set on it: after data and revision link the index links of
 * all, then their current links.  A tag that is given twice counts once; STOW_EINVAL for what is no
 * tag, STOW_ERANGE for more than STOW_MANIFEST_TAGS_MAX.  Of schema 1 only the tag that it names is
 * taken.  After a failure each tag is as it was, or on the manifest.
 */
#define STOW_MANIFEST_TAGS_MAX 64
STOW_EXPORT int stow_manifest_put_tagged(struct stow_registry *, const struct stow_op *,
                                         const char *name, const char *digest,
                                         const char *const *tags, size_t n_tags,
                                         const char *media_type, const void *data, size_t len,
                                         struct stow_descriptor *ret,
                                         struct stow_faults **ret_faults, struct stow_error *);
STOW_EXPORT size_t stow_faults_count(const struct stow_faults *);
STOW_EXPORT int stow_faults_at(const struct stow_faults *, size_t i, struct stow_fault *ret);
STOW_EXPORT void stow_faults_free(struct stow_faults *);

/*
 * One caller's manifests of one repository, with options, as the manifest service of 2015 had them:
 * flags given to open are for the handle, those given to put for that call alone, and those given
 * to get_by_tag stay with the handle, whatever comes of the call.  A handle is for one thread.
 */
struct stow_manifests;
#define STOW_MANIFESTS_SKIP_LAYERS 1u /* put: what it refers to need not be there */
/* STOW_EINVAL for a flag that is not known, here and below. The registry must outlive it. */
STOW_EXPORT int stow_manifests_open(struct stow_registry *, const char *name, uint32_t flags,
                                    struct stow_manifests **ret, struct stow_error *);
STOW_EXPORT void stow_manifests_close(struct stow_manifests *);
STOW_EXPORT int stow_manifests_put(struct stow_manifests *, const struct stow_op *,
                                   const char *reference, const char *media_type, const void *data,
                                   size_t len, uint32_t flags, struct stow_descriptor *ret,
                                   struct stow_faults **ret_faults, struct stow_error *);
STOW_EXPORT int stow_manifests_get_by_tag(struct stow_manifests *, const struct stow_op *,
                                          const char *tag, uint32_t flags,
                                          struct stow_manifest **ret, struct stow_error *);

/*
 * Takes away the revision's link and nothing else: tags that stand on it stay, and lead nowhere
 * until it is pushed again.  STOW_ENOTFOUND where there is no link, STOW_EEXIST where an immutable tag
 * stands on it, STOW_ENOTSUP unless [delete] enabled, before anything else.
 */
STOW_EXPORT int stow_manifest_delete(struct stow_registry *, const struct stow_op *,
                                     const char *name, const char *digest, struct stow_error *);
/*
 * As hosts do it for DELETE: takes away the tags that stand on the digest, then the revision's
 * link; the data stays for collection.  STOW_ENOTSUP unless [delete] enabled, before anything else.  Pushes of manifests to
 * the repository, in this process, wait meanwhile.  STOW_EEXIST, and nothing goes, where an
 * immutable tag stands on it.
 */
STOW_EXPORT int stow_manifest_delete_tagged(struct stow_registry *, const struct stow_op *,
                                            const char *name, const char *digest,
                                            struct stow_error *);

/* ---- referrers (OCI distribution-spec, "Listing Referrers") ---- */

/* Manifests of the repository whose subject is the digest, which need not be there itself; those
 * too that clients have listed under the tag schema. artifact_type filters, NULL or "": all. In byte
 * order of their digests, those that sort after `after` (NULL: from the start). */
struct stow_referrers;
STOW_EXPORT int stow_referrers_open(struct stow_registry *, const struct stow_op *,
                                    const char *name, const char *digest, const char *artifact_type,
                                    const char *after, struct stow_referrers **ret,
                                    struct stow_error *);
/* The next one's digest, and its descriptor as JSON; borrowed until close. STOW_ENOTFOUND at the
 * end. */
STOW_EXPORT int stow_referrers_next(struct stow_referrers *, const char **ret_digest,
                                    const char **ret_descriptor);
/* How many entries were passed over since they are no descriptors. */
STOW_EXPORT size_t stow_referrers_skipped(const struct stow_referrers *);
STOW_EXPORT void stow_referrers_close(struct stow_referrers *);
/*
 * Writes, for each subject that the repository's referrers name, the index which clients of a
 * registry without such a list keep under the tag "<algorithm>-<hex>": before one goes back to such
 * a registry.  With [manifests] referrers_tag every push and delete of a referrer does it.  *ret_n
 * is how many subjects have their tag now; a tag that stands on something else is left alone, and
 * reported to the host's log, and so is a list of over STOW_MANIFEST_MAX bytes.
 */
STOW_EXPORT int stow_referrers_write_tags(struct stow_registry *, const struct stow_op *,
                                          const char *name, size_t *ret_n, struct stow_error *);
/* The subject of a manifest's bytes; STOW_ENOTFOUND where it names none. ret takes
 * STOW_DIGEST_MAX + 1 bytes. */
STOW_EXPORT int stow_manifest_subject(const void *data, size_t len, char *ret);

/* ---- tags and catalog ---- */

/* STOW_OK where there is such a tag, whatever it stands on, else STOW_ENOTFOUND. */
STOW_EXPORT int stow_tag_exists(struct stow_registry *, const struct stow_op *, const char *name,
                                const char *tag, struct stow_error *);
/* Which digest a tag stands on, as the store has it now; those who ask at once share a read. ret takes
 * STOW_DIGEST_MAX + 1 bytes. STOW_ENOTFOUND where there is no such tag. */
STOW_EXPORT int stow_tag_get(struct stow_registry *, const struct stow_op *, const char *name,
                             const char *tag, char *ret, struct stow_error *);
/* Removes the tag with its history. STOW_ENOTFOUND where there is none, STOW_EEXIST where it is
 * immutable, STOW_ENOTSUP unless [delete] enabled. */
STOW_EXPORT int stow_tag_delete(struct stow_registry *, const struct stow_op *, const char *name,
                                const char *tag, struct stow_error *);

/* Which digests a tag has stood on, and when each was last set, newest first, by the store's clock.
 * What was deleted with it is not among them. STOW_ENOTFOUND where there is none. */
struct stow_history;
STOW_EXPORT int stow_tag_history(struct stow_registry *, const struct stow_op *, const char *name,
                                 const char *tag, struct stow_history **ret, struct stow_error *);
/* Borrowed until close; set_ns since the epoch. STOW_ENOTFOUND at the end. */
STOW_EXPORT int stow_history_next(struct stow_history *, const char **ret_digest,
                                  int64_t *ret_set_ns);
STOW_EXPORT void stow_history_close(struct stow_history *);

/* Names in byte order that sort after `after` (NULL or "": from the start). */
struct stow_names;
/* A repository is one where anything lies below its _manifests/, as in the catalog and as
 * Distribution has it: layers alone make none. STOW_ENOTFOUND where it is none. */
STOW_EXPORT int stow_tags_open(struct stow_registry *, const struct stow_op *, const char *name,
                               const char *after, struct stow_names **ret, struct stow_error *);
/* Repositories with anything below their _manifests/: what tags_open knows, and nothing else. They
 * are listed while they are taken: the registry has to outlive the list, and a call of
 * stow_names_next may ask the store. */
STOW_EXPORT int stow_catalog_open(struct stow_registry *, const struct stow_op *, const char *after,
                                  struct stow_names **ret, struct stow_error *);
/* Borrowed until the next call; STOW_ENOTFOUND at the end. */
STOW_EXPORT int stow_names_next(struct stow_names *, const struct stow_op *, const char **ret,
                                struct stow_error *);
STOW_EXPORT void stow_names_close(struct stow_names *);

#ifdef __cplusplus
}
#endif
#endif
