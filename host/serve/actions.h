/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each route does for each method: the tables, one file a subject, and what they share.
 * An action turns a request into calls of the registry and their result into a reply; it knows
 * neither the HTTP library nor threads.
 */
#ifndef SERVE_ACTIONS_H
#define SERVE_ACTIONS_H

#include "host/serve/exchange.h"

/* The tables; each ends with a kind of 0. */
extern const struct action actions_blobs[];
extern const struct action actions_uploads[];
extern const struct action actions_manifests[];
extern const struct action actions_lists[];
extern const struct action actions_referrers[];

/*
 * Routes the exchange: sets its action, or makes the reply that refuses it (unknown route or
 * method, a name outside the grammar, framing that cannot be trusted) and leaves the action NULL.
 */
void actions_route(struct exchange *);

/* ---- for the subjects ---- */

/* The answer to a failed call, and its cause to the log. */
void answer_fault(struct exchange *, int status, const struct stow_error *,
                  const char *code_unknown, const char *code_invalid);
/* Location: the path, which begins with "/v2/", as the client has to ask for it; behind scheme and
 * host where they are wanted and known. */
void answer_location(struct exchange *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Link to the next page: likewise, but always without scheme and host, which is right whatever is
 * in between (RFC 8288, 3.1). */
void answer_next(struct exchange *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* false, and the reply made, where it is not a digest. text may be NULL. */
bool answer_check_digest(struct exchange *, const char *text);
/* true, and 304 made, where the client has it already. */
bool answer_not_modified(struct exchange *, const struct stow_descriptor *);

#endif
