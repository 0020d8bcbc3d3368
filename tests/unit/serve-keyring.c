/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose key a bearer token may be signed by: files of keys, what they are called, certificates and
 * their chains.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tests/unit/token-maker.h"

/* ---- keys ---- */

static void names_of_a_key(void **state)
{
	EVP_PKEY *pkey = NULL;
	struct jws_key *public = NULL;
	json_t *jwk = NULL;
	char id[JWS_KEY_ID_LEN + 1], name[JWS_THUMBPRINT_LEN + 1], shorter[sizeof(name)] = "";
	struct bearer *b;

	(void)state;
	/* one key in 128 has two thumbprints */
	do {
		EVP_PKEY_free(pkey);
		jws_key_free(public);
		json_decref(jwk);
		pkey = new_key("ES256");
		jwk = jwk_of(pkey);
		assert_int_equal(jws_key_of_jwk(jwk, &public, NULL), STOW_OK);
		assert_int_equal(jws_key_thumbprint(public, name, NULL), STOW_OK);
		assert_int_equal(jws_key_thumbprint_short(public, shorter, NULL), STOW_OK);
	} while (strcmp(name, shorter) == 0);
	assert_int_equal(jws_key_id(public, id, NULL), STOW_OK);
	json_object_set_new(jwk, "kid", json_string("key 1"));
	write_set(json_pack("[O, o]", jwk, jwk_of(key)));
	b = open_files(set_path, NULL, NULL);
	assert_int_equal(check_kid(b, pkey, "ES256", "key 1"), STOW_OK);
	assert_int_equal(check_kid(b, pkey, "ES256", name), STOW_OK);
	assert_int_equal(check_kid(b, pkey, "ES256", shorter), STOW_OK);
	assert_int_equal(check_kid(b, pkey, "ES256", id), STOW_OK);
	assert_int_equal(check_kid(b, pkey, "ES256", "key 2"), STOW_EDENIED);
	assert_int_equal(check_kid(b, pkey, "ES256", kid), STOW_EDENIED);
	assert_int_equal(check_kid(b, pkey, "ES256", ""), STOW_EDENIED);
	assert_int_equal(check_header(b, pkey, "ES256", ""), STOW_EDENIED);
	assert_int_equal(check_header(b, pkey, "ES256", "\"kid\":1"), STOW_EDENIED);
	bearer_free(b);
	json_decref(jwk);
	jws_key_free(public);
	EVP_PKEY_free(pkey);
}

/* RFC 7517 section 4.4, 4.5. */
static void keys_by_algorithm(void **state)
{
	EVP_PKEY *rsa = new_key("RS256"), *edwards = new_key("EdDSA");
	json_t *one = jwk_of(rsa), *two = jwk_of(edwards), *three = jwk_of(key);
	struct bearer *b;

	(void)state;
	json_object_set_new(one, "kid", json_string("same"));
	json_object_set_new(one, "alg", json_string("PS256"));
	json_object_set_new(two, "kid", json_string("same"));
	json_object_set_new(three, "kid", json_string("same"));
	json_object_set_new(three, "use", json_string("sig"));
	json_object_set_new(three, "key_ops", json_pack("[s]", "verify"));
	write_set(json_pack("[o, o, o]", one, two, three));
	b = open_files(set_path, NULL, NULL);
	assert_int_equal(check_kid(b, rsa, "PS256", "same"), STOW_OK);
	assert_int_equal(check_kid(b, rsa, "RS256", "same"), STOW_EDENIED);
	assert_int_equal(check_kid(b, edwards, "EdDSA", "same"), STOW_OK);
	assert_int_equal(check_kid(b, key, "ES256", "same"), STOW_OK);
	bearer_free(b);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(edwards);
}

static char *text_of_jwk(const char *name, const json_t *jwk)
{
	cleanup_free char *text = json_dumps(jwk, JSON_COMPACT);
	struct buf more = { 0 };

	buf_init(&more, (size_t)1 << 20);
	buf_addf(&more, "\"%s\":%s", name, text);
	return buf_take(&more);
}

