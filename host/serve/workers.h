/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fixed number of threads that do bounded steps for exchanges, first come, first served.
 * Streams (steps of blob bodies) take at most three quarters of them, so that short requests get
 * through while all streams wait for the store.  It knows nothing of what a step does.
 */
#ifndef SERVE_WORKERS_H
#define SERVE_WORKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stowage/types.h>

#include "common/clock.h"

struct workers;

/* Lives inside what is worked on: queueing never fails. */
struct work {
	struct work *next;
	void (*run)(struct work *);
	bool stream;
	int64_t due; /* of what was pushed for later */
};

int workers_start(size_t threads, struct workers **ret, struct stow_error *err);
/* An item must not be queued again before it runs. Any thread. */
void workers_push(struct workers *, struct work *);
/* The same, WORKERS_LATER from now: meanwhile it waits for no thread, and holds none. */
#define WORKERS_LATER (100 * CLOCK_MILLISECOND)
void workers_push_later(struct workers *, struct work *);
/* Do streams wait for one another? */
bool workers_crowded(struct workers *);
/* Items waiting for a thread. */
size_t workers_waiting(struct workers *);
/* Runs what is queued, then ends the threads. Nothing may push any more but the steps. */
void workers_stop(struct workers *);

#endif
