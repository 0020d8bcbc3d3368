/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patterns of names that slashes part: * is any number of characters of one component, ** any number
 * of components or of characters over them, ? one character but a slash; all else is itself.
 *
 * It promises: time at most the product of both lengths, no memory, upper and lower case told apart.
 * It must not know what is named.
 */
#ifndef COMMON_PATTERN_H
#define COMMON_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#define PATTERN_MAX 512 /* octets of a pattern that pattern_check takes */

/* Is it one: not empty, not too long, without spaces and control characters? */
bool pattern_check(const char *pattern, size_t len);
/* Two stars that stand for components may stand for none: behind "a/" they match a, too. */
bool pattern_match(const char *pattern, size_t len, const char *name);

#endif
