/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile store for fuzz targets of the S3 driver.  It stands in the place of
 * common/http-client.h and common/clock.h, gives out the answers of a text one after the other, and
 * lets hardly any time pass but what somebody waits for.
 *
 * Answers are parted by lines "%%".  One is a line with the HTTP status, header lines, an empty
 * line and the body.  Status 0: the connection broke; 1: it was a kept one that had died; 2: there
 * was none to be had.  Where there is no Content-Length it is the body's.  A header line
 * "Times: 9" repeats the body, "Sum: yes" puts its SHA-256 behind it, as records of parked
 * writes end, and of a "Late: yes" nothing is seen before its end.  After the last one all
 * answers are 403.
 *
 * It promises that what happens depends on that text alone.  It must not know what is asked for.
 */
#ifndef FUZZ_STORE_H
#define FUZZ_STORE_H

#include "common/http-client.h"

#define STORE_PARTED "\n%%\n"
#define STORE_REQUESTS_MAX 20000
#define STORE_SECONDS INT64_C(1700000000) /* since 1970: when each input begins */

/* Begins anew. answers is borrowed; seen looks at each request as it is sent. */
void store_begin(const char *answers, void (*seen)(const struct http_exchange *));

#endif
