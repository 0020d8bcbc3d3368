/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exchanges that want the same thing read, parked while one of them reads it: they hold no worker.
 *
 * One of a key leads: it takes those that are parked, reads once for all of them, and sends them on.
 * Who comes after that parks for the next round, so that everybody's answer is of a read that began
 * after it came.  At most one exchange a key leads.  It must not know what is read, nor HTTP.
 */
#ifndef SERVE_PARKING_H
#define SERVE_PARKING_H

#include <stdbool.h>
#include <stowage/types.h>

#include "common/thread.h"

#define PARKING_CHAINS 64

struct parked; /* lives inside of what is parked */
struct parked_key;

struct parking {
	struct mutex lock;
	struct parked_key *chains[PARKING_CHAINS] GUARDED_BY(lock);
};

struct parked {
	void *owner;
	struct parked *next;
	struct parked_key *key; /* NULL: not parked, nor leading */
	/* sends it on: it leads where it does so with leads set. Any thread; it may be gone when this
	 * returns. */
	void (*go_on)(struct parked *);
	bool leads;
};

int parking_init(struct parking *, struct stow_error *);
void parking_done(struct parking *);

/* Parks it under the key of that text, or, where nobody leads, makes it the leader: STOW_OK with leads set. After
 * STOW_OK without it the exchange is another thread's already. STOW_ENOMEM: neither. */
int parking_enter(struct parking *, const char *text, struct parked *, bool *ret_leads);
/* The leader's: all that are parked under its key now, as a list by next. */
struct parked *parking_take(struct parking *, struct parked *leader);
/* The leader goes. What is still parked, and the list of those that it took and could not help
 * (NULL: none), is led by the first of them. */
void parking_leave(struct parking *, struct parked *leader, struct parked *again);

#endif
