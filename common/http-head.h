/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of an HTTP answer as text: its lines as they came, status line first.
 * It must not know sockets; what it is given may be anything.
 */
#ifndef COMMON_HTTP_HEAD_H
#define COMMON_HTTP_HEAD_H

#include <stdbool.h>

#include "common/buf.h"

/* The status of "HTTP/1.1 200 OK"; 0 if it has none. */
int http_head_status(const char *line, size_t len);
/* The value of a field by name, in any case, blanks cut; false, and "", where it is missing or
 * does not fit. */
bool http_head_find(const struct buf *head, const char *name, char *ret, size_t cap);

#endif
