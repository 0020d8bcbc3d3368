/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammars of repository names, tags and digests (OCI distribution-spec, "Pulling manifests").
 * It promises that a text which passes holds nothing that could leave its place in a key; it knows
 * nothing of keys.  The public form is stow_name_check and its sisters in registry.h.
 */
#ifndef PLUGIN_NAME_H
#define PLUGIN_NAME_H

#include <stdbool.h>
#include <stowage/registry.h>

#include "plugin/digest.h"

bool name_is_repository(const char *name);
bool name_is_tag(const char *tag);
/* Is it a digest rather than a tag?  No tag holds a colon. */
bool name_is_reference_digest(const char *reference);

/* STOW_OK, or STOW_EINVAL with a line for `where`. */
int name_require(const char *name, const char *where, struct stow_error *err);
int name_require_tag(const char *tag, const char *where, struct stow_error *err);
/* Both a name and a digest. */
int name_require_with_digest(const char *name, const char *text, struct digest *ret,
                             const char *where, struct stow_error *err);

#endif
