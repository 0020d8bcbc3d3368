/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One instance of the S3 driver on a scripted server, for tests that say which answers come in
 * which order, and look at what was made of them and at what was asked.
 */
#ifndef TESTS_UNIT_SCRIPTED_STORE_H
#define TESTS_UNIT_SCRIPTED_STORE_H

#include <stowage/driver.h>

#include "common/clock.h"
#include "driver/s3/s3.h"
#include "tests/unit/scripted-server.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"

const struct stow_driver *stow_driver_v1(void);

static struct scripted_server server;
static void *self;
static uint64_t requests;
static struct stow_op op = { .size = sizeof(op), .requests = &requests };
static struct stow_error e;
static char *kept[32]; /* answers built for one test */

/* An answer with its Content-Length. */
static inline const char *answer(const char *status, const char *headers, const char *body)
{
	size_t len = strlen(status) + strlen(headers) + strlen(body) + 64, i = 0;
	char *text = malloc(len);

	assert_non_null(text);
	snprintf(text, len, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n%s", status, strlen(body),
	         headers, body);
	while (kept[i])
		i++;
	kept[i] = text;
	return text;
}

static inline const char *failure(const char *status, const char *code)
{
	char body[200];

	snprintf(body, sizeof(body),
	         "<?xml version=\"1.0\"?><Error><Code>%s</Code>"
	         "<Message>m</Message></Error>",
	         code);
	return answer(status, "x-amz-request-id: R1\r\n", body);
}

static inline void begin(const struct script_step *steps, size_t n, const char *maxretries)
{
	struct stow_kv kv[7];

	requests = 0;
	memset(&e, 0, sizeof(e));
	assert_true(script_start(&server, steps, n));
	kv[0] = (struct stow_kv){ "regionendpoint", server.endpoint };
	kv[1] = (struct stow_kv){ "bucket", "b" };
	kv[2] = (struct stow_kv){ "accesskey", "AK" };
	kv[3] = (struct stow_kv){ "secretkey", "hush" };
	kv[4] = (struct stow_kv){ "maxretries", maxretries };
	kv[5] = (struct stow_kv){ "readtimeout", "1s" };
	kv[6] = (struct stow_kv){ "chunksize", "5M" };
	assert_int_equal(stow_driver_v1()->open(NULL, kv, LENGTH(kv), &self, NULL), STOW_OK);
}

/* All steps were asked for and no more; the message, if any, names the bucket and no secret. */
static inline void end(void)
{
	stow_driver_v1()->close(self);
	script_stop(&server);
	assert_int_equal(server.n_requests, server.n_steps);
	assert_null(strstr(e.message, "hush"));
	script_free(&server);
	for (size_t i = 0; i < LENGTH(kept); i++) {
		free(kept[i]);
		kept[i] = NULL;
	}
}

static inline void asked(size_t i, const char *what)
{
	while (__atomic_load_n(&server.n_requests, __ATOMIC_ACQUIRE) <= i)
		usleep(1000);
	if (!strstr(server.requests[i], what))
		fail_msg("request %zu is not '%s':\n%.300s", i, what, server.requests[i]);
}

#endif
