/* SPDX-License-Identifier: Apache-2.0 */
/* "stowage probe": asks the store what it can do, and prints the answers. */
#ifndef CLI_PROBE_H
#define CLI_PROBE_H

/* argv[0] is the command's name. Returns the exit status: 0, 1 where it failed, 2 for a usage
 * mistake. */
int probe_main(int argc, char **argv);

#endif
