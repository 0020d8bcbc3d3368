/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs of a repository: what registry.h offers as stow_blob_* and stow_reader_*, and the write
 * of a blob's link, which uploads share.  Data is written elsewhere (upload.h, manifest-store.h).
 */
#ifndef PLUGIN_BLOB_H
#define PLUGIN_BLOB_H

#include "plugin/digest.h"
#include "plugin/registry.h"

/* Only after the data is durable. */
int blob_link(struct stow_registry *, const struct stow_op *, const char *name,
              const struct digest *, struct stow_error *);
void blob_describe(struct stow_descriptor *ret, const struct digest *, int64_t size);

#endif