static void a_key_that_is_brought_along(void **state)
{
	EVP_PKEY *other = new_key("ES256");
	json_t *mine = jwk_of(key), *theirs = jwk_of(other);
	cleanup_free char *good = text_of_jwk("jwk", mine), *bad = text_of_jwk("jwk", theirs);
	cleanup_free char *named = NULL, *private = NULL;
	struct bearer *b = open_one(key);

	(void)state;
	assert_int_equal(check_header(b, key, "ES256", good), STOW_OK);
	assert_int_equal(check_header(b, other, "ES256", good), STOW_EDENIED);
	assert_int_equal(check_header(b, other, "ES256", bad), STOW_EDENIED);
	json_object_set_new(theirs, "kid", json_string(kid));
	named = text_of_jwk("kid\":\"x\",\"jwk", theirs);
	assert_int_equal(check_header(b, other, "ES256", named), STOW_EDENIED);
	json_object_set_new(mine, "d", json_string("AAAA"));
	private = text_of_jwk("jwk", mine);
	assert_int_equal(check_header(b, key, "ES256", private), STOW_EDENIED);
	assert_int_equal(check_header(b, key, "ES256", "\"jwk\":\"\""), STOW_EDENIED);
	assert_int_equal(check_header(b, key, "ES256", "\"jwk\":{\"kty\":\"oct\",\"k\":\"\"}"),
	                 STOW_EDENIED);
	/* nor does anything lead elsewhere */
	assert_int_equal(check_header(b, other, "ES256", "\"jku\":\"https://x.example.org\""),
	                 STOW_EDENIED);
	bearer_free(b);
	json_decref(mine);
	json_decref(theirs);
	EVP_PKEY_free(other);
}

/* ---- chains of certificates ---- */

struct authority {
	EVP_PKEY *pkey;
	X509 *certificate;
};

static void add_extension(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(extension);
	assert_true(X509_add_ext(x, extension, -1));
	X509_EXTENSION_free(extension);
}

/* By issuer, or by itself where that is NULL; good for days from NOW, or that many until NOW. */
static struct authority certify(const char *name, const struct authority *issuer, bool ca, int days,
                                const EVP_MD *digest)
{
	struct authority ret = { .pkey = new_key("ES256"), .certificate = X509_new() };
	X509 *x = ret.certificate;
	X509_NAME *subject = X509_get_subject_name(x);
	static long serial;
	time_t from = NOW + (days < 0 ? days * 86400L : -600), to = NOW + days * 86400L;

	if (days < 0)
		to = NOW - 600;
	assert_true(X509_set_version(x, 2) && X509_set_pubkey(x, ret.pkey) &&
	            ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial) &&
	            ASN1_TIME_set(X509_getm_notBefore(x), from) &&
	            ASN1_TIME_set(X509_getm_notAfter(x), to) &&
	            X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
	                                       (const unsigned char *)name, -1, -1, 0) &&
	            X509_set_issuer_name(x, issuer ? X509_get_subject_name(issuer->certificate)
	                                           : subject));
	add_extension(x, NID_basic_constraints, ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	/* what it is for does not count: no token service has certificates for that */
	if (!ca)
		add_extension(x, NID_ext_key_usage, "serverAuth");
	assert_true(X509_sign(x, issuer ? issuer->pkey : ret.pkey, digest));
	return ret;
}

static void done(struct authority *a)
{
	EVP_PKEY_free(a->pkey);
	X509_free(a->certificate);
}

static void write_bundle(const struct authority *const *list, size_t n)
{
	FILE *file = fopen(bundle_path, "w");

	assert_non_null(file);
	for (size_t i = 0; i < n; i++)
		assert_true(PEM_write_X509(file, list[i]->certificate));
	assert_int_equal(fclose(file), 0);
}

static struct bearer *open_bundle(const struct authority *one)
{
	write_bundle(&one, 1);
	return open_files(NULL, bundle_path, NULL);
}

