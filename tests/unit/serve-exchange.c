/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state machine of a request, its workers and its pump, without HTTP and without a registry:
 * the test plays both sides.  It must not know libmicrohttpd.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "common/clock.h"
#include "host/serve/exchange.h"

/* What the connection's side was told; it waits here as a suspended connection does. */
struct side {
	struct mutex lock;
	struct cond woken;
	bool suspended;
	int suspensions;
};

static void suspend(void *arg)
{
	struct side *s = arg;

	mutex_lock(&s->lock);
	assert_false(s->suspended);
	s->suspended = true;
	s->suspensions++;
	mutex_unlock(&s->lock);
}

static void resume(void *arg)
{
	struct side *s = arg;

	mutex_lock(&s->lock);
	assert_true(s->suspended);
	s->suspended = false;
	cond_signal(&s->woken);
	mutex_unlock(&s->lock);
}

static void wait_woken(struct side *s)
{
	mutex_lock(&s->lock);
	while (s->suspended)
		cond_wait(&s->woken, &s->lock);
	mutex_unlock(&s->lock);
}

static struct sink quiet = { .levels = NULL, .events = 2, .requests = 1 };
static struct service service;
static struct side side;

/* What the fake actions saw. */
static int64_t written;
static int written_calls, finished, inside;
static bool fail_start, fail_write, refuse, gate;
static int64_t time_left;
static int put_off; /* writes that are to be made again */
static unsigned char sum;

static void enter(void)
{
	assert_int_equal(__atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST), 1);
	while (__atomic_load_n(&gate, __ATOMIC_SEQ_CST))
		usleep(1000);
}

static void leave(void)
{
	__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
}

static bool check(struct exchange *x)
{
	if (refuse)
		reply_error(&x->reply, 400, "NAME_INVALID", "no", NULL);
	return !refuse;
}

static bool start(struct exchange *x)
{
	enter();
	if (fail_start)
		reply_error(&x->reply, 404, "BLOB_UPLOAD_UNKNOWN", "no", NULL);
	leave();
	return !fail_start;
}

static bool write_some(struct exchange *x, const char *data, size_t len)
{
	/* of several exchanges at once, in one test */
	if (__atomic_load_n(&put_off, __ATOMIC_SEQ_CST) > 0) {
		__atomic_sub_fetch(&put_off, 1, __ATOMIC_SEQ_CST);
		x->again = true;
		return true;
	}
	enter();
	for (size_t i = 0; i < len; i++)
		sum = (unsigned char)(sum + data[i]);
	written += (int64_t)len;
	time_left = exchange_op(x, CLOCK_SECOND).deadline_ns - clock_monotonic();
	__atomic_add_fetch(&written_calls, 1, __ATOMIC_SEQ_CST);
	if (fail_write)
		reply_error(&x->reply, 500, "UNKNOWN", "no", NULL);
	leave();
	return !fail_write;
}

static void finish(struct exchange *x)
{
	enter();
	finished++;
	x->reply.status = 201;
	leave();
}

static const struct action stream = { ROUTE_UPLOAD, METHOD_PATCH, "test",     BODY_STREAM,
	                              check,        start,        write_some, finish };
static const struct action collect = { ROUTE_MANIFEST, METHOD_PUT, "test", BODY_COLLECT,
	                               check,          NULL,       NULL,   finish };

static struct exchange *make(const struct action *action, int64_t length)
{
	struct exchange_hooks hooks = { suspend, resume, &side };
	struct exchange *x = exchange_new(&service, &hooks, "trace");

	assert_non_null(x);
	x->action = action;
	x->request.length = length;
	return x;
}

static enum exchange_want begin(struct exchange *x)
{
	enum exchange_want want;

	while ((want = exchange_begin(x)) == EXCHANGE_WAIT)
		wait_woken(&side);
	return want;
}

