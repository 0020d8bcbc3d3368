/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store: one opened driver, with what the driver leaves out emulated.  Hosts open it, ask it
 * whether it is there, and hand it to the registry; they do not touch objects themselves.
 * A host that wants objects and no registry takes the driver itself: stow_driver_load.
 */
#ifndef STOWAGE_STORE_H
#define STOWAGE_STORE_H

#include <stowage/config.h>
#include <stowage/driver.h>
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
/* As driver.h's probe: lines "name TAB value TAB words" about what the store can do. STOW_ENOTSUP
 * where the driver has nothing to ask. 64 KiB always suffice. */
STOW_EXPORT int stow_store_probe(struct stow_store *, const struct stow_op *, char *buf, size_t cap,
                                 size_t *ret_len, struct stow_error *);
STOW_EXPORT const char *stow_store_driver(const struct stow_store *);

/*
 * A driver by its name, without a configuration and without opening it.  NAME.so is looked for in
 * folder (where not NULL or ""), then in drivers/ and stowage/drivers/ beside this library, then
 * in the folder of drivers that it was built with; the first that is there decides.
 * ret becomes a copy of the driver's table that was checked: of major 1, with every mandatory
 * call; what the driver lacks of it, being older, is NULL.  Calls of the driver that are optional
 * are not emulated.  A driver is never unloaded: ret holds until the process ends.
 * STOW_ENOTFOUND, with the folders searched, where there is none; STOW_EINVAL where the file is no
 * driver that this library can use.
 */
STOW_EXPORT int stow_driver_load(const char *folder, const char *name, struct stow_driver *ret,
                                 struct stow_error *);

#ifdef __cplusplus
}
#endif
#endif
