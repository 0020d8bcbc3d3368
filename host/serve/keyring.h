/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public keys that tokens may be signed by, and which of them a token's header means.
 *
 * It promises: a key that a header brings along counts only where it is one of the trusted, or where
 * its certificates lead to a trusted one; no RSA key of under 2,048 bits counts (RFC 7518 section
 * 3.3), nor one whose "alg" is another than the header's.  Immutable and counted.  It must not know
 * claims.
 */
#ifndef SERVE_KEYRING_H
#define SERVE_KEYRING_H

#include <stdint.h>
#include <stowage/types.h>

#define KEYRING_MAX 1000 /* keys */

struct json_t;
struct jws_key;
struct keyring;
struct sink;

/* Of a file with a JWK set or one JWK (RFC 7517), and one with certificates in PEM; either may be NULL.
 * Keys of the set for another use, or of a kind that is not known, are passed over with a line in the
 * log (sink, may be NULL); a private or symmetric one is an error. There must be one at least that
 * counts. Errors name the file. */
int keyring_open(const char *jwks, const char *bundle, const struct sink *, struct keyring **ret,
                 struct stow_error *);
struct keyring *keyring_ref(struct keyring *);
void keyring_unref(struct keyring *); /* takes NULL */

/*
 * As Distribution looks for it: by x5c where there is a bundle, and then by nothing else; else by jwk,
 * whose x5c counts likewise; else by kid: a key's own in the set, its thumbprint (RFC 7638, and as
 * Distribution 3 makes it), or libtrust's name of it (Distribution 2).  The key fits alg.  *ret is the
 * ring's, or *ret_own, which is then the caller's to free.  now in seconds since the epoch.
 * STOW_EDENIED or STOW_EINVAL with what is wrong.
 */
int keyring_find(const struct keyring *, const struct json_t *header, const char *alg, int64_t now,
                 const struct jws_key **ret, struct jws_key **ret_own, struct stow_error *);

#endif
