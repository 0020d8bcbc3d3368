/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jws.h over OpenSSL 3 and jansson.
 * It must not know what is signed, nor who is trusted.
 */
#include "common/jws.h"

#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/hash.h"

#define WHERE "jws.key"
#define RSA_BITS_MIN 1024
#define RSA_BITS_MAX 16384
#define FIELD_MAX ((size_t)RSA_BITS_MAX / 8 + 1) /* octets of the longest member of a key */
#define CERTIFICATE_MAX ((size_t)64 << 10)
#define X5C_MAX 8 /* certificates of one chain */

static const struct curve {
	const char *name, *group, *alg, *digest;
	size_t octets; /* of a coordinate */
} curves[] = {
	{ "P-256", "prime256v1", "ES256", "SHA256", 32 },
	{ "P-384", "secp384r1", "ES384", "SHA384", 48 },
	{ "P-521", "secp521r1", "ES512", "SHA512", 66 },
};
#define CURVES (sizeof(curves) / sizeof(curves[0]))

struct jws_key {
	EVP_PKEY *pkey;
	const struct curve *curve; /* NULL: RSA or Ed25519 */
};

/* ---- texts ---- */

static int value_of(char c, bool url)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == (url ? '-' : '+'))
		return 62;
	return c == (url ? '_' : '/') ? 63 : -1;
}

static bool decode(const char *text, size_t len, bool url, struct buf *ret)
{
	uint32_t bits = 0;
	unsigned n = 0;

	if (len % 4 == 1)
		return false;
	for (size_t i = 0; i < len; i++) {
		int value = value_of(text[i], url);

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		n += 6;
		if (n >= 8) {
			n -= 8;
			if (buf_addc(ret, (char)(bits >> n)) != STOW_OK)
				return false;
		}
	}
	return (bits & ((1u << n) - 1)) == 0;
}

bool jws_base64url(const char *text, size_t len, struct buf *ret)
{
	return decode(text, len, true, ret);
}

void jws_base64url_add(struct buf *ret, const void *data, size_t len)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *p = data;
	uint32_t bits = 0;
	unsigned n = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | p[i];
		for (n += 8; n >= 6; n -= 6)
			buf_addc(ret, alphabet[bits >> (n - 6) & 63]);
	}
	if (n)
		buf_addc(ret, alphabet[bits << (6 - n) & 63]);
}

/* With the padding that the standard alphabet asks for. */
static bool decode_standard(const char *text, size_t len, struct buf *ret)
{
	if (len == 0 || len % 4 != 0)
		return false;
	for (int i = 0; i < 2 && text[len - 1] == '='; i++)
		len--;
	return decode(text, len, false, ret);
}

/* A member that is a text without a NUL in it; NULL if it is anything else. */
static const char *member(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	const char *text = json_string_value(value);

	return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static int invalid(struct stow_error *err, const char *what)
{
	ERR_clear_error();
	return error_set(err, STOW_EINVAL, WHERE, "%s", what);
}

static bool octets_of(const json_t *jwk, const char *name, struct buf *ret)
{
	const char *text = member(jwk, name);

	return text && jws_base64url(text, strlen(text), ret);
}

/* ---- keys ---- */

static EVP_PKEY *from_parameters(const char *type, OSSL_PARAM *parameters)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;

	if (!context || EVP_PKEY_fromdata_init(context) <= 0 ||
	    EVP_PKEY_fromdata(context, &pkey, EVP_PKEY_PUBLIC_KEY, parameters) <= 0)
		pkey = NULL;
	EVP_PKEY_CTX_free(context);
	return pkey;
}

