/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes host/serve/bearer, keyring and what of common/jws they use.  The first line says what the
 * rest is:
 *   token          a token as a client sends it
 *   header         the text of a header; an empty set of claims is put behind it
 *   set, bundle    a file of keys
 *   header=TEXT    that header, and the rest are claims, signed by a key that is trusted
 * None but the last is ever taken, and then only by its own claims.
 */
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/jws.h"
#include "common/text.h"
#include "host/serve/bearer.h"
#include "tests/fuzz/fuzz.h"

#define NOW_NS INT64_C(1800000000000000000)
#define TRUSTED                                                                                    \
	"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"kid\":\"one\","                         \
	"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"
/* the private half, of RFC 8037 section A.1 */
static const unsigned char SECRET[] = {
	0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a,
	0xf4, 0x92, 0xec, 0x2c, 0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32,
	0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae, 0x7f, 0x60,
};

static struct bearer *trusting;

/* A file that has no name; the path is of this process. */
static int file_of(const char *text, size_t len, char path[40])
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	REQUIRE(fd >= 0 && write(fd, text, len) == (ssize_t)len);
	REQUIRE(text_format(path, 40, "/proc/self/fd/%d", fd));
	return fd;
}

/* A certificate of nobody's, so that chains are looked at. */
static int bundle_of_one(char path[40])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, SECRET,
	                                             sizeof(SECRET));
	X509 *x = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem;
	long len;
	int fd;

	REQUIRE(key && x && bio && ASN1_TIME_set(X509_getm_notBefore(x), NOW_NS / 1000000000) &&
	        ASN1_TIME_set(X509_getm_notAfter(x), NOW_NS / 1000000000 + 1) &&
	        X509_set_pubkey(x, key) && X509_sign(x, key, NULL) && PEM_write_bio_X509(bio, x));
	len = BIO_get_mem_data(bio, &pem);
	fd = file_of(pem, (size_t)len, path);
	BIO_free(bio);
	X509_free(x);
	EVP_PKEY_free(key);
	return fd;
}

static int check(const char *token)
{
	struct bearer_claims *claims = NULL;
	struct stow_error err = { 0 };
	int status = bearer_check(trusting, token, NOW_NS, &claims, &err);

	REQUIRE((status == STOW_OK) == (claims != NULL));
	REQUIRE(fuzz_is_line(err.message));
	if (status != STOW_OK) {
		REQUIRE(status == STOW_EDENIED && err.message[0]);
		return status;
	}
	REQUIRE(strlen(bearer_subject(claims)) <= BEARER_SUBJECT_MAX &&
	        fuzz_is_line(bearer_subject(claims)));
	/* what counts for all counts for each */
	if (bearer_allows(claims, "repository", "a", "*"))
		REQUIRE(bearer_allows(claims, "repository", "a", "pull"));
	bearer_claims_free(claims);
	return status;
}

static void check_header(const char *header)
{
	struct buf cleanup_buf token = { 0 };

	buf_init(&token, (size_t)1 << 24);
	jws_base64url_add(&token, header, strlen(header));
	buf_adds(&token, ".e30.e30");
	REQUIRE(check(buf_text(&token)) != STOW_OK);
}

static int check_signed(const char *header, const char *claims)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, SECRET,
	                                             sizeof(SECRET));
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	struct buf cleanup_buf token = { 0 };
	unsigned char signature[64];
	size_t len = sizeof(signature);
	int status;

	buf_init(&token, (size_t)1 << 24);
	jws_base64url_add(&token, header, strlen(header));
	buf_addc(&token, '.');
	jws_base64url_add(&token, claims, strlen(claims));
	REQUIRE(key && context && EVP_DigestSignInit(context, NULL, NULL, NULL, key) > 0 &&
	        EVP_DigestSign(context, signature, &len, (const unsigned char *)buf_text(&token),
	                       token.len) > 0);
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(key);
	buf_addc(&token, '.');
	jws_base64url_add(&token, signature, len);
	status = check(buf_text(&token));
	if (status == STOW_OK)
		REQUIRE(strstr(header, "EdDSA") && !strstr(header, "\"crit\"") &&
		        strstr(claims, "exp") && strchr(claims, 'i') && strchr(claims, 's'));
	return status;
}

static void open_trusting(void)
{
	char set[40], bundle[40];
	int a = file_of(TRUSTED, strlen(TRUSTED), set), b = bundle_of_one(bundle);
	const struct bearer_options options = {
		.issuer = "i", .service = "s", .jwks = set, .rootcertbundle = bundle
	};

	REQUIRE(bearer_open(&options, &trusting, NULL) == STOW_OK);
	close(a);
	close(b);
	/* else nothing would be shown */
	REQUIRE(check_signed("{\"alg\":\"EdDSA\",\"kid\":\"one\"}",
	                     "{\"iss\":\"i\",\"aud\":\"s\",\"exp\":1800000300}") == STOW_OK);
}

static void check_file(const char *text, bool is_set)
{
	char path[40];
	int fd = file_of(text, strlen(text), path);
	const struct bearer_options options = { .issuer = "i",
		                                .service = "s",
		                                .jwks = is_set ? path : NULL,
		                                .rootcertbundle = is_set ? NULL : path };
	struct bearer *b = NULL;
	struct stow_error err = { 0 };
	int status = bearer_open(&options, &b, &err);

	close(fd);
	REQUIRE((status == STOW_OK) == (b != NULL));
	REQUIRE(fuzz_is_line(err.message));
	REQUIRE(status == STOW_OK || strstr(err.message, path));
	bearer_free(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup_free char *text = fuzz_text(data, len);
	char *rest = text, *kind = fuzz_line(&rest);

	if (!trusting)
		open_trusting();
	if (strcmp(kind, "token") == 0)
		(void)check(rest);
	else if (strcmp(kind, "header") == 0)
		check_header(rest);
	else if (text_starts(kind, "header="))
		(void)check_signed(kind + strlen("header="), rest);
	else
		check_file(rest, strcmp(kind, "set") == 0);
	return 0;
}
