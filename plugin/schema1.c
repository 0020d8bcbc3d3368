/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema1.h over jansson and common/jws.
 * It must not take payload bytes from parsed JSON: they are those of the file.
 */
#include "plugin/schema1.h"

#include <jansson.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "plugin/schema1-text.h"

#define WHERE "manifest.schema1"
#define PROTECTED_MAX ((size_t)64 << 10)
#define SIGNATURE_MAX ((size_t)4096)
#define LAYERS_MAX 4096

static void release(json_t **json)
{
	json_decref(*json);
}

static void key_release(struct jws_key **key)
{
	jws_key_free(*key);
}

static int corrupt(struct stow_error *err, const char *what)
{
	return error_set(err, STOW_ECORRUPT, WHERE, "%s", what);
}

/* A failure of common/jws is one of the manifest, but for the verdict and for memory. */
static int because(struct stow_error *err, int status, size_t i)
{
	if (status == STOW_OK || status == STOW_ENOMEM)
		return status;
	if (err && status == STOW_EINVAL)
		err->status = STOW_ECORRUPT;
	return error_prefix(err, status == STOW_EINVAL ? STOW_ECORRUPT : status, "signature %zu",
	                    i + 1);
}

/* ---- the payload ---- */

/* All signatures must say the same. */
static int agree(struct schema1_split *all, const char *text, size_t i, struct stow_error *err)
{
	struct schema1_split one = { 0 };
	int status = STOW_OK;

	if (!text || !schema1_split_read(text, &one)) {
		status = corrupt(err, "a protected header that cannot be read");
	} else if (i == 0) {
		*all = one;
		one.tail = (struct buf){ 0 };
	} else if (one.length != all->length || one.tail.len != all->tail.len ||
	           (one.tail.len && memcmp(one.tail.data, all->tail.data, one.tail.len) != 0)) {
		status = corrupt(err, "protected headers that do not agree");
	}
	buf_done(&one.tail);
	return status;
}

static int read_payload(struct schema1 *ret, const json_t *signatures, const char *data, size_t len,
                        size_t *ret_split, struct stow_error *err)
{
	struct schema1_split split = { 0 };
	int status = STOW_OK;

	for (size_t i = 0; i < json_array_size(signatures) && status == STOW_OK; i++)
		status = agree(&split, schema1_text_of(json_array_get(signatures, i), "protected"),
		               i, err);
	if (status == STOW_OK && split.length > len)
		status = corrupt(err, "a payload longer than the file");
	if (status == STOW_OK &&
	    (buf_add(&ret->payload, data, split.length) != STOW_OK ||
	     buf_add(&ret->payload, split.tail.data, split.tail.len) != STOW_OK))
		status = corrupt(err, "a payload that is too long");
	*ret_split = split.length;
	buf_done(&split.tail);
	return status;
}

/* ---- its fields ---- */

static int read_layers(struct schema1 *ret, const json_t *list, struct stow_error *err)
{
	size_t n = json_array_size(list);

	if (list && !json_is_null(list) && !json_is_array(list))
		return corrupt(err, "fsLayers is not an array");
	if (n > LAYERS_MAX)
		return corrupt(err, "too many layers");
	ret->layers = calloc(n ? n : 1, sizeof(*ret->layers));
	if (!ret->layers)
		return error_nomem(err, WHERE);
	for (size_t i = 0; i < n; i++) {
		const json_t *sum = json_object_get(json_array_get(list, i), "blobSum");

		if (!json_is_string(sum) ||
		    !digest_parse(&ret->layers[i], json_string_value(sum), json_string_length(sum)))
			return corrupt(err, "a layer without a digest");
		ret->n_layers++;
	}
	return STOW_OK;
}

static bool is_list(const json_t *value, const char *member)
{
	if (!value || json_is_null(value))
		return true;
	if (!json_is_array(value))
		return false;
	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *text = json_object_get(json_array_get(value, i), member);

		if (!json_is_object(json_array_get(value, i)) || (text && !json_is_string(text)))
			return false;
	}
	return true;
}

static int read_fields(struct schema1 *ret, struct stow_error *err)
{
	cleanup(release) json_t *root = schema1_load(ret->payload.data, ret->payload.len);
	const json_t *architecture = json_object_get(root, "architecture");
	const char *name = schema1_text_of(root, "name");
	const char *tag = schema1_text_of(root, "tag");

	if (!json_is_object(root))
		return corrupt(err, "the payload is not a JSON object");
	if (json_number_value(json_object_get(root, "schemaVersion")) != 1)
		return corrupt(err, "schemaVersion is not 1");
	if (!name || !tag || (architecture && !json_is_string(architecture)) ||
	    !is_list(json_object_get(root, "history"), "v1Compatibility"))
		return corrupt(err, "name, tag, architecture or history are not as they should be");
	ret->name = strdup(name);
	ret->tag = strdup(tag);
	if (!ret->name || !ret->tag)
		return error_nomem(err, WHERE);
	return read_layers(ret, json_object_get(root, "fsLayers"), err);
}

/* ---- signatures ---- */

/* The key that signs: the first certificate's, else the JWK. A JWK is looked at in any case. */
static int read_key(const json_t *header, struct jws_key **ret, struct stow_error *err)
{
	cleanup(key_release) struct jws_key *key = NULL;
	const json_t *jwk = json_object_get(header, "jwk");
	const json_t *chain = json_object_get(header, "x5c");
	const json_t *leaf = json_array_get(chain, 0);
	int status = STOW_OK;

	if (jwk && !json_is_null(jwk)) {
		status = jws_key_of_jwk(jwk, &key, err);
		if (status == STOW_OK)
			status = jws_key_check_kid(key, jwk, err);
	}
	if (status == STOW_OK && leaf) {
		jws_key_free(take(key));
		status = jws_key_of_certificate(json_is_string(leaf) ? json_string_value(leaf) : "",
		                                json_string_length(leaf), &key, err);
	}
	if (status == STOW_OK && !key)
		status = corrupt(err, "no public key");
	if (status == STOW_OK)
		*ret = take(key);
	return status;
}

