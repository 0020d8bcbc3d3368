/* SPDX-License-Identifier: Apache-2.0 */
/* The grammar of an object's key, as include/stowage/driver.h states it. */
#ifndef COMMON_KEY_H
#define COMMON_KEY_H

#include <stowage/driver.h>

/* STOW_OK or STOW_EINVAL with a line that shows the key's fault. */
int key_check(const char *key, const char *where, struct stow_error *err);

#endif