/* "x5c":[...] of up to three. To be freed. */
static char *chain_of(const struct authority *a, const struct authority *b,
                      const struct authority *c)
{
	const struct authority *const list[] = { a, b, c };
	struct buf text = { 0 };

	buf_init(&text, 60000);
	buf_adds(&text, "\"x5c\":[");
	for (size_t i = 0; i < 3 && list[i]; i++) {
		unsigned char *der = NULL;
		int len = i2d_X509(list[i]->certificate, &der);
		cleanup_free char *base64 = malloc(TEXT_BASE64_LEN((size_t)len) + 1);

		assert_true(base64 && len > 0);
		text_base64(base64, der, (size_t)len);
		buf_addf(&text, "%s\"%s\"", i ? "," : "", base64);
		OPENSSL_free(der);
	}
	buf_addc(&text, ']');
	return buf_take(&text);
}

static int check_chain(struct bearer *b, const struct authority *a, const struct authority *one,
                       const struct authority *two)
{
	cleanup_free char *more = chain_of(a, one, two);

	return check_header(b, a->pkey, "ES256", more);
}

static void chains(void **state)
{
	struct authority root = certify("root", NULL, true, 10, EVP_sha256());
	struct authority middle = certify("middle", &root, true, 10, EVP_sha256());
	struct authority leaf = certify("leaf", &middle, false, 10, EVP_sha256());
	struct authority direct = certify("leaf", &root, false, 10, EVP_sha256());
	struct authority expired = certify("leaf", &root, false, -10, EVP_sha256());
	struct authority old = certify("leaf", &root, false, 10, EVP_sha1());
	struct authority alone = certify("leaf", NULL, false, 10, EVP_sha256());
	struct authority fake = certify("root", NULL, true, 10, EVP_sha256());
	struct authority forged = certify("leaf", &fake, false, 10, EVP_sha256());
	struct authority below = certify("below", &direct, false, 10, EVP_sha256());
	struct bearer *b = open_bundle(&root);
	cleanup_free char *more = chain_of(&direct, NULL, NULL);

	(void)state;
	assert_int_equal(check_chain(b, &leaf, &middle, NULL), STOW_OK);
	assert_int_equal(check_chain(b, &leaf, &middle, &root), STOW_OK);
	assert_int_equal(check_chain(b, &direct, NULL, NULL), STOW_OK);
	assert_int_equal(check_chain(b, &root, NULL, NULL), STOW_OK);
	assert_int_equal(check_chain(b, &leaf, NULL, NULL), STOW_EDENIED);
	assert_int_equal(check_chain(b, &leaf, &root, NULL), STOW_EDENIED);
	assert_int_equal(check_chain(b, &expired, NULL, NULL), STOW_EDENIED);
	assert_int_equal(check_chain(b, &old, NULL, NULL), STOW_EDENIED);
	assert_int_equal(check_chain(b, &alone, NULL, NULL), STOW_EDENIED);
	assert_int_equal(check_chain(b, &fake, NULL, NULL), STOW_EDENIED);
	assert_int_equal(check_chain(b, &forged, NULL, NULL), STOW_EDENIED);
	assert_int_equal(check_chain(b, &forged, &fake, NULL), STOW_EDENIED);
	assert_int_equal(check_chain(b, &forged, &fake, &root), STOW_EDENIED);
	assert_int_equal(check_chain(b, &below, &direct, NULL), STOW_EDENIED); /* no authority */
	/* the first is whose key it is */
	assert_int_equal(check_header(b, leaf.pkey, "ES256", more), STOW_EDENIED);
	assert_int_equal(check_header(b, direct.pkey, "ES256", "\"x5c\":[]"), STOW_EDENIED);
	assert_int_equal(check_header(b, direct.pkey, "ES256", "\"x5c\":[7]"), STOW_EDENIED);
	assert_int_equal(check_header(b, direct.pkey, "ES256", "\"x5c\":\"AAAA\""), STOW_EDENIED);
	assert_int_equal(check_header(b, direct.pkey, "ES256", "\"x5c\":[\"AAAA\"]"), STOW_EDENIED);
	bearer_free(b);
	/* in the bundle, an end is one, whoever signed it */
	b = open_bundle(&alone);
	assert_int_equal(check_chain(b, &alone, NULL, NULL), STOW_OK);
	assert_int_equal(check_chain(b, &direct, NULL, NULL), STOW_EDENIED);
	bearer_free(b);
	b = open_bundle(&middle);
	assert_int_equal(check_chain(b, &leaf, NULL, NULL), STOW_OK);
	assert_int_equal(check_chain(b, &middle, NULL, NULL), STOW_OK);
	assert_int_equal(check_chain(b, &direct, NULL, NULL), STOW_EDENIED);
	bearer_free(b);
	b = open_bundle(&expired);
	assert_int_equal(check_chain(b, &expired, NULL, NULL), STOW_EDENIED);
	bearer_free(b);
	struct authority *all[] = { &root, &middle, &leaf, &direct, &expired,
		                    &old,  &alone,  &fake, &forged, &below };
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		done(all[i]);
}

