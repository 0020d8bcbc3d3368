/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answers of an S3 store as trees to walk.
 *
 * It promises: no entity is expanded, nothing is fetched, a document type is refused, and a cut
 * or malformed text is refused whole.  Names are compared without their namespace.  It must not
 * know what the elements mean.
 */
#ifndef DRIVER_S3_XML_H
#define DRIVER_S3_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

struct xml;      /* an answer */
struct xml_node; /* an element of it, as long as it lives */

/* NULL if it is not one whole document. */
struct xml *xml_parse(const char *text, size_t len);
void xml_free(struct xml *);
static inline void xml_free_pointer(struct xml **x)
{
	xml_free(*x);
}
#define cleanup_xml __attribute__((__cleanup__(xml_free_pointer)))

/* The root if it has that name, else NULL. */
const struct xml_node *xml_root(const struct xml *, const char *name);
/* The first child of that name, and the next sibling of that name; NULL if there is none. */
const struct xml_node *xml_child(const struct xml_node *, const char *name);
const struct xml_node *xml_next(const struct xml_node *, const char *name);
/* The first child of any name, and the next one of any name; and the name. */
const struct xml_node *xml_first(const struct xml_node *);
const struct xml_node *xml_after(const struct xml_node *);
bool xml_is(const struct xml_node *, const char *name);
/* Adds the element's own text to the buf; NULL adds nothing. Returns the buf's status. */
int xml_add_text(const struct xml_node *, struct buf *to);
/* The text of the child of that name; false, and "", if it is missing or does not fit. */
bool xml_text(const struct xml_node *, const char *name, char *ret, size_t cap);

/* Adds text as XML character data; false if XML cannot hold it (control characters, not UTF-8). */
bool xml_escape(struct buf *to, const char *text);

#endif
