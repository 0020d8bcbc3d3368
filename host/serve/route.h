/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the raw request target to a route: the path percent-decoded once, as a whole, then matched
 * from the right, since repository names contain slashes.  So %6danifests is manifests: an escaped
 * character that needs none is that character (RFC 3986, 6.2.2).  It promises that an escape never
 * makes a slash or a NUL: a path with %2F (which CNCF Distribution takes for a slash) or %00 is
 * broken.  Nothing else is changed: "//", "." and ".." stay, which no name has.  It checks no grammar
 * and knows no store.
 */
#ifndef SERVE_ROUTE_H
#define SERVE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>

enum route_kind {
	ROUTE_UNKNOWN = 0,
	ROUTE_BROKEN,    /* a broken escape, %00, or an escaped slash */
	ROUTE_ROOT,      /* / */
	ROUTE_LIVE,      /* /livez */
	ROUTE_READY,     /* /readyz */
	ROUTE_BASE,      /* /v2/ */
	ROUTE_CATALOG,   /* /v2/_catalog */
	ROUTE_TAGS,      /* /v2/<name>/tags/list */
	ROUTE_MANIFEST,  /* /v2/<name>/manifests/<reference> */
	ROUTE_REFERRERS, /* /v2/<name>/referrers/<digest> */
	ROUTE_BLOB,      /* /v2/<name>/blobs/<digest> */
	ROUTE_UPLOADS,   /* /v2/<name>/blobs/uploads/ */
	ROUTE_UPLOAD     /* /v2/<name>/blobs/uploads/<uuid> */
};

#define ROUTE_TAGS_MAX 64

struct route {
	int kind;              /* enum route_kind */
	bool v2;               /* below /v2 */
	char *name;            /* decoded, unchecked; NULL where the route has none */
	const char *reference; /* tag, digest or uuid, decoded, unchecked; NULL likewise */
	/* query parameters, names and values decoded; the first of a name counts; NULL if absent; a value whose
	 * escapes are broken stays as it came, which no grammar takes */
	const char *digest, *algorithm, *mount, *from, *state, *last, *n, *artifact_type;
	const char *tags[ROUTE_TAGS_MAX]; /* each value of `tag`, in their order */
	size_t n_tags;                    /* how many came, also where that is more than fit */
	char *memory;                     /* what the above point into */
};

/* target as it stands in the request line. false where memory ran out. */
bool route_parse(struct route *ret, const char *target);
/*
 * Likewise, where all routes lie below a path prefix, "/registry"; "" is none.  A path that, once
 * decoded, does not begin with it is unknown, all but "/", "/livez" and "/readyz", which probes ask
 * for and which are there only.
 */
bool route_parse_below(struct route *ret, const char *target, const char *prefix);
void route_done(struct route *);

#endif
