/* SPDX-License-Identifier: Apache-2.0 */
/* "stowage config": what the configuration says, where each value comes from, and the sample. */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

/* argv[0] is the command's name. Returns the exit status: 0, 1 for a configuration that does not
 * hold, 2 for a usage mistake. */
int config_main(int argc, char **argv);

#endif
