/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads manifests of the four kinds.
 * It must not know stores or repositories: whether what is referred to exists is asked elsewhere.
 */
#include "plugin/manifest.h"

#include <jansson.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "common/json-scan.h"

#define WHERE "manifest.parse"

static const char *const media_types[] = {
	[MANIFEST_DOCKER_IMAGE] = "application/vnd.docker.distribution.manifest.v2+json",
	[MANIFEST_DOCKER_LIST] = "application/vnd.docker.distribution.manifest.list.v2+json",
	[MANIFEST_OCI_IMAGE] = "application/vnd.oci.image.manifest.v1+json",
	[MANIFEST_OCI_INDEX] = "application/vnd.oci.image.index.v1+json",
	[MANIFEST_SCHEMA1] = "application/vnd.docker.distribution.manifest.v1+prettyjws",
};
#define SCHEMA1_PLAIN "application/vnd.docker.distribution.manifest.v1+json"

/* Layers that a registry may be forbidden to hand out. */
static const char *const foreign_types[] = {
	"application/vnd.docker.image.rootfs.foreign.diff.tar",
	"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
	"application/vnd.oci.image.layer.nondistributable.v1.tar",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
	"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
};

bool manifest_is_index(enum manifest_kind kind)
{
	return kind == MANIFEST_DOCKER_LIST || kind == MANIFEST_OCI_INDEX;
}

const char *manifest_media_type(enum manifest_kind kind)
{
	return media_types[kind];
}

/* 0 if it is none of the four of manifest_parse.  Letter by letter: Distribution reads what is stored so. */
static enum manifest_kind kind_of(const char *media_type)
{
	for (int kind = MANIFEST_DOCKER_IMAGE; kind <= MANIFEST_OCI_INDEX; kind++) {
		if (strcmp(media_type, media_types[kind]) == 0)
			return (enum manifest_kind)kind;
	}
	return 0;
}

/* "Type/Sub ; charset=x" -> "type/sub"; false if it is longer than any that is known. */
static bool plain_media_type(char *ret, size_t cap, const char *media_type)
{
	size_t len;

	media_type += strspn(media_type, " \t");
	len = strcspn(media_type, "; \t");
	if (len >= cap)
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = media_type[i];

		ret[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	ret[len] = '\0';
	return true;
}

static void release(json_t **json)
{
	json_decref(*json);
}

static bool is_given(const json_t *value)
{
	return value && !json_is_null(value);
}

/* The text of a string, NULL of anything else.  One with a NUL in it is no text that we know. */
static const char *text_of(const json_t *value)
{
	const char *text = json_string_value(value);

	return text && strlen(text) == json_string_length(value) ? text : NULL;
}

/* Room for a reference more. */
static struct manifest_reference *grow(struct manifest *manifest, size_t *cap)
{
	if (manifest->n == *cap) {
		size_t larger = *cap ? 2 * *cap : 16;
		struct manifest_reference *grown = reallocarray(manifest->references, larger,
		                                                sizeof(*grown));

		if (!grown)
			return NULL;
		manifest->references = grown;
		*cap = larger;
	}
	return &manifest->references[manifest->n];
}

static bool is_elsewhere(const json_t *descriptor)
{
	const char *type = text_of(json_object_get(descriptor, "mediaType"));

	if (!type || json_array_size(json_object_get(descriptor, "urls")) == 0)
		return false;
	for (size_t i = 0; i < sizeof(foreign_types) / sizeof(foreign_types[0]); i++) {
		if (strcmp(type, foreign_types[i]) == 0)
			return true;
	}
	return false;
}

/* One that is too long, or has a comma, is none that a policy can name. */
static void read_platform(struct manifest_reference *ret, const json_t *platform)
{
	const char *os = text_of(json_object_get(platform, "os"));
	const char *architecture = text_of(json_object_get(platform, "architecture"));

	if (!os || !architecture || strchr(os, ',') || strchr(architecture, ',') ||
	    !text_format(ret->platform, sizeof(ret->platform), "%s/%s", os, architecture))
		ret->platform[0] = '\0';
}

/* false, and a fault, if it is not a descriptor. */
static bool read_descriptor(struct manifest_reference *ret, const json_t *value, const char *what,
                            struct stow_faults *faults)
{
	const json_t *digest = json_object_get(value, "digest");
	const json_t *size = json_object_get(value, "size");
	const json_t *type = json_object_get(value, "mediaType");

	if (!json_is_object(value)) {
		faults_add(faults, STOW_FAULT_INVALID, NULL, "%s is not a descriptor", what);
		return false;
	}
	if (!json_is_string(digest) ||
	    !digest_parse(&ret->digest, json_string_value(digest), json_string_length(digest))) {
		faults_add(faults, STOW_FAULT_INVALID, NULL, "%s has no valid digest", what);
		return false;
	}
	if (!json_is_integer(size) || json_integer_value(size) < 0) {
		faults_add(faults, STOW_FAULT_INVALID, ret->digest.text, "%s has no valid size",
		           what);
		return false;
	}
	if (is_given(type) && !json_is_string(type)) {
		faults_add(faults, STOW_FAULT_INVALID, ret->digest.text,
		           "%s has a mediaType that is not a string", what);
		return false;
	}
	ret->size = json_integer_value(size);
	ret->elsewhere = false;
	read_platform(ret, json_object_get(value, "platform"));
	return true;
}

/* Where a layer can be had instead, or too. */
static void check_urls(const json_t *descriptor, const struct policy *policy, const char *digest,
                       const char *what, struct stow_faults *faults)
{
	const json_t *urls = json_object_get(descriptor, "urls");

	if (is_given(urls) && !json_is_array(urls))
		faults_add(faults, STOW_FAULT_INVALID, digest, "%s: urls is not an array", what);
	for (size_t i = 0; i < json_array_size(urls); i++) {
		const char *url = json_string_value(json_array_get(urls, i));

		if (!url || strlen(url) != json_string_length(json_array_get(urls, i)) ||
		    !policy_allows_url(policy, url))
			faults_add(faults, STOW_FAULT_INVALID, digest,
			           "%s: the URL \"%.100s\" is not allowed", what, url ? url : "");
	}
}

static int read_list(struct manifest *ret, size_t *cap, const json_t *list, const char *what,
                     const struct policy *policy, struct stow_faults *faults,
                     struct stow_error *err)
{
	char label[64];

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *value = json_array_get(list, i);
		struct manifest_reference *reference = grow(ret, cap);

		if (!reference)
			return error_nomem(err, WHERE);
		(void)text_format(label, sizeof(label), "%s %zu", what, i + 1);
		if (!read_descriptor(reference, value, label, faults))
			continue;
		reference->elsewhere = is_elsewhere(value);
		check_urls(value, policy, reference->digest.text, label, faults);
		ret->n++;
	}
	return STOW_OK;
}