/* A chain that does not hold is not made good by a name; without a bundle it says nothing. */
static void chains_and_names(void **state)
{
	struct authority root = certify("root", NULL, true, 10, EVP_sha256());
	struct authority leaf = certify("leaf", &root, false, 10, EVP_sha256());
	struct authority other = certify("leaf", NULL, false, 10, EVP_sha256());
	cleanup_free char *chain = chain_of(&other, NULL, NULL),
			  *good = chain_of(&leaf, NULL, NULL);
	cleanup_free char *name = kid_of(kid);
	char more[8000], id[JWS_THUMBPRINT_LEN + 1];
	json_t *jwk = jwk_of(leaf.pkey), *wrong = jwk_of(other.pkey);
	const struct authority *const bundle[] = { &root };
	struct bearer *b;

	(void)state;
	write_bundle(bundle, 1);
	write_set(json_pack("[o]", jwk_of(key)));
	b = open_files(set_path, bundle_path, NULL);
	assert_true(text_format(more, sizeof(more), "%s,%s", chain, name));
	assert_int_equal(check_header(b, key, "ES256", more), STOW_EDENIED);
	assert_int_equal(check_header(b, key, "ES256", name), STOW_OK);
	/* the bundle's own keys have names, too */
	thumbprint_of(root.pkey, id);
	assert_int_equal(check_kid(b, root.pkey, "ES256", id), STOW_OK);
	thumbprint_of(leaf.pkey, id);
	assert_int_equal(check_kid(b, leaf.pkey, "ES256", id), STOW_EDENIED);
	/* a jwk's certificates are of its key */
	for (int i = 0; i < 2; i++) {
		cleanup_free char *text = json_dumps(i ? wrong : jwk, JSON_COMPACT);

		assert_true(text_format(more, sizeof(more), "\"jwk\":{%.*s,%s}",
		                        (int)strlen(text) - 2, text + 1, good));
		assert_int_equal(check_header(b, leaf.pkey, "ES256", more),
		                 i ? STOW_EDENIED : STOW_OK);
		assert_int_equal(check_header(b, other.pkey, "ES256", more), STOW_EDENIED);
	}
	bearer_free(b);
	b = open_files(set_path, NULL, NULL);
	assert_true(text_format(more, sizeof(more), "%s,%s", chain, name));
	assert_int_equal(check_header(b, key, "ES256", more), STOW_OK);
	assert_int_equal(check_header(b, other.pkey, "ES256", more), STOW_EDENIED);
	assert_int_equal(check_header(b, leaf.pkey, "ES256", good), STOW_EDENIED);
	bearer_free(b);
	json_decref(jwk);
	json_decref(wrong);
	done(&root);
	done(&leaf);
	done(&other);
}

/* ---- files and options ---- */

static int opens(const char *set, const char *bundle, struct stow_error *err)
{
	const struct bearer_options options = {
		.issuer = ISSUER, .service = SERVICE, .jwks = set, .rootcertbundle = bundle
	};
	struct bearer *b = NULL;
	int status = bearer_open(&options, &b, err);

	assert_true((status == STOW_OK) == (b != NULL));
	bearer_free(b);
	return status;
}

