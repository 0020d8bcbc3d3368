/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The value of WWW-Authenticate (RFC 9110 section 11.6.1, RFC 7617, RFC 6750 section 3), as docker's
 * registry writes it: clients take it apart by hand, and not all the same way.  It must not know why
 * somebody is asked.
 */
#ifndef SERVE_CHALLENGE_H
#define SERVE_CHALLENGE_H

#include "common/buf.h"

/* Basic realm="REALM" */
void challenge_basic(struct buf *, const char *realm);
/* Bearer realm="URL",service="SERVICE",scope="SCOPE",error="ERROR"; scope "" and error NULL are left
 * out. */
void challenge_bearer(struct buf *, const char *realm, const char *service, const char *scope,
                      const char *error);

#endif
