/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema1-text.h over jansson and plugin/json-write.
 * It must not check signatures.
 */
#include "plugin/schema1-text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <stowage/registry.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/jws.h"
#include "common/json-scan.h"
#include "plugin/json-write.h"
#include "plugin/manifest.h"

#define WHERE "manifest.schema1"
#define PROTECTED_MAX ((size_t)64 << 10)
#define MODULUS_MAX ((size_t)4096)

static void release(json_t **json)
{
	json_decref(*json);
}

static void key_release(struct jws_key **key)
{
	jws_key_free(*key);
}

json_t *schema1_load(const char *data, size_t len)
{
	json_error_t error;

	if (len == 0 || json_scan(data, len, MANIFEST_DEPTH_MAX, MANIFEST_VALUES_MAX))
		return NULL;
	return json_loadb(data, len,
	                  JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL,
	                  &error);
}

const char *schema1_text_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	const char *text = json_string_value(value);

	return text && strlen(text) == json_string_length(value) ? text : NULL;
}

/* Frees what could not be written whole. */
static int written(struct buf *text, const char *too_long, struct stow_error *err)
{
	int status = buf_status(text);

	if (status == STOW_OK)
		return STOW_OK;
	buf_done(text);
	return status == STOW_ERANGE ? error_set(err, STOW_ECORRUPT, WHERE, "%s", too_long)
	                             : error_nomem(err, WHERE);
}

/* ---- the split ---- */

