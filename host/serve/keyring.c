/* SPDX-License-Identifier: Apache-2.0 */
/* A list of keys by some names each. It must not know signatures. */
#include "host/serve/keyring.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/error.h"
#include "common/file.h"
#include "common/jws.h"
#include "host/serve/log.h"

#define WHERE "bearer.keys"
#define FILE_MAX ((size_t)4 << 20)
#define BITS_MIN 2048 /* of RSA */

struct entry {
	struct jws_key *key;
	char *kid; /* its own; NULL: it has none */
	char *alg; /* the only one it is for; NULL: any that fits */
	char id[JWS_KEY_ID_LEN + 1];
	char thumbprint[JWS_THUMBPRINT_LEN + 1], shorter[JWS_THUMBPRINT_LEN + 1];
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
		free(k->entries[i].alg);
	}
	free(k->entries);
	jws_roots_free(k->roots);
	free(k);
}

/* ---- reading ---- */

/* What is read, and who is told of it. */
struct source {
	const char *path;
	const struct sink *sink; /* may be NULL */
};

static bool is_weak(const struct jws_key *key)
{
	int bits = jws_key_rsa_bits(key);

	return bits > 0 && bits < BITS_MIN;
}

static bool keep(char **ret, const char *text)
{
	*ret = text ? strdup(text) : NULL;
	return !text || *ret;
}

/* Takes the key over, whatever comes of it. */
static int add_key(struct keyring *k, struct jws_key *key, const char *kid, const char *alg,
                   struct stow_error *err)
{
	struct entry *e = &k->entries[k->n];
	int status = STOW_OK;

	e->key = key;
	k->n++; /* so that all of it is freed with the ring */
	if (k->n > KEYRING_MAX)
		status = error_set(err, STOW_EINVAL, WHERE, "more than %d keys", KEYRING_MAX);
	if (status == STOW_OK)
		status = jws_key_id(key, e->id, err);
	if (status == STOW_OK)
		status = jws_key_thumbprint(key, e->thumbprint, err);
	if (status == STOW_OK)
		status = jws_key_thumbprint_short(key, e->shorter, err);
	if (status == STOW_OK && (!keep(&e->kid, kid) || !keep(&e->alg, alg)))
		status = error_nomem(err, WHERE);
	return status;
}

static const char *text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* Is it for checking signatures, by what it says of itself (RFC 7517 sections 4.2, 4.3)? */
static bool is_for_signatures(const json_t *jwk)
{
	const json_t *use = json_object_get(jwk, "use"), *ops = json_object_get(jwk, "key_ops");

	if (use && (!json_is_string(use) || strcmp(json_string_value(use), "sig") != 0))
		return false;
	for (size_t i = 0; i < json_array_size(ops); i++) {
		const char *op = json_string_value(json_array_get(ops, i));

		if (op && strcmp(op, "verify") == 0)
			return true;
	}
	return !ops;
}

static void pass_over(const struct source *from, const char *kid, const char *why)
{
	if (from->sink)
		sink_event(from->sink, STOW_LOG_WARNING, "auth", NULL,
		           "%s: a key%s%s is passed over: %s", from->path, kid ? " " : "",
		           kid ? kid : "", why);
}

/* One that could sign for us must not be here at all. */
static int add_jwk(struct keyring *k, const json_t *jwk, const struct source *from,
                   struct stow_error *err)
{
	const char *kid = text_of(jwk, "kid"), *kty = text_of(jwk, "kty");
	struct stow_error why = { 0 };
	struct jws_key *key = NULL;
	int status;

	if (json_object_get(jwk, "d") || json_object_get(jwk, "k") || (kty && !strcmp(kty, "oct")))
		return error_set(err, STOW_EINVAL, WHERE,
		                 "a key that can sign is no public key: it does not belong here");
	if (!is_for_signatures(jwk)) {
		pass_over(from, kid, "it is not for signatures");
		return STOW_OK;
	}
	status = jws_key_of_jwk(jwk, &key, &why);
	if (status == STOW_EINVAL) {
		pass_over(from, kid, why.message);
		return STOW_OK;
	}
	if (status != STOW_OK)
		return error_copy(err, &why);
	if (is_weak(key)) {
		pass_over(from, kid, "RSA of under 2,048 bits");
		jws_key_free(key);
		return STOW_OK;
	}
	return add_key(k, key, kid, text_of(jwk, "alg"), err);
}

static int add_set(struct keyring *k, const json_t *set, const struct source *from,
                   struct stow_error *err)
{
	const json_t *keys = json_object_get(set, "keys");
	int status = STOW_OK;

	if (!json_is_object(set) || (keys && !json_is_array(keys)))
		return error_set(err, STOW_EINVAL, WHERE, "no JWK set");
	if (!keys)
		return add_jwk(k, set, from, err);
	for (size_t i = 0; i < json_array_size(keys) && status == STOW_OK; i++)
		status = add_jwk(k, json_array_get(keys, i), from, err);
	return status;
}

