/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of signed manifests of schema 1: one signature as it is stored, and a payload put
 * together with stored ones again, both letter for letter as libtrust does it, so that a signature
 * which a registry in Go has stored already is stored once.
 *
 * It promises that what it puts together has the payload's bytes, and signatures that agree on
 * where it ends; whether they hold is asked elsewhere (schema1.h).  It must not know stores.
 */
#ifndef PLUGIN_SCHEMA1_TEXT_H
#define PLUGIN_SCHEMA1_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stowage/types.h>

#include "common/buf.h"

#define SCHEMA1_SIGNATURE_MAX ((size_t)64 << 10) /* bytes of one, as stored */

struct json_t; /* jansson's */

/* The value that the text is, within the bounds of manifests; NULL for anything else. The caller
 * releases it. */
struct json_t *schema1_load(const char *data, size_t len);
/* A member's text; NULL for anything but a text without a NUL in it. */
const char *schema1_text_of(const struct json_t *object, const char *name);

struct schema1_split { /* what a protected header says: text up to length, then the tail */
	size_t length;
	struct buf tail;
};
/* From a protected header as it stands in the file; the tail is to be freed when it was read. */
bool schema1_split_read(const char *protected, struct schema1_split *ret);
/* Where a signer of the usual kind splits: behind the last text before the last brace. */
size_t schema1_split_usual(const char *payload, size_t len);

/* A signature object of a checked file in the form in which it is stored. STOW_ECORRUPT where it is
 * over SCHEMA1_SIGNATURE_MAX. */
int schema1_signature(const struct json_t *one, struct buf *ret, struct stow_error *);
/* The signed form. Stored ones that are no signatures are passed over, and so are those of an
 * unusual split where others are there. STOW_ENOTFOUND where none is left; STOW_ECORRUPT where the
 * payload is no object, or the whole over STOW_MANIFEST_MAX. */
int schema1_join(const char *payload, size_t len, const struct buf *stored, size_t n,
                 struct buf *ret, struct stow_error *);

#endif