bool schema1_split_read(const char *protected, struct schema1_split *ret)
{
	cleanup_buf struct buf decoded = { 0 };
	cleanup(release) json_t *header = NULL;
	const json_t *length;
	const char *tail;
	double value;

	buf_init(&decoded, PROTECTED_MAX);
	if (!jws_base64url(protected, strlen(protected), &decoded) || decoded.len == 0)
		return false;
	header = schema1_load(decoded.data, decoded.len);
	length = json_object_get(header, "formatLength");
	tail = schema1_text_of(header, "formatTail");
	value = json_number_value(length);
	if (!json_is_number(length) || !tail || !(value >= 0 && value <= STOW_MANIFEST_MAX))
		return false;
	ret->length = (size_t)value;
	buf_init(&ret->tail, STOW_MANIFEST_MAX);
	if (jws_base64url(tail, strlen(tail), &ret->tail))
		return true;
	buf_done(&ret->tail);
	return false;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

size_t schema1_split_usual(const char *payload, size_t len)
{
	size_t at = len;

	while (at && payload[at - 1] != '}')
		at--;
	at -= at > 0;
	while (at && is_space(payload[at - 1]))
		at--;
	return at;
}

/* ---- one signature, as it is stored ---- */

static int compare_names(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(*x, *y);
}

static json_t *sorted(json_t *value);

static json_t *sorted_array(json_t *array)
{
	json_t *ret = json_array();

	for (size_t i = 0; ret && i < json_array_size(array); i++) {
		if (json_array_append_new(ret, sorted(json_array_get(array, i))) != 0) {
			json_decref(ret);
			return NULL;
		}
	}
	return ret;
}

/* Go keeps what it does not know in maps, and writes those by name, at every depth. */
static json_t *sorted_object(json_t *object)
{
	size_t n = json_object_size(object), at = 0;
	cleanup_free const char **names = calloc(n ? n : 1, sizeof(char *));
	json_t *ret = names ? json_object() : NULL;

	for (void *i = json_object_iter(object); ret && i; i = json_object_iter_next(object, i))
		names[at++] = json_object_iter_key(i);
	if (ret && at > 1)
		qsort(names, at, sizeof(names[0]), compare_names);
	for (size_t i = 0; ret && i < at; i++) {
		if (json_object_set_new_nocheck(ret, names[i],
		                                sorted(json_object_get(object, names[i]))) != 0) {
			json_decref(ret);
			ret = NULL;
		}
	}
	return ret;
}

static json_t *sorted(json_t *value)
{
	if (json_is_object(value))
		return sorted_object(value);
	if (json_is_array(value))
		return sorted_array(value);
	return json_incref(value);
}

/* A number of RSA without the zeros before it. */
static int set_number(json_t *jwk, const char *name)
{
	cleanup_buf struct buf octets = { 0 }, text = { 0 };
	const char *value = schema1_text_of(jwk, name);
	size_t zeros = 0;

	buf_init(&octets, MODULUS_MAX);
	buf_init(&text, 2 * MODULUS_MAX);
	if (!value || !jws_base64url(value, strlen(value), &octets))
		return -1;
	while (zeros < octets.len && octets.data[zeros] == '\0')
		zeros++;
	jws_base64url_add(&text, octets.data + zeros, octets.len - zeros);
	if (buf_status(&text) != STOW_OK)
		return -1;
	return json_object_set_new(jwk, name, json_string(buf_text(&text)));
}

/* With its id, members by name; coordinates of a curve have one spelling already. */
static int stored_jwk(json_t *jwk, json_t **ret, struct stow_error *err)
{
	cleanup(key_release) struct jws_key *key = NULL;
	cleanup(release) json_t *copy = json_copy(jwk);
	const char *kty = schema1_text_of(jwk, "kty");
	char id[JWS_KEY_ID_LEN + 1];
	int status = jws_key_of_jwk(jwk, &key, err);

	if (status == STOW_OK)
		status = jws_key_id(key, id, err);
	if (status != STOW_OK)
		return status;
	if (json_object_set_new(copy, "kid", json_string(id)) != 0)
		return error_nomem(err, WHERE);
	if (kty && strcmp(kty, "RSA") == 0 &&
	    (set_number(copy, "n") != 0 || set_number(copy, "e") != 0))
		return error_nomem(err, WHERE);
	*ret = sorted_object(copy);
	return *ret ? STOW_OK : error_nomem(err, WHERE);
}

static int stored_header(const json_t *header, json_t **ret, struct stow_error *err)
{
	cleanup(release) json_t *jwk = NULL;
	cleanup(release) json_t *made = json_object();
	json_t *chain = json_object_get(header, "x5c");
	int status = STOW_OK;

	if (json_is_object(json_object_get(header, "jwk")))
		status = stored_jwk(json_object_get(header, "jwk"), &jwk, err);
	if (status != STOW_OK)
		return status;
	if (!made || (jwk && json_object_set(made, "jwk", jwk) != 0) ||
	    json_object_set(made, "alg", json_object_get(header, "alg")) != 0 ||
	    (json_array_size(chain) > 0 && json_object_set(made, "x5c", chain) != 0))
		return error_nomem(err, WHERE);
	*ret = take(made);
	return STOW_OK;
}

int schema1_signature(const json_t *one, struct buf *ret, struct stow_error *err)
{
	cleanup(release) json_t *header = NULL;
	cleanup(release) json_t *made = json_object();
	int status = stored_header(json_object_get(one, "header"), &header, err);

	if (status != STOW_OK)
		return status;
	if (!made || json_object_set(made, "header", header) != 0 ||
	    json_object_set(made, "signature", json_object_get(one, "signature")) != 0 ||
	    json_object_set(made, "protected", json_object_get(one, "protected")) != 0)
		return error_nomem(err, WHERE);
	buf_init(ret, SCHEMA1_SIGNATURE_MAX);
	json_write(ret, made, "", 0);
	return written(ret, "a signature of over 64 KiB", err);
}

/* ---- payload and signatures put together ---- */

struct stored {
	json_t *json;
	char key_id[JWS_KEY_ID_LEN + 1];
	const char *signature;
	bool usual; /* splits where others do */
};

/* The key that it was made with: that of the JWK, else of the first certificate. */
static bool read_key_id(const json_t *header, char *ret)
{
	const json_t *jwk = json_object_get(header, "jwk");
	const json_t *leaf = json_array_get(json_object_get(header, "x5c"), 0);
	cleanup(key_release) struct jws_key *key = NULL;

	if (jwk)
		(void)jws_key_of_jwk(jwk, &key, NULL);
	else if (json_is_string(leaf))
		(void)jws_key_of_certificate(json_string_value(leaf), json_string_length(leaf),
		                             &key, NULL);
	return key && jws_key_id(key, ret, NULL) == STOW_OK;
}

static bool read_stored(struct stored *ret, const struct buf *text, size_t split)
{
	const char *protected;
	struct schema1_split said;

	ret->json = schema1_load(text->data, text->len);
	ret->signature = schema1_text_of(ret->json, "signature");
	protected = schema1_text_of(ret->json, "protected");
	if (!ret->signature || !protected ||
	    !read_key_id(json_object_get(ret->json, "header"), ret->key_id) ||
	    !schema1_split_read(protected, &said)) {
		json_decref(ret->json);
		return false;
	}
	ret->usual = said.length == split;
	buf_done(&said.tail);
	return true;
}

static int compare_stored(const void *a, const void *b)
{
	const struct stored *x = a, *y = b;
	int order = strcmp(x->key_id, y->key_id);

	return order != 0 ? order : strcmp(x->signature, y->signature);
}

/* The bytes between "{\n" and the first member's name. */
static size_t indent_of(const char *payload, size_t len)
{
	const char *quote = memchr(payload, '"', len);

	return len > 2 && payload[0] == '{' && payload[1] == '\n' && quote
	               ? (size_t)(quote - payload) - 2
	               : 0;
}

static void write_signed(struct buf *ret, const char *payload, size_t len, size_t split,
                         json_t *list)
{
	size_t indent = indent_of(payload, len);

	buf_add(ret, payload, split);
	buf_addc(ret, ',');
	if (indent) {
		buf_addc(ret, '\n');
		buf_add(ret, payload + 2, indent);
	}
	buf_adds(ret, indent ? "\"signatures\": " : "\"signatures\":");
	json_write(ret, list, payload + 2, indent);
	buf_adds(ret, indent ? "\n}" : "}");
}

/* A list of those that are to be given out, in their order. NULL without memory. */
static json_t *list_of(struct stored *stored, size_t n)
{
	json_t *list = json_array();
	bool any_usual = false;

	if (n > 1)
		qsort(stored, n, sizeof(stored[0]), compare_stored);
	for (size_t i = 0; i < n; i++)
		any_usual = any_usual || stored[i].usual;
	for (size_t i = 0; list && i < n; i++) {
		if ((stored[i].usual || !any_usual) &&
		    json_array_append(list, stored[i].json) != 0) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

int schema1_join(const char *payload, size_t len, const struct buf *stored, size_t n,
                 struct buf *ret, struct stow_error *err)
{
	size_t split = schema1_split_usual(payload, len), found = 0;
	cleanup_free struct stored *items = calloc(n ? n : 1, sizeof(*items));
	cleanup(release) json_t *root = schema1_load(payload, len);
	cleanup(release) json_t *list = NULL;

	if (!items)
		return error_nomem(err, WHERE);
	if (!json_is_object(root))
		return error_set(err, STOW_ECORRUPT, WHERE, "the payload is not a JSON object");
	for (size_t i = 0; i < n; i++)
		found += read_stored(&items[found], &stored[i], split);
	list = list_of(items, found);
	for (size_t i = 0; i < found; i++)
		json_decref(items[i].json);
	if (!list)
		return error_nomem(err, WHERE);
	if (found == 0)
		return error_set(err, STOW_ENOTFOUND, WHERE, "no signature is stored");
	buf_init(ret, STOW_MANIFEST_MAX);
	write_signed(ret, payload, len, split, list);
	return written(ret, "over 4 MiB with its signatures", err);
}
