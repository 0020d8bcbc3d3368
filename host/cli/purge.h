/* SPDX-License-Identifier: Apache-2.0 */
/* "stowage purge": takes away what uploads that nobody goes on with have left in the store. */
#ifndef CLI_PURGE_H
#define CLI_PURGE_H

/* argv[0] is the command's name. Returns the exit status: 0, 1 where it failed, 2 for a usage
 * mistake. */
int purge_main(int argc, char **argv);

#endif
