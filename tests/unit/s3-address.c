/* SPDX-License-Identifier: Apache-2.0 */
/* Where a bucket is, by each option that says so, and what is refused with the option's name. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "driver/s3/address.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static void amazon(void **state)
{
	static const struct {
		const char *region, *bucket;
		enum address_style style;
		bool dualstack, accelerate, fips;
		const char *base, *path;
	} rows[] = {
		{ "eu-west-1", "images", ADDRESS_AUTO, false, false, false,
		  "https://images.s3.eu-west-1.amazonaws.com", "" },
		{ "eu-west-1", "images", ADDRESS_PATH, false, false, false,
		  "https://s3.eu-west-1.amazonaws.com", "/images" },
		{ "us-east-1", "images", ADDRESS_AUTO, false, false, false,
		  "https://images.s3.us-east-1.amazonaws.com", "" },
		{ "af-south-1", "images", ADDRESS_AUTO, false, false, false,
		  "https://images.s3.af-south-1.amazonaws.com", "" },
		/* no certificate is for two labels before the host */
		{ "eu-west-1", "my.images", ADDRESS_AUTO, false, false, false,
		  "https://s3.eu-west-1.amazonaws.com", "/my.images" },
		{ "us-east-1", "Old_Bucket", ADDRESS_AUTO, false, false, false,
		  "https://s3.us-east-1.amazonaws.com", "/Old_Bucket" },
		{ "xx-new-9", "images", ADDRESS_AUTO, false, false, false,
		  "https://images.s3.xx-new-9.amazonaws.com", "" },
		{ "cn-north-1", "images", ADDRESS_AUTO, false, false, false,
		  "https://images.s3.cn-north-1.amazonaws.com.cn", "" },
		{ "cn-north-1", "images", ADDRESS_PATH, true, false, false,
		  "https://s3.dualstack.cn-north-1.amazonaws.com.cn", "/images" },
		{ "us-gov-west-1", "images", ADDRESS_HOST, false, false, true,
		  "https://images.s3-fips.us-gov-west-1.amazonaws.com", "" },
		{ "us-east-2", "images", ADDRESS_AUTO, true, false, true,
		  "https://images.s3-fips.dualstack.us-east-2.amazonaws.com", "" },
		{ "us-east-2", "images", ADDRESS_AUTO, true, false, false,
		  "https://images.s3.dualstack.us-east-2.amazonaws.com", "" },
		{ "us-east-2", "images", ADDRESS_AUTO, false, true, false,
		  "https://images.s3-accelerate.amazonaws.com", "" },
		{ "us-east-2", "images", ADDRESS_AUTO, true, true, false,
		  "https://images.s3-accelerate.dualstack.amazonaws.com", "" },
		{ "us-iso-east-1", "images", ADDRESS_AUTO, false, false, false,
		  "https://images.s3.us-iso-east-1.c2s.ic.gov", "" },
		{ "us-isob-east-1", "images", ADDRESS_AUTO, false, false, false,
		  "https://images.s3.us-isob-east-1.sc2s.sgov.gov", "" },
		{ "eusc-de-east-1", "images", ADDRESS_AUTO, false, false, false,
		  "https://images.s3.eusc-de-east-1.amazonaws.eu", "" },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct address_options o = { .region = rows[i].region,
			                     .bucket = rows[i].bucket,
			                     .style = rows[i].style,
			                     .secure = true,
			                     .dualstack = rows[i].dualstack,
			                     .accelerate = rows[i].accelerate,
			                     .fips = rows[i].fips };
		struct address a;
		struct stow_error e = { 0 };

		if (address_make(&a, &o, &e) != STOW_OK)
			fail_msg("row %zu: %s", i, e.message);
		assert_string_equal(a.base, rows[i].base);
		assert_string_equal(a.path, rows[i].path);
		assert_string_equal(a.host, rows[i].base + strlen("https://"));
		assert_true(a.tls);
		assert_int_equal(a.in_host, rows[i].path[0] == '\0');
		address_done(&a);
	}
}

