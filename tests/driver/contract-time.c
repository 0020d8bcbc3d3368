/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines, the cancel word, and many threads on one instance.
 * It must not measure more than that a call comes back in time.
 */
#include "common/clock.h"
#include "common/thread.h"
#include "tests/driver/contract.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STEP ((size_t)300000)

/* Every call with circumstances that let none begin. */
static void nothing_begins(const struct stow_op *op, int want)
{
	const char *there = key_of("time/there");
	const char *new = key_of("time/new");
	struct stow_stat stat;
	struct stow_entry entry;
	void *handle = NULL;
	char buf[16];
	size_t n = 0;
	int64_t offset;

	WANT(want, C.driver->stat(C.self, op, there, &stat, &E));
	CHECK(E.status == want);
	WANT(want, C.driver->get(C.self, op, there, NULL, buf, sizeof(buf), &n, &stat, &E));
	WANT(want, C.driver->put(C.self, op, new, "x", 1, NULL, NULL, &E));
	CHECK(is_absent(new));
	WANT(want, C.driver->remove(C.self, op, there, NULL, &E));
	CHECK(text_is(there, "there"));
	WANT(want, C.driver->read_open(C.self, op, there, NULL, 0, -1, &handle, &stat, &E));
	WANT(want, C.driver->write_open(C.self, op, new, NULL, &handle, &offset, &E));
	WANT(want, C.driver->list_open(C.self, op, C.prefix, NULL, 0, &handle, &E));
	if (C.driver->copy)
		WANT(want, C.driver->copy(C.self, op, there, NULL, new, NULL, &E));
	/* and in the middle */
	OK(C.driver->read_open(C.self, NULL, there, NULL, 0, -1, &handle, &stat, &E));
	WANT(want, C.driver->read(handle, op, buf, sizeof(buf), &n, &E));
	C.driver->read_close(handle);
	OK(C.driver->list_open(C.self, NULL, C.prefix, NULL, 0, &handle, &E));
	WANT(want, C.driver->list_next(handle, op, &entry, &E));
	C.driver->list_close(handle);
	OK(C.driver->write_open(C.self, NULL, new, NULL, &handle, &offset, &E));
	WANT(want, C.driver->write(handle, op, "x", 1, &E));
	C.driver->write_close(handle, op);
	OK(C.driver->write_open(C.self, NULL, new, NULL, &handle, &offset, &E));
	OK(C.driver->write(handle, NULL, "x", 1, &E));
	WANT(want, C.driver->write_commit(handle, op, NULL, &E));
	C.driver->write_close(handle, NULL);
	CHECK(is_absent(new));
	CHECK(list_count(new) == 0);
}

static void case_deadline(void)
{
	struct stow_op op = { .size = sizeof(op), .deadline_ns = 1 };

	OK(put_text(key_of("time/there"), "there"));
	nothing_begins(&op, STOW_ETIMEOUT);
	op.deadline_ns = clock_monotonic() - 1;
	nothing_begins(&op, STOW_ETIMEOUT);
	OK(remove_key(key_of("time/there")));
}

static void case_canceled(void)
{
	uint32_t cancel = 1;
	struct stow_op op = { .size = sizeof(op), .cancel = &cancel };

	OK(put_text(key_of("time/there"), "there"));
	nothing_begins(&op, STOW_ECANCELED);
	OK(remove_key(key_of("time/there")));
}

/* A deadline and a cancel word that leave time enough change nothing. */
static void case_in_time(void)
{
	uint32_t cancel = 0;
	struct stow_op op = { .size = sizeof(op), .cancel = &cancel, .trace = "a-request" };
	struct stow_stat stat;
	const char *key = key_of("time/enough");

	op.deadline_ns = clock_monotonic() + 60 * CLOCK_SECOND;
	OK(C.driver->put(C.self, &op, key, "x", 1, NULL, NULL, &E));
	OK(C.driver->stat(C.self, &op, key, &stat, &E));
	OK(C.driver->remove(C.self, &op, key, NULL, &E));
}

/* ---- cancelled by another thread while calls are under way ---- */

struct canceler {
	uint32_t cancel; /* atomic */
	int64_t at_ns;   /* atomic: when it was set */
};