static int read_image(struct manifest *ret, const json_t *root, const struct policy *policy,
                      struct stow_faults *faults, struct stow_error *err)
{
	const json_t *layers = json_object_get(root, "layers");
	struct manifest_reference *config;
	size_t cap = 0;

	if (json_object_get(root, "manifests"))
		faults_add(faults, STOW_FAULT_INVALID, NULL, "an image manifest with manifests");
	if (is_given(layers) && !json_is_array(layers))
		faults_add(faults, STOW_FAULT_INVALID, NULL, "layers is not an array");
	config = grow(ret, &cap);
	if (!config)
		return error_nomem(err, WHERE);
	if (read_descriptor(config, json_object_get(root, "config"), "config", faults))
		ret->n++;
	return read_list(ret, &cap, layers, "layer", policy, faults, err);
}

static int read_index(struct manifest *ret, const json_t *root, const struct policy *policy,
                      struct stow_faults *faults, struct stow_error *err)
{
	const json_t *manifests = json_object_get(root, "manifests");
	size_t cap = 0;

	if (json_object_get(root, "config") || json_object_get(root, "layers"))
		faults_add(faults, STOW_FAULT_INVALID, NULL, "an index with config or layers");
	if (!manifests || (is_given(manifests) && !json_is_array(manifests)))
		faults_add(faults, STOW_FAULT_INVALID, NULL, "manifests is not an array");
	return read_list(ret, &cap, manifests, "manifest", policy, faults, err);
}

static int compare_references(const void *a, const void *b)
{
	const struct manifest_reference *const *x = a, *const *y = b;
	int order = strcmp((*x)->digest.text, (*y)->digest.text);

	if (order != 0)
		return order;
	return *x < *y ? -1 : *x > *y;
}

/* Keeps the first of each digest; two sizes for one digest cannot both be right. */
static int drop_duplicates(struct manifest *manifest, struct stow_faults *faults,
                           struct stow_error *err)
{
	cleanup_free struct manifest_reference **sorted = NULL;
	cleanup_free bool *dropped = NULL;
	struct manifest_reference *first;
	size_t kept = 0;

