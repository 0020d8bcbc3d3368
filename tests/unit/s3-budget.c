/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory of the S3 driver: parts that stand still give way, who comes first is served first, who
 * stands still for longest loses, and nobody waits for ever.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/clock.h"
#include "driver/s3/writer.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define KIB ((size_t)1024)
#define LIMIT (1024 * KIB)

const struct stow_driver *stow_driver_v1(void);

static const struct stow_op op = { .size = sizeof(op) };
static struct stow_error e;
static struct budget budget;

static void begin(size_t limit)
{
	memset(&budget, 0, sizeof(budget));
	assert_int_equal(budget_init(&budget, limit, &e), STOW_OK);
}

static void end(void)
{
	assert_int_equal(budget.used, 0);
	assert_int_equal(budget.read_used, 0);
	assert_int_equal(budget.resting, 0);
	for (size_t i = 0; i < BUDGET_PLACES; i++)
		assert_null(budget.parts[i].first);
	budget_done(&budget);
}

static int ticket(struct budget_part *p, size_t size, size_t fill)
{
	return budget_part(&budget, p, &op, BUDGET_TICKET, size, fill, &e);
}

/* Booked, filled so far, and left alone since so long. */
static void rest(struct budget_part *p, size_t size, size_t fill, int64_t age)
{
	assert_int_equal(budget_enter(&budget, p, &e), STOW_OK);
	assert_int_equal(ticket(p, size, fill), STOW_OK);
	assert_true(p->size >= fill);
	memset(p->data, (int)(fill % 251), fill);
	budget_leave(&budget, p, fill);
	p->since -= age;
}

static void must_wait(int status)
{
	assert_int_equal(status, STOW_EBUSY);
	assert_int_equal(e.flags, STOW_ERROR_RETRYABLE | STOW_ERROR_AGAIN);
}

static void all_is(const char *data, size_t len, int value)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)data[i] != value)
			fail_msg("byte %zu of %zu is another", i, len);
}

/* ---- what stands still ---- */

static void shrinks(void **state)
{
	struct budget_part a = { 0 }, b = { 0 };

	(void)state;
	begin(LIMIT);
	rest(&a, 512 * KIB, 10000, 0);
	assert_int_equal(a.size, 512 * KIB);
	must_wait(ticket(&b, 768 * KIB, 0)); /* it may go on any moment */
	assert_int_equal(a.size, 512 * KIB);
	a.since -= BUDGET_IDLE;
	assert_int_equal(ticket(&b, 768 * KIB, 0), STOW_OK);
	assert_int_equal(b.size, 768 * KIB);
	assert_int_equal(a.size, 12 * KIB); /* three pages */
	assert_int_equal(budget.used, 780 * KIB);

	/* it goes on, in steps */
	assert_int_equal(budget_enter(&budget, &a, &e), STOW_OK);
	assert_int_equal(ticket(&a, 512 * KIB, 10000), STOW_OK);
	assert_int_equal(a.size, (12 + 64) * KIB);
	all_is(a.data, 10000, 10000 % 251);
	memset(a.data + 10000, 1, a.size - 10000);
	budget_part_drop(&budget, &b);
	assert_int_equal(ticket(&a, 512 * KIB, a.size), STOW_OK);
	assert_int_equal(a.size, 2 * (12 + 64) * KIB);
	all_is(a.data, 10000, 10000 % 251);
	budget_part_drop(&budget, &a);
	end();
}

/* Nobody needs it: it stays. */
static void stays(void **state)
{
	struct budget_part a = { 0 }, b = { 0 };

	(void)state;
	begin(LIMIT);
	rest(&a, 512 * KIB, 1, 100 * CLOCK_SECOND);
	assert_int_equal(ticket(&b, 512 * KIB, 0), STOW_OK);
	assert_int_equal(a.size, 512 * KIB);
	budget_part_drop(&budget, &a);
	budget_part_drop(&budget, &b);
	end();
}

/* Who comes often with little stands still. */
static void trickles(void **state)
{
	struct budget_part a = { 0 };
	int64_t since;

	(void)state;
	begin(LIMIT);
	rest(&a, 512 * KIB, 1000, BUDGET_IDLE);
	since = a.since;
	assert_int_equal(budget_enter(&budget, &a, &e), STOW_OK);
	budget_leave(&budget, &a, 2000);
	assert_true(a.since == since);
	assert_int_equal(budget_enter(&budget, &a, &e), STOW_OK);
	budget_leave(&budget, &a, 100000);
	assert_true(a.since > since);
	budget_part_drop(&budget, &a);
	end();
}

