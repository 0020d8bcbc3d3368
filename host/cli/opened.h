/* SPDX-License-Identifier: Apache-2.0 */
/* What a command works on: configuration, store and registry, opened and closed as one. */
#ifndef CLI_OPENED_H
#define CLI_OPENED_H

#include <stowage/registry.h>

struct opened {
	struct stow_host host;
	struct stow_config *config;
	struct stow_store *store;
	struct stow_registry *registry;
};

/* file may be NULL. What the core has to say goes to standard error. To be closed after a failure,
 * too. */
int opened_open(struct opened *, const char *file, struct stow_error *);
/* The same without the registry. */
int opened_store(struct opened *, const char *file, struct stow_error *);
void opened_close(struct opened *);

#endif