	if (manifest->n < 2)
		return STOW_OK;
	sorted = calloc(manifest->n, sizeof(struct manifest_reference *));
	dropped = calloc(manifest->n, sizeof(*dropped));
	if (!sorted || !dropped)
		return error_nomem(err, WHERE);
	for (size_t i = 0; i < manifest->n; i++)
		sorted[i] = &manifest->references[i];
	qsort(sorted, manifest->n, sizeof(sorted[0]), compare_references);
	first = sorted[0];
	for (size_t i = 1; i < manifest->n; i++) {
		if (!digest_equal(&first->digest, &sorted[i]->digest)) {
			first = sorted[i];
			continue;
		}
		if (first->size != sorted[i]->size)
			faults_add(faults, STOW_FAULT_INVALID, first->digest.text,
			           "%s has two sizes, %lld and %lld", first->digest.text,
			           (long long)first->size, (long long)sorted[i]->size);
		first->elsewhere &= sorted[i]->elsewhere;
		if (strcmp(first->platform, sorted[i]->platform) != 0)
			first->platform[0] = '\0';
		dropped[sorted[i] - manifest->references] = true;
	}
	for (size_t i = 0; i < manifest->n; i++) {
		if (!dropped[i])
			manifest->references[kept++] = manifest->references[i];
	}
	manifest->n = kept;
	return STOW_OK;
}