/* Sends n bytes as the library would: what is not taken comes again after the wait. */
static enum exchange_want send(struct exchange *x, int64_t n)
{
	static char block[50000];

	memset(block, 3, sizeof block);
	while (n > 0) {
		size_t len = n < (int64_t)sizeof block ? (size_t)n : sizeof block, left = len;
		enum exchange_want want = exchange_take(x, block, &left);

		if (want == EXCHANGE_CLOSE)
			return want;
		if (want == EXCHANGE_WAIT)
			wait_woken(&side);
		else
			assert_int_equal(left, 0);
		n -= (int64_t)(len - left);
	}
	return EXCHANGE_MORE;
}

static enum exchange_want end(struct exchange *x)
{
	enum exchange_want want;

	while ((want = exchange_end(x)) == EXCHANGE_WAIT)
		wait_woken(&side);
	return want;
}

static int setup(void **state)
{
	struct stow_error err;

	(void)state;
	written = put_off = written_calls = finished = inside = sum = 0;
	fail_start = fail_write = refuse = gate = false;
	memset(&side, 0, sizeof side);
	assert_int_equal(mutex_init(&side.lock), 0);
	assert_int_equal(cond_init(&side.woken), 0);
	service = (struct service){
		.sink = &quiet,
		.request_timeout = CLOCK_SECOND,
		.commit_timeout = CLOCK_SECOND,
		.max_discard = 1000000,
		.manifest_memory = 10000000,
	};
	return workers_start(4, &service.workers, &err);
}

static int teardown(void **state)
{
	(void)state;
	__atomic_store_n(&gate, false, __ATOMIC_SEQ_CST); /* where a test has failed */
	workers_stop(service.workers);
	cond_done(&side.woken);
	mutex_done(&side.lock);
	return service.held == 0 ? 0 : -1;
}

static void a_body_streams_through(void **state)
{
	struct exchange *x = make(&stream, 3000000);

	(void)state;
	assert_int_equal(begin(x), EXCHANGE_MORE);
	assert_int_equal(send(x, 3000000), EXCHANGE_MORE);
	assert_int_equal(end(x), EXCHANGE_REPLY);
	assert_int_equal(x->reply.status, 201);
	assert_int_equal(written, 3000000);
	assert_int_equal(sum, (unsigned char)(3 * 3000000));
	assert_int_equal(finished, 1);
	/* whole buffers, not what the network happened to bring */
	assert_true(written_calls <= 3000000 / (int)PUMP_STEP + 1);
	exchange_leave(x);
}

static void an_empty_body_finishes(void **state)
{
	struct exchange *x = make(&stream, 0);

	(void)state;
	assert_int_equal(begin(x), EXCHANGE_MORE);
	assert_int_equal(end(x), EXCHANGE_REPLY);
	assert_int_equal(x->reply.status, 201);
	assert_int_equal(written, 0);
	exchange_leave(x);
}

static void a_slow_store_suspends_once(void **state)
{
	struct exchange *x = make(&stream, 1000000);
	static char block[400000];
	size_t left = sizeof block, again;

	(void)state;
	assert_int_equal(begin(x), EXCHANGE_MORE);
	side.suspensions = 0;
	__atomic_store_n(&gate, true, __ATOMIC_SEQ_CST);
	assert_int_equal(exchange_take(x, block, &left), EXCHANGE_WAIT);
	assert_int_equal(left, sizeof block - 2 * PUMP_STEP);
	/* entered again while suspended: takes nothing, suspends no second time */
	again = left;
	assert_int_equal(exchange_take(x, block, &again), EXCHANGE_WAIT);
	assert_int_equal(again, left);
	assert_int_equal(side.suspensions, 1);
	__atomic_store_n(&gate, false, __ATOMIC_SEQ_CST);
	wait_woken(&side);
	exchange_leave(x);
}

