/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding and loading drivers: from a name to a checked table.
 *
 * It promises that a table it hands out is of a major it knows, is as large as this build's (what
 * an older driver lacks is zero), has every mandatory call, and an option table that is sane.  A
 * driver once loaded stays loaded.  It opens no store and knows no configuration file.
 */
#ifndef PLUGIN_LOADER_H
#define PLUGIN_LOADER_H

#include <stdbool.h>
#include <stowage/driver.h>

#define LOADER_NAME_MAX 32
#define LOADER_NAMES_MAX 64

/* [a-z0-9][a-z0-9-]*, at most LOADER_NAME_MAX bytes, so that a name is never a path. */
bool loader_name_ok(const char *name);
/*
 * Looks for NAME.so in `folder` (where not NULL), then beside this library in drivers/ and
 * stowage/drivers/, then in the folder built in.  The first that is there decides.
 * STOW_ENOTFOUND lists the folders searched and the nearest name.
 */
int loader_load(const char *folder, const char *name, struct stow_driver *ret,
                struct stow_error *err);
/* Names of the drivers that lie in those folders, each once, at most LOADER_NAMES_MAX; in no
 * order. A folder that cannot be read counts as empty. Returns how many. */
size_t loader_names(const char *folder, char ret[LOADER_NAMES_MAX][LOADER_NAME_MAX + 1]);

/* Checks a driver's table that comes from `where` (a path, for error lines) and copies it. */
int loader_check(const struct stow_driver *from, const char *where, struct stow_driver *ret,
                 struct stow_error *err);
/* Is it an option table that the configuration can work with? Names of a driver's options have no
 * '_' in them, those of core and hosts may. */
int loader_check_options(const struct stow_option *table, bool underscore, const char *where,
                         struct stow_error *err);

#endif
