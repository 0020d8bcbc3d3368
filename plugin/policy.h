/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What [manifests] asks of a push: which manifests of an index have to be there, as in
 * Distribution's validation.manifests.indexes, and whether schema 1 is taken.  It must not know how
 * a manifest is written down.
 */
#ifndef PLUGIN_POLICY_H
#define PLUGIN_POLICY_H

#include <stdbool.h>
#include <stowage/config.h>

enum policy_index { POLICY_ALL = 1, POLICY_NONE = 2, POLICY_PLATFORMS = 3 };

struct policy {
	enum policy_index index;
	bool schema1;    /* whether signed manifests are taken */
	char *platforms; /* each "os/architecture" with a comma before and behind */
};

/* STOW_EINVAL with a line that names the key. */
int policy_init(struct policy *, const struct stow_config *, struct stow_error *);
void policy_done(struct policy *);
/* platform is "os/architecture"; "" where the index does not say, which no list of platforms
 * excuses. */
bool policy_requires(const struct policy *, const char *platform);

#endif