static void a_fault_in_mid_body_is_answered_at_its_end(void **state)
{
	struct exchange *x = make(&stream, 900000);

	(void)state;
	fail_write = true;
	assert_int_equal(begin(x), EXCHANGE_MORE);
	assert_int_equal(send(x, 900000), EXCHANGE_MORE);
	assert_int_equal(end(x), EXCHANGE_REPLY);
	assert_int_equal(x->reply.status, 500);
	assert_int_equal(finished, 0);
	assert_int_equal(written_calls, 1);
	exchange_leave(x);
}

static void a_fault_with_too_much_to_come_closes(void **state)
{
	struct exchange *x = make(&stream, 50000000);

	(void)state;
	fail_write = true;
	assert_int_equal(begin(x), EXCHANGE_MORE);
	assert_int_equal(send(x, 50000000), EXCHANGE_CLOSE);
	assert_int_equal(finished, 0);
	exchange_leave(x);
}

/* What the store has to say of it comes before a body that is too long to be read for nothing, and
 * in place of "100 Continue". */
static void a_body_waits_until_it_is_wanted(void **state)
{
	struct exchange *x = make(&stream, 50000000);

	(void)state;
	fail_start = gate = true;
	assert_int_equal(exchange_begin(x), EXCHANGE_WAIT);
	assert_int_equal(exchange_begin(x), EXCHANGE_WAIT);
	assert_int_equal(side.suspensions, 1);
	__atomic_store_n(&gate, false, __ATOMIC_SEQ_CST);
	wait_woken(&side);
	assert_int_equal(exchange_begin(x), EXCHANGE_REPLY);
	assert_int_equal(x->reply.status, 404);
	assert_true(x->reply.close);
	exchange_leave(x);
	x = make(&stream, 10);
	assert_true(request_header(&x->request, "Expect", "100-continue"));
	assert_int_equal(begin(x), EXCHANGE_REPLY);
	exchange_leave(x);
	x = make(&stream, 900000);
	assert_int_equal(begin(x), EXCHANGE_MORE);
	assert_int_equal(send(x, 900000), EXCHANGE_MORE);
	assert_int_equal(end(x), EXCHANGE_REPLY);
	assert_false(x->reply.close);
	exchange_leave(x);
	assert_int_equal(written_calls, 0);
}

static int ran;
static void count(struct work *w)
{
	(void)w;
	__atomic_add_fetch(&ran, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&gate, __ATOMIC_SEQ_CST))
		usleep(1000);
}

static void measure(struct exchange *x)
{
	time_left = exchange_op(x, CLOCK_SECOND).deadline_ns - clock_monotonic();
	finish(x);
}

static void waiting_for_a_worker_takes_from_the_time(void **state)
{
	static const struct action measured = { ROUTE_BLOB, METHOD_GET, "test", BODY_DISCARD,
		                                NULL,       NULL,       NULL,   measure };
	struct work items[4] = { 0 };
	struct exchange *x = make(&measured, 0);

	(void)state;
	gate = true;
	for (int i = 0; i < 4; i++) {
		items[i].run = count;
		workers_push(service.workers, &items[i]);
	}
	assert_int_equal(begin(x), EXCHANGE_MORE);
	assert_int_equal(exchange_end(x), EXCHANGE_WAIT);
	usleep(300000);
	__atomic_store_n(&gate, false, __ATOMIC_SEQ_CST);
	assert_int_equal(end(x), EXCHANGE_REPLY);
	assert_true(time_left > 0 && time_left <= CLOCK_SECOND - 250 * CLOCK_MILLISECOND);
	exchange_leave(x);
}

static void a_fault_of_an_endless_body_closes(void **state)
{
	struct exchange *x = make(&stream, -1);

	(void)state;
	fail_start = true;
	assert_int_equal(begin(x), EXCHANGE_MORE);
	assert_int_equal(send(x, 50000000), EXCHANGE_CLOSE);
	assert_true(x->discarded <= 1000000 + 50000);
	exchange_leave(x);
}

