/* SPDX-License-Identifier: Apache-2.0 */
/* "stowage serve": from the command line to a running registry and its orderly end. */
#ifndef SERVE_SERVE_H
#define SERVE_SERVE_H

/* argv[0] is the command's name. Returns the exit status: 0 after an orderly end, 1 where it
 * could not start, 2 for a usage mistake. Blocks SIGTERM and SIGINT and ignores SIGPIPE. */
int serve_main(int argc, char **argv);

#endif
