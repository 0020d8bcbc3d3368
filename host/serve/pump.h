/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two buffers between two threads: while one side fills the one, the other drains the other.
 * Everything but the bytes themselves is changed under the lock of the exchange that owns it: a
 * slot belongs to the side that asked for it until that side says it is done.  A pump flows one
 * way at a time and knows neither connections nor stores.
 */
#ifndef SERVE_PUMP_H
#define SERVE_PUMP_H

#include <stdbool.h>
#include <stddef.h>

#define PUMP_STEP ((size_t)128 * 1024)

struct pump {
	struct pump_slot {
		char *data; /* PUMP_STEP bytes, made when first needed */
		size_t len, pos;
		bool full; /* the draining side's */
	} slot[2];
	unsigned in, out; /* the slot that is next to be filled, to be drained */
};

/* ---- the side that fills ---- */

/* Is there room? */
bool pump_has_space(const struct pump *);
/* Where to write and how much; NULL if the pump is full or (then *ret_room is not 0) memory ran
 * out. */
char *pump_space(struct pump *, size_t *ret_room);
/* len bytes were written there; hands the slot over where it is full now or `now` is set. */
void pump_add(struct pump *, size_t len, bool now);
/* Hands over what was written, if anything. */
void pump_flush(struct pump *);

/* ---- the side that drains ---- */

/* What is next, NULL where there is nothing. */
const char *pump_data(const struct pump *, size_t *ret_len);
void pump_drop(struct pump *, size_t len);

void pump_done(struct pump *);

#endif
