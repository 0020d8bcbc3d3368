/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A look over JSON text before it is parsed, so that a hostile one costs neither stack nor
 * memory: how deep it nests and how many values it has.  It does not check the grammar.
 */
#ifndef COMMON_JSON_SCAN_H
#define COMMON_JSON_SCAN_H

#include <stddef.h>

/* NULL if the text stays within the limits, else what it breaks, for a message. */
const char *json_scan(const void *data, size_t len, size_t depth_max, size_t values_max);

#endif
