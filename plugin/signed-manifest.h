/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed manifests of schema 1 in a registry: what a push of one has to fulfil, and how it is put
 * together again.  The revision is the payload; its signatures lie beside it.  It must not know
 * tags' links, nor the order in which a push is written down.
 */
#ifndef PLUGIN_SIGNED_MANIFEST_H
#define PLUGIN_SIGNED_MANIFEST_H

#include "plugin/faults.h"
#include "plugin/registry.h"
#include "plugin/schema1.h"

/*
 * Everything that is wrong, in the order of the registry of 2015: name, signature, tag, each unknown
 * layer, repeats included.  tag is what it is pushed under, NULL: what it names; layers are left
 * out where skip_layers.  STOW_OK also where faults were added.  ret is to be freed by schema1_done
 * in any case.
 */
int signed_manifest_verify(struct stow_registry *, const struct stow_op *, const char *name,
                           const char *tag, bool skip_layers, const void *data, size_t len,
                           struct schema1 *ret, struct stow_faults *, struct stow_error *);
/* The signed form of a stored payload. STOW_ENOTSUP where no signature is stored. */
int signed_manifest_read(struct stow_registry *, const struct stow_op *, const char *name,
                         const struct digest *revision, const char *payload, size_t len,
                         struct buf *ret, struct stow_error *);

#endif
