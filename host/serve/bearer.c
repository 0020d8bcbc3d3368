/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens and claims, over jws.h and keyring.h. It must not know what the rights are used for. */
#include "host/serve/bearer.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/json-scan.h"
#include "common/jws.h"
#include "common/text.h"
#include "common/thread.h"
#include "host/serve/keyring.h"

#define WHERE "bearer"
#define TOKEN_MAX ((size_t)64 * 1024)
#define LEEWAY 60.0        /* seconds that clocks may differ */
#define ACCESS_MAX 1000    /* entries of a token */
#define DEPTH_MAX 8        /* of either part: a worker's stack is small */
#define SIGNATURE_MAX 2048 /* octets, of the longest RSA key */
#define HEADER_MAX 100     /* values of a part */
#define CLAIMS_MAX 10000
#define KNOWN "RS256,RS384,RS512,PS256,PS384,PS512,ES256,ES384,ES512,EdDSA"

struct bearer {
	char *issuer, *service, *jwks, *bundle, *algorithms;
	bool have_lock;
	struct mutex lock;
	const struct sink *sink;
	struct keyring *keys GUARDED_BY(lock); /* counted */
};

struct bearer_claims {
	json_t *all;
	const char *subject;
};

static int denied(struct stow_error *err, const char *why)
{
	return error_set(err, STOW_EDENIED, WHERE, "%s", why);
}

/* ---- algorithms ---- */

static bool is_listed(const char *list, const char *name, size_t len)
{
	while (*(list += strspn(list, ", \t\n"))) {
		size_t n = strcspn(list, ", \t\n");

		if (n == len && memcmp(list, name, len) == 0)
			return true;
		list += n;
	}
	return false;
}

static int check_algorithms(const char *list, struct stow_error *err)
{
	bool any = false;

	for (const char *p = list; *(p += strspn(p, ", \t\n")); any = true) {
		size_t n = strcspn(p, ", \t\n");

		if (!is_listed(KNOWN, p, n))
			return error_set(err, STOW_EINVAL, WHERE,
			                 "[auth] signingalgorithms: %.*s is not one of " KNOWN,
			                 (int)(n < 40 ? n : 40), p);
		p += n;
	}
	return any ? STOW_OK
	           : error_set(err, STOW_EINVAL, WHERE, "[auth] signingalgorithms names none");
}

/* ---- one token ---- */

/* Its three parts, as text. */
struct token {
	const char *header, *payload, *signature; /* header and payload as they were signed */
	size_t header_len, payload_len, signature_len;
};

static bool cut(const char *text, struct token *ret)
{
	const char *one = strchr(text, '.'), *two = one ? strchr(one + 1, '.') : NULL;

	if (!two || strchr(two + 1, '.') || strlen(text) > TOKEN_MAX)
		return false;
	*ret = (struct token){
		.header = text,
		.header_len = (size_t)(one - text),
		.payload = one + 1,
		.payload_len = (size_t)(two - one - 1),
		.signature = two + 1,
		.signature_len = strlen(two + 1),
	};
	return ret->header_len && ret->payload_len && ret->signature_len;
}

/* Before it is known who wrote it: so it may cost little. */
static int object_of(const char *part, size_t len, size_t values_max, json_t **ret,
                     struct stow_error *err)
{
	cleanup_buf struct buf text = { 0 };
	json_t *value;

	buf_init(&text, TOKEN_MAX);
	if (!jws_base64url(part, len, &text) || text.len == 0)
		return denied(err, "a part of it is not base64url");
	if (json_scan(text.data, text.len, DEPTH_MAX, values_max))
		return denied(err, "a part of it has too many values, or nests too deep");
	value = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(value)) {
		json_decref(value);
		return denied(err, "a part of it is no JSON object");
	}
	*ret = value;
	return STOW_OK;
}

static const char *string_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

/* Is the signature one of a key that we trust? */
static int check_signature(const struct bearer *b, const struct keyring *keys,
                           const struct token *t, const json_t *header, int64_t now,
                           struct stow_error *err)
{
	const char *alg = string_of(header, "alg");
	cleanup_buf struct buf signature = { 0 };
	struct jws_key *own = NULL;
	const struct jws_key *key = NULL;
	int status;

