/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users and their bcrypt hashes, from a file as htpasswd -B makes it.
 *
 * It promises: what is refused takes the time of the file's highest cost, the name known or not; a
 * password that was right is right without being hashed anew for a minute after each use, and no
 * longer than the file stays as it is; one that comes while it is being hashed takes that verdict; the file is read anew when it has changed, and where that fails the users are
 * those from before.  No password is kept, and what is remembered of one is keyed by a secret of this
 * process.  Any thread.  It must not know requests.
 *
 * Bounds: a file of 4 MiB, 100,000 users, names of 255 octets, costs to 14, HTPASSWD_CHECKS_MAX
 * hashes at once, HTPASSWD_KNOWN_MAX remembered logins.  Of a password the first 72 octets count,
 * since bcrypt does not look at the rest: so it is with Distribution and Apache, whose files are
 * taken.
 *
 * A line is NAME:HASH; spaces around it, and what follows a further colon, do not count; an empty one
 * and one that begins with # are passed over.  Of several of one name the first counts, as with
 * Apache.  A hash that is none of bcrypt's, or of another cost, lets nobody in, as with Distribution,
 * and one line of the log says where they are.
 */
#ifndef SERVE_HTPASSWD_H
#define SERVE_HTPASSWD_H

#include <stdbool.h>
#include <stowage/types.h>

#include "host/serve/log.h"

#define HTPASSWD_CHECKS_MAX 8
#define HTPASSWD_KNOWN_MAX 1024

struct htpasswd;

/* Of threads threads (four or more), those that call htpasswd_check, logins hold no more than three
 * quarters at once, so that they cannot keep others from being served: a quarter hashes, a quarter waits
 * for that, and the rest waits for the verdict of the same login, no longer than one hash. STOW_EINVAL and STOW_EIO
 * name the file, and the line. The sink stays as long as what is opened. */
int htpasswd_open(const char *path, size_t threads, const struct sink *, struct htpasswd **ret,
                  struct stow_error *);
void htpasswd_free(struct htpasswd *); /* takes NULL */
/* Without waiting: was this right a while ago? */
bool htpasswd_knows(struct htpasswd *, const char *user, const char *password);
/* As long as a hash takes, a tenth of a second and more. STOW_EDENIED; STOW_EBUSY, retryable, where
 * too many wait for theirs; STOW_ENOMEM. */
int htpasswd_check(struct htpasswd *, const char *user, const char *password, struct stow_error *);
/* Reads the file, changed or not. After an error the users are those from before. */
int htpasswd_reload(struct htpasswd *, struct stow_error *);

#endif
