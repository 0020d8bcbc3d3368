/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema1.h over jansson and common/jws.
 * It must not take payload bytes from parsed JSON: they are those of the file.
 */
#include "plugin/schema1.h"

#include <jansson.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "plugin/json-scan.h"
#include "plugin/manifest.h"

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

static json_t *load(const char *data, size_t len)
{
	json_error_t error;

	if (json_scan(data, len, MANIFEST_DEPTH_MAX, MANIFEST_VALUES_MAX))
		return NULL;
	return json_loadb(data, len,
	                  JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL,
	                  &error);
}

/* NULL for anything but a text without a NUL in it. */
static const char *text_of(const json_t *value)
{
	const char *text = json_string_value(value);

	return text && strlen(text) == json_string_length(value) ? text : NULL;
}

/* ---- the payload ---- */

struct split { /* what protected headers say: text up to length, then the tail */
	size_t length;
	struct buf tail;
};

static bool read_split(const char *text, struct split *ret)
{
	cleanup_buf struct buf decoded = { 0 };
	cleanup(release) json_t *header = NULL;
	const json_t *length;
	const char *tail;
	double value;

	buf_init(&decoded, PROTECTED_MAX);
	if (!jws_base64url(text, strlen(text), &decoded) || decoded.len == 0)
		return false;
	header = load(decoded.data, decoded.len);
	length = json_object_get(header, "formatLength");
	tail = text_of(json_object_get(header, "formatTail"));
	value = json_number_value(length);
	if (!json_is_number(length) || !tail || !(value >= 0 && value <= STOW_MANIFEST_MAX))
		return false;
	ret->length = (size_t)value;
	buf_init(&ret->tail, STOW_MANIFEST_MAX);
	return jws_base64url(tail, strlen(tail), &ret->tail);
}

/* All signatures must say the same. */
static int agree(struct split *all, const char *text, size_t i, struct stow_error *err)
{
	struct split one = { 0 };
	int status = STOW_OK;

	if (!text || !read_split(text, &one)) {
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

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Where a signer of the usual kind splits: behind the last text before the last brace. */
static size_t usual_split(const struct buf *payload)
{
	size_t at = payload->len;

	while (at && payload->data[at - 1] != '}')
		at--;
	at -= at > 0;
	while (at && is_space(payload->data[at - 1]))
		at--;
	return at;
}

static int read_payload(struct schema1 *ret, const json_t *signatures, const char *data, size_t len,
                        size_t *ret_split, struct stow_error *err)
{
	struct split split = { 0 };
	int status = STOW_OK;

	for (size_t i = 0; i < json_array_size(signatures) && status == STOW_OK; i++)
		status = agree(&split,
		               text_of(json_object_get(json_array_get(signatures, i), "protected")),
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
	cleanup(release) json_t *root = load(ret->payload.data, ret->payload.len);
	const json_t *architecture = json_object_get(root, "architecture");
	const char *name = text_of(json_object_get(root, "name"));
	const char *tag = text_of(json_object_get(root, "tag"));

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
		status = jws_key_of_certificate(text_of(leaf) ? text_of(leaf) : "",
		                                text_of(leaf) ? strlen(text_of(leaf)) : 0, &key,
		                                err);
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
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *p = (const unsigned char *)s->payload.data;
	uint32_t bits = 0;
	unsigned n = 0;

	buf_adds(ret, protected);
	buf_addc(ret, '.');
	for (size_t i = 0; i < s->payload.len; i++) {
		bits = bits << 8 | p[i];
		for (n += 8; n >= 6; n -= 6)
			buf_addc(ret, alphabet[bits >> (n - 6) & 63]);
	}
	if (n)
		buf_addc(ret, alphabet[bits << (6 - n) & 63]);
	return buf_status(ret);
}

static int check_signature(const struct schema1 *s, const json_t *one, char *ret_id,
                           struct stow_error *err)
{
	const json_t *header = json_object_get(one, "header");
	const char *text = text_of(json_object_get(one, "signature"));
	const char *alg = text_of(json_object_get(header, "alg"));
	cleanup(key_release) struct jws_key *key = NULL;
	cleanup_buf struct buf input = { 0 }, signature = { 0 };
	int status = read_key(header, &key, err);

	if (status != STOW_OK)
		return status;
	buf_init(&signature, SIGNATURE_MAX);
	if (!text || !jws_base64url(text, strlen(text), &signature))
		return corrupt(err, "not base64url");
	if (!alg)
		return corrupt(err, "no alg");
	buf_init(&input, 2 * (size_t)STOW_MANIFEST_MAX + PROTECTED_MAX * 2);
	if (signing_input(s, text_of(json_object_get(one, "protected")), &input) != STOW_OK)
		return error_nomem(err, WHERE);
	status = jws_key_id(key, ret_id, err);
	return status == STOW_OK ? jws_verify(key, alg, input.data, input.len, signature.data,
	                                      signature.len, err)
	                         : status;
}

static int check_signatures(struct schema1 *ret, const json_t *list, struct stow_error *err)
{
	int status = STOW_OK;

	ret->key_ids = calloc(json_array_size(list), sizeof(*ret->key_ids));
	if (!ret->key_ids)
		return error_nomem(err, WHERE);
	for (size_t i = 0; i < json_array_size(list) && status == STOW_OK; i++) {
		status = because(
			err, check_signature(ret, json_array_get(list, i), ret->key_ids[i], err),
			i);
		ret->n_signatures += status == STOW_OK;
	}
	return status;
}

bool schema1_is_signed(const void *data, size_t len)
{
	cleanup(release) json_t *root = load(data, len);

	return json_object_get(root, "signatures") && json_object_get(root, "fsLayers");
}

int schema1_parse(struct schema1 *ret, const void *data, size_t len, struct stow_error *err)
{
	cleanup(release) json_t *root = NULL;
	const json_t *signatures;
	size_t split = 0;
	int status;

	memset(ret, 0, sizeof(*ret));
	buf_init(&ret->payload, STOW_MANIFEST_MAX);
	if (len > STOW_MANIFEST_MAX)
		return corrupt(err, "over 4 MiB");
	root = load(data, len);
	if (!json_is_object(root))
		return corrupt(err, "not a JSON object");
	signatures = json_object_get(root, "signatures");
	if (!signatures || json_is_null(signatures) ||
	    (json_is_array(signatures) && json_array_size(signatures) == 0))
		return error_set(err, STOW_EDENIED, WHERE, "nothing is signed");
	if (!json_is_array(signatures) || json_array_size(signatures) > SCHEMA1_SIGNATURES_MAX)
		return corrupt(err, "signatures is not a list of at most 64");
	status = read_payload(ret, signatures, data, len, &split, err);
	if (status == STOW_OK)
		status = check_signatures(ret, signatures, err);
	if (status == STOW_OK && usual_split(&ret->payload) != split)
		status = corrupt(err, "a split of text and tail that is not the usual one");
	return status == STOW_OK ? read_fields(ret, err) : status;
}

void schema1_done(struct schema1 *s)
{
	buf_done(&s->payload);
	free(s->name);
	free(s->tag);
	free(s->layers);
	free(s->key_ids);
	memset(s, 0, sizeof(*s));
}
