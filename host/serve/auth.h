/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who asks, and may they: the one place where requests are let through.
 *
 * It promises: what a request needs is told from its route and method alone, once, after the path
 * was decoded; a password is compared, and a token verified, only where waiting is allowed; what is
 * refused is refused the same way whether the thing is there or not.  It must not know the HTTP
 * library nor what an action does.
 *
 * Where no [auth] is configured there is no struct auth: all functions take NULL for it and allow.
 */
#ifndef SERVE_AUTH_H
#define SERVE_AUTH_H

#include <stdbool.h>
#include <stowage/config.h>

#include "host/serve/log.h"
#include "host/serve/reply.h"
#include "host/serve/request.h"

struct auth;
struct bearer_claims;

#define USER_MAX 255 /* octets of a user's name */

/* Zeroed: nobody yet. */
struct identity {
	char user[USER_MAX + 1];      /* "": anonymous */
	struct bearer_claims *claims; /* of a token that was verified */
};
void identity_done(struct identity *);

enum auth_verdict {
	AUTH_ALLOWED,
	AUTH_REFUSED, /* the reply is made */
	AUTH_LATER    /* not to be told without waiting */
};

/* *ret is NULL where [auth] configures nothing. STOW_EINVAL names key and file. */
int auth_open(const struct stow_config *, const struct sink *, struct auth **ret,
              struct stow_error *);
/* Reads users, keys and, unless the configuration is NULL, the rules of [access] anew while requests
 * go on; what cannot be read stays as it was, and the error is of the first of those. */
int auth_reload(struct auth *, const struct stow_config *, struct stow_error *);
void auth_close(struct auth *);

/* Any thread; with may_wait it may take as long as a password's hash. trace is the request's id. */
enum auth_verdict auth_request(struct auth *, const struct request *, const char *trace,
                               bool may_wait, struct identity *ret, struct reply *);
/* For what an action would show of another repository: may this one pull it? */
bool auth_may_pull(struct auth *, const struct identity *, const char *repository);
/* May this one see that it is there? */
bool auth_may_list(struct auth *, const struct identity *, const char *repository);
/* Is there nothing that this one may not pull? */
bool auth_may_pull_all(struct auth *, const struct identity *);

#endif
