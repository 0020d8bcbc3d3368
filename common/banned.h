/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Included before every file of the project by the Makefile.  Functions that truncate, overflow,
 * keep hidden state or depend on the locale become compile errors; common/text.h and
 * common/buf.h have what to use instead.
 */
#ifndef COMMON_BANNED_H
#define COMMON_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* macros where the compiler has no va_arg_pack */
#undef sprintf
#undef vsprintf

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok
#pragma GCC poison gmtime localtime ctime asctime atoi atol atoll atof sscanf
#pragma GCC poison mktemp tmpnam tempnam srand setenv putenv

#endif
