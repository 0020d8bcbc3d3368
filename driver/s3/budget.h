/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that part and range buffers of one instance may take together, and the buffers.
 *
 * It promises: never more than the limit; first come, first served among writers and among readers;
 * readers hold at most half.  A part that fills is known here, so that one that stands still keeps
 * no more than it was filled with: BUDGET_IDLE after its writer's last call the rest of it is taken
 * away as soon as somebody needs it, and booked anew, in order, when the writer goes on.  What such
 * parts hold is bounded, too: where it is more than half of what readers leave, and somebody needs
 * memory, the part that has stood still for longest is taken away, and its writer told.
 *
 * No deadlock, as long as its users keep two rules: who waits here holds nothing but the part that
 * it waits for and what is on its way to the store, and a reader never waits for ever.  (A writer's
 * caller may hold a reader's buffers while it waits: hence the half.)
 */
#ifndef DRIVER_S3_BUDGET_H
#define DRIVER_S3_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stowage/types.h>

#include "common/clock.h"
#include "common/thread.h"

#define BUDGET_IDLE (250 * CLOCK_MILLISECOND) /* then it gives way in what it has not filled */
#define BUDGET_LOST (1 * CLOCK_SECOND)        /* then it may lose all of it */
#define BUDGET_KEEP (1 * CLOCK_SECOND) /* what was booked for who did not wait is kept so long */

enum budget_side { BUDGET_READ = 0, BUDGET_WRITE = 1 };

/* Where a part is; all but the first are lists of a budget. */
enum budget_place {
	BUDGET_OWN = 0, /* its owner's: in none */
	BUDGET_WHOLE,   /* at rest, with all that was booked */
	BUDGET_GRANTED, /* its turn came; its owner does not know yet */
	BUDGET_SHRUNK,  /* at rest, with what it was filled with */
	BUDGET_QUEUED,  /* waits for more, with what it was filled with */
	BUDGET_TAKEN,   /* lost; in no list, either */
	BUDGET_PLACES
};

/* A part that fills; zero before its first use.  Between budget_enter and budget_leave it is its
 * owner's, else the budget's. */
struct budget_part {
	char *data;
	size_t size; /* mapped, and booked */
	bool slow;   /* it was shrunk: it is booked in steps from now on */
	bool entered;

	/* the budget's */
	struct budget_part *prev, *next;
	enum budget_place place;
	size_t fill;            /* bytes of it that were written to */
	size_t noted;           /* fill when it was last seen to move */
	size_t wanted, granted; /* beyond size */
	int64_t since;          /* it last moved, or began to wait */
	struct cond *turn;      /* of who waits for it in a call */
};

struct budget_list {
	struct budget_part *first, *last;
};

struct budget {
	struct mutex lock;
	size_t limit, used GUARDED_BY(lock), read_used GUARDED_BY(lock);
	size_t resting GUARDED_BY(lock); /* of used: in shrunk and queued parts */
	struct budget_waiter *first, *last GUARDED_BY(lock); /* readers */
	struct budget_list parts[BUDGET_PLACES] GUARDED_BY(lock);
	bool vain GUARDED_BY(lock); /* a reader has waited in vain, and none gave back since */
	bool inited;
};

int budget_init(struct budget *, size_t limit, struct stow_error *);
void budget_done(struct budget *);

/* ---- readers ---- */

/* Waits its turn. STOW_EBUSY when until_ns (CLOCK_MONOTONIC; 0 is never) has passed, and at once
 * where one has waited for so long before and no reader has given anything back since. */
int budget_read(struct budget *, const struct stow_op *, size_t size, int64_t until_ns,
                struct stow_error *);
/* Only if it is free now and nobody waits. */
bool budget_try_read(struct budget *, size_t size);

/* Of what was read into, or of a part that was taken over. */
void budget_give(struct budget *, enum budget_side, size_t size);

/* ---- parts that fill ---- */

enum budget_how {
	BUDGET_TRY,    /* only if it is free now and nobody waits */
	BUDGET_TICKET, /* takes its place in the queue, and asks again later */
	BUDGET_WAIT    /* waits its turn */
};

/* Its owner is about to use it: no byte of it is taken away before budget_leave, but while its owner
 * waits in budget_part. STOW_EBUSY, retryable: it was taken away, with what was in it. */
int budget_enter(struct budget *, struct budget_part *, struct stow_error *);
/* Its owner has filled so much of it, and leaves it alone. */
void budget_leave(struct budget *, struct budget_part *, size_t fill);
/* Makes it as large as size, with the fill bytes that are in it; its owner has entered. STOW_EBUSY where it does not wait
 * and there is nothing (BUDGET_TICKET: with STOW_ERROR_AGAIN), or where it was taken away meanwhile. */
int budget_part(struct budget *, struct budget_part *, const struct stow_op *, enum budget_how,
                size_t size, size_t fill, struct stow_error *);
/* Its owner takes it over, booked as it is. */
char *budget_part_take(struct budget_part *, size_t *ret_size);
/* Gives it back, wherever it is. */
void budget_part_drop(struct budget *, struct budget_part *);

/* ---- buffers ---- */

/* Pages of their own, given back to the system when freed; NULL if there are none. */
void *budget_map(size_t size);
/* The same bytes in a buffer of at least wanted, not booked; NULL, and the old one stays. */
void *budget_grow(void *, size_t size, size_t wanted);
void budget_unmap(void *, size_t size);

#endif