/* "protected" as it stands, a dot, and the payload in base64url. */
static int signing_input(const struct schema1 *s, const char *protected, struct buf *ret)
{
	buf_adds(ret, protected);
	buf_addc(ret, '.');
	jws_base64url_add(ret, s->payload.data, s->payload.len);
	return buf_status(ret);
}

/* libtrust tells one key's mismatch from the other's, and so does whoever asks for the status. */
static int mismatch(struct schema1 *s, const char *alg, struct stow_error *err)
{
	s->unverified = true;
	if (alg[0] == 'E')
		return STOW_EDENIED;
	if (err)
		err->status = STOW_ECORRUPT;
	return STOW_ECORRUPT;
}

static int check_signature(struct schema1 *s, const json_t *one, char *ret_id,
                           struct stow_error *err)
{
	const json_t *header = json_object_get(one, "header");
	const char *text = schema1_text_of(one, "signature");
	const char *alg = schema1_text_of(header, "alg");
	cleanup(key_release) struct jws_key *key = NULL;
	cleanup_buf struct buf input = { 0 }, signature = { 0 };
	int status = read_key(header, &key, err);

	if (status != STOW_OK)
		return status;
	buf_init(&signature, SIGNATURE_MAX);
	if (!text || !jws_base64url(text, strlen(text), &signature))
		return corrupt(err, "not base64url");
	if (!alg || (strncmp(alg, "ES", 2) != 0 && strncmp(alg, "RS", 2) != 0))
		return corrupt(err, "alg is none of ES and RS");
	buf_init(&input, 2 * (size_t)STOW_MANIFEST_MAX + PROTECTED_MAX * 2);
	if (signing_input(s, schema1_text_of(one, "protected"), &input) != STOW_OK)
		return error_nomem(err, WHERE);
	status = jws_key_id(key, ret_id, err);
	if (status == STOW_OK)
		status = jws_verify(key, alg, input.data, input.len, signature.data, signature.len,
		                    err);
	return status == STOW_EDENIED ? mismatch(s, alg, err) : status;
}

static int check_signatures(struct schema1 *ret, const json_t *list, struct stow_error *err)
{
	size_t n = json_array_size(list);
	int status = STOW_OK;

	ret->key_ids = calloc(n, sizeof(*ret->key_ids));
	ret->signatures = calloc(n, sizeof(*ret->signatures));
	if (!ret->key_ids || !ret->signatures)
		return error_nomem(err, WHERE);
	for (size_t i = 0; i < n && status == STOW_OK; i++) {
		const json_t *one = json_array_get(list, i);

		status = check_signature(ret, one, ret->key_ids[i], err);
		if (status == STOW_OK)
			status = schema1_signature(one, &ret->signatures[i], err);
		status = because(err, status, i);
		ret->n_signatures += status == STOW_OK;
	}
	return status;
}

bool schema1_is_signed(const void *data, size_t len)
{
	cleanup(release) json_t *root = schema1_load(data, len);

	return json_object_get(root, "signatures") && json_object_get(root, "fsLayers");
}

static int nothing_signed(struct schema1 *ret, const void *data, size_t len, struct stow_error *err)
{
	ret->unverified = true;
	if (buf_add(&ret->payload, data, len) != STOW_OK)
		return error_nomem(err, WHERE);
	return error_set(err, STOW_EDENIED, WHERE, "nothing is signed");
}

static int check_signed(struct schema1 *ret, const json_t *signatures, const void *data, size_t len,
                        struct stow_error *err)
{
	size_t split = 0;
	int status;

	if (!signatures || json_is_null(signatures) ||
	    (json_is_array(signatures) && json_array_size(signatures) == 0))
		return nothing_signed(ret, data, len, err);
	if (!json_is_array(signatures) || json_array_size(signatures) > SCHEMA1_SIGNATURES_MAX)
		return corrupt(err, "signatures is not a list of at most 64");
	status = read_payload(ret, signatures, data, len, &split, err);
	if (status == STOW_OK)
		status = check_signatures(ret, signatures, err);
	if (status == STOW_OK && schema1_split_usual(ret->payload.data, ret->payload.len) != split)
		status = corrupt(err, "a split of text and tail that is not the usual one");
	return status;
}

int schema1_parse(struct schema1 *ret, const void *data, size_t len, struct stow_error *err)
{
	cleanup(release) json_t *root = NULL;
	int status, fields;

	memset(ret, 0, sizeof(*ret));
	buf_init(&ret->payload, STOW_MANIFEST_MAX);
	if (len > STOW_MANIFEST_MAX)
		return corrupt(err, "over 4 MiB");
	root = schema1_load(data, len);
	if (!json_is_object(root))
		return corrupt(err, "not a JSON object");
	status = check_signed(ret, json_object_get(root, "signatures"), data, len, err);
	if (status == STOW_ENOMEM)
		return status;
	fields = read_fields(ret, status == STOW_OK ? err : NULL);
	ret->readable = fields == STOW_OK;
	return status == STOW_OK ? fields : status;
}

void schema1_done(struct schema1 *s)
{
	for (size_t i = 0; i < s->n_signatures; i++)
		buf_done(&s->signatures[i]);
	buf_done(&s->payload);
	free(s->name);
	free(s->tag);
	free(s->layers);
	free(s->key_ids);
	free(s->signatures);
	memset(s, 0, sizeof(*s));
}
