/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader of the S3 driver against a server that answers from a script: ranges, what breaks on
 * the way, other versions, and objects longer than its memory.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/scripted-store.h"

static int read_all(char *to, size_t cap, size_t *len)
{
	struct stow_stat st;
	void *r = NULL;
	size_t n;
	int s = s3_read_open(self, &op, "k", NULL, 0, -1, &r, &st, &e);

	*len = 0;
	while (s == STOW_OK) {
		s = s3_read(r, &op, to + *len, cap - *len, &n, &e);
		if (s == STOW_OK && n == 0)
			break;
		if (s == STOW_OK)
			*len += n;
	}
	s3_read_close(r);
	return s;
}

#define PART_1                                                                                     \
	"HTTP/1.1 206 P\r\nContent-Length: 10\r\nContent-Range: bytes 0-9/10\r\n"                  \
	"ETag: \"v\"\r\n\r\n0123"

static void resumes(void **state)
{
	const struct script_step steps[] = {
		{ PART_1, SCRIPT_CLOSE },
		{ "HTTP/1.1 206 P\r\nContent-Length: 6\r\nContent-Range: bytes 4-9/10\r\n"
		  "ETag: \"v\"\r\n\r\n456789",
		  0 },
	};
	char to[32];
	size_t len;

	(void)state;
	begin(steps, 2, "1");
	assert_int_equal(read_all(to, sizeof(to), &len), STOW_OK);
	assert_int_equal(len, 10);
	assert_memory_equal(to, "0123456789", 10);
	asked(1, "\r\nrange: bytes=4-9\r\n");
	asked(1, "\r\nif-match: \"v\"\r\n");
	end();
}

/* Who does not wait comes again, and misses nothing; a call that waits may follow. */
static void does_not_wait(void **state)
{
	const struct script_step steps[] = {
		{ PART_1, SCRIPT_SILENT },
		{ "HTTP/1.1 206 P\r\nContent-Length: 6\r\nContent-Range: bytes 4-9/10\r\n"
		  "ETag: \"v\"\r\n\r\n456789",
		  0 },
	};
	struct stow_op nowait = op;
	struct stow_stat st;
	size_t len = 0, n, again = 0;
	char to[32];
	void *r = NULL;
	int s;

	(void)state;
	nowait.flags = STOW_OP_NOWAIT;
	begin(steps, 2, "1");
	assert_int_equal(s3_read_open(self, &op, "k", NULL, 0, -1, &r, &st, &e), STOW_OK);
	while (len < 7) {
		s = s3_read(r, &nowait, to + len, 7 - len, &n, &e);
		if (s == STOW_OK) {
			len += n;
			continue;
		}
		assert_int_equal(s, STOW_EBUSY);
		assert_int_equal(e.flags, STOW_ERROR_RETRYABLE | STOW_ERROR_AGAIN);
		assert_true(len <= 4 && ++again < 10000);
	}
	assert_true(again > 1);
	while (len < 10) {
		assert_int_equal(s3_read(r, &op, to + len, 10 - len, &n, &e), STOW_OK);
		len += n;
	}
	assert_memory_equal(to, "0123456789", 10);
	s3_read_close(r);
	end();
}

static void read_faults(void **state)
{
	static const struct {
		const char *second;
		int want;
	} rows[] = {
		/* another version, told in three ways */
		{ "HTTP/1.1 412 No\r\nContent-Length: 0\r\n\r\n", STOW_ECHANGED },
		{ "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", STOW_ECHANGED },
		{ "HTTP/1.1 206 P\r\nContent-Length: 6\r\nContent-Range: bytes 4-9/10\r\n"
		  "ETag: \"w\"\r\n\r\n456789",
		  STOW_ECHANGED },
		{ "HTTP/1.1 206 P\r\nContent-Length: 6\r\nContent-Range: bytes 4-9/11\r\n"
		  "ETag: \"v\"\r\n\r\n456789",
		  STOW_ECHANGED },
		/* not what was asked for */
		{ "HTTP/1.1 206 P\r\nContent-Length: 6\r\nContent-Range: bytes 3-8/10\r\n"
		  "ETag: \"v\"\r\n\r\n345678",
		  STOW_EIO },
		{ "HTTP/1.1 206 P\r\nContent-Length: 5\r\nContent-Range: bytes 4-8/10\r\n"
		  "ETag: \"v\"\r\n\r\n45678",
		  STOW_EIO },
		{ "HTTP/1.1 206 P\r\nContent-Length: 5\r\nContent-Range: bytes 4-9/10\r\n"
		  "ETag: \"v\"\r\n\r\n45678",
		  STOW_EIO },
		{ "HTTP/1.1 206 P\r\nContent-Length: 6\r\nETag: \"v\"\r\n\r\n456789", STOW_EIO },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nETag: \"v\"\r\n\r\n012345", STOW_EIO },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct script_step steps[] = { { PART_1, SCRIPT_CLOSE },
			                             { rows[i].second, 0 } };
		char to[32];
		size_t len;

		begin(steps, 2, "1");
		assert_int_equal(read_all(to, sizeof(to), &len), rows[i].want);
		assert_true(len <= 4);
		end();
	}
}