static void a_refusal_is_immediate_or_after_a_small_body(void **state)
{
	struct exchange *x = make(&stream, 500000);

	(void)state;
	refuse = true;
	assert_int_equal(begin(x), EXCHANGE_MORE);
	assert_int_equal(send(x, 500000), EXCHANGE_MORE);
	assert_int_equal(end(x), EXCHANGE_REPLY);
	assert_false(x->reply.close);
	exchange_leave(x);
	x = make(&stream, 2000000);
	assert_int_equal(begin(x), EXCHANGE_REPLY);
	assert_true(x->reply.close);
	exchange_leave(x);
	x = make(&stream, 10);
	assert_true(request_header(&x->request, "Expect", "100-continue"));
	assert_int_equal(begin(x), EXCHANGE_REPLY);
	assert_true(x->reply.close);
	exchange_leave(x);
	assert_int_equal(written_calls, 0);
}

static void a_client_that_goes_is_not_sealed(void **state)
{
	struct exchange *x = make(&stream, 1000000);

	(void)state;
	assert_int_equal(begin(x), EXCHANGE_MORE);
	__atomic_store_n(&gate, true, __ATOMIC_SEQ_CST);
	assert_int_equal(send(x, 100000), EXCHANGE_MORE);
	exchange_leave(x);
	__atomic_store_n(&gate, false, __ATOMIC_SEQ_CST);
	usleep(20000);
	assert_int_equal(finished, 0);
	assert_int_equal(written, 0);
}

static void a_collected_body_has_a_ceiling(void **state)
{
	struct exchange *x = make(&collect, -1);

	(void)state;
	assert_int_equal(begin(x), EXCHANGE_MORE);
	assert_int_equal(send(x, STOW_MANIFEST_MAX), EXCHANGE_MORE);
	assert_int_equal(end(x), EXCHANGE_REPLY);
	assert_int_equal(x->reply.status, 201);
	assert_int_equal(x->collected.len, STOW_MANIFEST_MAX);
	exchange_leave(x);
	x = make(&collect, -1);
	assert_int_equal(begin(x), EXCHANGE_MORE);
	assert_int_equal(send(x, STOW_MANIFEST_MAX + 1), EXCHANGE_MORE);
	assert_int_equal(end(x), EXCHANGE_REPLY);
	assert_int_equal(x->reply.status, 413);
	exchange_leave(x);
}

static void manifests_share_a_budget(void **state)
{
	struct exchange *x = make(&collect, -1), *y = make(&collect, -1);

	(void)state;
	service.manifest_memory = STOW_MANIFEST_MAX;
	assert_int_equal(begin(x), EXCHANGE_MORE);
	assert_int_equal(send(x, STOW_MANIFEST_MAX), EXCHANGE_MORE);
	assert_int_equal(begin(y), EXCHANGE_MORE);
	assert_int_equal(send(y, 100), EXCHANGE_MORE);
	assert_int_equal(end(y), EXCHANGE_REPLY);
	assert_int_equal(y->reply.status, 503);
	exchange_leave(y);
	exchange_leave(x);
}

static void a_stopped_exchange_never_waits(void **state)
{
	struct exchange *x = make(&stream, 10);

	(void)state;
	assert_int_equal(begin(x), EXCHANGE_MORE);
	__atomic_store_n(&gate, true, __ATOMIC_SEQ_CST);
	assert_int_equal(send(x, 10), EXCHANGE_MORE);
	assert_int_equal(exchange_end(x), EXCHANGE_WAIT);
	assert_true(side.suspended);
	exchange_stop(x);
	assert_false(side.suspended);
	assert_int_equal(exchange_end(x), EXCHANGE_CLOSE);
	__atomic_store_n(&gate, false, __ATOMIC_SEQ_CST);
	exchange_leave(x);
}

