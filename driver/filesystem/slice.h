/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slice of a folder: the first so many of its entries behind a given name, in the order of the
 * keys they stand for, which is that of their names with a '/' behind those of folders.  Bounded
 * memory, however many entries there are; a big folder is read once for each of its slices.
 */
#ifndef DRIVER_FILESYSTEM_SLICE_H
#define DRIVER_FILESYSTEM_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stowage/types.h>

#define SLICE_MAX 4096

struct slice {
	char **names; /* in order; those of folders end with '/' */
	size_t len;
	size_t cap;
	bool more; /* the folder has further entries behind the last one */
};

/*
 * Fills the slice from an open folder with the names that begin with prefix and sort after `after`
 * ("": all).  Where that is a key, and not the last name of the slice before (further), a folder that
 * it lies in, or names, is taken, too.  hide (or NULL) is a name to
 * leave out. 0 or errno; ECANCELED where op (which may be NULL) has no more time.
 */
int slice_fill(struct slice *, int folder, const char *prefix, const char *after, bool further,
               const char *hide, const struct stow_op *);
void slice_done(struct slice *);

#endif