/* Whole objects are asked for without a range, so that empty ones need no second look. */
static void read_ranges(void **state)
{
	static const struct {
		int64_t offset, length;
		const char *range, *answer;
		int64_t size;
	} rows[] = {
		{ 0, -1, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: \"v\"\r\n\r\n01", 2 },
		{ 0, -1, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: \"v\"\r\n\r\n", 0 },
		{ 5, -1, "\r\nrange: bytes=5-\r\n",
		  "HTTP/1.1 206 P\r\nContent-Length: 2\r\nContent-Range: bytes 5-6/7\r\n"
		  "ETag: \"v\"\r\n\r\n56",
		  2 },
		{ 5, 2, "\r\nrange: bytes=5-6\r\n",
		  "HTTP/1.1 206 P\r\nContent-Length: 2\r\nContent-Range: bytes 5-6/9\r\n"
		  "ETag: \"v\"\r\n\r\n56",
		  2 },
		{ 5, 20, "\r\nrange: bytes=5-24\r\n",
		  "HTTP/1.1 206 P\r\nContent-Length: 2\r\nContent-Range: bytes 5-6/7\r\n"
		  "ETag: \"v\"\r\n\r\n56",
		  2 },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct script_step steps[] = { { rows[i].answer, 0 } };
		size_t len = 0, n = 1;
		char to[32];
		void *r = NULL;

		begin(steps, 1, "0");
		assert_int_equal(s3_read_open(self, &op, "k", NULL, rows[i].offset, rows[i].length,
		                              &r, NULL, &e),
		                 STOW_OK);
		for (; n; len += n)
			assert_int_equal(s3_read(r, &op, to + len, 1, &n, &e), STOW_OK);
		assert_int_equal(len, rows[i].size);
		s3_read_close(r);
		if (rows[i].range)
			asked(0, rows[i].range);
		else
			assert_null(strcasestr(server.requests[0], "\r\nrange:"));
		end();
	}
}

/* Longer than all memory, at the caller's pace, and yet one request. */
static void read_long(void **state)
{
	const size_t size = (size_t)20 << 20;
	char *body = malloc(size + 1), to[70001];
	struct script_step steps[1] = { { NULL, 0 } };
	size_t at = 0, n = 1;
	void *r = NULL;

	(void)state;
	assert_non_null(body);
	for (size_t i = 0; i < size; i++)
		body[i] = (char)('a' + i / 11 % 26);
	body[size] = '\0';
	steps[0].answer = answer("200 OK", "ETag: \"v\"\r\n", body);
	begin(steps, 1, "0");
	assert_int_equal(s3_read_open(self, &op, "k", NULL, 0, -1, &r, NULL, &e), STOW_OK);
	while (n) {
		assert_int_equal(s3_read(r, &op, to, sizeof(to), &n, &e), STOW_OK);
		assert_true(n <= size - at);
		assert_memory_equal(to, body + at, n);
		at += n;
		if (n && at % 13 == 0)
			usleep(10 * 1000);
	}
	assert_int_equal(at, size);
	s3_read_close(r);
	assert_int_equal(server.n_requests, 1);
	end();
	free(body);
}

/* A store without ranges is good for whole objects. */
static void no_ranges(void **state)
{
	const struct script_step steps[] = {
		{ answer("200 OK", "ETag: \"v\"\r\n", "0123456789"), 0 },
	};
	char to[32];
	size_t len;

	(void)state;
	begin(steps, 1, "0");
	assert_int_equal(read_all(to, sizeof(to), &len), STOW_OK);
	assert_int_equal(len, 10);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resumes),     cmocka_unit_test(read_faults),
		cmocka_unit_test(read_ranges), cmocka_unit_test(read_long),
		cmocka_unit_test(no_ranges),   cmocka_unit_test(does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
