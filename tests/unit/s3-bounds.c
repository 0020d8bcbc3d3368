/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What bounds the S3 driver: the numbers that its options take, the least and the most of each and one
 * beyond; and how long it waits before it tries again.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/text.h"
#include "driver/s3/call.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

const struct stow_driver *stow_driver_v1(void);

static int open_with(const char *name, const char *value, const char *memory, struct stow_error *e)
{
	const struct stow_kv kv[] = {
		{ "regionendpoint", "http://127.0.0.1:1" },
		{ "bucket", "b" },
		{ "accesskey", "AK" },
		{ "secretkey", "hush" },
		{ name, value },
		{ "memory", memory },
	};
	void *self = NULL;
	int r = stow_driver_v1()->open(NULL, kv, LENGTH(kv) - !memory, &self, e);

	if (r == STOW_OK)
		stow_driver_v1()->close(self);
	return r;
}

static void options(void **state)
{
	static const struct {
		const char *name, *value, *memory;
		bool taken;
	} rows[] = {
		{ "chunksize", "5M", NULL, true },
		{ "chunksize", "5242879", NULL, false },
		{ "chunksize", "64M", NULL, true },
		{ "chunksize", "67108865", NULL, false }, /* of the memory that is the default */
		{ "chunksize", "5G", "20G", true },
		{ "chunksize", "5368709121", "30G", false },
		{ "chunksize", "0", NULL, false },
		{ "chunksize", "-1", NULL, false },
		{ "chunksize", "many", NULL, false },
		{ "memory", "32M", NULL, true },
		{ "memory", "33554431", NULL, false }, /* a quarter of it is less than a part */
		{ "multipartcopychunksize", "5M", NULL, true },
		{ "multipartcopychunksize", "5242879", NULL, false },
		{ "multipartcopychunksize", "5G", NULL, true },
		{ "multipartcopychunksize", "5368709121", NULL, false },
		{ "multipartcopymaxconcurrency", "1", NULL, true },
		{ "multipartcopymaxconcurrency", "0", NULL, false },
		{ "multipartcopythresholdsize", "5G", NULL, true },
		{ "multipartcopythresholdsize", "5368709121", NULL, false },
		{ "connecttimeout", "1ms", NULL, true },
		{ "connecttimeout", "0", NULL, false },
		{ "connecttimeout", "1h", NULL, true },
		{ "connecttimeout", "3601s", NULL, false },
		{ "readtimeout", "1s", NULL, true },
		{ "readtimeout", "999ms", NULL, false },
		{ "readtimeout", "1h", NULL, true },
		{ "readtimeout", "3601s", NULL, false },
		{ "maxconnections", "1", NULL, true },
		{ "maxconnections", "0", NULL, false },
		{ "maxconnections", "4096", NULL, true },
		{ "maxconnections", "4097", NULL, false },
		{ "iothreads", "1", NULL, true },
		{ "iothreads", "0", NULL, false },
		{ "iothreads", "64", NULL, true },
		{ "iothreads", "65", NULL, false },
		{ "maxretries", "0", NULL, true },
		{ "maxretries", "100", NULL, true },
		{ "maxretries", "101", NULL, false },
		{ "requestrate", "0", NULL, true },
		{ "requestrate", "1000000", NULL, true },
		{ "requestrate", "1000001", NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct stow_error e = { 0 };
		int r = open_with(rows[i].name, rows[i].value, rows[i].memory, &e);

		if (r != (rows[i].taken ? STOW_OK : STOW_EINVAL))
			fail_msg("%s = %s: %d, %s", rows[i].name, rows[i].value, r, e.message);
		if (!rows[i].taken)
			assert_non_null(strstr(e.message, rows[i].name));
	}
}

/* The least and the most of a hundred pauses after so many failures, in milliseconds. */
static void pauses(struct call *c, unsigned failures, int64_t *ret_least, int64_t *ret_most)
{
	*ret_least = INT64_MAX;
	*ret_most = 0;
	for (int i = 0; i < 100; i++) {
		int64_t delay = -1;
		unsigned paid;

		assert_true(call_may_retry(c, NULL, failures, clock_monotonic(), &delay, &paid));
		delay /= CLOCK_MILLISECOND;
		*ret_least = delay < *ret_least ? delay : *ret_least;
		*ret_most = delay > *ret_most ? delay : *ret_most;
	}
}

/* Callers that failed together do not come again together. */
static void jitter(void **state)
{
	static const struct {
		unsigned failures;
		uint32_t asked; /* ms */
		int64_t least, most;
	} rows[] = {
		{ 1, 0, 0, 200 },        { 2, 0, 0, 400 },
		{ 3, 0, 0, 800 },        { 9, 0, 0, 5000 },
		{ 100, 0, 0, 5000 },     { 1, 7000, 7000, 7000 },
		{ 9, 1000, 1000, 5000 }, { 1, 3600000, 20000, 20000 },
	};
	struct s3 s3 = { .o = { .maxretries = 100 } };
	struct call c;

	(void)state;
	call_init(&c, &s3, "s3.put", "PUT", "k");
	text_copy(c.code, sizeof(c.code), "SlowDown");
	c.error = (struct stow_error){ .status = STOW_EBUSY,
		                       .backend = 503,
		                       .flags = STOW_ERROR_RETRYABLE };
	for (size_t i = 0; i < LENGTH(rows); i++) {
		int64_t least, most;

		c.error.retry_after_ms = rows[i].asked;
		pauses(&c, rows[i].failures, &least, &most);
		if (least < rows[i].least || most > rows[i].most)
			fail_msg("row %zu: %lld to %lld ms", i, (long long)least, (long long)most);
		/* a hundred that are all in one half would be no chance at all */
		if (rows[i].least < rows[i].most) {
			assert_true(least < (rows[i].least + rows[i].most) / 2);
			assert_true(most > rows[i].most / 2);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options),
		cmocka_unit_test(jitter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
