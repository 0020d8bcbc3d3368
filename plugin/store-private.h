/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a store, for store*.c alone. */
#ifndef PLUGIN_STORE_PRIVATE_H
#define PLUGIN_STORE_PRIVATE_H

#include "plugin/store.h"

struct stow_store {
	struct stow_driver driver; /* checked; what an older driver lacks is NULL */
	void *self;
	const struct stow_host *host;
	bool close_self;
	bool has_key;
	uint8_t key[32];
};

struct store_writer {
	struct stow_store *store;
	void *handle;
	bool ended; /* failed, committed or parked */
};

/* Makes a driver's status and error presentable: what is no status is STOW_EIO, an error agrees
 * with the status and is ended. *from is the driver's, err the caller's. */
int store_answer(const struct stow_store *, const char *call, int status, struct stow_error *from,
                 struct stow_error *err);
/* STOW_EIO for a handle that is none: success without one is no success. */
int store_handle_check(const struct stow_store *, const void *handle, const char *call,
                       struct stow_error *err);
/* STOW_EINVAL for "": an ETag that the store did not tell is no condition. */
int store_condition_check(const char *if_match, const char *call, struct stow_error *err);
/* Is the object that version? For stores that do not look themselves. */
int store_etag_check(const struct stow_stat *, const char *if_match, const char *key,
                     const char *call, struct stow_error *err);

#endif