static int read_set(struct keyring *k, const struct source *from, struct stow_error *err)
{
	const char *path = from->path;
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
	status = add_set(k, set, from, &why);
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
		if (one == STOW_EINVAL || (one == STOW_OK && is_weak(key))) {
			jws_key_free(key); /* good for others' certificates all the same */
			continue;
		}
		status = one == STOW_OK ? add_key(k, key, NULL, NULL, &why) : one;
	}
	return error_set(err, status, WHERE, "%s: %s", path, why.message);
}

int keyring_open(const char *jwks, const char *bundle, const struct sink *sink,
                 struct keyring **ret, struct stow_error *err)
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
		status = read_set(k, &(struct source){ .path = jwks, .sink = sink }, err);
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

static int untrusted(struct stow_error *err, const char *kid)
{
	return error_set(err, STOW_EDENIED, WHERE, "its key is not among the trusted%s%.100s",
	                 kid ? ": " : "", kid ? kid : "");
}

static int unfit(struct stow_error *err)
{
	return error_set(err, STOW_EDENIED, WHERE, "its algorithm is not one of its key");
}

static bool serves(const struct entry *e, const char *alg)
{
	return jws_key_fits(e->key, alg) && (!e->alg || strcmp(e->alg, alg) == 0);
}

static bool has_name(const struct entry *e, const char *kid)
{
	return (e->kid && strcmp(e->kid, kid) == 0) || strcmp(e->id, kid) == 0 ||
	       strcmp(e->thumbprint, kid) == 0 || strcmp(e->shorter, kid) == 0;
}

/* Keys of different types may share a name (RFC 7517 section 4.5). */
static int by_name(const struct keyring *k, const char *kid, const char *alg,
                   const struct jws_key **ret, struct stow_error *err)
{
	bool known = false;

	for (size_t i = 0; i < k->n; i++) {
		const struct entry *e = &k->entries[i];

		if (!has_name(e, kid))
			continue;
		known = true;
		if (serves(e, alg)) {
			*ret = e->key;
			return STOW_OK;
		}
	}
	return known ? unfit(err) : untrusted(err, kid);
}

static int by_chain(const struct keyring *k, const json_t *x5c, const char *alg, int64_t now,
                    struct jws_key **ret_own, struct stow_error *err)
{
	struct jws_key *key = NULL;
	int status = jws_roots_verify(k->roots, x5c, now, &key, err);

	if (status == STOW_OK && is_weak(key))
		status = error_set(err, STOW_EDENIED, WHERE, "its key is RSA of under 2,048 bits");
	if (status == STOW_OK && !jws_key_fits(key, alg))
		status = unfit(err);
	if (status == STOW_OK)
		*ret_own = key;
	else
		jws_key_free(key);
	return status;
}

/* One that the header brings is taken for its like among ours, or that of its certificate. */
static int by_jwk(const struct keyring *k, const json_t *jwk, const char *alg, int64_t now,
                  const struct jws_key **ret, struct jws_key **ret_own, struct stow_error *err)
{
	const json_t *x5c = json_object_get(jwk, "x5c");
	struct jws_key *key = NULL;
	bool known = false;
	int status = jws_key_of_jwk(jwk, &key, err);

	if (status != STOW_OK)
		return status;
	if (x5c && k->roots) {
		status = by_chain(k, x5c, alg, now, ret_own, err);
		*ret = *ret_own;
		if (status == STOW_OK && !jws_key_equal(key, *ret))
			status = error_set(err, STOW_EDENIED, WHERE,
			                   "its key is not that of its certificate");
		jws_key_free(key);
		return status;
	}
	for (size_t i = 0; i < k->n && !*ret; i++) {
		const struct entry *e = &k->entries[i];

		if (!jws_key_equal(e->key, key))
			continue;
		known = true;
		if (serves(e, alg))
			*ret = e->key;
	}
	jws_key_free(key);
	if (*ret)
		return STOW_OK;
	return known ? unfit(err) : untrusted(err, NULL);
}

int keyring_find(const struct keyring *k, const struct json_t *header, const char *alg, int64_t now,
                 const struct jws_key **ret, struct jws_key **ret_own, struct stow_error *err)
{
	const json_t *x5c = json_object_get(header, "x5c"), *jwk = json_object_get(header, "jwk");
	const char *kid = text_of(header, "kid");
	int status;

	*ret = *ret_own = NULL;
	if (x5c && k->roots) {
		status = by_chain(k, x5c, alg, now, ret_own, err);
		*ret = *ret_own;
		return status;
	}
	if (jwk)
		return by_jwk(k, jwk, alg, now, ret, ret_own, err);
	if (kid)
		return by_name(k, kid, alg, ret, err);
	return error_set(err, STOW_EDENIED, WHERE, "it does not say which key signed it");
}
