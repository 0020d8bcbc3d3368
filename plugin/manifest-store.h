/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests of a registry, for what offers them in another shape than registry.h does.
 */
#ifndef PLUGIN_MANIFEST_STORE_H
#define PLUGIN_MANIFEST_STORE_H

#include <stowage/registry.h>

/* As stow_manifest_put; flags of STOW_MANIFESTS_*, checked by the caller. */
int manifest_put(struct stow_registry *, const struct stow_op *, const char *name,
                 const char *reference, const char *media_type, const void *data, size_t len,
                 uint32_t flags, struct stow_descriptor *ret, struct stow_faults **ret_faults,
                 struct stow_error *);

#endif
