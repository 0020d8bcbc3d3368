/* SPDX-License-Identifier: Apache-2.0 */
/* A section's keys as items of a list of a manual page, in the language mdoc. */
#ifndef CLI_MDOC_H
#define CLI_MDOC_H

#include <stdbool.h>
#include <stdio.h>
#include <stowage/config.h>

/* What stands between ".Bl -tag" and ".El"; the values in force do not show. Returns whether there
 * is such a section. */
bool mdoc_options(FILE *to, const struct stow_config *, const char *section);

#endif
