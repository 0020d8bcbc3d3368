/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing list of texts in one run of memory: what listings are gathered in, and what tags and
 * the catalog give out.  It promises a ceiling of NAMES_MAX bytes (STOW_ERANGE beyond) and knows
 * nothing of where the texts come from.
 */
#ifndef PLUGIN_NAMES_H
#define PLUGIN_NAMES_H

#include <stowage/registry.h>

#include "common/buf.h"

#define NAMES_MAX (64u * 1024 * 1024)

struct stow_names {
	struct buf text; /* each with its NUL */
	size_t n, cap;
	uint32_t *offsets; /* of each in text */
	size_t cursor;     /* those before it were given out */
	/* Of a list that is gathered while it is given out: sees to it that the one at the cursor
	 * is the next, or there is none. NULL: all are here. */
	int (*gather)(struct stow_names *, const struct stow_op *, struct stow_error *);
	void *source; /* gather's */
	void (*source_close)(void *source);
};

void names_init(struct stow_names *);
/* Frees what it holds; takes one that was zeroed. */
void names_done(struct stow_names *);
int names_add(struct stow_names *, const char *text, size_t len, struct stow_error *);
const char *names_at(const struct stow_names *, size_t i);
/* Into byte order. */
void names_sort(struct stow_names *);
/* Adds one at its place in the order of those that were not given out. */
int names_insert(struct stow_names *, const char *text, size_t len, struct stow_error *);

#endif