	if (!alg || !is_listed(b->algorithms, alg, strlen(alg)))
		return denied(err, "its algorithm is none of those that are taken");
	if (json_object_get(header, "crit"))
		return denied(err, "it asks for what is not known here (crit)");
	buf_init(&signature, SIGNATURE_MAX);
	if (!jws_base64url(t->signature, t->signature_len, &signature))
		return denied(err, "its signature is not base64url, or too long");
	status = keyring_find(keys, header, alg, now, &key, &own, err);
	if (status == STOW_OK)
		status = jws_verify(key, alg, t->header, t->header_len + 1 + t->payload_len,
		                    signature.data, signature.len, err);
	jws_key_free(own);
	/* with what is wrong */
	return status == STOW_OK || status == STOW_ENOMEM ? status : STOW_EDENIED;
}

/* ---- claims ---- */

static bool is_for(const json_t *audience, const char *service)
{
	if (json_is_string(audience))
		return strcmp(json_string_value(audience), service) == 0;
	for (size_t i = 0; i < json_array_size(audience); i++) {
		const char *one = json_string_value(json_array_get(audience, i));

		if (one && strcmp(one, service) == 0)
			return true;
	}
	return false;
}

/* A NumericDate (RFC 7519 section 2); false where there is none. */
static bool time_of(const json_t *claims, const char *name, double *ret)
{
	const json_t *value = json_object_get(claims, name);

	if (!json_is_number(value))
		return false;
	*ret = json_number_value(value);
	return isfinite(*ret);
}

/* It becomes a user's name. */
static int check_subject(const json_t *value, struct stow_error *err)
{
	const char *text = json_string_value(value);

	if (!value || json_is_null(value))
		return STOW_OK;
	if (!text)
		return denied(err, "it names nobody that could be (sub)");
	if (json_string_length(value) > BEARER_SUBJECT_MAX)
		return denied(err, "it names somebody at too great a length (sub)");
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return denied(err, "there are control characters in a name (sub)");
	}
	return STOW_OK;
}

static int check_claims(const struct bearer *b, const json_t *claims, double now,
                        struct stow_error *err)
{
	const char *issuer = string_of(claims, "iss");
	double expires, begins;

	if (!issuer || strcmp(issuer, b->issuer) != 0)
		return denied(err, "it is of another issuer (iss)");
	if (!is_for(json_object_get(claims, "aud"), b->service))
		return denied(err, "it is for another service (aud)");
	if (!time_of(claims, "exp", &expires))
		return denied(err, "it does not say when it expires (exp)");
	if (now > expires + LEEWAY)
		return denied(err, "it has expired (exp)");
	if (json_object_get(claims, "nbf") &&
	    (!time_of(claims, "nbf", &begins) || now < begins - LEEWAY))
		return denied(err, "its time has not come (nbf)");
	if (json_array_size(json_object_get(claims, "access")) > ACCESS_MAX)
		return denied(err, "it has too many entries (access)");
	return check_subject(json_object_get(claims, "sub"), err);
}

static struct keyring *keys_of(struct bearer *b)
{
	struct keyring *keys;

	mutex_lock(&b->lock);
	keys = keyring_ref(b->keys);
	mutex_unlock(&b->lock);
	return keys;
}

/* Exact to the microsecond, as a quotient of so large a number would not be. */
static double seconds_of(int64_t ns)
{
	int64_t whole = ns / CLOCK_SECOND;

	return (double)whole + (double)(ns % CLOCK_SECOND) / (double)CLOCK_SECOND;
}

/* What it claims counts, and is looked at, only where the signature holds. */
static int read_token(const struct bearer *b, const struct keyring *keys, const char *text,
                      int64_t now_ns, json_t **ret, struct stow_error *err)
{
	struct token t = { 0 };
	json_t *header = NULL;
	int status;

	if (!cut(text, &t))
		return denied(err, "it has not three parts, or too many bytes");
	status = object_of(t.header, t.header_len, HEADER_MAX, &header, err);
	if (status == STOW_OK)
		status = check_signature(b, keys, &t, header, now_ns / CLOCK_SECOND, err);
	json_decref(header);
	if (status == STOW_OK)
		status = object_of(t.payload, t.payload_len, CLAIMS_MAX, ret, err);
	if (status == STOW_OK)
		status = check_claims(b, *ret, seconds_of(now_ns), err);
	return status;
}