static int read_ec(const json_t *jwk, struct jws_key *ret, struct stow_error *err)
{
	const char *name = member(jwk, "crv");
	cleanup_buf struct buf point = { 0 };
	char group[32];

	for (size_t i = 0; name && i < CURVES; i++)
		if (strcmp(name, curves[i].name) == 0)
			ret->curve = &curves[i];
	if (!ret->curve)
		return invalid(err, "crv is not one of P-256, P-384, P-521");
	buf_init(&point, 1 + 2 * FIELD_MAX);
	buf_addc(&point, 4); /* uncompressed */
	if (!octets_of(jwk, "x", &point) || point.len != 1 + ret->curve->octets ||
	    !octets_of(jwk, "y", &point) || point.len != 1 + 2 * ret->curve->octets)
		return invalid(err, "x or y is not a coordinate of the curve");
	memcpy(group, ret->curve->group, strlen(ret->curve->group) + 1);
	ret->pkey = from_parameters(
		"EC", (OSSL_PARAM[]){ OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
	                                                               group, 0),
	                              OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
	                                                                point.data, point.len),
	                              OSSL_PARAM_construct_end() });
	return ret->pkey ? STOW_OK : invalid(err, "x and y are not a point on the curve");
}

static EVP_PKEY *rsa_of(const struct buf *n, const struct buf *e)
{
	BIGNUM *modulus = BN_bin2bn((const unsigned char *)n->data, (int)n->len, NULL);
	BIGNUM *exponent = BN_bin2bn((const unsigned char *)e->data, (int)e->len, NULL);
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	OSSL_PARAM *parameters = NULL;
	EVP_PKEY *pkey = NULL;

	if (modulus && exponent && builder &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) &&
	    OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent))
		parameters = OSSL_PARAM_BLD_to_param(builder);
	if (parameters)
		pkey = from_parameters("RSA", parameters);
	OSSL_PARAM_free(parameters);
	OSSL_PARAM_BLD_free(builder);
	BN_free(modulus);
	BN_free(exponent);
	return pkey;
}

static int read_rsa(const json_t *jwk, struct jws_key *ret, struct stow_error *err)
{
	cleanup_buf struct buf n = { 0 }, e = { 0 };

	buf_init(&n, FIELD_MAX);
	buf_init(&e, 4);
	if (!octets_of(jwk, "n", &n) || n.len == 0)
		return invalid(err, "n is not a modulus");
	if (!octets_of(jwk, "e", &e) || e.len == 0 || !(e.data[e.len - 1] & 1) ||
	    (e.len == 1 && e.data[0] == 1))
		return invalid(err, "e is not an odd exponent of at most four octets");
	ret->pkey = rsa_of(&n, &e);
	return ret->pkey ? STOW_OK : invalid(err, "n and e are not a key");
}

static int read_okp(const json_t *jwk, struct jws_key *ret, struct stow_error *err)
{
	const char *name = member(jwk, "crv");
	cleanup_buf struct buf x = { 0 };

	buf_init(&x, FIELD_MAX);
	if (!name || strcmp(name, "Ed25519") != 0)
		return invalid(err, "crv is not Ed25519");
	if (!octets_of(jwk, "x", &x) || x.len != 32)
		return invalid(err, "x is not a key of 32 octets");
	ret->pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
	                                        (const unsigned char *)x.data, x.len);
	return ret->pkey ? STOW_OK : invalid(err, "x is not a key");
}

/* Of a kind and size that we take. */
static int check_key(struct jws_key *key, struct stow_error *err)
{
	char group[32] = "";
	size_t len = 0;

	if (EVP_PKEY_is_a(key->pkey, "RSA")) {
		int bits = EVP_PKEY_get_bits(key->pkey);

		return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX
		               ? STOW_OK
		               : invalid(err, "RSA of under 1,024 or over 16,384 bits");
	}
	if (EVP_PKEY_is_a(key->pkey, "ED25519"))
		return STOW_OK;
	if (!EVP_PKEY_is_a(key->pkey, "EC") ||
	    EVP_PKEY_get_group_name(key->pkey, group, sizeof(group), &len) <= 0)
		return invalid(err, "neither RSA, nor Ed25519, nor on a named curve");
	for (size_t i = 0; i < CURVES; i++)
		if (strcmp(group, curves[i].group) == 0)
			key->curve = &curves[i];
	return key->curve ? STOW_OK : invalid(err, "not on one of P-256, P-384, P-521");
}

