/* SPDX-License-Identifier: Apache-2.0 */
/* "stowage referrers": the tags that a registry without a list of referrers needs. */
#ifndef CLI_REFERRERS_H
#define CLI_REFERRERS_H

/* argv[0] is the command's name. Returns the exit status: 0, 1 where it failed, 2 for a usage
 * mistake. */
int referrers_main(int argc, char **argv);

#endif
