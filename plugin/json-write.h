/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON text letter for letter as Go's encoding/json writes it, which decides the digest of what
 * Distribution and we both store: its escapes, its numbers, its indentation.  Members come in the
 * order that they have; it must not know what they mean.
 */
#ifndef PLUGIN_JSON_WRITE_H
#define PLUGIN_JSON_WRITE_H

#include <stddef.h>

#include "common/buf.h"

struct json_t; /* jansson's */

/* Adds value, which is not changed, to ret, on one line where indent is empty; else each line begins with indent, once and
 * once more a level. Depth is the caller's to bound. */
void json_write(struct buf *ret, struct json_t *value, const char *indent, size_t indent_len);

#endif