int jws_key_check_kid(const struct jws_key *key, const struct json_t *jwk, struct stow_error *err)
{
	char id[JWS_KEY_ID_LEN + 1];
	const char *kid = member(jwk, "kid");
	int r;

	if (!json_object_get(jwk, "kid"))
		return STOW_OK;
	r = jws_key_id(key, id, err);
	if (r != STOW_OK)
		return r;
	return kid && strcmp(kid, id) == 0 ? STOW_OK : invalid(err, "kid is not that of the key");
}

int jws_key_of_jwk(const struct json_t *jwk, struct jws_key **ret, struct stow_error *err)
{
	struct jws_key *key = calloc(1, sizeof(*key));
	const char *kty = member(jwk, "kty");
	int r;

	if (!key)
		return error_nomem(err, WHERE);
	if (json_object_get(jwk, "d"))
		r = invalid(err, "a private key where a public one belongs");
	else if (kty && strcmp(kty, "EC") == 0)
		r = read_ec(jwk, key, err);
	else if (kty && strcmp(kty, "RSA") == 0)
		r = read_rsa(jwk, key, err);
	else if (kty && strcmp(kty, "OKP") == 0)
		r = read_okp(jwk, key, err);
	else
		r = invalid(err, "kty is not EC, RSA or OKP");
	if (r == STOW_OK)
		r = check_key(key, err);
	if (r != STOW_OK) {
		jws_key_free(key);
		return r;
	}
	*ret = key;
	return STOW_OK;
}

/* Of base64 as in x5c; NULL with the error set where it is none. */
static X509 *certificate_of(const char *text, size_t len, struct stow_error *err)
{
	cleanup_buf struct buf der = { 0 };
	const unsigned char *at;
	X509 *certificate;

	buf_init(&der, CERTIFICATE_MAX);
	if (!decode_standard(text, len, &der)) {
		invalid(err, "x5c is not base64");
		return NULL;
	}
	at = (const unsigned char *)der.data;
	certificate = d2i_X509(NULL, &at, (long)der.len);
	if (!certificate || (size_t)(at - (const unsigned char *)der.data) != der.len) {
		X509_free(certificate);
		invalid(err, "x5c is not a certificate");
		return NULL;
	}
	return certificate;
}

static int key_of(X509 *certificate, struct jws_key **ret, struct stow_error *err)
{
	struct jws_key *key = calloc(1, sizeof(*key));
	int r;

	if (!key)
		return error_nomem(err, WHERE);
	key->pkey = X509_get_pubkey(certificate);
	r = key->pkey ? check_key(key, err) : invalid(err, "the certificate has no key");
	if (r != STOW_OK) {
		jws_key_free(key);
		return r;
	}
	*ret = key;
	return STOW_OK;
}

int jws_key_of_certificate(const char *text, size_t len, struct jws_key **ret,
                           struct stow_error *err)
{
	X509 *certificate = certificate_of(text, len, err);
	int r = certificate ? key_of(certificate, ret, err) : STOW_EINVAL;

	X509_free(certificate);
	return r;
}

void jws_key_free(struct jws_key *key)
{
	if (!key)
		return;
	EVP_PKEY_free(key->pkey);
	free(key);
}

int jws_key_id(const struct jws_key *key, char *ret, struct stow_error *err)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key->pkey, &der);
	uint8_t sum[32];
	uint32_t bits = 0;
	unsigned n = 0, letters = 0;

	if (len <= 0) {
		ERR_clear_error();
		return error_nomem(err, WHERE);
	}
	hash_sha256(der, (size_t)len, sum);
	OPENSSL_free(der);
	for (size_t i = 0; i < 30; i++) {
		bits = bits << 8 | sum[i];
		for (n += 8; n >= 5; n -= 5) {
			if (letters && letters % 4 == 0)
				*ret++ = ':';
			*ret++ = alphabet[bits >> (n - 5) & 31];
			letters++;
		}
	}
	*ret = '\0';
	return STOW_OK;
}

