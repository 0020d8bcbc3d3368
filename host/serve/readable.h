/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that somebody waits for without looking at them again and again: one thread calls back
 * when there is something to read.  It promises that each wait ends by exactly one call, from that
 * thread, and that none is left after readable_stop.  It must not know who waits, nor read.
 */
#ifndef SERVE_READABLE_H
#define SERVE_READABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stowage/types.h>

struct readable;

/* Lives inside of what waits. */
struct readable_wait {
	int fd;
	int64_t deadline_ns; /* CLOCK_MONOTONIC */
	bool over; /* set before go_on where the time was over, or readable_stop ended it */
	/* After it the wait may be gone, or be added again. It must not add by itself. */
	void (*go_on)(struct readable_wait *);
	struct readable_wait *next, *prev;
};

int readable_start(struct readable **ret, struct stow_error *err);
/* Any thread; what waits must stay until go_on. false: not taken, after readable_stop or where the
 * system refuses it. */
bool readable_add(struct readable *, struct readable_wait *);
/* Ends those whose time is over, soon. To be called every second or so; any thread. */
void readable_tick(struct readable *);
/* Ends all waits and the thread; returns when that is done. Nothing is taken any more. */
void readable_stop(struct readable *);
/* Stops, too. NULL is fine. Nobody may add any more. */
void readable_free(struct readable *);

#endif