int bearer_check(struct bearer *b, const char *token, int64_t now_ns, struct bearer_claims **ret,
                 struct stow_error *err)
{
	struct bearer_claims *claims = calloc(1, sizeof(*claims));
	struct keyring *keys;
	int status;

	if (!claims)
		return error_nomem(err, WHERE);
	keys = keys_of(b);
	status = read_token(b, keys, token, now_ns, &claims->all, err);
	keyring_unref(keys);
	if (status != STOW_OK) {
		bearer_claims_free(claims);
		return status;
	}
	claims->subject = string_of(claims->all, "sub");
	*ret = claims;
	return STOW_OK;
}

const char *bearer_subject(const struct bearer_claims *c)
{
	return c->subject ? c->subject : "";
}

static bool grants(const json_t *entry, const char *type, const char *name, const char *action)
{
	const char *its_type = string_of(entry, "type"), *its_name = string_of(entry, "name");
	const json_t *actions = json_object_get(entry, "actions");

	if (!its_type || !its_name || strcmp(its_type, type) != 0 || strcmp(its_name, name) != 0)
		return false;
	for (size_t i = 0; i < json_array_size(actions); i++) {
		const char *one = json_string_value(json_array_get(actions, i));

		if (one && (strcmp(one, action) == 0 || strcmp(one, "*") == 0))
			return true;
	}
	return false;
}

bool bearer_allows(const struct bearer_claims *c, const char *type, const char *name,
                   const char *action)
{
	const json_t *access = json_object_get(c->all, "access");

	for (size_t i = 0; i < json_array_size(access); i++) {
		if (grants(json_array_get(access, i), type, name, action))
			return true;
	}
	return false;
}

void bearer_claims_free(struct bearer_claims *c)
{
	if (!c)
		return;
	json_decref(c->all);
	free(c);
}

/* ---- all ---- */

static bool keep(char **ret, const char *text)
{
	*ret = text ? strdup(text) : NULL;
	return !text || *ret;
}

int bearer_open(const struct bearer_options *o, struct bearer **ret, struct stow_error *err)
{
	struct bearer *b;
	int status = check_algorithms(o->algorithms ? o->algorithms : KNOWN, err);

	if (status != STOW_OK)
		return status;
	if (!o->issuer || !*o->issuer || !o->service || !*o->service)
		return error_set(err, STOW_EINVAL, WHERE, "[auth] %s is needed for tokens",
		                 o->issuer && *o->issuer ? "service" : "issuer");
	if (!o->jwks && !o->rootcertbundle)
		return error_set(err, STOW_EINVAL, WHERE,
		                 "[auth] issuer: jwks or rootcertbundle is needed, too");
	b = calloc(1, sizeof(*b));
	if (!b)
		return error_nomem(err, WHERE);
	b->sink = o->sink;
	b->have_lock = mutex_init(&b->lock) == 0;
	if (!b->have_lock || !keep(&b->issuer, o->issuer) || !keep(&b->service, o->service) ||
	    !keep(&b->jwks, o->jwks) || !keep(&b->bundle, o->rootcertbundle) ||
	    !keep(&b->algorithms, o->algorithms ? o->algorithms : KNOWN))
		status = error_nomem(err, WHERE);
	if (status == STOW_OK)
		status = bearer_reload(b, err);
	if (status == STOW_OK)
		*ret = b;
	else
		bearer_free(b);
	return status;
}

int bearer_reload(struct bearer *b, struct stow_error *err)
{
	struct keyring *keys = NULL, *old;
	int status = keyring_open(b->jwks, b->bundle, b->sink, &keys, err);

	if (status != STOW_OK)
		return status;
	mutex_lock(&b->lock);
	old = b->keys;
	b->keys = keys;
	mutex_unlock(&b->lock);
	keyring_unref(old);
	return STOW_OK;
}

void bearer_free(struct bearer *b)
{
	if (!b)
		return;
	if (b->have_lock) {
		mutex_lock(&b->lock);
		keyring_unref(b->keys);
		mutex_unlock(&b->lock);
		mutex_done(&b->lock);
	}
	free(b->issuer);
	free(b->service);
	free(b->jwks);
	free(b->bundle);
	free(b->algorithms);
	free(b);
}