/* ---- in order ---- */

static void in_order(void **state)
{
	struct budget_part a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };

	(void)state;
	begin(LIMIT);
	assert_int_equal(ticket(&a, 1000 * KIB, 0), STOW_OK);
	must_wait(ticket(&b, 600 * KIB, 0));
	must_wait(ticket(&c, 500 * KIB, 0));
	/* what fits does not go before who waits */
	must_wait(ticket(&d, 4 * KIB, 0));
	assert_int_equal(budget_part(&budget, &d, &op, BUDGET_TRY, 4 * KIB, 0, &e), STOW_EBUSY);
	assert_int_equal(e.flags, STOW_ERROR_RETRYABLE);
	budget_part_drop(&budget, &a);
	/* the first has it, whoever asks first */
	must_wait(ticket(&d, 4 * KIB, 0));
	must_wait(ticket(&c, 500 * KIB, 0));
	assert_int_equal(b.place, BUDGET_GRANTED);
	assert_int_equal(budget_enter(&budget, &b, &e), STOW_OK);
	assert_int_equal(ticket(&b, 600 * KIB, 0), STOW_OK);
	assert_int_equal(b.size, 600 * KIB);
	budget_part_drop(&budget, &b);
	assert_int_equal(ticket(&c, 500 * KIB, 0), STOW_OK);
	assert_int_equal(ticket(&d, 4 * KIB, 0), STOW_OK);
	budget_part_drop(&budget, &c);
	budget_part_drop(&budget, &d);
	end();
}

/* Who does not come for what was booked for it stands in nobody's way for long. */
static void not_fetched(void **state)
{
	struct budget_part a = { 0 }, b = { 0 }, c = { 0 };

	(void)state;
	begin(LIMIT);
	assert_int_equal(ticket(&a, LIMIT, 0), STOW_OK);
	must_wait(ticket(&b, LIMIT, 0));
	must_wait(ticket(&c, LIMIT, 0));
	budget_part_drop(&budget, &a);
	assert_int_equal(b.place, BUDGET_GRANTED);
	must_wait(ticket(&c, LIMIT, 0));
	b.since -= BUDGET_KEEP;
	assert_int_equal(ticket(&c, LIMIT, 0), STOW_OK);
	assert_int_equal(budget_enter(&budget, &b, &e), STOW_OK);
	must_wait(ticket(&b, LIMIT, 0)); /* anew, as the last */
	budget_part_drop(&budget, &b);
	budget_part_drop(&budget, &c);
	end();
}

/* ---- what is lost ---- */

static void longest_loses(void **state)
{
	struct budget_part p[6] = { { 0 } }, more = { 0 };

	(void)state;
	begin(LIMIT);
	for (size_t i = 0; i < LENGTH(p); i++)
		rest(&p[i], 160 * KIB, 160 * KIB, BUDGET_LOST + (int64_t)(10 - i) * CLOCK_SECOND);
	/* 960 KiB at rest; 256 more are needed */
	assert_int_equal(ticket(&more, 256 * KIB, 0), STOW_OK);
	assert_int_equal(p[0].place, BUDGET_TAKEN);
	assert_int_equal(p[1].place, BUDGET_TAKEN);
	assert_null(p[0].data);
	for (size_t i = 2; i < LENGTH(p); i++) {
		assert_int_equal(p[i].size, 160 * KIB);
		all_is(p[i].data, p[i].size, (int)(160 * KIB % 251));
	}
	assert_int_equal(budget_enter(&budget, &p[0], &e), STOW_EBUSY);
	assert_int_equal(e.flags, STOW_ERROR_RETRYABLE); /* for good */
	assert_int_equal(budget_enter(&budget, &p[2], &e), STOW_OK);
	for (size_t i = 0; i < LENGTH(p); i++)
		budget_part_drop(&budget, &p[i]);
	budget_part_drop(&budget, &more);
	end();
}

/* As long as what moves has enough, nothing is taken from who stands still. */
static void half_is_safe(void **state)
{
	struct budget_part p[3] = { { 0 } }, moving = { 0 }, more = { 0 };

	(void)state;
	begin(LIMIT);
	assert_int_equal(ticket(&moving, 512 * KIB, 0), STOW_OK);
	for (size_t i = 0; i < LENGTH(p); i++)
		rest(&p[i], 160 * KIB, 160 * KIB, 100 * CLOCK_SECOND);
	must_wait(ticket(&more, 256 * KIB, 0));
	for (size_t i = 0; i < LENGTH(p); i++)
		assert_int_equal(p[i].size, 160 * KIB);
	budget_part_drop(&budget, &moving);
	assert_int_equal(ticket(&more, 256 * KIB, 0), STOW_OK);
	for (size_t i = 0; i < LENGTH(p); i++) {
		assert_int_equal(p[i].size, 160 * KIB);
		budget_part_drop(&budget, &p[i]);
	}
	budget_part_drop(&budget, &more);
	end();
}