bool jws_key_equal(const struct jws_key *a, const struct jws_key *b)
{
	bool same = EVP_PKEY_eq(a->pkey, b->pkey) == 1;

	ERR_clear_error();
	return same;
}

/* One member of the key, as a JWK has it: a number of so many octets, 0 for as few as there are. */
static bool add_number(const EVP_PKEY *pkey, const char *parameter, size_t octets, struct buf *ret)
{
	unsigned char octet[FIELD_MAX];
	BIGNUM *n = NULL;
	int len = -1;

	if (EVP_PKEY_get_bn_param(pkey, parameter, &n) > 0)
		len = octets                                  ? BN_bn2binpad(n, octet, (int)octets)
		      : BN_num_bytes(n) <= (int)sizeof(octet) ? BN_bn2bin(n, octet)
		                                              : -1;
	BN_free(n);
	if (len < 0)
		return false;
	jws_base64url_add(ret, octet, (size_t)len);
	return true;
}

/* The members that RFC 7638 names (RFC 8037 for OKP), in its order. */
static bool canonical(const struct jws_key *key, bool shortened, struct buf *ret)
{
	size_t octets = key->curve && !shortened ? key->curve->octets : 0;
	unsigned char x[32];
	size_t len = sizeof(x);
	bool ok;

	if (key->curve) {
		buf_addf(ret, "{\"crv\":\"%s\",\"kty\":\"EC\",\"x\":\"", key->curve->name);
		ok = add_number(key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, octets, ret);
		buf_adds(ret, "\",\"y\":\"");
		ok = ok && add_number(key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, octets, ret);
		return buf_adds(ret, "\"}") == STOW_OK && ok;
	}
	if (EVP_PKEY_is_a(key->pkey, "RSA")) {
		buf_adds(ret, "{\"e\":\"");
		ok = add_number(key->pkey, OSSL_PKEY_PARAM_RSA_E, 0, ret);
		buf_adds(ret, "\",\"kty\":\"RSA\",\"n\":\"");
		ok = ok && add_number(key->pkey, OSSL_PKEY_PARAM_RSA_N, 0, ret);
		return buf_adds(ret, "\"}") == STOW_OK && ok;
	}
	if (EVP_PKEY_get_raw_public_key(key->pkey, x, &len) <= 0)
		return false;
	buf_adds(ret, "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":\"");
	jws_base64url_add(ret, x, len);
	return buf_adds(ret, "\"}") == STOW_OK;
}

static int thumbprint(const struct jws_key *key, bool shortened, char *ret, struct stow_error *err)
{
	cleanup_buf struct buf text = { 0 }, encoded = { 0 };
	uint8_t sum[32];

	buf_init(&text, 4 * FIELD_MAX);
	buf_init(&encoded, JWS_THUMBPRINT_LEN);
	if (!canonical(key, shortened, &text)) {
		ERR_clear_error();
		return error_nomem(err, WHERE);
	}
	hash_sha256(text.data, text.len, sum);
	jws_base64url_add(&encoded, sum, sizeof(sum));
	if (buf_status(&encoded) != STOW_OK)
		return error_nomem(err, WHERE);
	memcpy(ret, encoded.data, encoded.len + 1);
	return STOW_OK;
}

int jws_key_thumbprint(const struct jws_key *key, char *ret, struct stow_error *err)
{
	return thumbprint(key, false, ret, err);
}

int jws_key_thumbprint_short(const struct jws_key *key, char *ret, struct stow_error *err)
{
	return thumbprint(key, true, ret, err);
}

int jws_key_rsa_bits(const struct jws_key *key)
{
	return EVP_PKEY_is_a(key->pkey, "RSA") ? EVP_PKEY_get_bits(key->pkey) : 0;
}

/* ---- trusted certificates ---- */

struct jws_roots {
	X509_STORE *store;
	STACK_OF(X509) * list;
};

void jws_roots_free(struct jws_roots *roots)
{
	if (!roots)
		return;
	X509_STORE_free(roots->store);
	sk_X509_pop_free(roots->list, X509_free);
	free(roots);
}

