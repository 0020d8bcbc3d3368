/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The router.  It must not know what a valid name is, nor anything of methods.
 */
#include "host/serve/route.h"

#include "common/text.h"

/* The path of an absolute-form target ("http://host/path"), which a server must take too. */
static const char *skip_authority(const char *target)
{
	static const char *const schemes[] = { "http://", "https://" };

	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
		size_t len = strlen(schemes[i]);
		const char *path;

		if (strncasecmp(target, schemes[i], len) != 0)
			continue;
		path = target + len + strcspn(target + len, "/?");
		return *path == '/' ? path : "/";
	}
	return target;
}

/* '+' is a space in a query, and only there. */
static void decode_value(char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return;
	for (char *p = copy; *p; p++) {
		if (*p == '+')
			*p = ' ';
	}
	/* decoding only shortens, so it fits where the value lay */
	if (text_percent_decode(copy))
		memcpy(value, copy, strlen(copy) + 1);
	free(copy);
}

static void add_tag(struct route *r, char *value)
{
	if (r->n_tags < ROUTE_TAGS_MAX) {
		decode_value(value);
		r->tags[r->n_tags] = value;
	}
	r->n_tags++;
}

static void parse_query(struct route *r, char *query)
{
	const struct {
		const char *name;
		const char **value;
	} known[] = {
		{ "digest", &r->digest }, { "digest-algorithm", &r->algorithm },
		{ "mount", &r->mount },   { "from", &r->from },
		{ "_state", &r->state },  { "last", &r->last },
		{ "n", &r->n },           { "artifactType", &r->artifact_type },
	};

	while (query) {
		char *next = strchr(query, '&');
		char *value;

		if (next)
			*next++ = '\0';
		value = strchr(query, '=');
		if (value)
			*value++ = '\0';
		else
			value = query + strlen(query);
		decode_value(query);
		if (strcmp(query, "tag") == 0)
			add_tag(r, value);
		for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
			if (strcmp(known[i].name, query) != 0 || *known[i].value)
				continue;
			decode_value(value);
			*known[i].value = value;
		}
		query = next;
	}
}

/* Where the last `n` segments of path begin; NULL if it has no more than those. */
static char *cut_right(char *path, int n)
{
	char *end = path + strlen(path);

	while (n > 0) {
		while (end > path && end[-1] != '/')
			end--;
		if (end == path)
			return NULL;
		if (--n > 0)
			end--;
	}
	return end;
}

/* Takes the tail (which begins behind a slash) off path: what is left is the name. */
static int split(struct route *r, char *path, char *tail, char *reference, int kind)
{
	tail[-1] = '\0';
	r->name = path;
	r->reference = reference;
	return kind;
}

/* path is what follows "/v2/". */
static int match(struct route *r, char *path)
{
	char *last = cut_right(path, 1), *two = cut_right(path, 2), *three = cut_right(path, 3);

	if (*path == '\0')
		return ROUTE_BASE;
	if (strcmp(path, "_catalog") == 0)
		return ROUTE_CATALOG;
	if (three && text_starts(three, "blobs/uploads/"))
		return split(r, path, three, *last ? last : NULL,
		             *last ? ROUTE_UPLOAD : ROUTE_UPLOADS);
	if (!two)
		return ROUTE_UNKNOWN;
	if (strcmp(two, "tags/list") == 0)
		return split(r, path, two, NULL, ROUTE_TAGS);
	if (strcmp(two, "blobs/uploads") == 0)
		return split(r, path, two, NULL, ROUTE_UPLOADS);
	if (text_starts(two, "manifests/"))
		return split(r, path, two, last, ROUTE_MANIFEST);
	if (text_starts(two, "referrers/"))
		return split(r, path, two, last, ROUTE_REFERRERS);
	if (text_starts(two, "blobs/"))
		return split(r, path, two, last, ROUTE_BLOB);
	return ROUTE_UNKNOWN;
}

/* Of the whole path at once; a slash must be written as one, since what makes one of an escape and
 * what does not see two paths. */
static bool decode_path(char *path)
{
	return !strcasestr(path, "%2f") && text_percent_decode(path);
}

/* What probes ask for: at the root, whatever the prefix. */
static int find_probe(const char *path)
{
	if (strcmp(path, "/") == 0)
		return ROUTE_ROOT;
	if (strcmp(path, "/livez") == 0)
		return ROUTE_LIVE;
	return strcmp(path, "/readyz") == 0 ? ROUTE_READY : ROUTE_UNKNOWN;
}

/* The path without the prefix; NULL for one that is not below it. */
static char *strip(char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	if (len == 0)
		return path;
	if (!text_starts(path, prefix))
		return NULL;
	if (path[len] == '\0') {
		/* "/registry" is its root */
		path[0] = '/';
		path[1] = '\0';
		return path;
	}
	return path[len] == '/' ? path + len : NULL;
}

bool route_parse(struct route *ret, const char *target)
{
	return route_parse_below(ret, target, "");
}

static int find(struct route *r, char *path, const char *prefix)
{
	int kind = find_probe(path);

	if (kind != ROUTE_UNKNOWN)
		return kind;
	path = strip(path, prefix);
	if (!path)
		return ROUTE_UNKNOWN;
	if (strcmp(path, "/") == 0)
		return ROUTE_ROOT;
	if (strcmp(path, "/v2") == 0) {
		r->v2 = true;
		return ROUTE_BASE;
	}
	if (!text_starts(path, "/v2/"))
		return ROUTE_UNKNOWN;
	r->v2 = true;
	return match(r, path + strlen("/v2/"));
}

bool route_parse_below(struct route *ret, const char *target, const char *prefix)
{
	char *path, *query;

	memset(ret, 0, sizeof *ret);
	path = strdup(skip_authority(target));
	if (!path)
		return false;
	ret->memory = path;
	query = strchr(path, '?');
	if (query) {
		*query++ = '\0';
		parse_query(ret, query);
	}
	if (decode_path(path)) {
		ret->kind = find(ret, path, prefix);
		return true;
	}
	/* as far as it is decoded it still tells whether it is one of ours */
	path = strip(path, prefix);
	ret->v2 = path && text_starts(path, "/v2/");
	ret->kind = path ? ROUTE_BROKEN : ROUTE_UNKNOWN;
	return true;
}

void route_done(struct route *r)
{
	free(r->memory);
	memset(r, 0, sizeof *r);
}
