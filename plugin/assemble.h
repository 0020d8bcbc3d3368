/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the segments of an upload to one object.  Of all that lies under the uuid only the chain
 * counts that leads back from one segment to offset 0, each naming its parent, without a gap;
 * what other requests with older tokens left there does not mix in.
 * It knows nothing of tokens, links or repositories' state.
 */
#ifndef PLUGIN_ASSEMBLE_H
#define PLUGIN_ASSEMBLE_H

#include "plugin/layout.h"
#include "plugin/store.h"

struct assemble_part {
	struct segment_id id;
	int64_t size;
};

struct chain {
	const char *name, *uuid;     /* borrowed */
	struct assemble_part *parts; /* in order */
	size_t n;
	int64_t size; /* of all together */
};

/* STOW_ENOTFOUND if the chain that ends with `last` at offset `end` is not complete. */
int chain_find(struct chain *ret, struct stow_store *, const struct stow_op *, const char *name,
               const char *uuid, const struct segment_id *last, int64_t end, struct stow_error *);
/* The digest of the bytes, all of them read. */
int chain_digest(const struct chain *, struct stow_store *, const struct stow_op *,
                 enum hash_algorithm, struct digest *ret, struct stow_error *);
/* Writes the bytes as the data of digest, which must be theirs. */
int chain_write(const struct chain *, struct stow_store *, const struct stow_op *,
                const struct digest *, struct stow_error *);
/* Frees what it holds; takes one that was zeroed. */
void chain_done(struct chain *);

#endif
