/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Presigned URLs of an instance: which host they name, and what is refused.  That the signature
 * is right is shown where it is made, by a published vector; no request is made here.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/text.h"
#include "driver/s3/s3.h"
#include "driver/s3/sign.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

const struct stow_driver *stow_driver_v1(void);

static struct stow_error e;

static int64_t fixed_now(void *arg)
{
	(void)arg;
	return INT64_C(1369353600) * CLOCK_SECOND; /* 20130524T000000Z */
}
static const struct stow_host host = { .size = sizeof(host), .now_ns = fixed_now };

static int open_with(const char *endpoint, const char *redirect, const char *token, void **ret)
{
	struct stow_kv kv[7] = {
		{ "regionendpoint", endpoint }, { "bucket", "b" },
		{ "accesskey", "AK" },          { "secretkey", "hush" },
		{ "rootdirectory", "/root" },
	};
	size_t n = 5;

	if (redirect)
		kv[n++] = (struct stow_kv){ "redirectendpoint", redirect };
	if (token)
		kv[n++] = (struct stow_kv){ "sessiontoken", token };
	return stow_driver_v1()->open(&host, kv, n, ret, &e);
}

/* The URL is base, path, and what sign_presign makes for that host. */
static void names_the_host(void **state)
{
	static const struct {
		const char *endpoint, *redirect, *base, *host;
	} rows[] = {
		{ "http://127.0.0.1:9000", NULL, "http://127.0.0.1:9000", "127.0.0.1:9000" },
		{ "https://s.example:443", NULL, "https://s.example", "s.example" },
		{ "http://s:9000", "", "http://s:9000", "s:9000" },
		{ "http://s:9000", "https://cdn.example", "https://cdn.example", "cdn.example" },
		{ "http://s:9000", "https://cdn.example/", "https://cdn.example", "cdn.example" },
		{ "http://s", "http://cdn:8080", "http://cdn:8080", "cdn:8080" },
		{ "http://s", "https://cdn:443", "https://cdn", "cdn" },
		{ "http://s", "http://cdn:80/", "http://cdn", "cdn" },
		{ "http://s", "http://cdn:443", "http://cdn:443", "cdn:443" },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const char *methods[] = { "GET", "HEAD" };
		void *self = NULL;

		assert_int_equal(open_with(rows[i].endpoint, rows[i].redirect, NULL, &self),
		                 STOW_OK);
		for (size_t m = 0; m < 2; m++) {
			struct sign_keys keys = { .accesskey = "AK",
				                  .secretkey = "hush",
				                  .region = "us-east-1",
				                  .service = "s3",
				                  .seconds = 1369353600 };
			char url[4096] = "";
			struct buf want;

			buf_init(&want, sizeof(url));
			buf_addf(&want, "%s/b/root/a%%20%%2B/k?", rows[i].base);
			assert_int_equal(sign_presign(&keys, methods[m], rows[i].host,
			                              "/b/root/a%20%2B/k", NULL, 0, 60, &want),
			                 STOW_OK);
			assert_int_equal(s3_presign(self, NULL, "a +/k", methods[m], 60, url,
			                            sizeof(url), &e),
			                 STOW_OK);
			assert_string_equal(url, buf_text(&want));
			buf_done(&want);
		}
		stow_driver_v1()->close(self);
	}
}

static void with_token(void **state)
{
	char url[4096];
	void *self = NULL;

	(void)state;
	assert_int_equal(open_with("http://s:9000", NULL, "a+b/c=", &self), STOW_OK);
	assert_int_equal(s3_presign(self, NULL, "k", "GET", 604800, url, sizeof(url), &e), STOW_OK);
	assert_non_null(strstr(url, "&X-Amz-Security-Token=a%2Bb%2Fc%3D&"));
	assert_non_null(strstr(url, "&X-Amz-Expires=604800&"));
	assert_null(strstr(url, "hush"));
	stow_driver_v1()->close(self);
}

static void refuses(void **state)
{
	static const struct {
		const char *key, *method;
		int64_t seconds;
		int want;
	} rows[] = {
		{ "k", "PUT", 60, STOW_ENOTSUP },
		{ "k", "get", 60, STOW_ENOTSUP },
		{ "k", "", 60, STOW_ENOTSUP },
		{ "k", "GET", 0, STOW_EINVAL },
		{ "k", "GET", -1, STOW_EINVAL },
		{ "k", "GET", INT64_MIN, STOW_EINVAL },
		{ "k", "GET", 604801, STOW_EINVAL },
		{ "", "GET", 60, STOW_EINVAL },
		{ "a//b", "GET", 60, STOW_EINVAL },
		{ "../k", "GET", 60, STOW_EINVAL },
		{ ".stowage-tmp/k", "GET", 60, STOW_EINVAL },
	};
	char url[4096] = "untouched";
	void *self = NULL;
	size_t len;

	(void)state;
	assert_int_equal(open_with("http://s:9000", NULL, NULL, &self), STOW_OK);
	for (size_t i = 0; i < LENGTH(rows); i++) {
		assert_int_equal(s3_presign(self, NULL, rows[i].key, rows[i].method,
		                            rows[i].seconds, url, sizeof(url), &e),
		                 rows[i].want);
		assert_string_equal(url, "untouched");
	}
	/* exactly enough, and one byte less */
	assert_int_equal(s3_presign(self, NULL, "k", "GET", 60, url, sizeof(url), &e), STOW_OK);
	len = strlen(url);
	memset(url, 'x', sizeof(url));
	assert_int_equal(s3_presign(self, NULL, "k", "GET", 60, url, len, &e), STOW_ERANGE);
	assert_int_equal(url[0], 'x');
	assert_int_equal(s3_presign(self, NULL, "k", "GET", 60, url, 0, &e), STOW_ERANGE);
	assert_int_equal(s3_presign(self, NULL, "k", "GET", 60, url, len + 1, &e), STOW_OK);
	assert_int_equal(strlen(url), len);
	assert_int_equal(url[len + 1], 'x');
	stow_driver_v1()->close(self);
}

static void bad_endpoints(void **state)
{
	static const char *const rows[] = {
		"cdn.example",      "ftp://cdn",   "https://",    "https:///",
		"http://cdn/path",  "http://cdn?", "http://cdn#", "http://u:p@host",
		"http://cdn\r\nX:", "http://c dn",
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		void *self = NULL;

		if (open_with("http://s:9000", rows[i], NULL, &self) != STOW_EINVAL)
			fail_msg("'%s' is taken", rows[i]);
		assert_null(self);
		assert_non_null(strstr(e.message, "redirectendpoint"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_the_host),
		cmocka_unit_test(with_token),
		cmocka_unit_test(refuses),
		cmocka_unit_test(bad_endpoints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
