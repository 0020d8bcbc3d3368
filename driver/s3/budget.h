/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that part and range buffers of one instance may take together, and the buffers.
 *
 * It promises: never more than the limit; first come, first served; readers hold at most half.
 * No deadlock, as long as its users keep two rules: who waits in budget_take holds no part
 * that is not on its way to the store, and a reader never waits for ever.  (A writer's caller may
 * hold a reader's buffers while it waits: hence the half.)
 */
#ifndef DRIVER_S3_BUDGET_H
#define DRIVER_S3_BUDGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stowage/types.h>

#include "common/thread.h"

enum budget_side { BUDGET_READ = 0, BUDGET_WRITE = 1 };

struct budget {
	struct mutex lock;
	size_t limit, used, read_used;
	struct budget_waiter *first[2], *last[2];
	bool inited;
};

int budget_init(struct budget *, size_t limit, struct stow_error *);
void budget_done(struct budget *);
/* Waits its turn. STOW_EBUSY when until_ns (CLOCK_MONOTONIC; 0 is never) has passed. */
int budget_take(struct budget *, const struct stow_op *, enum budget_side, size_t size,
                int64_t until_ns, struct stow_error *);
/* Only if it is free now and nobody waits. */
bool budget_try(struct budget *, enum budget_side, size_t size);
void budget_give(struct budget *, enum budget_side, size_t size);

/* Pages of their own, given back to the system when freed; NULL if there are none. */
void *budget_map(size_t size);
/* The same bytes in a buffer of at least wanted, not booked; NULL, and the old one stays. */
void *budget_grow(void *, size_t size, size_t wanted);
void budget_unmap(void *, size_t size);

#endif