/* All hold something and wait for more: who came last loses, and who came first is served. */
static void all_wait(void **state)
{
	struct budget_part p[4] = { { 0 } };

	(void)state;
	begin(LIMIT);
	for (size_t i = 0; i < LENGTH(p); i++)
		rest(&p[i], 256 * KIB, 256 * KIB, 0);
	for (size_t i = 0; i < LENGTH(p); i++) {
		assert_int_equal(budget_enter(&budget, &p[i], &e), STOW_OK);
		must_wait(ticket(&p[i], 512 * KIB, 256 * KIB));
		budget_leave(&budget, &p[i], 256 * KIB);
	}
	assert_int_equal(budget_enter(&budget, &p[0], &e), STOW_OK);
	must_wait(ticket(&p[0], 512 * KIB, 256 * KIB));
	p[0].since -= BUDGET_LOST;
	/* who came last, but not while its owner is about to use it */
	assert_int_equal(budget_enter(&budget, &p[3], &e), STOW_OK);
	assert_int_equal(ticket(&p[0], 512 * KIB, 256 * KIB), STOW_OK);
	assert_int_equal(p[0].size, 512 * KIB);
	assert_int_equal(p[3].place, BUDGET_QUEUED);
	all_is(p[3].data, 256 * KIB, (256 * KIB) % 251);
	assert_int_equal(p[2].place, BUDGET_TAKEN);
	assert_int_equal(budget_enter(&budget, &p[2], &e), STOW_EBUSY);
	assert_int_equal(e.flags, STOW_ERROR_RETRYABLE);
	assert_int_equal(ticket(&p[2], 512 * KIB, 256 * KIB), STOW_EBUSY);
	budget_leave(&budget, &p[3], 256 * KIB);
	/* when it has left it alone it may be */
	assert_int_equal(p[1].place, BUDGET_QUEUED);
	p[1].since -= BUDGET_LOST;
	must_wait(ticket(&p[0], 768 * KIB, 512 * KIB));
	assert_int_equal(p[3].place, BUDGET_TAKEN);
	assert_int_equal(p[1].place, BUDGET_GRANTED);
	for (size_t i = 0; i < LENGTH(p); i++)
		budget_part_drop(&budget, &p[i]);
	end();
}

/* ---- readers ---- */

static void readers(void **state)
{
	struct budget_part a = { 0 };
	int64_t began;

	(void)state;
	begin(LIMIT);
	/* a part that stands still gives way to them, too, but loses nothing */
	rest(&a, LIMIT, 600 * KIB, 100 * CLOCK_SECOND);
	assert_int_equal(budget_read(&budget, &op, 400 * KIB, 1, &e), STOW_OK);
	assert_int_equal(a.size, 600 * KIB);
	/* none waits where one has waited in vain, until one gives back */
	began = clock_monotonic();
	assert_int_equal(budget_read(&budget, &op, 100 * KIB, began + 50 * CLOCK_MILLISECOND, &e),
	                 STOW_EBUSY);
	assert_true(clock_monotonic() >= began + 50 * CLOCK_MILLISECOND);
	assert_int_equal(budget_read(&budget, &op, 100 * KIB, began + 3600 * CLOCK_SECOND, &e),
	                 STOW_EBUSY);
	assert_true(clock_monotonic() < began + 600 * CLOCK_SECOND);
	budget_give(&budget, BUDGET_READ, 200 * KIB);
	assert_true(budget_try_read(&budget, 100 * KIB));
	assert_false(budget_try_read(&budget, 500 * KIB));
	budget_give(&budget, BUDGET_READ, 300 * KIB);
	budget_part_drop(&budget, &a);
	end();
}

/* ---- threads ---- */

struct crowd {
	pthread_t thread;
	unsigned seed;
	unsigned parts, lost; /* sent; taken away */
};

/* Fills parts a bit at a time, now and then as slowly as parts may be, and with some of its own on
 * their way. */
