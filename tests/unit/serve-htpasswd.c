/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of host/serve/htpasswd: what a file may hold, who is let in, what is remembered. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/clock.h"
#include "common/text.h"
#include "common/thread.h"
#include "host/serve/htpasswd.h"

/* of "one" and "two", at the lowest cost */
#define ONE "$2y$04$abcdefghijklmnopqrstuuuiMd1XkP3MYkehzxpPHB6m5Tr0FZSYG"
#define TWO "$2b$04$abcdefghijklmnopqrstuuIHDRnKw4Zdb/3/EAZQMg/2vwJPJBL7u"

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
	assert_int_equal(htpasswd_open(path, &quiet, &h, &err), STOW_OK);
	return h;
}

static void expect(struct htpasswd *h, const char *user, const char *password, int status)
{
	struct stow_error err = { 0 };

	assert_int_equal(htpasswd_check(h, user, password, &err), status);
	assert_int_equal(htpasswd_knows(h, user, password), status == STOW_OK);
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

static void long_ones_are_wrong(void **state)
{
	struct htpasswd *h = opened("a:" ONE "\n");
	char text[400];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[399] = '\0';
	expect(h, text, "one", STOW_EDENIED);
	expect(h, "a", text, STOW_EDENIED);
	text[73] = '\0';
	expect(h, "a", text, STOW_EDENIED);
	htpasswd_free(h);
}

static void damaged_files_are_named(void **state)
{
	static const char *const bad[][2] = {
		{ "a\n", "line 1" },
		{ "a:" ONE "\n:" ONE "\n", "line 2" },
		{ "\n\na:plain\n", "line 3" },
		{ "a:$apr1$abcdefgh$abcdefghijklmnopqrstu\n", "line 1" },
		{ "a:$2y$03$abcdefghijklmnopqrstuuOMGDQLKBLUVaKm8ek42fk7zLS8YxJWK\n", "line 1" },
		{ "a:$2y$31$abcdefghijklmnopqrstuuOMGDQLKBLUVaKm8ek42fk7zLS8YxJWK\n", "line 1" },
		{ "a:$2x$04$abcdefghijklmnopqrstuuOMGDQLKBLUVaKm8ek42fk7zLS8YxJWK\n", "line 1" },
		{ "a:" ONE "x\n", "line 1" },
		{ "a: " ONE "\n", "line 1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct htpasswd *h = NULL;
		struct stow_error err = { 0 };

		write_file(bad[i][0]);
		assert_int_equal(htpasswd_open(path, &quiet, &h, &err), STOW_EINVAL);
		assert_non_null(strstr(err.message, path));
		assert_non_null(strstr(err.message, bad[i][1]));
		assert_null(strstr(err.message, "abcdefgh"));
	}
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_let_in),
		cmocka_unit_test(long_ones_are_wrong),
		cmocka_unit_test(damaged_files_are_named),
		cmocka_unit_test(a_file_is_read_anew),
		cmocka_unit_test(many_at_once),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
