/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a line and hands it to the host.
 * Knows no file and no format of logs.
 */
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>

void log_line(const struct stow_host *host, int32_t level, const char *component, const char *fmt,
              ...)
{
	char line[1024];
	va_list ap;

	if (!host || !host->log)
		return;
	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	for (char *s = line; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
	host->log(host->arg, level, component, line);
}
