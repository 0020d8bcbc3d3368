/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Go needs beside plugin/store.h: memory of one call that C can look at, a host's services,
 * and an instance from a name and its options.  It must not know paths of a registry.
 */
#ifndef CDRIVER_SHIM_H
#define CDRIVER_SHIM_H

#include "plugin/loader.h"
#include "plugin/store.h"

/* One call's circumstances, in C memory, since the driver and another thread of Go look at it. */
struct shim_call {
	struct stow_op op;
	struct stow_error err;
	uint32_t cancel;
};

/* after_ns: from now on; negative is no deadline. NULL: out of memory. */
struct shim_call *shim_call_new(int64_t after_ns);
void shim_call_cancel(struct shim_call *);
void shim_call_free(struct shim_call *);

/* An opened driver: what Go holds. The host lives as long. */
struct shim_driver {
	struct stow_store *store;
	struct stow_driver table;
	struct stow_host host;
};

/*
 * Loads the driver `name` (from `folder`, or where loader.h looks if it is "") and opens it with
 * these options.  log_id is handed to the log function of Go.  *ret is to be closed.
 */
int shim_open(const char *folder, const char *name, const struct stow_kv *kv, size_t n,
              uintptr_t log_id, struct shim_driver **ret, struct stow_error *);
/* Any call on it must have ended. Joins the driver's threads. */
void shim_close(struct shim_driver *);

/* Options, for warnings: the flags of the option of that name, 0 if there is none. */
uint32_t shim_option_flags(const struct shim_driver *, const char *name);
/* The options as rows, for errors and tests. */
const char *shim_option_name(const struct shim_driver *, size_t i);

#endif
