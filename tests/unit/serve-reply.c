/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers: headers, the error JSON, the table from statuses to codes; and requests' heads.  It
 * must not know routes or stores.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/text.h"
#include "host/serve/reply.h"
#include "host/serve/request.h"

static void errors_are_one_json(void **state)
{
	struct reply r;

	(void)state;
	reply_init(&r);
	reply_error(&r, 400, "MANIFEST_BLOB_UNKNOWN", "say \"what\"\n", "sha256:ab");
	reply_error(&r, 404, "BLOB_UNKNOWN", "x", NULL);
	reply_finish(&r);
	assert_int_equal(r.status, 400);
	assert_string_equal(buf_text(&r.body),
	                    "{\"errors\":[{\"code\":\"MANIFEST_BLOB_UNKNOWN\",\"message\":"
	                    "\"say \\\"what\\\"\\u000a\",\"detail\":\"sha256:ab\"},"
	                    "{\"code\":\"BLOB_UNKNOWN\",\"message\":\"x\"}]}\n");
	reply_done(&r);
}

static void header_values_cannot_break_out(void **state)
{
	const char *name, *value;
	size_t cursor = 0;
	struct reply r;

	(void)state;
	reply_init(&r);
	reply_header(&r, "Location", "/a%sb", "\r\nSet-Cookie: x");
	reply_header(&r, "Range", "0-%d", 7);
	assert_true(reply_next_header(&r, &cursor, &name, &value));
	assert_string_equal(name, "Location");
	assert_string_equal(value, "/a??Set-Cookie: xb");
	assert_true(reply_next_header(&r, &cursor, &name, &value));
	assert_string_equal(value, "0-7");
	assert_false(reply_next_header(&r, &cursor, &name, &value));
	reply_done(&r);
}

static void json_takes_any_bytes(void **state)
{
	struct buf cleanup_buf b = { 0 };

	(void)state;
	buf_init(&b, 1000);
	reply_json_string(&b, "a\x01\\ \xc3\xa9 \xff \xc3 \xed\xa0\x80 \xf0\x9f\x98\x80 \xe2\x82");
	assert_string_equal(buf_text(&b), "\"a\\u0001\\\\ \xc3\xa9 ? ? ??? \xf0\x9f\x98\x80 ??\"");
}

/* A terminal takes U+009B for the beginning of a command. */
static void json_has_no_controls(void **state)
{
	struct buf cleanup_buf b = { 0 };

	(void)state;
	buf_init(&b, 1000);
	reply_json_string(&b, "\x1b[\x7f \xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0");
	assert_string_equal(buf_text(&b), "\"\\u001b[\\u007f \\u0080\\u009b\\u009f\xc2\xa0\"");
}

static void expect(int status, uint32_t flags, int want, const char *code)
{
	struct stow_error err = { .status = status, .flags = flags };
	struct reply r;

	text_copy(err.message, sizeof err.message, "bucket secret-cause is gone");
	reply_init(&r);
	reply_fault(&r, status, &err, "BLOB_UNKNOWN", "DIGEST_INVALID");
	reply_finish(&r);
	assert_int_equal(r.status, want);
	assert_non_null(strstr(buf_text(&r.body), code));
	assert_null(strstr(buf_text(&r.body), "secret-cause"));
	reply_done(&r);
}

static void statuses_have_their_answers(void **state)
{
	(void)state;
	expect(STOW_ENOTFOUND, 0, 404, "\"BLOB_UNKNOWN\"");
	expect(STOW_EINVAL, 0, 400, "\"DIGEST_INVALID\"");
	expect(STOW_ENOTSUP, 0, 405, "\"UNSUPPORTED\"");
	expect(STOW_EBUSY, 0, 503, "\"UNAVAILABLE\"");
	expect(STOW_ETIMEOUT, 0, 503, "\"UNAVAILABLE\"");
	expect(STOW_EIO, STOW_ERROR_RETRYABLE, 503, "\"UNAVAILABLE\"");
	expect(STOW_EIO, 0, 500, "\"UNKNOWN\"");
	expect(STOW_EDENIED, 0, 500, "\"UNKNOWN\"");
	expect(STOW_ECORRUPT, 0, 500, "\"UNKNOWN\"");
	expect(STOW_ENOMEM, 0, 500, "\"UNKNOWN\"");
	expect(STOW_ECHANGED, 0, 500, "\"UNKNOWN\"");
}

static void retry_after_is_bounded(void **state)
{
	struct stow_error err = { .status = STOW_EBUSY, .retry_after_ms = 4000000000u };
	const char *name, *value;
	size_t cursor = 0;
	struct reply r;

	(void)state;
	reply_init(&r);
	reply_fault(&r, STOW_EBUSY, &err, "A", "B");
	assert_true(reply_next_header(&r, &cursor, &name, &value));
	assert_string_equal(name, "Retry-After");
	assert_string_equal(value, "60");
	reply_done(&r);
}

static bool frames(const char *first, const char *first_value, const char *second,
                   const char *second_value, int64_t *ret_length)
{
	struct request r = { 0 };
	const char *why;
	bool good;

	assert_true(request_header(&r, first, first_value));
	if (second)
		assert_true(request_header(&r, second, second_value));
	good = request_frame(&r, &why);
	*ret_length = r.length;
	request_done(&r);
	return good;
}

static void framing_is_strict(void **state)
{
	int64_t length;

	(void)state;
	assert_true(frames("content-length", "12", NULL, NULL, &length));
	assert_int_equal(length, 12);
	assert_true(frames("Transfer-Encoding", "Chunked", NULL, NULL, &length));
	assert_int_equal(length, -1);
	assert_true(frames("Host", "h", NULL, NULL, &length));
	assert_int_equal(length, 0);
	assert_false(frames("Content-Length", "12", "Content-Length", "12", &length));
	assert_false(frames("Content-Length", "12", "Transfer-Encoding", "chunked", &length));
	assert_false(frames("Transfer-Encoding", "gzip, chunked", NULL, NULL, &length));
	assert_false(
		frames("Transfer-Encoding", "chunked", "Transfer-Encoding", "chunked", &length));
	assert_false(frames("Transfer-Encoding", "", NULL, NULL, &length));
	assert_false(frames("Content-Length", "+1", NULL, NULL, &length));
	assert_false(frames("Content-Length", "1, 1", NULL, NULL, &length));
	assert_false(frames("Content-Length", "99999999999999999999", NULL, NULL, &length));
}

static void state_stays_out_of_logs(void **state)
{
	char target[] = "/v2/a/blobs/uploads/u?_state=abcdef&digest=x";
	struct request r = { .target = target };
	char *text = request_loggable(&r);

	(void)state;
	assert_string_equal(text, "/v2/a/blobs/uploads/u?_state=***&digest=x");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_are_one_json),
		cmocka_unit_test(header_values_cannot_break_out),
		cmocka_unit_test(json_takes_any_bytes),
		cmocka_unit_test(json_has_no_controls),
		cmocka_unit_test(statuses_have_their_answers),
		cmocka_unit_test(retry_after_is_bounded),
		cmocka_unit_test(framing_is_strict),
		cmocka_unit_test(state_stays_out_of_logs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