static void *cancel_soon(void *arg)
{
	struct canceler *canceler = arg;
	const struct timespec wait = { .tv_nsec = 150000000 };

	nanosleep(&wait, NULL);
	__atomic_store_n(&canceler->at_ns, clock_monotonic(), __ATOMIC_SEQ_CST);
	__atomic_store_n(&canceler->cancel, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Runs call again and again until it fails; it must be the cancel word, and soon after it. */
static void cancelled_in_time(int (*call)(const struct stow_op *, void *), void *arg)
{
	struct canceler canceler = { 0 };
	struct stow_op op = { .size = sizeof(op), .cancel = &canceler.cancel };
	int64_t late = clock_monotonic() + 30 * CLOCK_SECOND;
	pthread_t thread;
	int64_t took;
	int r;

	CHECK(thread_start(&thread, 0, cancel_soon, &canceler) == 0);
	do
		r = call(&op, arg);
	while (r == STOW_OK && clock_monotonic() < late);
	took = clock_monotonic() - __atomic_load_n(&canceler.at_ns, __ATOMIC_SEQ_CST);
	pthread_join(thread, NULL);
	WANT(STOW_ECANCELED, r);
	CHECK_TEXT(took < 2 * CLOCK_SECOND, "it took %" PRId64 " ms", took / CLOCK_MILLISECOND);
}

static int read_all(const struct stow_op *op, void *arg)
{
	static char buf[MIB];
	void *reader = NULL;
	struct stow_stat stat;
	size_t n = 1;
	int r = C.driver->read_open(C.self, op, arg, NULL, 0, -1, &reader, &stat, &E);

	while (r == STOW_OK && n > 0)
		r = C.driver->read(reader, op, buf, sizeof(buf), &n, &E);
	if (reader)
		C.driver->read_close(reader);
	return r;
}

static int write_more(const struct stow_op *op, void *arg)
{
	static char buf[MIB];

	return C.driver->write(arg, op, buf, sizeof(buf) / 16, &E);
}

static int put_again(const struct stow_op *op, void *arg)
{
	static char buf[MIB];

	memset(buf, 'p', sizeof(buf));
	return C.driver->put(C.self, op, arg, buf, sizeof(buf), NULL, NULL, &E);
}

static void case_cancel_read(void)
{
	const char *key = key_of("time/read");
	char text[128];

	snprintf(text, sizeof(text), "%s", key);
	OK(put_pattern(text, 2 * C.part, 1, STEP));
	cancelled_in_time(read_all, text);
	CHECK(object_is(text, 2 * C.part, 1));
	OK(remove_key(text));
}

static void case_cancel_write(void)
{
	const char *key = key_of("time/write");
	void *writer = NULL;
	int64_t offset;

	OK(C.driver->write_open(C.self, NULL, key, NULL, &writer, &offset, &E));
	cancelled_in_time(write_more, writer);
	CHECK(C.driver->write(writer, NULL, "x", 1, &E) != STOW_OK);
	CHECK(C.driver->write_commit(writer, NULL, NULL, &E) != STOW_OK);
	C.driver->write_close(writer, NULL);
	CHECK(is_absent(key));
}

static void case_cancel_put(void)
{
	char text[128];
	struct stow_stat stat;
	int r;

	snprintf(text, sizeof(text), "%s", key_of("time/put"));
	cancelled_in_time(put_again, text);
	r = C.driver->stat(C.self, NULL, text, &stat, &E);
	CHECK(r == STOW_ENOTFOUND || (r == STOW_OK && stat.size == MIB));
	OK(remove_key(text));
}

/* ---- eight threads ---- */

enum { THREADS = 8, ROUNDS = 25 };

static void one_round(unsigned me, unsigned round)
{
	const char *mine = key_of("threads/%u/mine", me);
	/* all of them fill and empty this folder */
	const char *common = key_of("threads/deep/er/%u", me);
	const char *shared = key_of("threads/shared");
	char text[64];
	char buf[64];
	size_t len = 0;
	struct stow_stat stat;

	snprintf(text, sizeof(text), "thread %u round %u", me, round);
	OK(put_text(mine, text));
	OK(put_text(common, text));
	OK(put_text(shared, text));
	CHECK(text_is(mine, text));
	CHECK(text_is(common, text));
	OK(C.driver->get(C.self, NULL, shared, NULL, buf, sizeof(buf), &len, &stat, &E));
	CHECK(len >= 16 && memcmp(buf, "thread ", 7) == 0);
	CHECK(list_count(key_of("threads/%u/", me)) == 1);
	OK(remove_key(common));
	CHECK(is_absent(common));
	OK(remove_key(mine));
	CHECK(is_absent(mine));
}

static void stream_in_thread(unsigned me)
{
	const char *key = key_of("threads/%u/stream", me);

	OK(put_pattern(key, C.part / 8 + me, me, STEP));
	CHECK(object_is(key, C.part / 8 + me, me));
	OK(remove_key(key));
}

static void *thread_main(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;

	for (unsigned round = 0; round < ROUNDS; round++)
		one_round(me, round);
	stream_in_thread(me);
	return NULL;
}

static void case_threads(void)
{
	pthread_t threads[THREADS];

	for (size_t i = 0; i < THREADS; i++)
		if (thread_start(&threads[i], 0, thread_main, (void *)(uintptr_t)i) != 0)
			abort();
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	OK(remove_key(key_of("threads/shared")));
	CHECK(list_count(key_of("threads/")) == 0);
}

/* Of eight who create, one wins; of eight who replace a version, one wins each round. */
static struct {
	char key[128];
	uint32_t won; /* atomic */
	int64_t counter;
} contest;

static void *create_once(void *arg)
{
	struct stow_put put = { .size = sizeof(put), .flags = STOW_PUT_CREATE, .length = -1 };

	(void)arg;
	if (C.driver->put(C.self, NULL, contest.key, "x", 1, &put, NULL, &E) == STOW_OK)
		__atomic_add_fetch(&contest.won, 1, __ATOMIC_RELAXED);
	return NULL;
}

/* Counts up ten times, by reading and replacing what was read. */
static void *count_up(void *arg)
{
	int done = 0;

	(void)arg;
	for (int tries = 0; tries < 5000 && done < 10; tries++) {
		char text[32] = "";
		size_t len = 0;
		struct stow_stat stat;
		struct stow_put put = { .size = sizeof(put), .length = -1 };
		int r = C.driver->get(C.self, NULL, contest.key, NULL, text, sizeof(text) - 1, &len,
		                      &stat, &E);

		if (r != STOW_OK)
			continue;
		snprintf(text, sizeof(text), "%ld", strtol(text, NULL, 10) + 1);
		put.if_match = stat.etag;
		if (C.driver->put(C.self, NULL, contest.key, text, strlen(text), &put, NULL, &E) ==
		    STOW_OK)
			done++;
	}
	__atomic_add_fetch(&contest.won, (uint32_t)done, __ATOMIC_RELAXED);
	return NULL;
}

static void run_threads(void *(*run)(void *))
{
	pthread_t threads[THREADS];

	contest.won = 0;
	for (size_t i = 0; i < THREADS; i++)
		if (thread_start(&threads[i], 0, run, NULL) != 0)
			abort();
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static void case_contest(void)
{
	HONOURED(STOW_CAP_CREATE);
	snprintf(contest.key, sizeof(contest.key), "%s", key_of("contest/create"));
	for (int i = 0; i < 5; i++) {
		run_threads(create_once);
		CHECK_TEXT(contest.won == 1, "%u of 8 created it", contest.won);
		OK(remove_key(contest.key));
	}
}

static void case_count(void)
{
	HONOURED(STOW_CAP_PUT_IF_MATCH);
	snprintf(contest.key, sizeof(contest.key), "%s", key_of("contest/count"));
	OK(put_text(contest.key, "0"));
	run_threads(count_up);
	CHECK_TEXT(contest.won == 10 * THREADS, "%u of 80 steps were made", contest.won);
	CHECK(text_is(contest.key, "80"));
	OK(remove_key(contest.key));
}

const struct contract_case time_cases[] = {
	{ "a deadline in the past", case_deadline },
	{ "a cancel word that is set", case_canceled },
	{ "a deadline that leaves time", case_in_time },
	{ "cancelled while reading", case_cancel_read },
	{ "cancelled while writing", case_cancel_write },
	{ "cancelled while putting", case_cancel_put },
	{ "eight threads on one instance", case_threads },
	{ "one of eight creates", case_contest },
	{ "eight count up by if-match", case_count },
	{ NULL, NULL },
};
