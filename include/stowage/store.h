/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store: one opened driver, with what the driver leaves out emulated.  Hosts open it, ask it
 * whether it is there, and hand it to the registry; they do not touch objects themselves.
 */
#ifndef STOWAGE_STORE_H
#define STOWAGE_STORE_H

#include <stowage/config.h>
#include <stowage/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct stow_store;

/* Opens the driver that [storage] driver names with the options of its section. The host must
 * outlive the store; it may be NULL. */
STOW_EXPORT int stow_store_open(const struct stow_config *, const struct stow_host *,
                                struct stow_store **ret, struct stow_error *);
/* Everything opened over it must be closed before. */
STOW_EXPORT void stow_store_close(struct stow_store *);
/* As driver.h's check: an error without STOW_ERROR_RETRYABLE is one of configuration. */
STOW_EXPORT int stow_store_check(struct stow_store *, const struct stow_op *, struct stow_error *);
STOW_EXPORT const char *stow_store_driver(const struct stow_store *);

#ifdef __cplusplus
}
#endif
#endif
