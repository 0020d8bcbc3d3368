/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast an instance may ask: a rate of requests that the operator sets, and a purse that further
 * attempts are paid from.
 *
 * It promises that a store which is down sees few attempts beyond the first of each call: an attempt
 * after a failure costs, a success earns, and who cannot pay fails at once.  Answers that ask to
 * slow down cost nothing: waiting is what was asked for.  It must not know what the requests are.
 */
#ifndef DRIVER_S3_PACE_H
#define DRIVER_S3_PACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stowage/types.h>

#include "common/thread.h"

#define PACE_PURSE 500 /* what is in it at most, and at the start */
#define PACE_COST 5    /* of an attempt after a failure */

struct pace {
	struct mutex lock;
	int64_t interval_ns; /* between requests; 0: no limit */
	int64_t next_ns;     /* CLOCK_MONOTONIC: when the next one may go */
	int purse;
	bool inited;
};

/* rate: requests a second, 0 is no limit. */
int pace_init(struct pace *, int64_t rate, struct stow_error *);
void pace_done(struct pace *);
/* Takes a turn: when the request may be sent (CLOCK_MONOTONIC).  -1 where that would be after
 * limit_ns, and no turn is taken: what waits in vain must not hold up what comes after it. */
int64_t pace_turn(struct pace *, int64_t now_ns, int64_t limit_ns);
/* Pays for an attempt after a failure; false where there is not enough. */
bool pace_pay(struct pace *);
/* A call has ended well after that many attempts that were paid. */
void pace_earn(struct pace *, unsigned paid);

#endif
