/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for sockets: each wait ends once, by what came, by its time or by the end of all.  It must
 * not know what waits in the server.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/thread.h"
#include "host/serve/readable.h"

#define SOCKETS 50

static struct mutex lock;
static struct cond ended;

/* A wait, and how often it ended. */
struct waiter {
	struct readable_wait wait;
	int peer;
	int times;
	bool over;
};

static struct readable *readable;
static struct waiter waiters[SOCKETS];

static void go_on(struct readable_wait *w)
{
	struct waiter *waiter = (struct waiter *)w; /* its first member */

	mutex_lock(&lock);
	waiter->times++;
	waiter->over = w->over;
	cond_broadcast(&ended);
	mutex_unlock(&lock);
}

static int setup(void **state)
{
	struct stow_error err;

	(void)state;
	assert_int_equal(mutex_init(&lock), 0);
	assert_int_equal(cond_init(&ended), 0);
	assert_int_equal(readable_start(&readable, &err), STOW_OK);
	for (int i = 0; i < SOCKETS; i++) {
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		waiters[i] = (struct waiter){ .wait = { .fd = fds[0], .go_on = go_on },
			                      .peer = fds[1] };
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	readable_free(readable);
	for (int i = 0; i < SOCKETS; i++) {
		close(waiters[i].wait.fd);
		if (waiters[i].peer >= 0)
			close(waiters[i].peer);
	}
	cond_done(&ended);
	mutex_done(&lock);
	return 0;
}

static void add(int i, int64_t time)
{
	waiters[i].wait.deadline_ns = clock_monotonic() + time;
	assert_true(readable_add(readable, &waiters[i].wait));
}

/* true where it ended by its time. */
static bool await(int i, int times)
{
	bool over;

	mutex_lock(&lock);
	while (waiters[i].times < times)
		cond_wait(&ended, &lock);
	assert_int_equal(waiters[i].times, times);
	over = waiters[i].over;
	mutex_unlock(&lock);
	return over;
}

static int times(int i)
{
	int n;

	mutex_lock(&lock);
	n = waiters[i].times;
	mutex_unlock(&lock);
	return n;
}

static void what_comes_ends_a_wait(void **state)
{
	(void)state;
	for (int i = 0; i < SOCKETS; i++)
		add(i, 60 * CLOCK_SECOND);
	for (int i = 0; i < SOCKETS; i += 2)
		assert_int_equal(write(waiters[i].peer, "x", 1), 1);
	for (int i = 0; i < SOCKETS; i += 2)
		assert_false(await(i, 1));
	/* nobody has read it: it is there at once */
	add(0, 60 * CLOCK_SECOND);
	assert_false(await(0, 2));
	readable_tick(readable);
	/* an end is something to read, too */
	close(waiters[1].peer);
	waiters[1].peer = -1;
	assert_false(await(1, 1));
	for (int i = 3; i < SOCKETS; i += 2)
		assert_int_equal(times(i), 0);
}

static void time_ends_a_wait(void **state)
{
	(void)state;
	add(0, 0);
	add(1, 60 * CLOCK_SECOND);
	add(2, -CLOCK_SECOND);
	readable_tick(readable);
	assert_true(await(0, 1));
	assert_true(await(2, 1));
	assert_int_equal(times(1), 0);
	/* and it may wait again */
	add(0, 60 * CLOCK_SECOND);
	assert_int_equal(write(waiters[0].peer, "x", 1), 1);
	assert_false(await(0, 2));
}

static void the_end_ends_all(void **state)
{
	(void)state;
	for (int i = 0; i < SOCKETS - 1; i++)
		add(i, 60 * CLOCK_SECOND);
	readable_stop(readable);
	for (int i = 0; i < SOCKETS - 1; i++) {
		assert_int_equal(times(i), 1);
		assert_true(waiters[i].over);
	}
	assert_false(readable_add(readable, &waiters[SOCKETS - 1].wait));
	readable_tick(readable);
	readable_stop(readable);
	assert_int_equal(times(SOCKETS - 1), 0);
}

/* What waits comes and goes while others end: threads for the sanitizer to look at. */
static void *come_and_go(void *arg)
{
	struct waiter *w = arg;
	int i = (int)(w - waiters);

	for (int n = 1; n <= 200; n++) {
		add(i, n % 3 == 0 ? 0 : 60 * CLOCK_SECOND);
		if (n % 3 != 0)
			(void)!write(w->peer, "x", 1);
		readable_tick(readable);
		await(i, n);
	}
	return NULL;
}

static void many_threads_wait(void **state)
{
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(thread_start(&threads[i], 0, come_and_go, &waiters[i]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_comes_ends_a_wait),
		T(time_ends_a_wait),
		T(the_end_ends_all),
		T(many_threads_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
