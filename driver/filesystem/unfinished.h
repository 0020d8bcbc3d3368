/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes that nobody has open: found by the key alone or by the state that a park gave, made
 * durable by a park, purged by prefix and age.  See temp.h for their names.
 */
#ifndef DRIVER_FILESYSTEM_UNFINISHED_H
#define DRIVER_FILESYSTEM_UNFINISHED_H

#include "driver/filesystem/temp.h"

/* Keeps others from going on with the file while it is open. */
int unfinished_lock(const struct fs *, const struct temp *, const char *key, struct stow_error *);
/*
 * Opens and locks the unfinished write that put names: by its parked state, or the key's newest.
 * STOW_ENOTFOUND if there is none, STOW_EBUSY if somebody has it open.
 */
int unfinished_open(const struct fs *, const char *key, const struct stow_put *put,
                    struct temp *ret, int64_t *ret_offset, struct stow_error *);
/* Makes the file's bytes and its key durable and gives the state to go on from. */
int unfinished_park(const struct fs *, struct temp *, const char *key, int64_t offset, void *buf,
                    size_t cap, size_t *ret_len, struct stow_error *);
/* Takes away the file that holds the key, where there is one. */
void unfinished_forget(const struct temp *);

int fs_purge_writes(void *, const struct stow_op *, const char *prefix, int64_t older_than_ns,
                    uint64_t *ret_count, struct stow_error *);

#endif