/* The list takes the certificate over. */
static bool add_root(struct jws_roots *roots, X509 *certificate)
{
	if (sk_X509_push(roots->list, certificate) <= 0) {
		X509_free(certificate);
		return false;
	}
	return X509_STORE_add_cert(roots->store, certificate) > 0;
}

int jws_roots_open(const char *pem, size_t len, struct jws_roots **ret, struct stow_error *err)
{
	struct jws_roots *roots = calloc(1, sizeof(*roots));
	BIO *bio = len <= INT32_MAX ? BIO_new_mem_buf(pem, (int)len) : NULL;
	X509 *certificate = NULL;
	bool ok = false, whole;

	if (roots) {
		roots->store = X509_STORE_new();
		roots->list = sk_X509_new_null();
		ok = bio && roots->store && roots->list;
	}
	while (ok && (certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
		ok = add_root(roots, certificate);
	/* it ends by finding none more, and by nothing else */
	whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	BIO_free(bio);
	if (!ok || !whole || sk_X509_num(roots->list) == 0) {
		jws_roots_free(roots);
		return !ok ? error_nomem(err, WHERE)
		           : error_set(err, STOW_EINVAL, WHERE,
		                       "there is no certificate in PEM, or one that is damaged");
	}
	*ret = roots;
	return STOW_OK;
}

int jws_roots_key(const struct jws_roots *roots, size_t i, struct jws_key **ret,
                  struct stow_error *err)
{
	if (i >= (size_t)sk_X509_num(roots->list))
		return error_set(err, STOW_ENOTFOUND, WHERE, "there are no more certificates");
	return key_of(sk_X509_value(roots->list, (int)i), ret, err);
}

/* What x5c has behind its first; all of it to be freed. */
static STACK_OF(X509) * intermediates_of(const json_t *x5c, struct stow_error *err)
{
	STACK_OF(X509) *list = sk_X509_new_null();

	for (size_t i = 1; list && i < json_array_size(x5c); i++) {
		const json_t *one = json_array_get(x5c, i);
		X509 *certificate = json_is_string(one)
		                            ? certificate_of(json_string_value(one),
		                                             json_string_length(one), err)
		                            : NULL;

		if (!json_is_string(one))
			invalid(err, "x5c is not a list of certificates");
		if (!certificate || sk_X509_push(list, certificate) <= 0) {
			X509_free(certificate);
			sk_X509_pop_free(list, X509_free);
			return NULL;
		}
	}
	return list;
}

static int check_chain(const struct jws_roots *roots, X509 *first, STACK_OF(X509) * others,
                       int64_t now, struct stow_error *err)
{
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	bool ready = context && X509_STORE_CTX_init(context, roots->store, first, others) > 0;
	bool ok = false;
	int why = X509_V_ERR_UNSPECIFIED;

	if (ready) {
		X509_VERIFY_PARAM *parameters = X509_STORE_CTX_get0_param(context);

		X509_VERIFY_PARAM_set_time(parameters, (time_t)now);
		X509_VERIFY_PARAM_set_depth(parameters, X5C_MAX);
		/* one that is trusted ends the chain, whether it signed itself or not */
		X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
		/* 80 bits: no SHA-1, no MD5 */
		X509_VERIFY_PARAM_set_auth_level(parameters, 1);
		ok = X509_verify_cert(context) == 1;
		why = X509_STORE_CTX_get_error(context);
	}
	X509_STORE_CTX_free(context);
	ERR_clear_error();
	if (!ready)
		return error_nomem(err, WHERE);
	return ok ? STOW_OK
	          : error_set(err, STOW_EDENIED, WHERE,
	                      "x5c does not lead to a trusted certificate: %s",
	                      X509_verify_cert_error_string(why));
}

int jws_roots_verify(const struct jws_roots *roots, const struct json_t *x5c, int64_t now,
                     struct jws_key **ret, struct stow_error *err)
{
	const json_t *text = json_array_get(x5c, 0);
	STACK_OF(X509) *others = NULL;
	X509 *first;
	int r;

	if (!json_is_string(text) || json_array_size(x5c) > X5C_MAX)
		return invalid(err, "x5c is not a list of a few certificates");
	first = certificate_of(json_string_value(text), json_string_length(text), err);
	if (!first)
		return STOW_EINVAL;
	others = intermediates_of(x5c, err);
	r = others ? check_chain(roots, first, others, now, err) : STOW_EINVAL;
	if (r == STOW_OK)
		r = key_of(first, ret, err);
	sk_X509_pop_free(others, X509_free);
	X509_free(first);
	return r;
}

/* ---- signatures ---- */

/* r and s side by side become what OpenSSL takes; NULL if they cannot. *ret_len is set. */
static unsigned char *der_of(const struct curve *curve, const unsigned char *signature,
                             int *ret_len)
{
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(signature, (int)curve->octets, NULL);
	BIGNUM *s = BN_bin2bn(signature + curve->octets, (int)curve->octets, NULL);
	unsigned char *der = NULL;

	if (pair && r && s && ECDSA_SIG_set0(pair, r, s))
		r = s = NULL; /* pair's */
	else
		goto end;
	*ret_len = i2d_ECDSA_SIG(pair, &der);
end:
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(pair);
	return der;
}

/* The name of the hash that alg asks for with such a key; NULL where it does not fit. "" is none. */
static const char *digest_for(const struct jws_key *key, const char *alg, bool *ret_pss)
{
	static const char *const names[][2] = { { "256", "SHA256" },
		                                { "384", "SHA384" },
		                                { "512", "SHA512" } };

	*ret_pss = false;
	if (key->curve)
		return strcmp(alg, key->curve->alg) == 0 ? key->curve->digest : NULL;
	if (!EVP_PKEY_is_a(key->pkey, "RSA"))
		return strcmp(alg, "EdDSA") == 0 ? "" : NULL;
	if (strncmp(alg, "RS", 2) != 0 && strncmp(alg, "PS", 2) != 0)
		return NULL;
	*ret_pss = alg[0] == 'P';
	for (size_t i = 0; i < 3; i++)
		if (strcmp(alg + 2, names[i][0]) == 0)
			return names[i][1];
	return NULL;
}

bool jws_key_fits(const struct jws_key *key, const char *alg)
{
	bool pss;

	return digest_for(key, alg, &pss) != NULL;
}

static bool holds(const struct jws_key *key, const char *digest, bool pss, const void *data,
                  size_t len, const unsigned char *signature, size_t signature_len)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *parameters = NULL;
	bool ok = context && EVP_DigestVerifyInit_ex(context, &parameters, *digest ? digest : NULL,
	                                             NULL, NULL, key->pkey, NULL) > 0;

	if (ok && pss)
		ok = EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) > 0 &&
		     EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) > 0;
	ok = ok && EVP_DigestVerify(context, signature, signature_len, data, len) == 1;
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return ok;
}

int jws_verify(const struct jws_key *key, const char *alg, const void *data, size_t len,
               const void *signature, size_t signature_len, struct stow_error *err)
{
	const unsigned char *bytes = signature;
	unsigned char *der = NULL;
	size_t want = signature_len;
	const char *digest;
	bool pss, ok;

	digest = digest_for(key, alg, &pss);
	if (!digest)
		return invalid(err, "alg does not fit the key");
	if (key->curve)
		want = 2 * key->curve->octets;
	else if (*digest == '\0')
		want = 64; /* of Ed25519; RSA of another length is simply another key's */
	if (signature_len != want)
		return invalid(err, "the signature is not of the length that alg asks for");
	if (key->curve) {
		int der_len = 0;

		der = der_of(key->curve, signature, &der_len);
		if (!der || der_len <= 0)
			return error_nomem(err, WHERE);
		bytes = der;
		signature_len = (size_t)der_len;
	}
	ok = holds(key, digest, pss, data, len, bytes, signature_len);
	OPENSSL_free(der);
	return ok ? STOW_OK : error_set(err, STOW_EDENIED, WHERE, "the signature does not hold");
}
