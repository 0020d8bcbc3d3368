/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bearer tokens as docker's token service makes them: JSON web tokens with an "access" claim.
 *
 * It promises: a token counts only if a trusted key signed it, with an algorithm that fits the key
 * and that the configuration lists; if it is of the issuer, for this service, and of this time, give
 * or take a minute.  A key is trusted if it is in the JWK set, or in a certificate of the bundle, or in
 * one that x5c leads from there to.  Files are read at open and reload alone.  Any thread.  It must not
 * know requests.
 */
#ifndef SERVE_BEARER_H
#define SERVE_BEARER_H

#include <stdbool.h>
#include <stdint.h>
#include <stowage/types.h>

#define BEARER_SUBJECT_MAX 255 /* octets */

struct bearer;
struct bearer_claims;
struct sink;

/* Copied. */
struct bearer_options {
	const char *issuer, *service;      /* both needed; service is the audience */
	const char *jwks, *rootcertbundle; /* files; one of them is needed, the other NULL */
	const char *algorithms;  /* parted by commas or spaces; NULL: all but HMAC and none */
	const struct sink *sink; /* of keys that are passed over; NULL: nobody is told */
};

/* STOW_EINVAL, STOW_ENOTFOUND and STOW_EIO name the option or the file. */
int bearer_open(const struct bearer_options *, struct bearer **ret, struct stow_error *);
/* Reads the files anew; after an error the keys are those from before. */
int bearer_reload(struct bearer *, struct stow_error *);
void bearer_free(struct bearer *); /* takes NULL */

/* now_ns since the epoch. STOW_EDENIED says why, for the log: at most the name of a key of what the
 * token has; STOW_ENOMEM. *ret is set only at STOW_OK. */
int bearer_check(struct bearer *, const char *token, int64_t now_ns, struct bearer_claims **ret,
                 struct stow_error *);
/* "" where it names nobody; at most BEARER_SUBJECT_MAX octets, UTF-8 without control characters; as
 * long as the claims. */
const char *bearer_subject(const struct bearer_claims *);
/* "*" as an action of the token's is every action; the class of a resource does not count. */
bool bearer_allows(const struct bearer_claims *, const char *type, const char *name,
                   const char *action);
void bearer_claims_free(struct bearer_claims *); /* takes NULL */

#endif
