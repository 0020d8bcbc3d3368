/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the bytes of a manifest say: its kind and what it refers to.
 *
 * Four kinds: Docker schema 2 and list, OCI image and index; schema 1 has files of its own.  Limits:
 * STOW_MANIFEST_MAX bytes, MANIFEST_DEPTH_MAX levels and MANIFEST_VALUES_MAX values, looked at before
 * anything is built from the text.  It promises that references which it gives out have digests of the grammar,
 * each once, in the order of their first appearance.  It touches no store.
 */
#ifndef PLUGIN_MANIFEST_H
#define PLUGIN_MANIFEST_H

#include "plugin/digest.h"
#include "plugin/faults.h"
#include "plugin/policy.h"

#define MANIFEST_DEPTH_MAX 100
#define MANIFEST_VALUES_MAX 262144

enum manifest_kind {
	MANIFEST_DOCKER_IMAGE = 1,
	MANIFEST_DOCKER_LIST = 2,
	MANIFEST_OCI_IMAGE = 3,
	MANIFEST_OCI_INDEX = 4,
	MANIFEST_SCHEMA1 = 5 /* recognised only: see schema1.h */
};

struct manifest_reference {
	struct digest digest;
	int64_t size;
	bool elsewhere;    /* a foreign layer with URLs: need not be here */
	char platform[64]; /* of an index: "os/architecture", "" if it does not say */
};

struct manifest {
	enum manifest_kind kind;
	struct manifest_reference *references; /* blobs of an image, manifests of an index */
	size_t n;
	bool has_subject;
	struct digest subject;
};

bool manifest_is_index(enum manifest_kind);
const char *manifest_media_type(enum manifest_kind);

/* Is it schema 1 by what the client says, or by its bytes where that says nothing? */
bool manifest_is_schema1(const char *media_type, const void *data, size_t len);
/*
 * The whole check of a push.  media_type is what the client says (parameters are passed over),
 * NULL or "" where it says nothing.  STOW_OK also where faults were added; then ret holds what
 * could be read all the same, and kind is 0 where not even that is known.  URLs of layers are held
 * against the policy, which may be NULL.
 */
int manifest_parse(struct manifest *ret, const struct policy *, const char *media_type,
                   const void *data, size_t len, struct stow_faults *, struct stow_error *err);
/* The kind alone, of stored bytes; with keys given twice, as Distribution takes them, and no look
 * at the rest; of schema 1 these are its payload. STOW_ECORRUPT if it is none. */
int manifest_recognise(enum manifest_kind *ret, const void *data, size_t len,
                       struct stow_error *err);
/* The subject's digest alone; false where there is none. */
bool manifest_subject(struct digest *ret, const void *data, size_t len);
/* Frees what it holds; takes one that was zeroed. */
void manifest_done(struct manifest *);

#endif
