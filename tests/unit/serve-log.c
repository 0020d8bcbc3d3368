/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of host/serve/log where lines go into a pipe that does not block: whole lines or none, and
 * what is left half spoils no line behind it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/thread.h"
#include "host/serve/log.h"
#include "host/serve/setup.h"

#define ROOM 4096 /* of the pipe */
#define LONG ((size_t)20000)
#define WRITERS 4
#define LINES 50

/* A sink whose events go into a pipe. */
struct fixture {
	struct sink sink;
	int out, in;
	char *text; /* of LONG bytes */
};

static void setup(struct fixture *f)
{
	struct stow_config *config = NULL;
	int ends[2];

	assert_int_equal(setup_tables(&config, NULL), STOW_OK);
	assert_int_equal(sink_open(&f->sink, config, NULL), STOW_OK);
	stow_config_free(config);
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	f->in = ends[0];
	f->out = f->sink.events = ends[1];
	if (fcntl(f->out, F_SETPIPE_SZ, ROOM) != ROOM)
		skip();
	f->text = malloc(LONG + 1);
	assert_non_null(f->text);
	memset(f->text, 'x', LONG);
	f->text[LONG] = '\0';
}

static void teardown(struct fixture *f)
{
	sink_close(&f->sink);
	close(f->in);
	if (f->out >= 0)
		close(f->out);
	free(f->text);
}

static void fill(struct fixture *f)
{
	char block[ROOM];

	memset(block, '.', sizeof(block));
	assert_int_equal(write(f->out, block, sizeof(block)), ROOM);
	assert_int_equal(write(f->out, ".", 1), -1);
	assert_int_equal(errno, EAGAIN);
}

/* All that is there; to be freed. */
static char *drain(struct fixture *f)
{
	struct buf all = { 0 };
	char block[ROOM];
	ssize_t n;

	buf_init(&all, (size_t)8 << 20);
	buf_adds(&all, "");
	while ((n = read(f->in, block, sizeof(block))) > 0)
		buf_add(&all, block, (size_t)n);
	buf_addc(&all, '\0');
	assert_int_equal(buf_status(&all), STOW_OK);
	return buf_take(&all);
}

static void event(struct fixture *f, const char *text)
{
	sink_write(&f->sink, STOW_LOG_ERROR, "test", text);
}

static bool is_whole(const char *text, const char *message)
{
	const char *end = strchr(text, '\n');

	return strncmp(text, "time=", 5) == 0 && strstr(text, message) && end && !end[1];
}

static void without_room_there_is_no_line(void **state)
{
	struct fixture f = { 0 };
	int64_t began;
	char *text;

	(void)state;
	setup(&f);
	fill(&f);
	began = clock_monotonic();
	for (int i = 0; i < 100; i++)
		event(&f, "lost");
	/* nobody waits for a line that has not begun: together they would take 10 s */
	assert_true(clock_monotonic() - began < 5 * CLOCK_SECOND);
	text = drain(&f);
	assert_int_equal(strspn(text, "."), strlen(text));
	free(text);
	event(&f, "msg-1");
	text = drain(&f);
	assert_true(is_whole(text, "msg-1"));
	free(text);
	teardown(&f);
}

static void half_a_line_is_ended_before_the_next(void **state)
{
	struct fixture f = { 0 };
	char *text;

	(void)state;
	setup(&f);
	event(&f, f.text);
	/* there is no room for its end either */
	event(&f, "lost");
	text = drain(&f);
	assert_int_equal(strlen(text), ROOM);
	assert_null(strchr(text, '\n'));
	assert_null(strstr(text, "lost"));
	free(text);
	event(&f, "msg-1");
	text = drain(&f);
	assert_int_equal(text[0], '\n');
	assert_true(is_whole(text + 1, "msg-1"));
	free(text);
	/* and once is enough */
	event(&f, "msg-2");
	text = drain(&f);
	assert_true(is_whole(text, "msg-2"));
	free(text);
	teardown(&f);
}

static void a_reader_that_went_away_is_not_waited_for(void **state)
{
	struct fixture f = { 0 };

	(void)state;
	setup(&f);
	event(&f, f.text);
	close(f.in);
	f.in = open("/dev/null", O_RDONLY | O_CLOEXEC);
	event(&f, "lost");
	event(&f, f.text);
	teardown(&f);
}

struct reader {
	struct fixture *f;
	struct buf all;
};

/* Until the pipe's other end is closed. */
static void *read_all(void *arg)
{
	struct reader *r = arg;
	char block[1000];

	for (;;) {
		ssize_t n = read(r->f->in, block, sizeof(block));

		if (n == 0)
			return NULL;
		if (n > 0)
			buf_add(&r->all, block, (size_t)n);
	}
}

static void *write_some(void *arg)
{
	struct fixture *f = arg;

	for (int i = 0; i < LINES; i++)
		event(f, f->text);
	return NULL;
}

/* Some may be lost, and one left half where the reader got no processor for long. */
static void lines_of_threads_do_not_mix(void **state)
{
	struct fixture f = { 0 };
	struct reader r = { .f = &f };
	pthread_t reader, writers[WRITERS];
	int whole = 0;

	(void)state;
	setup(&f);
	buf_init(&r.all, (size_t)8 << 20);
	assert_int_equal(thread_start(&reader, 0, read_all, &r), 0);
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(thread_start(&writers[i], 0, write_some, &f), 0);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(writers[i], NULL);
	close(f.out);
	f.out = -1;
	pthread_join(reader, NULL);
	buf_addc(&r.all, '\0');
	assert_int_equal(buf_status(&r.all), STOW_OK);
	for (char *line = r.all.data, *end; *line; line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		else
			end = line + strlen(line);
		assert_int_equal(strncmp(line, "time=", 5), 0);
		assert_null(strstr(line + 1, "time="));
		whole += strlen(line) > LONG;
	}
	assert_true(whole > 0);
	buf_done(&r.all);
	teardown(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_room_there_is_no_line),
		cmocka_unit_test(half_a_line_is_ended_before_the_next),
		cmocka_unit_test(a_reader_that_went_away_is_not_waited_for),
		cmocka_unit_test(lines_of_threads_do_not_mix),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
