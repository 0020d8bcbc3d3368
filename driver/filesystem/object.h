/* SPDX-License-Identifier: Apache-2.0 */
/* The small calls on whole objects; see driver.h for what each promises. */
#ifndef DRIVER_FILESYSTEM_OBJECT_H
#define DRIVER_FILESYSTEM_OBJECT_H

#include "driver/filesystem/filesystem.h"

int fs_stat(void *, const struct stow_op *, const char *key, struct stow_stat *ret,
            struct stow_error *);
int fs_get(void *, const struct stow_op *, const char *key, const char *if_match, void *buf,
           size_t cap, size_t *ret_len, struct stow_stat *ret_stat, struct stow_error *);
int fs_put(void *, const struct stow_op *, const char *key, const void *data, size_t len,
           const struct stow_put *, struct stow_stat *ret_stat, struct stow_error *);
int fs_remove(void *, const struct stow_op *, const char *key, const char *if_match,
              struct stow_error *);
int fs_copy(void *, const struct stow_op *, const char *from, const char *from_if_match,
            const char *to, const struct stow_put *, struct stow_error *);

#endif
