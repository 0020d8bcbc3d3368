/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a command line and an environment to a configuration, the same way for every command.
 *
 * The file is the one that -c names, else $STOWAGE_CONFIG, else /etc/stowage/plugin.conf if it is
 * there, else none; the environment comes on top.  It knows nothing of what the values are for.
 */
#ifndef SERVE_SETUP_H
#define SERVE_SETUP_H

#include <stdbool.h>
#include <stowage/config.h>

/* The tables of this program and of the core, no source. */
int setup_tables(struct stow_config **ret, struct stow_error *err);
/* file may be NULL. Reads all sources and checks nothing yet: tables can still be added. */
int setup_read(const char *file, struct stow_config **ret, struct stow_error *err);
/* Likewise, and checks: the configuration is ready for use. */
int setup_config(const char *file, struct stow_config **ret, struct stow_error *err);

/* Lines on standard error, each with "stowage: " in front. */
void setup_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* After getopt_long (opterr 0, optstring with ':' in front) answered c, one of '?' and ':':
 * complains of the option. Returns 2. */
int setup_bad_option(const char *command, int c, char **argv);
/* Has everything reached standard output? Complains where it has not. */
bool setup_flush(void);

#endif
