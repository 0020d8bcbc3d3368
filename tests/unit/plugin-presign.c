/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of store_presign: what a driver answers goes into a header, so it must be a URL. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/error.h"
#include "plugin/store.h"
#include "tests/unit/fake-driver.h"

#include <string.h>

static struct {
	const char *answer;
	int status;
	bool unended;
} script;

static int presign(void *self, const struct stow_op *op, const char *key, const char *method,
                   int64_t seconds, char *buf, size_t cap, struct stow_error *err)
{
	(void)self;
	(void)op;
	if (script.status != STOW_OK)
		return error_set(err, script.status, "fake.presign", "%s", "no");
	assert_string_equal(key, "a/b");
	assert_string_equal(method, "GET");
	assert_int_equal(seconds, 60);
	if (script.unended) {
		memset(buf, 'x', cap);
		return STOW_OK;
	}
	assert_true(strlen(script.answer) < cap);
	memcpy(buf, script.answer, strlen(script.answer) + 1);
	return STOW_OK;
}

static int ask(struct stow_store *s, char *buf, size_t cap, struct stow_error *err)
{
	memset(err, 0, sizeof(*err));
	return store_presign(s, NULL, "a/b", "GET", 60, buf, cap, err);
}

static void urls(void **state)
{
	static const char *const bad[] = { "", "http://h/a b", "http://h/\r\nSet-Cookie: x",
		                           "http://h/\x7f", "http://h/\xc3\xa9" };
	struct stow_driver d = whole();
	struct stow_store *s;
	struct stow_error err;
	char buf[64];

	(void)state;
	assert_int_equal(store_wrap(&d, NULL, false, NULL, &s, NULL), STOW_OK);
	assert_int_equal(ask(s, buf, sizeof(buf), &err), STOW_ENOTSUP);
	stow_store_close(s);

	d.presign = presign;
	assert_int_equal(store_wrap(&d, NULL, false, NULL, &s, NULL), STOW_OK);
	script.answer = "http://h:1/b/a/b?X=y%20z";
	assert_int_equal(ask(s, buf, sizeof(buf), &err), STOW_OK);
	assert_string_equal(buf, script.answer);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		script.answer = bad[i];
		assert_int_equal(ask(s, buf, sizeof(buf), &err), STOW_EIO);
		assert_non_null(strstr(err.message, "no URL"));
	}
	script.unended = true;
	assert_int_equal(ask(s, buf, sizeof(buf), &err), STOW_EIO);
	script.unended = false;
	script.status = STOW_ERANGE;
	assert_int_equal(ask(s, buf, sizeof(buf), &err), STOW_ERANGE);
	script.status = 7;
	assert_int_equal(ask(s, buf, sizeof(buf), &err), STOW_EIO);
	script.status = STOW_OK;
	stow_store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(urls) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