static void *fills(void *arg)
{
	struct crowd *c = arg;
	int64_t until = clock_monotonic() + 3 * CLOCK_SECOND;

	while (clock_monotonic() < until) {
		struct budget_part p = { 0 };
		struct stow_error mine = { 0 };
		size_t fill = 0, size = 0;
		int r = STOW_OK;

		while (r == STOW_OK && fill < 256 * KIB) {
			r = budget_enter(&budget, &p, &mine);
			if (r == STOW_OK && fill == p.size)
				r = budget_part(&budget, &p, &op, BUDGET_WAIT, 256 * KIB, fill,
				                &mine);
			if (r != STOW_OK)
				break;
			for (size_t n = 0; n < 32 * KIB && fill < p.size; n++)
				p.data[fill++] = (char)c->seed;
			if (fill == 256 * KIB)
				break;
			budget_leave(&budget, &p, fill);
			if (rand_r(&c->seed) % 64 == 0)
				usleep(1200 * 1000);
		}
		if (r == STOW_OK) {
			char *data = budget_part_take(&p, &size);

			usleep(1000);
			budget_unmap(data, size);
			budget_give(&budget, BUDGET_WRITE, size);
			c->parts++;
		} else {
			assert_int_equal(r, STOW_EBUSY);
			c->lost++;
		}
		budget_part_drop(&budget, &p);
	}
	return NULL;
}

static void no_deadlock(void **state)
{
	struct crowd crowd[24] = { { 0 } };
	unsigned parts = 0, lost = 0;

	(void)state;
	begin(LIMIT);
	/* readers that never give back */
	assert_true(budget_try_read(&budget, LIMIT / 2));
	for (size_t i = 0; i < LENGTH(crowd); i++) {
		crowd[i].seed = (unsigned)i + 1;
		assert_int_equal(thread_start(&crowd[i].thread, 0, fills, &crowd[i]), 0);
	}
	for (size_t i = 0; i < LENGTH(crowd); i++) {
		pthread_join(crowd[i].thread, NULL);
		parts += crowd[i].parts;
		lost += crowd[i].lost;
	}
	print_message("%u parts sent, %u taken away\n", parts, lost);
	assert_true(parts > LENGTH(crowd));
	budget_give(&budget, BUDGET_READ, LIMIT / 2);
	end();
}

/* ---- writers ---- */

static void *opened(const char *memory)
{
	const struct stow_kv kv[] = {
		{ "regionendpoint", "http://127.0.0.1:1" },
		{ "bucket", "b" },
		{ "accesskey", "AK" },
		{ "secretkey", "hush" },
		{ "chunksize", "5M" },
		{ "memory", memory },
	};
	void *self = NULL;

	assert_int_equal(stow_driver_v1()->open(NULL, kv, LENGTH(kv), &self, &e), STOW_OK);
	return self;
}

static struct writer *writer(void *self, int64_t length)
{
	const struct stow_put put = { .size = sizeof(put), .length = length };
	void *handle = NULL;
	int64_t offset;

	assert_int_equal(s3_write_open(self, &op, "k", &put, &handle, &offset, &e), STOW_OK);
	return handle;
}

/* Uploads that stop in their midst leave room for another, and go on afterwards. */
static void slow_writers(void **state)
{
	void *self = opened("20M");
	char *data = malloc(4 << 20);
	struct writer *w[6];

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < 4 << 20; i++)
		data[i] = (char)(i * 31 >> 8);
	for (size_t i = 0; i < LENGTH(w); i++) {
		w[i] = writer(self, 4 << 20);
		assert_int_equal(s3_write(w[i], &op, data, 1300000, &e), STOW_OK);
	}
	/* the last one waited until those before it had rested for long enough */
	assert_int_equal(w[5]->part.size, 4 << 20);
	assert_true(w[0]->part.size < 1304 * KIB);
	for (size_t i = 0; i < LENGTH(w); i++)
		assert_int_equal(s3_write(w[i], &op, data + 1300000, 100000, &e), STOW_OK);
	for (size_t i = 0; i < LENGTH(w); i++) {
		assert_int_equal(budget_enter(&w[i]->s3->budget, &w[i]->part, &e), STOW_OK);
		assert_memory_equal(w[i]->part.data, data, 1400000);
		s3_write_close(w[i], &op);
	}
	free(data);
	stow_driver_v1()->close(self);
}

