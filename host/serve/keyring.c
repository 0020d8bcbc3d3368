/* SPDX-License-Identifier: Apache-2.0 */
/* A list of keys by three names each. It must not know signatures. */
#include "host/serve/keyring.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/error.h"
#include "common/file.h"
#include "common/jws.h"

#define WHERE    "bearer.keys"
#define FILE_MAX ((size_t)4 << 20)

struct entry {
	struct jws_key *key;
	char *kid; /* its own; NULL: it has none */
	char id[JWS_KEY_ID_LEN + 1], thumbprint[JWS_THUMBPRINT_LEN + 1];
};

struct keyring {
	unsigned refs; /* atomic */
	struct entry *entries;
	size_t n;
	struct jws_roots *roots; /* NULL: there is no bundle */
};

struct keyring *keyring_ref(struct keyring *k)
{
	__atomic_add_fetch(&k->refs, 1, __ATOMIC_RELAXED);
	return k;
}

void keyring_unref(struct keyring *k)
{
	if (!k || __atomic_sub_fetch(&k->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	for (size_t i = 0; i < k->n; i++) {
		jws_key_free(k->entries[i].key);
		free(k->entries[i].kid);
	}
	free(k->entries);
	jws_roots_free(k->roots);
	free(k);
}

/* ---- reading ---- */

/* Takes the key over, whatever comes of it. */
static int add_key(struct keyring *k, struct jws_key *key, const char *kid, struct stow_error *err)
{
	struct entry *e = &k->entries[k->n];
	int status = STOW_OK;

	if (k->n == KEYRING_MAX)
		status = error_set(err, STOW_EINVAL, WHERE, "more than %d keys", KEYRING_MAX);
	if (status == STOW_OK)
		status = jws_key_id(key, e->id, err);
	if (status == STOW_OK)
		status = jws_key_thumbprint(key, e->thumbprint, err);
	if (status == STOW_OK && kid && !(e->kid = strdup(kid)))
		status = error_nomem(err, WHERE);
	if (status != STOW_OK) {
		jws_key_free(key);
		return status;
	}
	e->key = key;
	k->n++;
	return STOW_OK;
}

/* One for encryption is none of ours; one that could sign for us must not be here at all. */
static int add_jwk(struct keyring *k, const json_t *jwk, struct stow_error *err)
{
	const char *use = json_string_value(json_object_get(jwk, "use"));
	const char *kid = json_string_value(json_object_get(jwk, "kid"));
	const char *kty = json_string_value(json_object_get(jwk, "kty"));
	struct jws_key *key = NULL;
	int status;

	if (json_object_get(jwk, "d") || json_object_get(jwk, "k") || (kty && !strcmp(kty, "oct")))
		return error_set(err, STOW_EINVAL, WHERE,
		                 "a key that can sign is no public key: it does not belong here");
	if (use && strcmp(use, "sig") != 0)
		return STOW_OK;
	status = jws_key_of_jwk(jwk, &key, err);
	if (status == STOW_EINVAL)
		return STOW_OK; /* of a kind that is not known */
	return status == STOW_OK ? add_key(k, key, kid, err) : status;
}

static int add_set(struct keyring *k, const json_t *set, struct stow_error *err)
{
	const json_t *keys = json_object_get(set, "keys");
	int status = STOW_OK;

	if (!json_is_object(set) || (keys && !json_is_array(keys)))
		return error_set(err, STOW_EINVAL, WHERE, "no JWK set");
	if (!keys)
		return add_jwk(k, set, err);
	for (size_t i = 0; i < json_array_size(keys) && status == STOW_OK; i++)
		status = add_jwk(k, json_array_get(keys, i), err);
	return status;
}

static int read_set(struct keyring *k, const char *path, struct stow_error *err)
{
	cleanup_buf struct buf text = { 0 };
	struct stow_error why = { 0 };
	json_error_t where;
	json_t *set;
	int status = file_read(path, FILE_MAX, WHERE, &text, NULL, err);

	if (status != STOW_OK)
		return status;
	set = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &where);
	if (!set)
		return error_set(err, STOW_EINVAL, WHERE, "%s, line %d: %s", path, where.line,
		                 where.text);
	status = add_set(k, set, &why);
	json_decref(set);
	if (status != STOW_OK)
		return error_set(err, status, WHERE, "%s: %s", path, why.message);
	return STOW_OK;
}

static int read_bundle(struct keyring *k, const char *path, struct stow_error *err)
{
	cleanup_buf struct buf text = { 0 };
	struct stow_error why = { 0 };
	int status = file_read(path, FILE_MAX, WHERE, &text, NULL, err);

	if (status != STOW_OK)
		return status;
	status = jws_roots_open(text.data, text.len, &k->roots, &why);
	for (size_t i = 0; status == STOW_OK; i++) {
		struct jws_key *key = NULL;
		int one = jws_roots_key(k->roots, i, &key, &why);

		if (one == STOW_ENOTFOUND)
			return STOW_OK;
		if (one == STOW_EINVAL) /* good for others' signatures all the same */
			continue;
		status = one == STOW_OK ? add_key(k, key, NULL, &why) : one;
	}
	return error_set(err, status, WHERE, "%s: %s", path, why.message);
}

int keyring_open(const char *jwks, const char *bundle, struct keyring **ret,
                 struct stow_error *err)
{
	struct keyring *k = calloc(1, sizeof(*k));
	int status = STOW_OK;

	if (!k)
		return error_nomem(err, WHERE);
	k->refs = 1;
	k->entries = calloc(KEYRING_MAX + 1, sizeof(*k->entries));
	if (!k->entries)
		status = error_nomem(err, WHERE);
	if (status == STOW_OK && bundle)
		status = read_bundle(k, bundle, err);
	if (status == STOW_OK && jwks)
		status = read_set(k, jwks, err);
	if (status == STOW_OK && k->n == 0 && !k->roots)
		status = error_set(err, STOW_EINVAL, WHERE, "%s: no key for signatures", jwks);
	if (status != STOW_OK) {
		keyring_unref(k);
		return status;
	}
	*ret = k;
	return STOW_OK;
}

/* ---- finding ---- */

static const struct jws_key *by_name(const struct keyring *k, const char *kid)
{
	for (size_t i = 0; i < k->n; i++) {
		const struct entry *e = &k->entries[i];

		if ((e->kid && strcmp(e->kid, kid) == 0) || strcmp(e->id, kid) == 0 ||
		    strcmp(e->thumbprint, kid) == 0)
			return e->key;
	}
	return NULL;
}

/* One that the header brings is taken for its like among ours. */
static int by_jwk(const struct keyring *k, const json_t *jwk, const struct jws_key **ret,
                  struct stow_error *err)
{
	struct jws_key *key = NULL;
	int status = jws_key_of_jwk(jwk, &key, err);

	for (size_t i = 0; status == STOW_OK && i < k->n; i++) {
		if (jws_key_equal(k->entries[i].key, key))
			*ret = k->entries[i].key;
	}
	jws_key_free(key);
	if (status == STOW_OK && !*ret)
		status = error_set(err, STOW_EDENIED, WHERE, "its key is not among the trusted");
	return status;
}

int keyring_find(const struct keyring *k, const struct json_t *header, int64_t now,
                 const struct jws_key **ret, struct jws_key **ret_own, struct stow_error *err)
{
	const json_t *x5c = json_object_get(header, "x5c"), *jwk = json_object_get(header, "jwk");
	const char *kid = json_string_value(json_object_get(header, "kid"));
	int status;

	if (x5c && k->roots) {
		status = jws_roots_verify(k->roots, x5c, now, ret_own, err);
		*ret = *ret_own;
		return status;
	}
	if (jwk)
		return by_jwk(k, jwk, ret, err);
	*ret = kid ? by_name(k, kid) : NULL;
	if (*ret)
		return STOW_OK;
	return error_set(err, STOW_EDENIED, WHERE, kid ? "its key is not among the trusted"
	                                               : "it does not say which key signed it");
}
