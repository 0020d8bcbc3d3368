/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tags, once set, stay where they are: the patterns of [manifests] immutable_tags.
 *
 * A list parted by spaces, commas or line ends, of NAME:TAG or TAG alone, which is for all repositories;
 * both are patterns of common/pattern.h.  Immutable itself once it is read: any thread.
 * It must not know where tags stand.
 */
#ifndef PLUGIN_IMMUTABLE_H
#define PLUGIN_IMMUTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stowage/types.h>

#define IMMUTABLE_MAX 1000 /* patterns */

struct immutable_rule {
	const char *name, *tag; /* name_len 0: any repository */
	size_t name_len, tag_len;
};

struct immutable {
	char *text; /* what the rules point into */
	struct immutable_rule *rules;
	size_t n;
};

/* list may be NULL: no tag is. STOW_EINVAL names the pattern. */
int immutable_init(struct immutable *, const char *list, struct stow_error *);
/* Takes one that was zeroed. */
void immutable_done(struct immutable *);
bool immutable_tag(const struct immutable *, const char *name, const char *tag);
/* Is there a rule for tags of this repository at all? */
bool immutable_any(const struct immutable *, const char *name);

#endif
