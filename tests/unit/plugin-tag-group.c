/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of shared reads: how many are made, of what age their answers are, and who leaves early.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"
#include "plugin/tag-group.h"

#define THREADS 12

/* A read that waits for a permit, and answers how many there were before it. */
static struct {
	struct tag_groups groups;
	unsigned begun, permits; /* atomic */
	unsigned under_way, most;
} store;

static int read_slowly(void *arg, const struct stow_op *op, const char *key, struct digest *ret,
                       struct stow_error *err)
{
	unsigned number = __atomic_add_fetch(&store.begun, 1, __ATOMIC_SEQ_CST);
	unsigned now = __atomic_add_fetch(&store.under_way, 1, __ATOMIC_SEQ_CST);
	int status = STOW_OK;

	(void)arg;
	assert_true(now == 1 || strcmp(key, "other") == 0);
	while (status == STOW_OK && __atomic_load_n(&store.permits, __ATOMIC_SEQ_CST) < number) {
		usleep(1000);
		status = clock_op_check(op, "read", err);
	}
	__atomic_sub_fetch(&store.under_way, 1, __ATOMIC_SEQ_CST);
	if (status != STOW_OK)
		return status;
	if (strcmp(key, "missing") == 0)
		return error_set(err, STOW_ENOTFOUND, "read", "no %s", key);
	digest_of(ret, HASH_SHA256, &number, sizeof(number));
	return STOW_OK;
}

struct reader {
	pthread_t thread;
	const char *key;
	int64_t deadline_ns;
	int status;
	unsigned begun; /* reads that had begun when it came */
	struct digest digest;
	struct stow_error error;
};

static void *run(void *arg)
{
	struct reader *r = arg;
	struct stow_op op = { .size = sizeof(op), .deadline_ns = r->deadline_ns };

	r->begun = __atomic_load_n(&store.begun, __ATOMIC_SEQ_CST);
	r->status = tag_group_read(&store.groups, &op, r->key, read_slowly, NULL, &r->digest,
	                           &r->error);
	return NULL;
}

static void start(struct reader *r, const char *key, int64_t after_ns)
{
	*r = (struct reader){ .key = key,
		              .deadline_ns = after_ns ? clock_monotonic() + after_ns : 0 };
	assert_int_equal(thread_start(&r->thread, 0, run, r), 0);
}

static void wait_begun(unsigned n)
{
	while (__atomic_load_n(&store.begun, __ATOMIC_SEQ_CST) < n)
		usleep(1000);
}

static void permit(unsigned n)
{
	__atomic_store_n(&store.permits, n, __ATOMIC_SEQ_CST);
}

static bool is_of(const struct reader *r, unsigned number)
{
	struct digest want;

	digest_of(&want, HASH_SHA256, &number, sizeof(number));
	return r->status == STOW_OK && digest_equal(&want, &r->digest);
}

static void begin(void)
{
	memset(&store, 0, sizeof(store));
	assert_int_equal(tag_groups_init(&store.groups, NULL), STOW_OK);
}

static void end(void)
{
	assert_null(store.groups.first);
	tag_groups_done(&store.groups);
}

/* One is under way; all others get the answer of the next, which began after they came. */
static void those_who_wait_share(void **state)
{
	struct reader r[THREADS];

	(void)state;
	begin();
	start(&r[0], "key", 0);
	wait_begun(1);
	for (int i = 1; i < THREADS; i++)
		start(&r[i], "key", 0);
	usleep(50 * 1000);
	permit(100);
	for (int i = 0; i < THREADS; i++)
		pthread_join(r[i].thread, NULL);
	assert_true(is_of(&r[0], 1));
	for (int i = 1; i < THREADS; i++)
		assert_true(is_of(&r[i], 2));
	assert_int_equal(store.begun, 2);
	end();
}

static void errors_are_shared(void **state)
{
	struct reader r[3];

	(void)state;
	begin();
	start(&r[0], "missing", 0);
	wait_begun(1);
	start(&r[1], "missing", 0);
	start(&r[2], "missing", 0);
	usleep(50 * 1000);
	permit(100);
	for (int i = 0; i < 3; i++) {
		pthread_join(r[i].thread, NULL);
		assert_int_equal(r[i].status, STOW_ENOTFOUND);
		assert_string_equal(r[i].error.message, "no missing");
	}
	assert_int_equal(store.begun, 2);
	end();
}

static void keys_do_not_share(void **state)
{
	struct reader r[2];

	(void)state;
	begin();
	start(&r[0], "key", 0);
	wait_begun(1);
	start(&r[1], "other", 0);
	wait_begun(2);
	permit(100);
	pthread_join(r[0].thread, NULL);
	pthread_join(r[1].thread, NULL);
	assert_true(is_of(&r[0], 1) && is_of(&r[1], 2));
	end();
}

/* The one who reads gives up, and so does one who waits: the others have an answer all the same. */
static void each_keeps_its_deadline(void **state)
{
	struct reader r[4];

	(void)state;
	begin();
	start(&r[0], "key", 0);
	wait_begun(1);
	start(&r[1], "key", 300 * CLOCK_MILLISECOND); /* the next to read */
	usleep(30 * 1000);
	start(&r[2], "key", 0);
	start(&r[3], "key", 100 * CLOCK_MILLISECOND);
	pthread_join(r[3].thread, NULL);
	assert_int_equal(r[3].status, STOW_ETIMEOUT);
	permit(1);
	pthread_join(r[0].thread, NULL);
	assert_true(is_of(&r[0], 1));
	pthread_join(r[1].thread, NULL);
	assert_true(r[1].status == STOW_ETIMEOUT);
	permit(100);
	pthread_join(r[2].thread, NULL);
	assert_int_equal(r[2].status, STOW_OK);
	end();
}

static void *many(void *arg)
{
	for (int i = 0; i < 300; i++) {
		struct reader r = { .key = "key" };

		run(&r);
		assert_int_equal(r.status, STOW_OK);
		/* of a read that began after the call */
		for (unsigned n = 1; n <= r.begun; n++)
			assert_false(n + 20 > r.begun && is_of(&r, n));
	}
	return arg;
}

static void many_at_once(void **state)
{
	pthread_t t[THREADS];

	(void)state;
	begin();
	permit(UINT32_MAX);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(thread_start(&t[i], 0, many, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_who_wait_share),    cmocka_unit_test(errors_are_shared),
		cmocka_unit_test(keys_do_not_share),       cmocka_unit_test(many_at_once),
		cmocka_unit_test(each_keeps_its_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