static void streams_leave_room_for_short_work(void **state)
{
	struct work items[8] = { 0 }, brief = { .run = count };

	(void)state;
	gate = true;
	ran = 0;
	for (int i = 0; i < 8; i++) {
		items[i].run = count;
		items[i].stream = true;
		workers_push(service.workers, &items[i]);
	}
	usleep(100000);
	assert_int_equal(__atomic_load_n(&ran, __ATOMIC_SEQ_CST), 3);
	assert_int_equal(workers_waiting(service.workers), 5);
	workers_push(service.workers, &brief);
	usleep(100000);
	assert_int_equal(__atomic_load_n(&ran, __ATOMIC_SEQ_CST), 4);
	__atomic_store_n(&gate, false, __ATOMIC_SEQ_CST);
	for (int i = 0; i < 1000 && __atomic_load_n(&ran, __ATOMIC_SEQ_CST) < 9; i++)
		usleep(1000);
	assert_int_equal(__atomic_load_n(&ran, __ATOMIC_SEQ_CST), 9);
}

/* What finds no memory comes again, within its time, and no byte of it counts twice. */
static void what_is_put_off_comes_again(void **state)
{
	struct exchange *x = make(&stream, 300000);

	(void)state;
	put_off = 3;
	assert_int_equal(begin(x), EXCHANGE_MORE);
	assert_int_equal(send(x, 131072), EXCHANGE_MORE);
	for (int i = 0; i < 10000 && !__atomic_load_n(&written_calls, __ATOMIC_SEQ_CST); i++)
		usleep(1000);
	assert_true(time_left <= CLOCK_SECOND - 3 * WORKERS_LATER);
	assert_int_equal(send(x, 300000 - 131072), EXCHANGE_MORE);
	assert_int_equal(end(x), EXCHANGE_REPLY);
	assert_int_equal(x->reply.status, 201);
	assert_int_equal(written, 300000);
	assert_int_equal(x->body_len, 300000);
	assert_int_equal(sum, (unsigned char)(3 * 300000));
	assert_int_equal(put_off, 0);
	exchange_leave(x);
}

/* No worker waits for it meanwhile; and it ends with its client. */
static void what_is_put_off_holds_no_worker(void **state)
{
	struct work brief = { .run = count, .stream = true };
	struct exchange *x[8];

	(void)state;
	ran = 0;
	put_off = 1000000;
	for (int i = 0; i < 8; i++) {
		x[i] = make(&stream, 300000);
		assert_int_equal(begin(x[i]), EXCHANGE_MORE);
		assert_int_equal(send(x[i], 200000), EXCHANGE_MORE);
	}
	for (int i = 0; i < 10000 && __atomic_load_n(&put_off, __ATOMIC_SEQ_CST) > 1000000 - 16;
	     i++)
		usleep(1000);
	workers_push(service.workers, &brief);
	for (int i = 0; i < 10000 && !__atomic_load_n(&ran, __ATOMIC_SEQ_CST); i++)
		usleep(1000);
	assert_int_equal(__atomic_load_n(&ran, __ATOMIC_SEQ_CST), 1);
	for (int i = 0; i < 8; i++)
		exchange_leave(x[i]);
	assert_int_equal(written, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_body_streams_through),
		T(an_empty_body_finishes),
		T(a_slow_store_suspends_once),
		T(a_fault_in_mid_body_is_answered_at_its_end),
		T(a_fault_with_too_much_to_come_closes),
		T(a_body_waits_until_it_is_wanted),
		T(waiting_for_a_worker_takes_from_the_time),
		T(a_fault_of_an_endless_body_closes),
		T(a_refusal_is_immediate_or_after_a_small_body),
		T(a_client_that_goes_is_not_sealed),
		T(a_collected_body_has_a_ceiling),
		T(manifests_share_a_budget),
		T(a_stopped_exchange_never_waits),
		T(streams_leave_room_for_short_work),
		T(what_is_put_off_comes_again),
		T(what_is_put_off_holds_no_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
