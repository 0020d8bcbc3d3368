/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One segment of an upload being written: an object of its own, with a random nonce in its key,
 * visible and durable only after segment_finish, never rewritten.  It knows nothing of tokens or
 * of what the segments make together.
 */
#ifndef PLUGIN_SEGMENT_H
#define PLUGIN_SEGMENT_H

#include <stowage/registry.h>

#include "plugin/layout.h"
#include "plugin/store.h"

/* Stores that join parts want each but the last at least so big. A smaller segment is read back
 * and written anew at the head of the next. */
#define SEGMENT_MIN ((int64_t)STOW_UPLOAD_CHUNK)

struct segment {
	struct segment_id id;
	int64_t size; /* bytes taken so far */
	struct layout_key key;
	struct store_writer *writer; /* NULL: not begun, or ended */
	char *absorbed;              /* what was read and is not written yet */
	size_t absorbed_len;
};

/* length is of the whole segment, -1 if unknown. */
int segment_begin(struct segment *, struct stow_store *, const struct stow_op *, const char *name,
                  const char *uuid, int64_t start, uint64_t parent, int64_t length,
                  struct stow_error *);
int segment_write(struct segment *, const struct stow_op *, const void *data, size_t len,
                  struct stow_error *);
/* Takes over all that the reader gives, which must be `size` bytes; the first of all. As a write, it
 * may ask to be called again. */
int segment_absorb(struct segment *, const struct stow_op *, struct store_reader *, int64_t size,
                   struct stow_error *);
int segment_finish(struct segment *, const struct stow_op *, struct stow_error *);
/* Leaves nothing of one that was not finished. */
void segment_close(struct segment *, const struct stow_op *);

#endif
