/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An Authorization header: a name and a password (RFC 7617) or a token (RFC 6750).
 *
 * It promises bounds, that what it copies is wiped when it is done with, and that nothing of a
 * header that is neither counts.  It must not know who is let in.
 */
#ifndef SERVE_CREDENTIALS_H
#define SERVE_CREDENTIALS_H

#include <stddef.h>

#define CREDENTIALS_BASIC_MAX 4096   /* octets of name and password together */
#define CREDENTIALS_BEARER_MAX 65536 /* of a token */

enum credentials_kind {
	CREDENTIALS_NONE = 0, /* there is no header */
	CREDENTIALS_BASIC,
	CREDENTIALS_BEARER,
	CREDENTIALS_BAD /* one that cannot be understood, or memory is short */
};

struct credentials {
	int kind; /* enum credentials_kind */
	char *user, *password;
	char *token;
	char *memory;
	size_t size;
};

/* header NULL: there is none. */
void credentials_parse(const char *header, struct credentials *ret);
void credentials_done(struct credentials *);

#endif
