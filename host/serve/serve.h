/* SPDX-License-Identifier: Apache-2.0 */
/* "stowage serve": from the command line to a running registry and its orderly end. */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

#include <stowage/config.h>

/* argv[0] is the command's name. Returns the exit status: 0 after an orderly end, 1 where it
 * could not start, 2 for a usage mistake. Blocks SIGTERM, SIGINT and SIGHUP and ignores SIGPIPE. */
int serve_main(int argc, char **argv);
/* Would it start with this configuration, as far as can be told without a socket and without a word to
 * the store? All that is read of it then is read here, the files that it names, too. */
int serve_check(const struct stow_config *, struct stow_error *);

#endif
