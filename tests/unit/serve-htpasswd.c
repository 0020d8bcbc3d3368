/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of host/serve/htpasswd: what a file may hold, who is let in, what is remembered. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/clock.h"
#include "common/text.h"
#include "common/thread.h"
#include "host/serve/htpasswd.h"
#include "host/serve/options.h"

/* of "one" and "two", at the lowest cost */
#define ONE "$2y$04$abcdefghijklmnopqrstuuuiMd1XkP3MYkehzxpPHB6m5Tr0FZSYG"
#define TWO "$2b$04$abcdefghijklmnopqrstuuIHDRnKw4Zdb/3/EAZQMg/2vwJPJBL7u"
/* of "one", with bits in the salt's last character that do not count */
#define SALT "$2y$04$abcdefghijklmnopqrstuvuiMd1XkP3MYkehzxpPHB6m5Tr0FZSYG"
/* of "one", at a higher cost */
#define DEAR "$2b$09$abcdefghijklmnopqrstuulQ8UpjGb6YgAlgQIwUyrdcmBpWLvk7q"
/* of 72 times "a" */
#define LONG "$2y$04$abcdefghijklmnopqrstuuBzzIgyKkz7xMWYSzkIjUSnxEQFQ0WNe"

static const struct sink quiet = { .levels = NULL, .events = 2, .requests = 1 };
static char path[64];

static int make_path(void **state)
{
	int fd;

	(void)state;
	text_copy(path, sizeof(path), "/tmp/htpasswd-XXXXXX");
	fd = mkstemp(path);
	return fd < 0 || close(fd) != 0;
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

static void write_file(const char *text)
{
	char other[80];
	FILE *f;

	assert_true(text_format(other, sizeof(other), "%s.new", path));
	f = fopen(other, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(rename(other, path), 0);
}

static struct htpasswd *opened(const char *text)
{
	struct htpasswd *h = NULL;
	struct stow_error err = { 0 };

	write_file(text);
	assert_int_equal(htpasswd_open(path, 128, &quiet, &h, &err), STOW_OK);
	return h;
}

static void expect(struct htpasswd *h, const char *user, const char *password, int status)
{
	int64_t end = clock_monotonic() + 20 * CLOCK_SECOND;
	struct stow_error err = { 0 };
	bool known;

	/* one who is remembered is asked for anew when it is time to look at the file: try again */
	do {
		assert_int_equal(htpasswd_check(h, user, password, &err), status);
		known = htpasswd_knows(h, user, password);
	} while (status == STOW_OK && !known && clock_monotonic() < end);
	assert_int_equal(known, status == STOW_OK);
}

static void who_is_let_in(void **state)
{
	struct htpasswd *h = opened("# users\r\n\n  \na:" ONE "\r\nb b:" TWO "\na:" TWO
	                            "\n\xc3\xa4:" ONE);

	(void)state;
	assert_false(htpasswd_knows(h, "a", "one"));
	expect(h, "a", "one", STOW_OK);
	expect(h, "a", "two", STOW_EDENIED); /* the first of a name counts */
	expect(h, "b b", "two", STOW_OK);
	expect(h, "\xc3\xa4", "one", STOW_OK);
	expect(h, "c", "one", STOW_EDENIED);
	expect(h, "", "one", STOW_EDENIED);
	expect(h, "a", "", STOW_EDENIED);
	expect(h, "a", ONE, STOW_EDENIED);
	expect(h, "# users", "one", STOW_EDENIED);
	htpasswd_free(h);
}

static void long_names_are_nobodys(void **state)
{
	struct htpasswd *h = opened("a:" ONE "\n");
	char text[400];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[399] = '\0';
	expect(h, text, "one", STOW_EDENIED);
	text[256] = '\0';
	expect(h, text, "one", STOW_EDENIED);
	expect(h, "a", text, STOW_EDENIED);
	htpasswd_free(h);
}

/* As Go's bcrypt compares, and as htpasswd -B has made the hash. */
static void the_first_72_octets_count(void **state)
{
	struct htpasswd *h = opened("a:" LONG "\n");
	char text[4001];

	(void)state;
	memset(text, 'a', sizeof(text));
	text[71] = '\0';
	expect(h, "a", text, STOW_EDENIED);
	text[71] = 'a';
	text[4000] = '\0'; /* more than the library takes */
	expect(h, "a", text, STOW_OK);
	text[80] = '\0';
	assert_false(htpasswd_knows(h, "a", text)); /* only the very same is remembered */
	expect(h, "a", text, STOW_OK);
	text[72] = '\0';
	expect(h, "a", text, STOW_OK);
	text[71] = 'b';
	expect(h, "a", text, STOW_EDENIED);
	htpasswd_free(h);
}

static void lines_as_others_take_them(void **state)
{
	struct htpasswd *h = opened("  # users\n \ta:" ONE " \t\r\n\t\r\nb:" TWO
	                            ":Bob, a user\nc:" ONE ": \nd:" SALT "\n");

	(void)state;
	expect(h, "a", "one", STOW_OK);
	expect(h, "b", "two", STOW_OK);
	expect(h, "c", "one", STOW_OK);
	expect(h, "d", "one", STOW_OK);
	expect(h, "d", "two", STOW_EDENIED);
	htpasswd_free(h);
}

/* Of this thread, at best of a few; ns. */
static int64_t time_to_refuse(struct htpasswd *h, const char *user)
{
	int64_t best = INT64_MAX;

	for (int i = 0; i < 5; i++) {
		struct stow_error err = { 0 };
		struct timespec t[2];
		int64_t took;

		assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t[0]), 0);
		assert_int_equal(htpasswd_check(h, user, "wrong", &err), STOW_EDENIED);
		assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t[1]), 0);
		took = (t[1].tv_sec - t[0].tv_sec) * CLOCK_SECOND + t[1].tv_nsec - t[0].tv_nsec;
		if (took < best)
			best = took;
	}
	return best;
}