/* The root object, or NULL with a fault (never without one, except where memory is short). */
static json_t *load(const void *data, size_t len, struct stow_faults *faults)
{
	const char *fault = json_scan(data, len, MANIFEST_DEPTH_MAX, MANIFEST_VALUES_MAX);
	json_error_t error;
	json_t *root;

	if (fault) {
		faults_add(faults, STOW_FAULT_INVALID, NULL, "%s", fault);
		return NULL;
	}
	root = json_loadb(data, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (!root) {
		faults_add(faults, STOW_FAULT_INVALID, NULL, "not JSON: %s (line %d)", error.text,
		           error.line);
		return NULL;
	}
	if (!json_is_object(root)) {
		faults_add(faults, STOW_FAULT_INVALID, NULL, "not a JSON object");
		json_decref(root);
		return NULL;
	}
	return root;
}

/* What the client and the body say the kind is; 0 with a fault where they do not agree. */
static enum manifest_kind agree_on_kind(const json_t *root, const char *said,
                                        struct stow_faults *faults)
{
	const json_t *value = json_object_get(root, "mediaType");
	const char *own = text_of(value);
	char plain[STOW_MEDIA_TYPE_MAX + 1] = "";
	enum manifest_kind kind, own_kind;

	if (is_given(value) && !own) {
		faults_add(faults, STOW_FAULT_INVALID, NULL, "mediaType is not a string");
		return 0;
	}
	own_kind = own ? kind_of(own) : 0;
	if (!said || *said == '\0') {
		if (!own_kind)
			faults_add(faults, STOW_FAULT_INVALID, NULL,
			           "no Content-Type, and no mediaType of a known kind");
		return own_kind;
	}
	kind = plain_media_type(plain, sizeof(plain), said) ? kind_of(plain) : 0;
	if (!kind) {
		faults_add(faults, STOW_FAULT_INVALID, NULL,
		           "\"%.120s\" is not a known kind of manifest", said);
		return 0;
	}
	if (own && *own != '\0' && own_kind != kind) {
		faults_add(faults, STOW_FAULT_INVALID, NULL,
		           "mediaType \"%.80s\" is not the Content-Type \"%.80s\"", own, plain);
		return 0;
	}
	if (!own_kind && (kind == MANIFEST_DOCKER_IMAGE || kind == MANIFEST_DOCKER_LIST)) {
		faults_add(faults, STOW_FAULT_INVALID, NULL, "no mediaType: Docker's have one");
		return 0;
	}
	return kind;
}

static void check_common(struct manifest *ret, const json_t *root, struct stow_faults *faults)
{
	const json_t *version = json_object_get(root, "schemaVersion");
	const json_t *subject = json_object_get(root, "subject");
	const json_t *type = json_object_get(root, "artifactType");
	struct manifest_reference reference;

	if (!json_is_integer(version) || json_integer_value(version) != 2)
		faults_add(faults, STOW_FAULT_INVALID, NULL, "schemaVersion is not 2");
	if (is_given(subject))
		ret->has_subject = read_descriptor(&reference, subject, "subject", faults);
	if (ret->has_subject)
		ret->subject = reference.digest;
	if (is_given(type) && !json_is_string(type))
		faults_add(faults, STOW_FAULT_INVALID, NULL, "artifactType is not a string");
}

int manifest_parse(struct manifest *ret, const struct policy *policy, const char *media_type,
                   const void *data, size_t len, struct stow_faults *faults, struct stow_error *err)
{
	cleanup(release) json_t *root = NULL;
	struct manifest manifest = { 0 };
	int status = STOW_OK;

	if (len > STOW_MANIFEST_MAX) {
		faults_add(faults, STOW_FAULT_TOO_LARGE, NULL, "over %d bytes", STOW_MANIFEST_MAX);
		*ret = manifest;
		return STOW_OK;
	}
	root = load(data, len, faults);
	if (root) {
		check_common(&manifest, root, faults);
		manifest.kind = agree_on_kind(root, media_type, faults);
	}
	if (manifest.kind && manifest_is_index(manifest.kind))
		status = read_index(&manifest, root, policy, faults, err);
	else if (manifest.kind)
		status = read_image(&manifest, root, policy, faults, err);
	if (status == STOW_OK)
		status = drop_duplicates(&manifest, faults, err);
	if (status != STOW_OK) {
		manifest_done(&manifest);
		return status;
	}
	*ret = manifest;
	return STOW_OK;
}

int manifest_recognise(enum manifest_kind *ret, const void *data, size_t len,
                       struct stow_error *err)
{
	const char *fault = json_scan(data, len, MANIFEST_DEPTH_MAX, MANIFEST_VALUES_MAX);
	cleanup(release) json_t *root = NULL;
	const json_t *value;
	const char *type;
	double version;
	json_error_t error;

	if (fault)
		return error_set(err, STOW_ECORRUPT, WHERE, "%s", fault);
	/* integers of any size: it is for those who pull to read them */
	root = json_loadb(data, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
	if (!root)
		return error_set(err, STOW_ECORRUPT, WHERE, "not JSON: %s (line %d)", error.text,
		                 error.line);
	version = json_number_value(json_object_get(root, "schemaVersion"));
	if (version == 1) {
		*ret = MANIFEST_SCHEMA1;
		return STOW_OK;
	}
	if (version != 2)
		return error_set(err, STOW_ECORRUPT, WHERE, "schemaVersion is neither 1 nor 2");
	value = json_object_get(root, "mediaType");
	type = text_of(value);
	if (is_given(value) && !type)
		return error_set(err, STOW_ECORRUPT, WHERE, "mediaType is not a string");
	if (!type || *type == '\0') {
		/* a push refuses an image that has the key at all, be it null */
		*ret = json_object_get(root, "manifests") ? MANIFEST_OCI_INDEX : MANIFEST_OCI_IMAGE;
		return STOW_OK;
	}
	if (!kind_of(type))
		return error_set(err, STOW_ECORRUPT, WHERE, "mediaType \"%.120s\" is not known",
		                 type);
	*ret = kind_of(type);
	return STOW_OK;
}

/* Clients of its time say nothing, or "application/json". */
bool manifest_is_schema1(const char *media_type, const void *data, size_t len)
{
	char plain[STOW_MEDIA_TYPE_MAX + 1] = "";
	cleanup(release) json_t *root = NULL;
	json_error_t error;

	if (len > STOW_MANIFEST_MAX ||
	    (media_type && !plain_media_type(plain, sizeof(plain), media_type)))
		return false;
	if (strcmp(plain, media_types[MANIFEST_SCHEMA1]) == 0 || strcmp(plain, SCHEMA1_PLAIN) == 0)
		return true;
	if ((plain[0] && strcmp(plain, "application/json") != 0) ||
	    json_scan(data, len, MANIFEST_DEPTH_MAX, MANIFEST_VALUES_MAX))
		return false;
	root = json_loadb(data, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
	return json_number_value(json_object_get(root, "schemaVersion")) == 1;
}

bool manifest_subject(struct digest *ret, const void *data, size_t len)
{
	cleanup(release) json_t *root = NULL;
	const json_t *digest;
	json_error_t error;

	if (json_scan(data, len, MANIFEST_DEPTH_MAX, MANIFEST_VALUES_MAX))
		return false;
	root = json_loadb(data, len, JSON_ALLOW_NUL, &error);
	digest = json_object_get(json_object_get(root, "subject"), "digest");
	return json_is_string(digest) &&
	       digest_parse(ret, json_string_value(digest), json_string_length(digest));
}

void manifest_done(struct manifest *manifest)
{
	free(manifest->references);
	memset(manifest, 0, sizeof(*manifest));
}