static void sets(void **state)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"keys\":[]}",
		"{\"keys\":{}}",
		"{\"keys\":[%s]",
		"{\"keys\":[%s],\"keys\":[%s]}",
		"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AAAA\"},%s]}",
		"{\"keys\":[%s,{\"kty\":\"EC\",\"d\":\"AAAA\"}]}",
		"{\"keys\":[{\"kty\":\"new\"},null,7]}",
		"{\"kty\":\"new\"}",
	};
	static const char *const good[] = {
		"%s",
		"{\"keys\":[%s]}",
		"{\"keys\":[{\"kty\":\"new\"},{\"kty\":\"EC\",\"crv\":\"P-256\"},null,%s],\"x\":1}",
		"{\"keys\":[{\"kty\":\"EC\",\"use\":\"enc\",\"kid\":\"%s\"},%s]}",
	};
	json_t *jwk = jwk_of(key);
	cleanup_free char *text = json_dumps(jwk, 0);
	struct stow_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]) + sizeof(good) / sizeof(good[0]); i++) {
		bool is_bad = i < sizeof(bad) / sizeof(bad[0]);
		const char *p = is_bad ? bad[i] : good[i - sizeof(bad) / sizeof(bad[0])];
		struct buf whole = { 0 };

		buf_init(&whole, 10000);
		for (const char *begin = p; *p; p++) {
			/* within quotes it is itself */
			if (*p == '%' && (p == begin || p[-1] != '"'))
				buf_adds(&whole, text), p++;
			else
				buf_addc(&whole, *p);
		}
		write_file(set_path, buf_text(&whole));
		memset(&err, 0, sizeof(err));
		if (opens(set_path, NULL, &err) != (is_bad ? STOW_EINVAL : STOW_OK))
			fail_msg("%s: %s", buf_text(&whole), err.message);
		assert_true(!is_bad || strstr(err.message, set_path));
		buf_done(&whole);
	}
	json_decref(jwk);
}

/* Not for signatures, or too weak for them. */
static void keys_that_do_not_count(void **state)
{
	EVP_PKEY *weak = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	EVP_PKEY *other = new_key("ES256"), *third = new_key("ES256");
	char name[JWS_THUMBPRINT_LEN + 1];
	json_t *two = jwk_of(other), *three = jwk_of(third);
	struct bearer *b;

	(void)state;
	json_object_set_new(two, "use", json_string("enc"));
	json_object_set_new(three, "key_ops", json_pack("[s]", "deriveKey"));
	write_set(json_pack("[o, o, o, o]", jwk_of(weak), two, three, jwk_of(key)));
	b = open_files(set_path, NULL, NULL);
	assert_int_equal(check_kid(b, key, "ES256", kid), STOW_OK);
	thumbprint_of(weak, name);
	assert_int_equal(check_kid(b, weak, "RS256", name), STOW_EDENIED);
	thumbprint_of(other, name);
	assert_int_equal(check_kid(b, other, "ES256", name), STOW_EDENIED);
	thumbprint_of(third, name);
	assert_int_equal(check_kid(b, third, "ES256", name), STOW_EDENIED);
	bearer_free(b);
	EVP_PKEY_free(weak);
	EVP_PKEY_free(other);
	EVP_PKEY_free(third);
}

static void bundles(void **state)
{
	struct authority one = certify("one", NULL, true, 10, EVP_sha256());
	const struct authority *const list[] = { &one };
	struct stow_error err = { 0 };
	char pem[4000];
	size_t len;
	FILE *file;

	(void)state;
	write_bundle(list, 1);
	file = fopen(bundle_path, "r");
	assert_non_null(file);
	len = fread(pem, 1, sizeof(pem) - 1, file);
	pem[len] = '\0';
	fclose(file);
	assert_int_equal(opens(NULL, bundle_path, &err), STOW_OK);
	file = fopen(bundle_path, "w");
	assert_non_null(file);
	fprintf(file, "a text\n-----BEGIN X-----\nAAAA\n-----END X-----\n%s# more\n%s", pem, pem);
	fclose(file);
	assert_int_equal(opens(NULL, bundle_path, &err), STOW_OK);
	pem[len / 2] = '*';
	write_file(bundle_path, pem);
	assert_int_equal(opens(NULL, bundle_path, &err), STOW_EINVAL);
	assert_non_null(strstr(err.message, bundle_path));
	pem[len / 2] = '\0';
	write_file(bundle_path, pem);
	assert_int_equal(opens(NULL, bundle_path, &err), STOW_EINVAL);
	write_file(bundle_path, "");
	assert_int_equal(opens(NULL, bundle_path, &err), STOW_EINVAL);
	write_file(bundle_path, "nothing in PEM\n");
	assert_int_equal(opens(NULL, bundle_path, &err), STOW_EINVAL);
	assert_true(opens(NULL, "/nonexistent/bundle", &err) != STOW_OK);
	assert_non_null(strstr(err.message, "/nonexistent/bundle"));
	assert_true(opens("/nonexistent/set", NULL, &err) != STOW_OK);
	assert_non_null(strstr(err.message, "/nonexistent/set"));
	done(&one);
}