static void endpoints(void **state)
{
	static const struct {
		const char *endpoint, *bucket;
		enum address_style style;
		bool secure;
		const char *base, *path;
	} rows[] = {
		{ "minio:9000", "b", ADDRESS_AUTO, true, "https://minio:9000", "/b" },
		{ "minio:9000", "b", ADDRESS_AUTO, false, "http://minio:9000", "/b" },
		{ "http://minio:9000/", "b", ADDRESS_PATH, true, "http://minio:9000", "/b" },
		{ "HTTPS://Minio", "b c", ADDRESS_AUTO, false, "https://Minio", "/b%20c" },
		{ "http://minio:80", "b", ADDRESS_AUTO, true, "http://minio", "/b" },
		{ "minio:443", "b", ADDRESS_AUTO, true, "https://minio", "/b" },
		{ "minio:80", "b", ADDRESS_AUTO, true, "https://minio:80", "/b" },
		{ "http://[::1]:9000", "b", ADDRESS_AUTO, true, "http://[::1]:9000", "/b" },
		{ "http://127.0.0.1:80", "b", ADDRESS_AUTO, true, "http://127.0.0.1", "/b" },
		{ "http://gw/s3/v1/", "b", ADDRESS_AUTO, true, "http://gw", "/s3/v1/b" },
		{ "http://gw:81/s3", "images", ADDRESS_HOST, true, "http://images.gw:81", "/s3" },
		{ "http://gw", "my.images", ADDRESS_HOST, true, "http://my.images.gw", "" },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct address_options o = { .endpoint = rows[i].endpoint,
			                     .region = "us-east-1",
			                     .bucket = rows[i].bucket,
			                     .style = rows[i].style,
			                     .secure = rows[i].secure,
			                     .dualstack = true }; /* has no effect */
		struct address a;
		struct stow_error e = { 0 };

		if (address_make(&a, &o, &e) != STOW_OK)
			fail_msg("%s: %s", rows[i].endpoint, e.message);
		assert_string_equal(a.base, rows[i].base);
		assert_string_equal(a.path, rows[i].path);
		assert_int_equal(a.tls, strncmp(a.base, "https", 5) == 0);
		address_done(&a);
	}
}

static void refused(void **state)
{
	static const struct {
		struct address_options o;
		const char *word;
	} rows[] = {
		{ { .bucket = "b" }, "region" },
		{ { .bucket = "b", .region = "auto" }, "region" },
		{ { .bucket = "images", .region = "r", .accelerate = true, .fips = true },
		  "accelerate" },
		{ { .bucket = "my.images", .region = "r", .accelerate = true, .secure = true },
		  "accelerate" },
		{ { .bucket = "images", .region = "r", .accelerate = true, .style = ADDRESS_PATH },
		  "accelerate" },
		{ { .bucket = "b", .endpoint = "h", .accelerate = true }, "regionendpoint" },
		{ { .bucket = "b", .endpoint = "h", .fips = true }, "regionendpoint" },
		{ { .bucket = "b", .endpoint = "" }, "regionendpoint" },
		{ { .bucket = "b", .endpoint = "http://" }, "regionendpoint" },
		{ { .bucket = "b", .endpoint = ":80" }, "regionendpoint" },
		{ { .bucket = "b", .endpoint = "ftp://h" }, "regionendpoint" },
		{ { .bucket = "b", .endpoint = "http://a@h" }, "regionendpoint" },
		{ { .bucket = "b", .endpoint = "http://h/a b" }, "regionendpoint" },
		{ { .bucket = "b", .endpoint = "http://h/a//b" }, "regionendpoint" },
		{ { .bucket = "b", .endpoint = "http://h/../b" }, "regionendpoint" },
		{ { .bucket = "b", .endpoint = "http://h/b?x" }, "regionendpoint" },
		{ { .bucket = "images",
		    .endpoint = "http://127.0.0.1:9000",
		    .style = ADDRESS_HOST },
		  "forcepathstyle" },
		{ { .bucket = "images", .endpoint = "http://[::1]", .style = ADDRESS_HOST },
		  "forcepathstyle" },
		{ { .bucket = "a_b", .endpoint = "h", .style = ADDRESS_HOST }, "forcepathstyle" },
		{ { .bucket = "a.b", .endpoint = "h", .style = ADDRESS_HOST, .secure = true },
		  "forcepathstyle" },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct stow_error e = { 0 };
		struct address a;

		if (address_make(&a, &rows[i].o, &e) != STOW_EINVAL)
			fail_msg("row %zu is taken", i);
		if (!strstr(e.message, rows[i].word))
			fail_msg("row %zu: %s", i, e.message);
		assert_null(a.base);
	}
}

static void loopback(void **state)
{
	static const char *const yes[] = {
		"localhost", "LocalHost:9000", "127.0.0.1",           "127.0.0.1:9000", "127.9.8.7",
		"[::1]",     "[::1]:9000",     "images.localhost:80", "a.b.localhost"
	};
	static const char *const no[] = {
		"",          "host", "mylocalhost", "localhost.test", "127.test",    "127.0.0.1.x",
		"128.0.0.1", "[::1", "[::1]x",      "[::2]",          "localhost-2", ":localhost",
		"10.0.0.127"
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(yes); i++)
		if (!address_is_loopback(yes[i]))
			fail_msg("%s is not", yes[i]);
	for (size_t i = 0; i < LENGTH(no); i++)
		if (address_is_loopback(no[i]))
			fail_msg("%s is", no[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(amazon),
		cmocka_unit_test(endpoints),
		cmocka_unit_test(refused),
		cmocka_unit_test(loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
