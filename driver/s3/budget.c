/* SPDX-License-Identifier: Apache-2.0 */
/*
 * budget.h with one lock, a queue of readers and lists of parts.  Each part that is at rest is in the list of its
 * place, the one that rests for longest first.
 * It must not know what the buffers are filled with or where they go.
 */
#include "driver/s3/budget.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/error.h"

#define LOOK (50 * CLOCK_MILLISECOND)
#define MOVES ((size_t)64 * 1024) /* fewer bytes between two rests are no progress */
#define STEP ((size_t)64 * 1024)  /* the least that a slow part grows by */

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

/* ---- buffers ---- */

void *budget_map(size_t size)
{
	void *p = mmap(NULL, size ? size : 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
	               -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* what is not written to must cost nothing; where there are no huge pages, all the better */
	(void)madvise(p, size ? size : 1, MADV_NOHUGEPAGE);
	return p;
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

/* Bytes as the pages that hold them. */
static size_t in_pages(size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	return (size + page - 1) / page * page;
}

/* ---- the accounts ---- */

static bool fits_locked(const struct budget *b, enum budget_side side, size_t size)
{
	if (size > b->limit - b->used)
		return false;
	return side == BUDGET_WRITE || size <= b->limit / 2 - b->read_used;
}

static bool rests(const struct budget_part *p)
{
	return p->place == BUDGET_SHRUNK || p->place == BUDGET_QUEUED;
}

static void part_remove_locked(struct budget *b, struct budget_part *p)
{
	struct budget_list *list = &b->parts[p->place];

	if (p->place == BUDGET_OWN || p->place == BUDGET_TAKEN)
		return;
	if (rests(p))
		b->resting -= p->size;
	*(p->prev ? &p->prev->next : &list->first) = p->next;
	*(p->next ? &p->next->prev : &list->last) = p->prev;
	p->prev = p->next = NULL;
	p->place = BUDGET_OWN;
}

static void part_put_locked(struct budget *b, struct budget_part *p, enum budget_place place)
{
	struct budget_list *list = &b->parts[place];

	part_remove_locked(b, p);
	p->place = place;
	p->prev = list->last;
	*(list->last ? &list->last->next : &list->first) = p;
	list->last = p;
	if (rests(p))
		b->resting += p->size;
}

/* Gives back what it was not filled with. */
static void part_cut_locked(struct budget *b, struct budget_part *p)
{
	size_t held = in_pages(p->fill);

	b->used -= p->granted;
	p->granted = 0;
	if (held >= p->size)
		return;
	budget_unmap(p->data + held, p->size - held);
	b->used -= p->size - held;
	p->size = held;
	if (held == 0)
		p->data = NULL;
}

static void part_shrink_locked(struct budget *b, struct budget_part *p)
{
	part_remove_locked(b, p);
	part_cut_locked(b, p);
	p->slow = true;
	if (p->size)
		part_put_locked(b, p, BUDGET_SHRUNK);
}

static void part_lose_locked(struct budget *b, struct budget_part *p)
{
	part_remove_locked(b, p);
	budget_unmap(p->data, p->size);
	b->used -= p->size;
	p->data = NULL;
	p->size = p->wanted = 0;
	p->place = BUDGET_TAKEN;
	if (p->turn)
		cond_signal(p->turn);
}

/* Would the first of the queue have to wait for parts that rest?  The rest of the memory comes
 * back by itself: what is on its way ends, what moves goes on its way or comes to rest. */
static bool resting_is_in_the_way_locked(const struct budget *b, size_t size)
{
	size_t room = b->limit - b->read_used;

	return b->resting > room / 2 || size > room - b->resting;
}

/* Not while its owner looks at it. */
static bool may_lose(const struct budget_part *p)
{
	return p->size > 0 && (!p->entered || p->turn);
}

/* The one that has stood still for longest; where all wait for memory, too, who came last. */
static struct budget_part *loser_locked(const struct budget *b, int64_t now)
{
	struct budget_part *p = b->parts[BUDGET_SHRUNK].first,
			   *head = b->parts[BUDGET_QUEUED].first;

	if (p)
		return now - p->since >= BUDGET_LOST ? p : NULL;
	if (!head || now - head->since < BUDGET_LOST)
		return NULL;
	for (p = b->parts[BUDGET_QUEUED].last; p != head && !may_lose(p);)
		p = p->prev;
	return p == head ? NULL : p;
}

/* Takes what is not filled from parts at rest, until so much fits or there is nothing more now. */
static void make_room_locked(struct budget *b, enum budget_side side, size_t size, int64_t now)
{
	struct budget_part *p;

	while (!fits_locked(b, side, size) && (p = b->parts[BUDGET_WHOLE].first) &&
	       now - p->since >= BUDGET_IDLE)
		part_shrink_locked(b, p);
	/* whose owner is in a call is about to be taken */
	while (!fits_locked(b, side, size) && (p = b->parts[BUDGET_GRANTED].first) && !p->turn &&
	       !p->entered && now - p->since >= BUDGET_KEEP)
		part_shrink_locked(b, p);
}

/* The same for the first of the queue, who may be in want of what is filled, too. */
static bool make_room_for_first_locked(struct budget *b, size_t size, int64_t now)
{
	struct budget_part *p;

	make_room_locked(b, BUDGET_WRITE, size, now);
	while (!fits_locked(b, BUDGET_WRITE, size) && resting_is_in_the_way_locked(b, size) &&
	       (p = loser_locked(b, now)))
		part_lose_locked(b, p);
	return fits_locked(b, BUDGET_WRITE, size);
}

/* Who is next, and fits, has it. */
static void serve_locked(struct budget *b)
{
	struct budget_part *p;
	int64_t now = 0;

	if (b->first)
		cond_signal(&b->first->turn);
	while ((p = b->parts[BUDGET_QUEUED].first)) {
		now = now ? now : clock_monotonic();
		if (!make_room_for_first_locked(b, p->wanted, now))
			return;
		b->used += p->wanted;
		p->granted += p->wanted;
		p->wanted = 0;
		p->since = now;
		part_put_locked(b, p, BUDGET_GRANTED);
		if (p->turn)
			cond_signal(p->turn);
	}
}

/* A cancel word is looked at now and then, and so are parts that come to rest. */
static int64_t wake_time(const struct stow_op *op, int64_t now, int64_t until_ns)
{
	int64_t most = now + (op && op->cancel ? LOOK : BUDGET_IDLE);

	if (op && op->deadline_ns && op->deadline_ns < most)
		most = op->deadline_ns;
	return until_ns && until_ns < most ? until_ns : most;
}

static int busy(const struct budget *b, const char *more, uint32_t flags, struct stow_error *err)
{
	error_set(err, STOW_EBUSY, "s3.memory", "all %zu bytes are in use%s", b->limit, more);
	error_flag(err, STOW_ERROR_RETRYABLE | flags);
	return STOW_EBUSY;
}

static int too_large(const struct budget *b, size_t size, struct stow_error *err)
{
	return error_set(err, STOW_ERANGE, "s3.memory",
	                 "a buffer of %zu bytes does not fit into memory = %zu", size, b->limit);
}

/* ---- readers ---- */

static void reader_leaves_locked(struct budget *b, struct budget_waiter *me)
{
	struct budget_waiter **p = &b->first, *before = NULL;

	while (*p != me) {
		before = *p;
		p = &(*p)->next;
	}
	*p = me->next;
	if (!me->next)
		b->last = before;
	serve_locked(b);
}

static void book_read_locked(struct budget *b, size_t size)
{
	b->used += size;
	b->read_used += size;
}

int budget_read(struct budget *b, const struct stow_op *op, size_t size, int64_t until_ns,
                struct stow_error *err)
{
	struct budget_waiter me = { .next = NULL };
	int r = STOW_OK;

	if (size > b->limit / 2)
		return too_large(b, size, err);
	if (cond_init(&me.turn) != 0)
		return error_nomem(err, "s3.memory");
	mutex_lock(&b->lock);
	*(b->last ? &b->last->next : &b->first) = &me;
	b->last = &me;
	for (;;) {
		int64_t now = clock_monotonic();

		if (b->first == &me) {
			make_room_locked(b, BUDGET_READ, size, now);
			if (fits_locked(b, BUDGET_READ, size))
				break;
		}
		r = clock_op_check(op, "s3.memory", err);
		if (r == STOW_OK && until_ns && (now >= until_ns || b->vain)) {
			b->vain = true;
			r = busy(b, "", 0, err);
		}
		if (r != STOW_OK)
			break;
		cond_wait_until(&me.turn, &b->lock, wake_time(op, now, until_ns));
	}
	if (r == STOW_OK)
		book_read_locked(b, size);
	reader_leaves_locked(b, &me);
	mutex_unlock(&b->lock);
	cond_done(&me.turn);
	return r;
}

bool budget_try_read(struct budget *b, size_t size)
{
	bool ok;

	mutex_lock(&b->lock);
	ok = !b->first && !b->parts[BUDGET_QUEUED].first && fits_locked(b, BUDGET_READ, size);
	if (ok)
		book_read_locked(b, size);
	mutex_unlock(&b->lock);
	return ok;
}

void budget_give(struct budget *b, enum budget_side side, size_t size)
{
	if (size == 0)
		return;
	mutex_lock(&b->lock);
	b->used -= size;
	if (side == BUDGET_READ) {
		b->read_used -= size;
		b->vain = false;
	}
	serve_locked(b);
	mutex_unlock(&b->lock);
}

/* ---- parts ---- */

static int was_taken(const struct budget *b, struct stow_error *err)
{
	return busy(b, ", and this write has stood still for longest", 0, err);
}

int budget_enter(struct budget *b, struct budget_part *p, struct stow_error *err)
{
	int r = STOW_OK;

	mutex_lock(&b->lock);
	if (p->place == BUDGET_TAKEN)
		r = was_taken(b, err);
	else if (p->place != BUDGET_QUEUED) /* it keeps its place there */
		part_remove_locked(b, p);
	p->entered = r == STOW_OK;
	mutex_unlock(&b->lock);
	return r;
}

void budget_leave(struct budget *b, struct budget_part *p, size_t fill)
{
	int64_t now = clock_monotonic();

	mutex_lock(&b->lock);
	p->entered = false;
	if (p->place == BUDGET_OWN && (p->size || p->granted)) {
		/* who trickles stands still, however often it comes */
		if (p->since == 0 || fill < p->noted || fill - p->noted >= MOVES) {
			p->since = now;
			p->noted = fill;
		}
		p->fill = fill;
		part_put_locked(b, p, BUDGET_WHOLE);
	}
	mutex_unlock(&b->lock);
}

/* Its turn has come: what was booked is made. */
static int part_map(struct budget *b, struct budget_part *p, struct stow_error *err)
{
	size_t size = p->size + p->granted;
	char *data = p->data ? budget_grow(p->data, p->size, size) : budget_map(size);

	if (!data) {
		budget_give(b, BUDGET_WRITE, p->granted);
		p->granted = 0;
		return error_nomem(err, "s3.write");
	}
	p->data = data;
	p->size = size;
	p->granted = 0;
	return STOW_OK;
}

/* Who was slow has more booked as it fills, so that the queue goes on faster than in whole parts. */
static size_t next_size(const struct budget_part *p, size_t size)
{
	size_t step = p->size < STEP ? STEP : p->size;

	return p->slow && size - p->size > step ? p->size + step : size;
}

static int wait_locked(struct budget *b, struct budget_part *p, const struct stow_op *op,
                       enum budget_how how, struct stow_error *err) REQUIRES(b->lock);
static int wait_locked(struct budget *b, struct budget_part *p, const struct stow_op *op,
                       enum budget_how how, struct stow_error *err)
{
	for (;;) {
		int r;

		serve_locked(b);
		if (p->place == BUDGET_GRANTED)
			return STOW_OK;
		if (p->place == BUDGET_TAKEN)
			return was_taken(b, err);
		if (how == BUDGET_TRY)
			return busy(b, "", 0, err);
		if (how == BUDGET_TICKET)
			return busy(b, "", STOW_ERROR_AGAIN, err);
		r = clock_op_check(op, "s3.memory", err);
		if (r != STOW_OK)
			return r;
		cond_wait_until(p->turn, &b->lock, wake_time(op, clock_monotonic(), 0));
	}
}

/* Into the queue, unless it is there, and out of it again but for a ticket. */
static int queue_locked(struct budget *b, struct budget_part *p, const struct stow_op *op,
                        enum budget_how how, size_t wanted, struct stow_error *err)
	REQUIRES(b->lock);
static int queue_locked(struct budget *b, struct budget_part *p, const struct stow_op *op,
                        enum budget_how how, size_t wanted, struct stow_error *err)
{
	struct cond turn;
	int r;

	if (how == BUDGET_WAIT && cond_init(&turn) != 0)
		return error_nomem(err, "s3.memory");
	if (p->place != BUDGET_QUEUED) {
		part_cut_locked(b, p);
		p->wanted = wanted;
		p->since = clock_monotonic();
		part_put_locked(b, p, BUDGET_QUEUED);
	}
	p->turn = how == BUDGET_WAIT ? &turn : NULL;
	r = wait_locked(b, p, op, how, err);
	p->turn = NULL;
	if (r == STOW_OK || how == BUDGET_WAIT)
		part_remove_locked(b, p);
	if (how == BUDGET_WAIT)
		cond_done(&turn);
	return r;
}

/* Has it now, where nobody waits and it fits. */
static bool book_locked(struct budget *b, struct budget_part *p, size_t wanted)
{
	if (b->first || b->parts[BUDGET_QUEUED].first)
		return false;
	make_room_locked(b, BUDGET_WRITE, wanted, clock_monotonic());
	if (!fits_locked(b, BUDGET_WRITE, wanted))
		return false;
	b->used += wanted;
	p->granted = wanted;
	return true;
}

int budget_part(struct budget *b, struct budget_part *p, const struct stow_op *op,
                enum budget_how how, size_t size, size_t fill, struct stow_error *err)
{
	size_t wanted;
	int r = STOW_OK;

	if (size > b->limit)
		return too_large(b, size, err);
	mutex_lock(&b->lock);
	if (p->place == BUDGET_TAKEN) {
		r = was_taken(b, err);
	} else if (p->place == BUDGET_QUEUED) {
		r = queue_locked(b, p, op, how, 0, err);
	} else {
		part_remove_locked(b, p); /* its turn has come since it was entered */
		p->fill = fill;
		wanted = next_size(p, size) - p->size;
		if (p->granted || book_locked(b, p, wanted))
			r = STOW_OK;
		else if (how == BUDGET_TRY)
			r = busy(b, "", 0, err);
		else
			r = queue_locked(b, p, op, how, wanted, err);
	}
	mutex_unlock(&b->lock);
	return r == STOW_OK ? part_map(b, p, err) : r;
}

char *budget_part_take(struct budget_part *p, size_t *ret_size)
{
	char *data = p->data;

	*ret_size = p->size;
	*p = (struct budget_part){ .slow = p->slow, .entered = p->entered };
	return data;
}

void budget_part_drop(struct budget *b, struct budget_part *p)
{
	mutex_lock(&b->lock);
	part_remove_locked(b, p);
	budget_unmap(p->data, p->size);
	b->used -= p->size + p->granted;
	serve_locked(b);
	*p = (struct budget_part){ .slow = p->slow };
	mutex_unlock(&b->lock);
}