/* Those that stopped for good lose, one after another, and are told. */
static void lost_writers(void **state)
{
	void *self = opened("20M");
	char *data = calloc(1, 4 << 20);
	struct writer *w[12];
	int r, lost = 0;

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < LENGTH(w); i++) {
		w[i] = writer(self, 4 << 20);
		assert_int_equal(s3_write(w[i], &op, data, 3 << 20, &e), STOW_OK);
	}
	for (size_t i = 0; i < LENGTH(w) - 1; i++) {
		r = s3_write(w[i], &op, data, 1000, &e);
		if (r != STOW_OK) {
			assert_int_equal(r, STOW_EBUSY);
			assert_int_equal(e.flags, STOW_ERROR_RETRYABLE);
			assert_int_equal(s3_write_commit(w[i], &op, NULL, &e), STOW_EBUSY);
			lost++;
		}
	}
	assert_true(lost >= 5 && lost < (int)LENGTH(w) - 1);
	assert_int_equal(w[0]->failure.status, STOW_EBUSY);
	for (size_t i = 0; i < LENGTH(w); i++)
		s3_write_close(w[i], &op);
	free(data);
	stow_driver_v1()->close(self);
}

/* Who does not wait for memory keeps its turn, and no byte is taken twice. */
static void not_waiting(void **state)
{
	static const struct stow_op nowait = { .size = sizeof(nowait), .flags = STOW_OP_NOWAIT };
	const size_t first = (1 << 20) + 1000, whole = 5 << 20;
	void *self = opened("20M");
	struct budget *b = &((struct s3 *)self)->budget;
	struct budget_part rest_of_it = { 0 };
	char *data = malloc(whole), parked[512];
	struct writer *w[5];
	int64_t began = clock_monotonic();
	size_t len;

	(void)state;
	assert_non_null(data);
	for (size_t i = 0; i < whole; i++)
		data[i] = (char)(i * 31 >> 8);
	for (size_t i = 0; i < LENGTH(w); i++)
		w[i] = writer(self, (int64_t)whole - (i == 4 ? 1 << 20 : 0));
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(s3_write(w[i], &op, data, first, &e), STOW_OK);
	must_wait(s3_write(w[4], &nowait, data, first, &e));
	/* nothing but the same write again */
	assert_int_equal(s3_write_commit(w[4], &op, NULL, &e), STOW_EINVAL);
	assert_int_equal(s3_write_park(w[4], &op, parked, sizeof(parked), &len, &e), STOW_EINVAL);
	assert_int_equal(s3_write_copy(w[4], &op, "from", NULL, 0, 1, &e), STOW_EINVAL);
	while (s3_write(w[4], &nowait, data, first, &e) != STOW_OK) {
		assert_int_equal(e.flags, STOW_ERROR_RETRYABLE | STOW_ERROR_AGAIN);
		assert_true(clock_monotonic() < began + 60 * CLOCK_SECOND);
		usleep(20000);
	}
	assert_int_equal(w[4]->taken, first);

	/* two were shrunk, and have a part of the bytes taken before they wait: the rest of a page */
	for (size_t i = 2; i < LENGTH(w); i++)
		assert_int_equal(budget_enter(b, &w[i]->part, &e), STOW_OK);
	assert_int_equal(budget_part(b, &rest_of_it, &op, BUDGET_TRY, b->limit - b->used, 0, &e),
	                 STOW_OK);
	for (size_t i = 0; i < 2; i++) {
		must_wait(s3_write(w[i], &nowait, data + first, whole - first, &e));
		must_wait(s3_write(w[i], &nowait, data + first, whole - first, &e));
		assert_true(w[i]->taken > (int64_t)first && w[i]->taken < (int64_t)whole);
	}
	budget_part_drop(b, &rest_of_it);
	s3_write_close(w[4], &op);
	while (s3_write(w[0], &nowait, data + first, whole - first, &e) != STOW_OK) {
		assert_int_equal(e.flags, STOW_ERROR_RETRYABLE | STOW_ERROR_AGAIN);
		assert_true(clock_monotonic() < began + 60 * CLOCK_SECOND);
		usleep(20000);
	}
	/* the other one waits, after all */
	assert_int_equal(s3_write(w[1], &op, data + first, whole - first, &e), STOW_OK);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(w[i]->taken, whole);
		assert_int_equal(budget_enter(b, &w[i]->part, &e), STOW_OK);
		assert_memory_equal(w[i]->part.data, data, whole);
	}
	for (size_t i = 0; i < 4; i++)
		s3_write_close(w[i], &op);
	free(data);
	stow_driver_v1()->close(self);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shrinks),      cmocka_unit_test(stays),
		cmocka_unit_test(trickles),     cmocka_unit_test(in_order),
		cmocka_unit_test(not_fetched),  cmocka_unit_test(longest_loses),
		cmocka_unit_test(half_is_safe), cmocka_unit_test(all_wait),
		cmocka_unit_test(readers),      cmocka_unit_test(no_deadlock),
		cmocka_unit_test(slow_writers), cmocka_unit_test(lost_writers),
		cmocka_unit_test(not_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
