/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What [manifests] asks of a push: which manifests of an index have to be there, and which URLs a
 * layer may be had from, as in Distribution's validation.manifests; whether the blobs of an image
 * have to be there, whether schema 1 is taken, whether referrers get a tag, and which tags stay where
 * they are.  It must not know how a manifest is written down.
 */
#ifndef PLUGIN_POLICY_H
#define PLUGIN_POLICY_H

#include <regex.h>
#include <stdbool.h>
#include <stowage/config.h>

#include "plugin/immutable.h"

enum policy_index { POLICY_ALL = 1, POLICY_NONE = 2, POLICY_PLATFORMS = 3 };

#define POLICY_URL_MAX 2048 /* bytes; a longer one is refused */

struct policy {
	enum policy_index index;
	bool blobs;         /* whether what an image names must be there */
	bool schema1;       /* whether signed manifests are taken */
	bool referrers_tag; /* whether referrers are listed under the tag schema, too */
	char *platforms;    /* each "os/architecture" with a comma before and behind */
	bool has_allow, has_deny;
	regex_t allow, deny; /* POSIX extended, of a layer's URL */
	struct immutable immutable;
};

/* STOW_EINVAL with a line that names the key. */
int policy_init(struct policy *, const struct stow_config *, struct stow_error *);
void policy_done(struct policy *);
/* platform is "os/architecture"; "" where the index does not say, which no list of platforms
 * excuses. */
bool policy_requires(const struct policy *, const char *platform);
/* http or https, a host, no fragment, and what the patterns say. A policy of NULL has none. */
bool policy_allows_url(const struct policy *, const char *url);

#endif