/* The costs are 32 times apart: a factor of four is told apart from that on any machine. */
static void names_do_not_show_by_time(void **state)
{
	struct htpasswd *h = opened("cheap:" ONE "\ndear:" DEAR "\n");
	int64_t cheap = time_to_refuse(h, "cheap"), dear = time_to_refuse(h, "dear"),
		unknown = time_to_refuse(h, "nobody");

	(void)state;
	assert_true(cheap < unknown * 4 && unknown < cheap * 4);
	assert_true(dear < unknown * 4 && unknown < dear * 4);
	expect(h, "cheap", "one", STOW_OK);
	expect(h, "dear", "one", STOW_OK);
	htpasswd_free(h);
}

static void damaged_files_are_named(void **state)
{
	static const char *const bad[][2] = {
		{ "a\n", "line 1" },
		{ "a:" ONE "\n:" ONE "\n", "line 2" },
		{ "\n\n:plain\n", "line 3" },
		{ "a\n$apr1$abcdefgh$abcdefghijklmnopqrstu\n", "line 1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct htpasswd *h = NULL;
		struct stow_error err = { 0 };

		write_file(bad[i][0]);
		assert_int_equal(htpasswd_open(path, 128, &quiet, &h, &err), STOW_EINVAL);
		assert_non_null(strstr(err.message, path));
		assert_non_null(strstr(err.message, bad[i][1]));
		assert_null(strstr(err.message, "abcdefgh"));
	}
}

/* A sink whose events go to a pipe. */
static int open_sink(struct sink *ret)
{
	struct stow_config *config = NULL;
	int ends[2];

	assert_int_equal(stow_config_new(&config, NULL), STOW_OK);
	assert_int_equal(stow_config_section(config, "log", serve_log_options, NULL), STOW_OK);
	assert_int_equal(sink_open(ret, config, NULL), STOW_OK);
	stow_config_free(config);
	assert_int_equal(pipe(ends), 0);
	ret->events = ends[1];
	return ends[0];
}

static void other_hashes_let_nobody_in(void **state)
{
	struct sink sink = { 0 };
	int events = open_sink(&sink);
	struct htpasswd *h = NULL;
	struct stow_error err = { 0 };
	char log[1000] = "";

	(void)state;
	write_file("a:" ONE "\nb:plain\nb:" TWO "\n\nc:$apr1$abcdefgh$abcdefghijklmnopqrstu\n"
	           "d:$2y$03$abcdefghijklmnopqrstuuOMGDQLKBLUVaKm8ek42fk7zLS8YxJWK\n"
	           "e:$2y$31$abcdefghijklmnopqrstuuOMGDQLKBLUVaKm8ek42fk7zLS8YxJWK\n"
	           "f:$2x$04$abcdefghijklmnopqrstuuuiMd1XkP3MYkehzxpPHB6m5Tr0FZSYG\n"
	           "g:" ONE "x\nh: " ONE "\ni:\nj:x\n");
	assert_int_equal(htpasswd_open(path, 128, &sink, &h, &err), STOW_OK);
	assert_true(read(events, log, sizeof(log) - 1) > 0);
	assert_non_null(strstr(log, "level=warning"));
	assert_non_null(strstr(log, "line 2, 5, 6, 7, 8, 9, 10, 11 and others"));
	assert_null(strstr(log, "abcdefgh"));
	assert_null(strstr(log, "plain"));
	expect(h, "a", "one", STOW_OK);
	expect(h, "b", "plain", STOW_EDENIED);
	expect(h, "b", "two", STOW_EDENIED); /* the first of a name counts, even so */
	for (const char *name = "cdefghij"; *name; name++)
		expect(h, (const char[]){ *name, '\0' }, "one", STOW_EDENIED);
	expect(h, "i", "", STOW_EDENIED);
	htpasswd_free(h);
	close(events);
	close(sink.events);
	sink_close(&sink);
}

static void a_file_is_read_anew(void **state)
{
	struct htpasswd *h = opened("a:" ONE "\n");
	struct stow_error err = { 0 };
	int64_t end = clock_monotonic() + 20 * CLOCK_SECOND;

	(void)state;
	expect(h, "a", "one", STOW_OK);
	write_file("a:" TWO "\nb:" ONE "\n");
	while (htpasswd_check(h, "b", "one", &err) != STOW_OK && clock_monotonic() < end)
		usleep(20000);
	expect(h, "a", "one", STOW_EDENIED);
	expect(h, "a", "two", STOW_OK);
	/* a damaged one changes nothing */
	write_file("b\n");
	assert_int_equal(htpasswd_reload(h, &err), STOW_EINVAL);
	expect(h, "a", "two", STOW_OK);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(htpasswd_reload(h, &err), STOW_ENOTFOUND);
	expect(h, "b", "one", STOW_OK);
	write_file("b:" TWO "\n");
	assert_int_equal(htpasswd_reload(h, &err), STOW_OK);
	assert_false(htpasswd_knows(h, "b", "one"));
	expect(h, "b", "one", STOW_EDENIED);
	htpasswd_free(h);
}

struct crowd {
	struct htpasswd *h;
	unsigned right, wrong, busy; /* atomic */
	unsigned next;               /* atomic */
};

static void *ask(void *arg)
{
	struct crowd *c = arg;
	unsigned i = __atomic_fetch_add(&c->next, 1, __ATOMIC_RELAXED);
	char password[16];

	text_format(password, sizeof(password), i % 2 ? "one" : "no %u", i);
	for (unsigned n = 0; n < 20; n++) {
		struct stow_error err = { 0 };
		int status = htpasswd_check(c->h, "a", password, &err);

		if (n == 7 && i == 5)
			(void)htpasswd_reload(c->h, &err);
		__atomic_fetch_add(status == STOW_OK        ? &c->right
		                   : status == STOW_EDENIED ? &c->wrong
		                                            : &c->busy,
		                   1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* More than there are turns and places to wait: none gets another's verdict. */
static void many_at_once(void **state)
{
	struct crowd c = { .h = opened("a:" ONE "\n") };
	pthread_t threads[64];

	(void)state;
	for (size_t i = 0; i < 64; i++)
		assert_int_equal(thread_start(&threads[i], 0, ask, &c), 0);
	for (size_t i = 0; i < 64; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(c.right + c.wrong + c.busy, 64 * 20);
	assert_true(c.right <= 32 * 20 && c.wrong <= 32 * 20);
	assert_true(c.right > 0 && c.wrong > 0);
	htpasswd_free(c.h);
}

static void *ask_once(void *arg)
{
	struct crowd *c = arg;
	struct stow_error err = { 0 };

	if (htpasswd_check(c->h, "a", "wrong", &err) == STOW_EBUSY &&
	    (err.flags & STOW_ERROR_RETRYABLE))
		__atomic_fetch_add(&c->busy, 1, __ATOMIC_RELAXED);
	return NULL;
}

/* Logins that are wrong hold two of the four at most, and who is remembered gets by. */
static void few_threads_are_not_all_held(void **state)
{
	struct crowd c = { 0 };
	struct stow_error err = { 0 };
	pthread_t threads[16];
	int64_t end = clock_monotonic() + 60 * CLOCK_SECOND;

	(void)state;
	write_file("a:" DEAR "\n");
	assert_int_equal(htpasswd_open(path, 4, &quiet, &c.h, &err), STOW_OK);
	expect(c.h, "a", "one", STOW_OK);
	while (__atomic_load_n(&c.busy, __ATOMIC_RELAXED) == 0 && clock_monotonic() < end) {
		for (size_t i = 0; i < 16; i++)
			assert_int_equal(thread_start(&threads[i], 0, ask_once, &c), 0);
		assert_int_equal(htpasswd_check(c.h, "a", "one", &err), STOW_OK);
		for (size_t i = 0; i < 16; i++)
			pthread_join(threads[i], NULL);
	}
	assert_true(c.busy > 0);
	htpasswd_free(c.h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_let_in),
		cmocka_unit_test(long_names_are_nobodys),
		cmocka_unit_test(the_first_72_octets_count),
		cmocka_unit_test(lines_as_others_take_them),
		cmocka_unit_test(names_do_not_show_by_time),
		cmocka_unit_test(damaged_files_are_named),
		cmocka_unit_test(other_hashes_let_nobody_in),
		cmocka_unit_test(a_file_is_read_anew),
		cmocka_unit_test(many_at_once),
		cmocka_unit_test(few_threads_are_not_all_held),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
