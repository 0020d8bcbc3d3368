/* SPDX-License-Identifier: Apache-2.0 */
/* A line to the host's log, where there is one. Never a secret. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stowage/types.h>

/* host may be NULL. Lines are cut at 1,023 bytes; control characters become '?'. */
void log_line(const struct stow_host *host, int32_t level, const char *component, const char *fmt,
              ...) __attribute__((format(printf, 4, 5)));

#endif
