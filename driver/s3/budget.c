/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget.h with one lock and two queues.
 * It must not know what the buffers are filled with or where they go.
 */
#include "driver/s3/budget.h"

#include <sys/mman.h>

#include "common/clock.h"
#include "common/error.h"

#define LOOK (50 * CLOCK_MILLISECOND)

/* Each waits on a condition of its own, and only who is next is woken. */
struct budget_waiter {
	struct budget_waiter *next;
	struct cond turn;
};

int budget_init(struct budget *b, size_t limit, struct stow_error *err)
{
	if (mutex_init(&b->lock) != 0)
		return error_nomem(err, "s3.open");
	b->limit = limit;
	b->inited = true;
	return STOW_OK;
}

void budget_done(struct budget *b)
{
	if (!b->inited)
		return;
	mutex_done(&b->lock);
}

static bool fits_locked(const struct budget *b, enum budget_side side, size_t size)
{
	if (size > b->limit - b->used)
		return false;
	return side == BUDGET_WRITE || size <= b->limit / 2 - b->read_used;
}

static void book_locked(struct budget *b, enum budget_side side, size_t size)
{
	b->used += size;
	if (side == BUDGET_READ)
		b->read_used += size;
}

static void wake_locked(struct budget *b)
{
	for (size_t side = 0; side < 2; side++)
		if (b->first[side])
			cond_signal(&b->first[side]->turn);
}

static void leave_locked(struct budget *b, enum budget_side side, struct budget_waiter *me)
{
	struct budget_waiter **p = &b->first[side], *before = NULL;

	while (*p != me) {
		before = *p;
		p = &(*p)->next;
	}
	*p = me->next;
	if (!me->next)
		b->last[side] = before;
	wake_locked(b);
}

/* A cancel word is looked at now and then; else only time and memory matter. */
static int64_t wake_time(const struct stow_op *op, int64_t now, int64_t until_ns)
{
	int64_t most = now + (op && op->cancel ? LOOK : 60 * CLOCK_SECOND);

	if (op && op->deadline_ns && op->deadline_ns < most)
		most = op->deadline_ns;
	return until_ns && until_ns < most ? until_ns : most;
}

int budget_take(struct budget *b, const struct stow_op *op, enum budget_side side, size_t size,
                int64_t until_ns, struct stow_error *err)
{
	struct budget_waiter me = { .next = NULL };
	int r = STOW_OK;

	if (size > (side == BUDGET_READ ? b->limit / 2 : b->limit))
		return error_set(err, STOW_ERANGE, "s3.memory",
		                 "a buffer of %zu bytes does not fit into memory = %zu", size,
		                 b->limit);
	if (cond_init(&me.turn) != 0)
		return error_nomem(err, "s3.memory");
	mutex_lock(&b->lock);
	if (b->last[side])
		b->last[side]->next = &me;
	else
		b->first[side] = &me;
	b->last[side] = &me;
	while (b->first[side] != &me || !fits_locked(b, side, size)) {
		int64_t now = clock_monotonic();

		r = clock_op_check(op, "s3.memory", err);
		if (r != STOW_OK)
			break;
		if (until_ns && now >= until_ns) {
			r = error_set(err, STOW_EBUSY, "s3.memory", "all %zu bytes are in use",
			              b->limit);
			error_flag(err, STOW_ERROR_RETRYABLE);
			break;
		}
		cond_wait_until(&me.turn, &b->lock, wake_time(op, now, until_ns));
	}
	if (r == STOW_OK)
		book_locked(b, side, size);
	leave_locked(b, side, &me);
	mutex_unlock(&b->lock);
	cond_done(&me.turn);
	return r;
}

bool budget_try(struct budget *b, enum budget_side side, size_t size)
{
	bool ok;

	mutex_lock(&b->lock);
	ok = !b->first[BUDGET_READ] && !b->first[BUDGET_WRITE] && fits_locked(b, side, size);
	if (ok)
		book_locked(b, side, size);
	mutex_unlock(&b->lock);
	return ok;
}

void budget_give(struct budget *b, enum budget_side side, size_t size)
{
	if (size == 0)
		return;
	mutex_lock(&b->lock);
	b->used -= size;
	if (side == BUDGET_READ)
		b->read_used -= size;
	wake_locked(b);
	mutex_unlock(&b->lock);
}

void *budget_map(size_t size)
{
	void *p = mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	               -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

void *budget_grow(void *p, size_t size, size_t wanted)
{
	if (wanted <= size)
		return p;
	p = mremap(p, size, wanted, MREMAP_MAYMOVE);
	return p == MAP_FAILED ? NULL : p;
}

void budget_unmap(void *p, size_t size)
{
	if (p)
		munmap(p, size ? size : 1);
}
