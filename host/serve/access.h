/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules of [access]: who may pull, push and delete in which repositories.
 *
 * A key's value is a list of rules, parted by ";" or line ends: PATTERN... : USER...  A pattern is of
 * pattern.h, with {user}, as often as one likes, for the name of whoever asks and no other braces; a user is a name, * for all that have one,
 * anonymous for everybody.  A request is allowed where one rule does; a key without rules allows all
 * that have a name, and pull everybody where anonymouspull is on.  push implies neither of the others.
 *
 * Immutable once it is open: any thread.  It must not know how a user proves who it is.
 */
#ifndef SERVE_ACCESS_H
#define SERVE_ACCESS_H

#include <stdbool.h>
#include <stowage/config.h>

#define ACCESS_PULL 1u
#define ACCESS_PUSH 2u
#define ACCESS_DELETE 4u

#define ACCESS_RULES_MAX 10000 /* of a key */

struct access;

/* STOW_EINVAL names the key and the rule. */
int access_open(const struct stow_config *, struct access **ret, struct stow_error *);
void access_free(struct access *); /* takes NULL */

/* user NULL: anonymous; "": let in without a name, whom no rule names. Are all of the actions allowed
 * there? */
bool access_allows(const struct access *, const char *user, const char *repository,
                   unsigned actions);
/* Are they in every repository, by a rule for **? */
bool access_allows_all(const struct access *, const char *user, unsigned actions);
/* Is there a rule at all by which this one might pull something? */
bool access_sees_catalog(const struct access *, const char *user);
/* Is nothing of [access] set? */
bool access_is_default(const struct access *);

#endif