static void reload(void **state)
{
	EVP_PKEY *next = new_key("EdDSA");
	struct bearer *b = open_one(key);
	struct stow_error err = { 0 };
	char name[JWS_THUMBPRINT_LEN + 1];

	(void)state;
	thumbprint_of(next, name);
	assert_int_equal(check_kid(b, key, "ES256", kid), STOW_OK);
	write_file(set_path, "{");
	assert_int_equal(bearer_reload(b, &err), STOW_EINVAL);
	assert_non_null(strstr(err.message, set_path));
	assert_int_equal(check_kid(b, key, "ES256", kid), STOW_OK);
	unlink(set_path);
	assert_true(bearer_reload(b, NULL) != STOW_OK);
	assert_int_equal(check_kid(b, key, "ES256", kid), STOW_OK);
	write_set(json_pack("[o]", jwk_of(next)));
	assert_int_equal(check_kid(b, next, "EdDSA", name), STOW_EDENIED);
	assert_int_equal(bearer_reload(b, NULL), STOW_OK);
	assert_int_equal(check_kid(b, next, "EdDSA", name), STOW_OK);
	assert_int_equal(check_kid(b, key, "ES256", kid), STOW_EDENIED);
	bearer_free(b);
	EVP_PKEY_free(next);
}

static void options(void **state)
{
	static const char *const bad[] = { "none",  "HS256", "RS256,HS256", "RS256 none",
		                           "rs256", "ES521", ",",           "",
		                           "RS",    "RS2567" };
	static const char *const good[] = { "RS256", " RS256, ES512 ", "EdDSA PS256" };
	struct bearer_options o = { .issuer = ISSUER, .service = SERVICE, .jwks = set_path };
	struct stow_error err = { 0 };
	struct bearer *b = NULL;

	(void)state;
	write_set(json_pack("[o]", jwk_of(key)));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		o.algorithms = bad[i];
		assert_int_equal(bearer_open(&o, &b, &err), STOW_EINVAL);
		assert_non_null(strstr(err.message, "signingalgorithms"));
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		o.algorithms = good[i];
		assert_int_equal(bearer_open(&o, &b, NULL), STOW_OK);
		bearer_free(b);
		b = NULL;
	}
	o.issuer = "";
	assert_int_equal(bearer_open(&o, &b, &err), STOW_EINVAL);
	assert_non_null(strstr(err.message, "issuer"));
	o = (struct bearer_options){ .issuer = ISSUER, .jwks = set_path };
	assert_int_equal(bearer_open(&o, &b, &err), STOW_EINVAL);
	assert_non_null(strstr(err.message, "service"));
	assert_int_equal(opens(NULL, NULL, &err), STOW_EINVAL);
	assert_non_null(strstr(err.message, "jwks"));
	bearer_free(NULL);
	bearer_claims_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_a_key),
		cmocka_unit_test(keys_by_algorithm),
		cmocka_unit_test(a_key_that_is_brought_along),
		cmocka_unit_test(chains),
		cmocka_unit_test(chains_and_names),
		cmocka_unit_test(sets),
		cmocka_unit_test(keys_that_do_not_count),
		cmocka_unit_test(bundles),
		cmocka_unit_test(reload),
		cmocka_unit_test(options),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
