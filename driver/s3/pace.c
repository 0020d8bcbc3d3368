/* SPDX-License-Identifier: Apache-2.0 */
/* pace.h with one lock. It must not wait. */
#include "driver/s3/pace.h"

#include "common/clock.h"
#include "common/error.h"

#define BURST (CLOCK_SECOND / 10) /* what was not used for so long may go at once */

int pace_init(struct pace *p, int64_t rate, struct stow_error *err)
{
	if (mutex_init(&p->lock) != 0)
		return error_nomem(err, "s3.open");
	p->interval_ns = rate > 0 ? CLOCK_SECOND / rate : 0;
	p->purse = PACE_PURSE;
	p->inited = true;
	return STOW_OK;
}

void pace_done(struct pace *p)
{
	if (p->inited)
		mutex_done(&p->lock);
}

int64_t pace_turn(struct pace *p, int64_t now_ns, int64_t limit_ns)
{
	int64_t turn;

	if (p->interval_ns == 0)
		return now_ns;
	mutex_lock(&p->lock);
	if (p->next_ns < now_ns - BURST)
		p->next_ns = now_ns - BURST;
	turn = p->next_ns;
	if (turn > limit_ns)
		turn = -1;
	else
		p->next_ns += p->interval_ns;
	mutex_unlock(&p->lock);
	return turn;
}

bool pace_pay(struct pace *p)
{
	bool enough;

	mutex_lock(&p->lock);
	enough = p->purse >= PACE_COST;
	if (enough)
		p->purse -= PACE_COST;
	mutex_unlock(&p->lock);
	return enough;
}

void pace_earn(struct pace *p, unsigned paid)
{
	int back = paid < PACE_PURSE / PACE_COST ? (int)paid * PACE_COST : PACE_PURSE;

	mutex_lock(&p->lock);
	p->purse += back + 1;
	if (p->purse > PACE_PURSE)
		p->purse = PACE_PURSE;
	mutex_unlock(&p->lock);
}
