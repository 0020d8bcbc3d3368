/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of common/http-client against a scripted server: what is sent, what counts as an answer,
 * limits, and that a request that was freed leaves the caller's memory alone.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/wait.h>

#include "common/clock.h"
#include "common/http-client.h"
#include "tests/unit/scripted-server.h"

static struct http_client *client;
static struct http_waiter *waiter;
static struct scripted_server server;

static void begin(const struct script_step *steps, size_t n)
{
	struct http_client_options o = { .threads = 1,
		                         .max_connections = 2,
		                         .connect_timeout_ns = CLOCK_SECOND,
		                         .stall_timeout_ns = CLOCK_SECOND,
		                         .user_agent = "test" };

	assert_true(script_start(&server, steps, n));
	assert_int_equal(http_client_open(&o, &client, NULL), STOW_OK);
	assert_int_equal(http_waiter_new(&waiter, NULL), STOW_OK);
}

static void end(void)
{
	http_waiter_free(waiter);
	http_client_close(client);
	script_stop(&server);
	script_free(&server);
}

static struct http_request *start(struct http_exchange x, const char *path)
{
	struct http_request *r = NULL;
	char url[200];

	snprintf(url, sizeof(url), "%s%s", server.endpoint, path);
	x.url = url;
	assert_int_equal(http_request_start(client, waiter, &x, &r, NULL), STOW_OK);
	return r;
}

static int finish(struct http_request *r, struct stow_error *err)
{
	for (;;) {
		uint64_t seen = http_waiter_seen(waiter);

		if (http_request_done(r))
			return http_request_result(r, err);
		http_waiter_wait(waiter, NULL, seen, clock_monotonic() + 10 * CLOCK_SECOND);
	}
}

static void sends_and_receives(void **state)
{
	static const struct script_step steps[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag:  \"x\" \r\n\r\nhello", 0 },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\n"
		  "gone",
		  0 },
		{ "HTTP/1.1 301 Moved\r\nLocation: /else\r\nContent-Length: 0\r\n\r\n", 0 },
	};
	const char *const headers[] = { "X-One: 1", NULL };
	char answer[16], text[32];
	struct http_request *r;
	size_t len;

	(void)state;
	begin(steps, 3);
	r = start((struct http_exchange){ .method = "PUT",
	                                  .headers = headers,
	                                  .body = "body",
	                                  .body_len = 4,
	                                  .answer = answer,
	                                  .answer_cap = sizeof(answer) },
	          "/a/../b//%2F~");
	assert_int_equal(finish(r, NULL), STOW_OK);
	assert_int_equal(http_request_status(r), 200);
	assert_int_equal(http_request_arrived(r), 5);
	assert_memory_equal(answer, "hello", 5);
	assert_true(http_request_header(r, "etag", text, sizeof(text)));
	assert_string_equal(text, "\"x\"");
	assert_false(http_request_header(r, "etag", text, 3));
	assert_false(http_request_header(r, "eta", text, sizeof(text)));
	http_request_free(r);

	r = start((struct http_exchange){ .method = "GET", .answer = answer, .answer_cap = 1 },
	          "/");
	assert_int_equal(finish(r, NULL), STOW_OK);
	assert_int_equal(http_request_status(r), 404);
	assert_int_equal(http_request_arrived(r), 0);
	assert_string_equal(http_request_body(r, &len), "gone");
	http_request_free(r);

	/* a POST without a body still says so, and redirects are answers */
	r = start((struct http_exchange){ .method = "POST", .answer_cap = 10 }, "/p");
	assert_int_equal(finish(r, NULL), STOW_OK);
	assert_int_equal(http_request_status(r), 301);
	http_request_free(r);
	script_stop(&server);
	assert_int_equal(server.n_requests, 3);
	assert_int_equal(server.accepted, 1); /* one connection for all */
	assert_ptr_equal(strstr(server.requests[0], "PUT /a/../b//%2F~ HTTP/1.1\r\n"),
	                 server.requests[0]);
	assert_non_null(strstr(server.requests[0], "\r\nX-One: 1\r\n"));
	assert_non_null(strstr(server.requests[0], "\r\nContent-Length: 4\r\n"));
	assert_null(strcasestr(server.requests[0], "\r\nExpect"));
	assert_null(strcasestr(server.requests[0], "\r\nTransfer-Encoding"));
	assert_non_null(strstr(server.requests[0], "\r\n\r\nbody"));
	assert_non_null(strstr(server.requests[2], "POST /p HTTP/1.1\r\n"));
	assert_non_null(strstr(server.requests[2], "\r\nContent-Length: 0\r\n"));
	assert_null(strcasestr(server.requests[2], "\r\nContent-Type"));
	http_waiter_free(waiter);
	http_client_close(client);
	script_free(&server);
}

