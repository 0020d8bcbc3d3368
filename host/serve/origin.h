/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a client believes it is: scheme, host and path prefix of the URLs that it is given, and its
 * own address, from the configuration, the request and what a proxy in front says.
 *
 * It promises that a header of a peer that is not trusted changes nothing, and that whatever comes
 * out is fit for a URL: a scheme of http or https, a host without user, blank or quote, a prefix
 * that begins with one slash and ends with none.  What is not fit is passed over, as if it had not
 * been said.  It must not know routes nor answers.
 */
#ifndef SERVE_ORIGIN_H
#define SERVE_ORIGIN_H

#include <stdbool.h>
#include <stowage/types.h>

#include "host/serve/networks.h"
#include "host/serve/request.h"

#define ORIGIN_HOST_MAX 261   /* a name of 255, a colon and a port */
#define ORIGIN_PREFIX_MAX 255 /* bytes of each prefix, and of all of them behind one another */

/* From [http], the same for all requests; read by any thread. */
struct origin_rules {
	const char *scheme;                  /* of [http] host; NULL where it is not set */
	char host[ORIGIN_HOST_MAX + 1];      /* likewise, with its port */
	char outside[ORIGIN_PREFIX_MAX + 1]; /* its path, "" or "/a/b" */
	char prefix[ORIGIN_PREFIX_MAX + 1];  /* that requests come with, "" or "/a/b" */
	struct networks proxies;             /* whose headers are believed */
	bool relative;
};

/* What the keys of [http] say; any text may be NULL or "". */
struct origin_options {
	const char *host, *prefix, *trusted_proxies;
	bool relative_urls;
};

/* STOW_EINVAL names the key. To be undone by origin_done, whatever it returns. */
int origin_open(struct origin_rules *ret, const struct origin_options *, struct stow_error *);
void origin_done(struct origin_rules *);

/* The other end of the connection. */
struct origin_peer {
	const struct sockaddr *address; /* NULL where it is not known */
	bool tls;                       /* our own socket speaks it */
};

/* Of one request. */
struct origin {
	const char *scheme;                 /* "http" or "https" */
	char host[ORIGIN_HOST_MAX + 1];     /* with its port; "" where none can be told */
	char prefix[ORIGIN_PREFIX_MAX + 1]; /* in front of "/v2/" for the client, "" or "/a/b" */
	bool absolute;                      /* URLs in Location begin with scheme and host */
	char client[ADDRESS_TEXT_MAX];      /* "192.0.2.1", with a port where it is known; or "" */
};

/* Needs the request's headers, nothing else of it. */
void origin_find(struct origin *ret, const struct origin_rules *, const struct request *,
                 const struct origin_peer *);

#endif
