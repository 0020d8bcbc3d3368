/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON web signatures and keys (RFC 7515, 7517, 7518, 8037) over OpenSSL: public keys from a JWK or
 * a certificate, and the check of one signature.
 *
 * It promises: an algorithm is taken only if it fits the type of the key, so a header cannot choose
 * another kind of check; there is no "none" and no HMAC.  A key is a point on one of four curves or
 * RSA of 1,024 to 16,384 bits.  Whether a key is trusted is the caller's to decide; it must not know
 * what is signed.  Threads: a key may be used by any number at once.
 */
#ifndef COMMON_JWS_H
#define COMMON_JWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stowage/types.h>

#include "common/buf.h"

struct json_t; /* jansson's */
struct jws_key;

#define JWS_KEY_ID_LEN 59 /* twelve groups of four and what parts them */

/* The URL alphabet, no padding, no spare bits set; false for anything else. Adds to ret. */
bool jws_base64url(const char *text, size_t len, struct buf *ret);
/* The other way; see buf_status. */
void jws_base64url_add(struct buf *ret, const void *data, size_t len);

/* A public key of kty EC (P-256, P-384, P-521), RSA or OKP (Ed25519). A private one is refused.
 * STOW_EINVAL with a line that says what is wrong. */
int jws_key_of_jwk(const struct json_t *jwk, struct jws_key **ret, struct stow_error *);
/* The key of a certificate as x5c has it: DER in base64 of the standard alphabet. Neither issuer nor
 * dates are looked at. */
int jws_key_of_certificate(const char *text, size_t len, struct jws_key **ret, struct stow_error *);
void jws_key_free(struct jws_key *); /* takes NULL */
/* libtrust's name of a key: of the SHA-256 of its SubjectPublicKeyInfo, 30 octets in base32. ret
 * takes JWS_KEY_ID_LEN + 1 bytes. */
int jws_key_id(const struct jws_key *, char *ret, struct stow_error *);
/* STOW_EINVAL where the JWK has a kid that is another than libtrust's. */
int jws_key_check_kid(const struct jws_key *, const struct json_t *jwk, struct stow_error *);

#define JWS_THUMBPRINT_LEN 43
/* The name of a key by RFC 7638, of SHA-256. ret takes JWS_THUMBPRINT_LEN + 1 bytes. */
int jws_key_thumbprint(const struct jws_key *, char *ret, struct stow_error *);
/* Likewise, but as Distribution 3 and the token services built on it make it: a coordinate of a
 * curve loses its leading zeros, so that one key in 128 has another name there. */
int jws_key_thumbprint_short(const struct jws_key *, char *ret, struct stow_error *);
/* Can such a key make signatures of that algorithm? */
bool jws_key_fits(const struct jws_key *, const char *alg);
/* Bits of an RSA modulus; 0 for a key of another type. */
int jws_key_rsa_bits(const struct jws_key *);
bool jws_key_equal(const struct jws_key *, const struct jws_key *);

/*
 * Certificates that are trusted, from a text in PEM; keys and chains of others are not looked for
 * anywhere else.  Immutable, any thread.
 */
struct jws_roots;
int jws_roots_open(const char *pem, size_t len, struct jws_roots **ret, struct stow_error *);
void jws_roots_free(struct jws_roots *); /* takes NULL */
/* Their own keys, from 0 on; STOW_ENOTFOUND behind the last, STOW_EINVAL for one of another kind. */
int jws_roots_key(const struct jws_roots *, size_t i, struct jws_key **ret, struct stow_error *);
/* The key of the first certificate of an x5c, where the others lead from it to one of the roots at
 * that time (seconds since the epoch), for whatever purpose, and none but the root was signed by way
 * of SHA-1 or MD5. STOW_EDENIED where they do not, STOW_EINVAL where they are none. */
int jws_roots_verify(const struct jws_roots *, const struct json_t *x5c, int64_t now,
                     struct jws_key **ret, struct stow_error *);

/* alg is the header's: RS, PS, ES or EdDSA. STOW_EINVAL where it does not fit the key, or the
 * signature is none of a curve's length; STOW_EDENIED where it does not hold. */
int jws_verify(const struct jws_key *, const char *alg, const void *data, size_t len,
               const void *signature, size_t signature_len, struct stow_error *);

#endif