static void faults(void **state)
{
	static const struct {
		struct script_step step;
		int want;
		uint32_t flags;
	} rows[] = {
		/* cut in the body, in the header, before a byte */
		{ { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", SCRIPT_CLOSE },
		  STOW_EIO,
		  STOW_ERROR_RETRYABLE },
		{ { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", SCRIPT_CLOSE },
		  STOW_EIO,
		  STOW_ERROR_RETRYABLE },
		{ { NULL, SCRIPT_CLOSE }, STOW_EIO, STOW_ERROR_RETRYABLE },
		/* longer than the buffer: by its header, and by its bytes */
		{ { "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n", SCRIPT_SILENT },
		  STOW_ERANGE,
		  0 },
		{ { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		    "11\r\n01234567890123456\r\n0\r\n\r\n",
		    SCRIPT_KEEP },
		  STOW_ERANGE,
		  0 },
		/* no byte any more */
		{ { "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", SCRIPT_SILENT },
		  STOW_ETIMEOUT,
		  STOW_ERROR_RETRYABLE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct stow_error e = { 0 };
		struct http_request *r;
		char answer[16];

		begin(&rows[i].step, 1);
		r = start((struct http_exchange){ .method = "GET",
		                                  .answer = answer,
		                                  .answer_cap = sizeof(answer) },
		          "/");
		assert_int_equal(finish(r, &e), rows[i].want);
		assert_int_equal(e.flags, rows[i].flags);
		assert_true(e.message[0]);
		http_request_free(r);
		end();
	}
}

static void nobody_there(void **state)
{
	struct stow_error e = { 0 };
	struct http_request *r;

	(void)state;
	begin(NULL, 0);
	script_stop(&server);
	r = start((struct http_exchange){ .method = "GET", .answer_cap = 10 }, "/");
	assert_int_equal(finish(r, &e), STOW_EIO);
	assert_int_equal(e.flags, STOW_ERROR_RETRYABLE);
	assert_false(http_request_sent(r));
	http_request_free(r);
	http_waiter_free(waiter);
	http_client_close(client);
	script_free(&server);
}

/* Freed in mid-transfer: at once, and the buffers can go. */
static void freed_under_way(void **state)
{
	static const struct script_step steps[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhel", SCRIPT_SILENT },
		{ NULL, SCRIPT_SILENT },
		{ NULL, SCRIPT_SILENT },
	};
	struct http_request *r[3];
	char *answer = malloc(10);
	uint32_t cancel = 1;
	struct stow_op op = { .size = sizeof(op), .cancel = &cancel };
	int64_t before;

	(void)state;
	assert_non_null(answer);
	begin(steps, 3);
	r[0] = start(
		(struct http_exchange){
			.method = "GET", .answer = answer, .answer_cap = 10, .progress = true },
		"/");
	while (http_request_arrived(r[0]) < 3)
		http_waiter_wait(waiter, NULL, http_waiter_seen(waiter),
		                 clock_monotonic() + CLOCK_MILLISECOND);
	/* a second one beside it, and a third that waits for a connection */
	r[1] = start((struct http_exchange){ .method = "GET", .answer_cap = 10 }, "/");
	r[2] = start((struct http_exchange){ .method = "GET", .answer_cap = 10 }, "/");
	before = clock_monotonic();
	http_waiter_wait(waiter, &op, http_waiter_seen(waiter), before + 10 * CLOCK_SECOND);
	for (size_t i = 0; i < 3; i++)
		http_request_free(r[i]);
	free(answer);
	assert_true(clock_monotonic() - before < 100 * CLOCK_MILLISECOND);
	end();
}

/* ---- rings ---- */

#define CHUNK 1000

static void ring_goes_round(void **state)
{
	char data[10], to[10];
	struct http_ring g;

	(void)state;
	http_ring_init(&g, data, sizeof(data), 4);
	assert_false(http_ring_put(&g, "01234", 5)); /* all or nothing */
	assert_true(http_ring_put(&g, "0123", 4));
	assert_false(http_ring_put(&g, "4", 1));
	assert_false(http_ring_roomy(&g));
	assert_int_equal(http_ring_get(&g, to, 3), 3);
	assert_memory_equal(to, "012", 3);
	assert_true(http_ring_roomy(&g));
	assert_true(http_ring_put(&g, "45678", 5)); /* 6 ahead now, round the end */
	assert_false(http_ring_put(&g, "9", 1));
	assert_int_equal(http_ring_get(&g, to, sizeof(to)), 6);
	assert_memory_equal(to, "345678", 6);
	assert_true(http_ring_put(&g, "9abcdefghi", 10)); /* all of it ahead, no more */
	assert_int_equal(http_ring_get(&g, to, sizeof(to)), 10);
	assert_memory_equal(to, "9abcdefghi", 10);
	assert_int_equal(http_ring_get(&g, to, sizeof(to)), 0);
	assert_true(http_ring_put(&g, "", 0));
}

static char body_byte(size_t i)
{
	return (char)('a' + i / 7 % 26);
}

/* An answer of len bytes, to be freed. */
static char *long_answer(size_t len)
{
	char head[80], *text;
	int n = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);

	text = malloc((size_t)n + len + 1);
	assert_non_null(text);
	memcpy(text, head, (size_t)n);
	for (size_t i = 0; i < len; i++)
		text[(size_t)n + i] = body_byte(i);
	text[(size_t)n + len] = '\0';
	return text;
}

/* Waits until no byte has come for a while. */
static size_t settled(struct http_request *r)
{
	size_t before;

	do {
		before = http_request_arrived(r);
		usleep(100 * 1000);
	} while (before == 0 || http_request_arrived(r) != before);
	return before;
}

static size_t take_all(struct http_request *r, struct http_ring *g, size_t at, size_t end)
{
	char to[CHUNK];

	while (at < end) {
		uint64_t seen = http_waiter_seen(waiter);
		size_t len = http_request_take(r, waiter, g, to, sizeof(to));

		for (size_t i = 0; i < len; i++)
			assert_int_equal(to[i], body_byte(at + i));
		at += len;
		if (len == 0 && http_request_done(r))
			break;
		if (len == 0)
			http_waiter_wait(waiter, NULL, seen, clock_monotonic() + 10 * CLOCK_SECOND);
	}
	return at;
}

/* It pauses where its caller does, for longer than the time that a silent server has. */
static void ring_pauses(void **state)
{
	const size_t len = (size_t)3 << 20, cap = (size_t)256 << 10;
	char *text = long_answer(len), *data = malloc(cap);
	const struct script_step steps[] = { { text, 0 } };
	struct http_request *r;
	struct http_ring g;
	size_t at;

	(void)state;
	assert_non_null(data);
	begin(steps, 1);
	http_ring_init(&g, data, cap, cap / 2);
	r = start(
		(struct http_exchange){
			.method = "GET", .ring = &g, .answer_cap = len, .progress = true },
		"/");
	assert_true(settled(r) <= cap / 2);
	at = take_all(r, &g, 0, len / 2);
	sleep(2);
	assert_false(http_request_done(r));
	assert_true(settled(r) <= at + cap);
	assert_int_equal(take_all(r, &g, at, len), len);
	assert_int_equal(finish(r, NULL), STOW_OK);
	http_request_free(r);
	end();
	free(data);
	free(text);
}

static void ring_takes_no_more_than_said(void **state)
{
	char *text = long_answer(100), data[100];
	const struct script_step steps[] = { { text, 0 } };
	struct http_request *r;
	struct http_ring g;

	(void)state;
	begin(steps, 1);
	http_ring_init(&g, data, sizeof(data), 0);
	r = start((struct http_exchange){ .method = "GET", .ring = &g, .answer_cap = 99 }, "/");
	assert_int_equal(finish(r, NULL), STOW_ERANGE);
	http_request_free(r);
	end();
	free(text);
}

/* Paused requests hold all connections: one of them gives way to what waits, and what came of it
 * is good. */
static void ring_yields(void **state)
{
	const size_t len = (size_t)32 << 20, cap = (size_t)128 << 10;
	char *text = long_answer(len), *data[2] = { malloc(cap), malloc(cap) };
	const struct script_step steps[] = {
		{ text, 0 },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0 },
	};
	struct http_client_options o = { .threads = 1,
		                         .max_connections = 1,
		                         .connect_timeout_ns = CLOCK_SECOND,
		                         .stall_timeout_ns = 20 * CLOCK_SECOND };
	struct stow_error e = { 0 };
	struct http_request *slow, *quick;
	struct http_ring g;
	size_t came;

	(void)state;
	assert_true(data[0] && data[1]);
	begin(steps, 2);
	http_client_close(client);
	assert_int_equal(http_client_open(&o, &client, NULL), STOW_OK);
	http_ring_init(&g, data[0], cap, 0);
	slow = start(
		(struct http_exchange){
			.method = "GET", .ring = &g, .answer_cap = len, .progress = true },
		"/");
	came = settled(slow);
	assert_true(came <= cap);
	quick = start(
		(struct http_exchange){ .method = "GET", .answer = data[1], .answer_cap = cap },
		"/");
	assert_int_equal(finish(quick, NULL), STOW_OK);
	assert_true(http_request_done(slow));
	assert_int_equal(http_request_result(slow, &e), STOW_EBUSY);
	assert_int_equal(e.flags, STOW_ERROR_RETRYABLE);
	assert_int_equal(take_all(slow, &g, 0, came + 1), came);
	http_request_free(slow);
	http_request_free(quick);
	end();
	free(data[0]);
	free(data[1]);
	free(text);
}

static void ended_runs(void *arg, int status)
{
	*(int *)arg = status;
}

/* Of a queue, every other one is one that is not patient, if there is one. */
static void patient_ones_wait(void **state)
{
	const struct script_step steps[] = {
		{ NULL, SCRIPT_SILENT },
		{ "HTTP/1.1 204 N\r\n\r\n", 0 },
		{ "HTTP/1.1 204 N\r\n\r\n", 0 },
		{ "HTTP/1.1 204 N\r\n\r\n", 0 },
	};
	static const char *const order[] = { "", "GET /p1 ", "GET /n ", "GET /p2 " };
	struct http_client_options o = { .threads = 1,
		                         .max_connections = 1,
		                         .connect_timeout_ns = CLOCK_SECOND,
		                         .stall_timeout_ns = 60 * CLOCK_SECOND,
		                         .user_agent = "test" };
	struct http_request *first, *r[3];

	(void)state;
	assert_true(script_start(&server, steps, 4));
	assert_int_equal(http_client_open(&o, &client, NULL), STOW_OK);
	assert_int_equal(http_waiter_new(&waiter, NULL), STOW_OK);
	first = start((struct http_exchange){ .method = "GET" }, "/first");
	while (__atomic_load_n(&server.n_requests, __ATOMIC_ACQUIRE) < 1)
		usleep(1000);
	r[0] = start((struct http_exchange){ .method = "GET", .patient = true }, "/p1");
	r[1] = start((struct http_exchange){ .method = "GET", .patient = true }, "/p2");
	r[2] = start((struct http_exchange){ .method = "GET" }, "/n");
	http_request_free(first);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(finish(r[i], NULL), STOW_OK);
	for (size_t i = 1; i < 4; i++)
		assert_memory_equal(server.requests[i], order[i], strlen(order[i]));
	for (size_t i = 0; i < 3; i++)
		http_request_free(r[i]);
	end();
}

static void tells_the_end(void **state)
{
	static const struct script_step steps[] = {
		{ "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 0 },
	};
	struct http_request *r;
	int status = -1;

	(void)state;
	begin(steps, 1);
	r = start((struct http_exchange){ .method = "DELETE",
	                                  .ended = ended_runs,
	                                  .ended_arg = &status },
	          "/");
	assert_int_equal(finish(r, NULL), STOW_OK);
	http_request_free(r);
	assert_int_equal(status, 201);
	end();
}

static void after_fork(void **state)
{
	int status = -1;
	pid_t pid;

	(void)state;
	begin(NULL, 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct http_exchange x = { .method = "GET", .url = server.endpoint };
		struct http_request *r = NULL;

		_exit(http_request_start(client, waiter, &x, &r, NULL) == STOW_EINVAL ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sends_and_receives),
		cmocka_unit_test(faults),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(freed_under_way),
		cmocka_unit_test(ring_goes_round),
		cmocka_unit_test(ring_pauses),
		cmocka_unit_test(ring_takes_no_more_than_said),
		cmocka_unit_test(ring_yields),
		cmocka_unit_test(tells_the_end),
		cmocka_unit_test(patient_ones_wait),
		cmocka_unit_test(after_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
