/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The public keys that tokens may be signed by, and which of them a token's header means.
 *
 * It promises: a key that a header brings along counts only where it is one of the trusted, or where
 * its certificates lead to a trusted one.  Immutable and counted.  It must not know claims.
 */
#ifndef SERVE_KEYRING_H
#define SERVE_KEYRING_H

#include <stdint.h>
#include <stowage/types.h>

#define KEYRING_MAX 1000 /* keys */

struct json_t;
struct jws_key;
struct keyring;

/* Of a file with a JWK set or one JWK (RFC 7517), and one with certificates in PEM; either may be NULL.
 * Keys of the set for another use, or of a kind that is not known, are passed over; there must be
 * one at least. Errors name the file. */
int keyring_open(const char *jwks, const char *bundle, struct keyring **ret, struct stow_error *);
struct keyring *keyring_ref(struct keyring *);
void keyring_unref(struct keyring *); /* takes NULL */

/*
 * By x5c, else by jwk, else by kid: a key's own in the set, its thumbprint (RFC 7638), or libtrust's
 * name of it.  *ret is the ring's, or *ret_own, which is then the caller's to free.  now in seconds
 * since the epoch.  STOW_EDENIED or STOW_EINVAL with what is wrong.
 */
int keyring_find(const struct keyring *, const struct json_t *header, int64_t now,
                 const struct jws_key **ret, struct jws_key **ret_own, struct stow_error *);

#endif
