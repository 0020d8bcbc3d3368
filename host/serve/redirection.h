/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which GETs of blobs are answered by a URL of the store's.  It must not know how such a URL is
 * made; HEAD is always answered here, since a URL is signed for one method.
 */
#ifndef SERVE_REDIRECTION_H
#define SERVE_REDIRECTION_H

#include <stdbool.h>
#include <stowage/config.h>

struct redirection {
	const char *agents; /* the configuration's; NULL: all clients */
	int64_t least;      /* size of the blob */
	int64_t seconds;    /* that a URL is good */
};

/* false where [http] redirect is off. */
bool redirection_read(const struct stow_config *, struct redirection *ret);
/* agent may be NULL. */
bool redirection_wants(const struct redirection *, const char *agent);

#endif
