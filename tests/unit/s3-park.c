/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Park records: their text, and what parking and going on ask of a server that answers from a
 * script.  It must not need a real store; the contract goes on from real records.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/buf.h"
#include "common/text.h"
#include "driver/s3/park.h"
#include "tests/unit/scripted-server.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define CREATED                                                                                    \
	"HTTP/1.1 200 OK\r\n"                                                                      \
	"ETag: \"e\"\r\n"                                                                          \
	"Content-Length: 0\r\n\r\n"
#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"
#define ABSENT                                                                                     \
	"HTTP/1.1 404 Not Found\r\n"                                                               \
	"Content-Length: 36\r\n\r\n"                                                               \
	"<Error><Code>NoSuchKey</Code></Error>"
#define NO_UPLOADS                                                                                 \
	"HTTP/1.1 200 OK\r\n"                                                                      \
	"Content-Length: 29\r\n\r\n"                                                               \
	"<ListMultipartUploadsResult/>"
#define DENIED                                                                                     \
	"HTTP/1.1 403 Forbidden\r\n"                                                               \
	"Content-Length: 40\r\n\r\n"                                                               \
	"<Error><Code>AccessDenied</Code></Error>"

const struct stow_driver *stow_driver_v1(void);

static struct scripted_server server;
static void *self;
static uint64_t requests;
static struct stow_op op = { .size = sizeof(op), .requests = &requests };
static struct stow_error e;

static void begin(const struct script_step *steps, size_t n)
{
	struct stow_kv kv[] = {
		{ "regionendpoint", NULL }, { "bucket", "b" },     { "accesskey", "AK" },
		{ "secretkey", "hush" },    { "maxretries", "0" }, { "chunksize", "5M" },
	};

	requests = 0;
	memset(&e, 0, sizeof(e));
	assert_true(script_start(&server, steps, n));
	kv[0].value = server.endpoint;
	assert_int_equal(stow_driver_v1()->open(NULL, kv, LENGTH(kv), &self, NULL), STOW_OK);
}

static void end(void)
{
	stow_driver_v1()->close(self);
	script_stop(&server);
	assert_int_equal(server.n_requests, server.n_steps);
	assert_null(strstr(e.message, "hush"));
	script_free(&server);
}

static void asked(size_t i, const char *what)
{
	for (int ms = 0; __atomic_load_n(&server.n_requests, __ATOMIC_ACQUIRE) <= i; ms++) {
		if (ms > 5000)
			fail_msg("request %zu, '%s', was not made", i, what);
		usleep(1000);
	}
	if (!strstr(server.requests[i], what))
		fail_msg("request %zu is not '%s':\n%.300s", i, what, server.requests[i]);
}

/* ---- the text ---- */

static const struct multipart_part three[] = { { "\"one\"" }, { "\"two 2%\"" }, { "\"three\"" } };

static struct park sample(void)
{
	struct park p = { .upload = "id/with %+\n",
		          .part_size = S3_PART_MIN,
		          .in_parts = 3 * S3_PART_MIN,
		          .tail = 32,
		          .n_parts = 3 };
	struct hash h;

	for (unsigned i = 0; i < PARK_NONCE; i++)
		p.nonce[i] = (uint8_t)(i * 17);
	hash_init(&h, HASH_SHA256);
	hash_update(&h, "abc", 3);
	p.hash_len = hash_save(&h, p.hash);
	return p;
}

static void there_and_back(void **state)
{
	struct park p = sample(), got = { .n_parts = 0 };
	struct multipart m = { 0 };
	struct buf head;

	(void)state;
	buf_init(&head, PARK_HEAD_MAX);
	assert_int_equal(park_head(&p, "a/key \n%", three, &head), STOW_OK);
	assert_int_equal(park_head_len(buf_text(&head)), head.len);
	assert_true(park_parse(buf_text(&head), head.len, "a/key \n%", &got, &m));
	assert_memory_equal(got.nonce, p.nonce, sizeof(p.nonce));
	assert_string_equal(got.upload, p.upload);
	assert_string_equal(m.id, p.upload);
	assert_int_equal(got.part_size, p.part_size);
	assert_int_equal(got.in_parts, p.in_parts);
	assert_int_equal(got.tail, 32);
	assert_int_equal(got.hash_len, p.hash_len);
	assert_memory_equal(got.hash, p.hash, p.hash_len);
	assert_int_equal(m.n, 3);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(m.parts[i].etag, three[i].etag);
	multipart_done(&m);
	/* of another key it is nothing */
	assert_false(park_parse(buf_text(&head), head.len, "a/key", &got, &m));
	assert_null(m.parts);
	buf_done(&head);
}

static void cut_anywhere(void **state)
{
	struct park p = sample(), got;
	struct buf head;

	(void)state;
	buf_init(&head, PARK_HEAD_MAX);
	assert_int_equal(park_head(&p, "k", three, &head), STOW_OK);
	for (size_t len = 0; len < head.len; len++) {
		struct multipart m = { 0 };
		/* of exactly that size, so that a sanitizer sees a step too far */
		char *cut = malloc(len ? len : 1);

		assert_non_null(cut);
		memcpy(cut, buf_text(&head), len);
		assert_false(park_parse(cut, len, "k", &got, &m));
		multipart_done(&m);
		free(cut);
	}
	buf_done(&head);
}

static void senseless(void **state)
{
	static const struct {
		const char *from, *to;
	} rows[] = {
		{ "nonce 00", "nonce 0" },
		{ "nonce 00", "nonce 0g" },
		{ "partsize 5242880", "partsize 5242879" },
		{ "partsize 5242880", "partsize 99999999999" },
		{ "partsize 5242880", "partsize -1" },
		{ "inparts 15728640", "inparts 0" },
		{ "inparts 15728640", "inparts 99999999999999" },
		{ "inparts 15728640", "inparts 99999999999999999999" },
		{ "tail 32", "tail -32" },
		{ "tail 32", "tail 9999999999" },
		{ "tail 32", "tail " },
		{ "parts 3", "parts 2" },
		{ "parts 3", "parts 4" },
		{ "parts 3", "parts 10001" },
		{ "parts 3", "parts 18446744073709551619" },
		{ "upload id", "upload %00" },
		{ "upload id", "upload %zz" },
		{ "upload id%2Fwith%20%25%2B%0A", "upload " },
		{ "%22one%22", "" },
		{ "hash ", "hash 0" },
		{ "tail", "tall" },
	};
	struct park p = sample(), got;
	struct buf head;

	(void)state;
	buf_init(&head, PARK_HEAD_MAX);
	assert_int_equal(park_head(&p, "k", three, &head), STOW_OK);
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct multipart m = { 0 };
		struct buf bad;
		const char *at = strstr(buf_text(&head), rows[i].from);

		assert_non_null(at);
		buf_init(&bad, PARK_HEAD_MAX);
		buf_add(&bad, buf_text(&head), (size_t)(at - buf_text(&head)));
		buf_adds(&bad, rows[i].to);
		buf_adds(&bad, at + strlen(rows[i].from));
		if (park_parse(buf_text(&bad), bad.len, "k", &got, &m))
			fail_msg("'%s' is taken", rows[i].to);
		multipart_done(&m);
		buf_done(&bad);
	}
	buf_done(&head);
}

static void marks(void **state)
{
	static const struct {
		const char *mark;
		size_t len;
	} rows[] = {
		{ "stowage parked write 1 00000100\n", 0x100 },
		{ "stowage parked write 1 00000020\n", 0 },
		{ "stowage parked write 1 00400000\n", PARK_HEAD_MAX },
		{ "stowage parked write 1 00400001\n", 0 },
		{ "stowage parked write 1 ffffffff\n", 0 },
		{ "stowage parked write 1 0000010g\n", 0 },
		{ "stowage parked write 1 00000100 ", 0 },
		{ "stowage parked write 2 00000100\n", 0 },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++)
		assert_int_equal(park_head_len(rows[i].mark), rows[i].len);
}

static void states(void **state)
{
	struct park p = sample();
	uint8_t s[PARK_STATE], nonce[PARK_NONCE];

	(void)state;
	park_state(&p, "k", s);
	assert_int_equal(park_state_check(s, sizeof(s), "k", nonce, &e), STOW_OK);
	assert_memory_equal(nonce, p.nonce, sizeof(nonce));
	assert_int_equal(park_state_check(s, sizeof(s), "K", nonce, &e), STOW_EINVAL);
	for (size_t len = 0; len < sizeof(s); len++)
		assert_int_equal(park_state_check(s, len, "k", nonce, &e), STOW_EINVAL);
	for (size_t i = 0; i < sizeof(s); i++) {
		if (i >= 4 && i < 4 + PARK_NONCE)
			continue; /* another nonce is another write */
		s[i] ^= 1;
		assert_int_equal(park_state_check(s, sizeof(s), "k", nonce, &e), STOW_EINVAL);
		s[i] ^= 1;
	}
}

static void hidden_keys(void **state)
{
	(void)state;
	assert_true(park_is_hidden(".stowage-tmp"));
	assert_true(park_is_hidden(".stowage-tmp/a"));
	assert_false(park_is_hidden(".stowage-tmpa"));
	assert_false(park_is_hidden(".stowage-tm"));
	assert_false(park_is_hidden("a/.stowage-tmp/a"));
	assert_false(park_is_hidden(""));
}

/* ---- parking ---- */

static void *opened(const struct stow_put *put, int64_t want)
{
	void *w = NULL;
	int64_t offset = -1;

	assert_int_equal(s3_write_open(self, &op, "k", put, &w, &offset, &e), STOW_OK);
	assert_int_equal(offset, want);
	return w;
}

/* Without parts, parking is one request, and the parked writer takes nothing more. */
static void parks(void **state)
{
	const struct script_step steps[] = { { CREATED, 0 } };
	char s[512];
	size_t len = 0;
	void *w;

	(void)state;
	begin(steps, LENGTH(steps));
	w = opened(NULL, 0);
	assert_int_equal(s3_write(w, &op, "the tail", 8, &e), STOW_OK);
	assert_int_equal(s3_write_park(w, &op, s, sizeof(s), &len, &e), STOW_OK);
	assert_int_equal(len, PARK_STATE);
	assert_int_equal(requests, 1);
	asked(0, "PUT /b/.stowage-tmp/k HTTP/1.1\r\n");
	asked(0, "\r\n\r\nstowage parked write 1 ");
	asked(0, "\nkey k\nupload \n");
	asked(0, "\nparts 0\nthe tail");
	assert_int_equal(s3_write(w, &op, "x", 1, &e), STOW_EINVAL);
	assert_int_equal(s3_write_copy(w, &op, "o", NULL, 0, 1, &e), STOW_EINVAL);
	assert_int_equal(s3_write_park(w, &op, s, sizeof(s), &len, &e), STOW_EINVAL);
	assert_int_equal(s3_write_commit(w, &op, NULL, &e), STOW_EINVAL);
	s3_write_close(w, &op);
	end();
}

/* What cannot be parked sends nothing. */
static void does_not_park(void **state)
{
	char s[512], key[STOW_KEY_MAX + 1];
	size_t len = 77;
	int64_t offset;
	void *w;

	(void)state;
	begin(NULL, 0);
	w = opened(NULL, 0);
	assert_int_equal(s3_write_park(w, &op, s, PARK_STATE - 1, &len, &e), STOW_ERANGE);
	s3_write_close(w, &op);
	for (size_t i = 0; i < STOW_KEY_MAX; i++)
		key[i] = i % 100 == 99 ? '/' : 'k';
	key[STOW_KEY_MAX] = '\0';
	assert_int_equal(s3_write_open(self, &op, key, NULL, &w, &offset, &e), STOW_OK);
	assert_int_equal(s3_write(w, &op, "x", 1, &e), STOW_OK);
	assert_int_equal(s3_write_park(w, &op, s, sizeof(s), &len, &e), STOW_EINVAL);
	assert_non_null(strstr(e.message, "too long to be parked"));
	assert_int_equal(len, 77);
	s3_write_close(w, &op);
	end();
}

/* A record that was refused is not there; one whose fate is unknown is taken away at the end. */
static void park_fails(void **state)
{
	const struct script_step refused[] = { { DENIED, 0 } };
	const struct script_step lost[] = { { NULL, SCRIPT_CLOSE }, { NO_CONTENT, 0 } };
	char s[512];
	size_t len = 77;
	void *w;

	(void)state;
	begin(refused, LENGTH(refused));
	w = opened(NULL, 0);
	assert_int_equal(s3_write_park(w, &op, s, sizeof(s), &len, &e), STOW_EDENIED);
	s3_write_close(w, &op);
	end();
	begin(lost, LENGTH(lost));
	w = opened(NULL, 0);
	assert_int_equal(s3_write(w, &op, "x", 1, &e), STOW_OK);
	assert_int_equal(s3_write_park(w, &op, s, sizeof(s), &len, &e), STOW_EIO);
	assert_true(e.flags & STOW_ERROR_MAYBE);
	s3_write_close(w, &op);
	asked(1, "DELETE /b/.stowage-tmp/k HTTP/1.1\r\n");
	assert_int_equal(len, 77);
	end();
}

/* ---- going on ---- */

/* The answer with a record of key k with that tail; no NUL is in it, since scripts are texts. */
static char *record_answer(struct park *p, const char *tail, bool damaged)
{
	char sum[PARK_SUM], *text, *end_of_head;
	struct buf record;
	size_t whole;

	p->tail = (int64_t)strlen(tail);
	do {
		p->nonce[0]++;
		buf_init(&record, PARK_HEAD_MAX);
		assert_int_equal(park_head(p, "k", three, &record), STOW_OK);
		buf_adds(&record, tail);
		hash_sha256(record.data, record.len, (uint8_t *)sum);
		if (!memchr(sum, 0, sizeof(sum)))
			break;
		buf_done(&record);
	} while (true);
	if (damaged)
		record.data[record.len - 1] ^= 1;
	whole = record.len + sizeof(sum);
	text = calloc(1, whole + 300);
	assert_non_null(text);
	snprintf(text, 300,
	         "HTTP/1.1 206 Partial Content\r\nETag: \"r\"\r\nContent-Length: %zu\r\n"
	         "Content-Range: bytes 0-%zu/%zu\r\n\r\n",
	         whole, whole - 1, whole);
	end_of_head = text + strlen(text);
	memcpy(end_of_head, record.data, record.len);
	memcpy(end_of_head + record.len, sum, sizeof(sum));
	buf_done(&record);
	return text;
}

static struct park tail_only(void)
{
	return (struct park){ .nonce = { 1, 2, 3 }, .part_size = S3_PART_MIN };
}

/* One GET to go on, PUT and DELETE to commit. */
static void goes_on(void **state)
{
	struct park p = tail_only();
	char *record = record_answer(&p, "the tail", false);
	const struct script_step steps[] = { { record, 0 }, { CREATED, 0 }, { NO_CONTENT, 0 } };
	struct stow_put put = { .size = sizeof(put), .length = 13, .flags = STOW_PUT_CREATE };
	uint8_t s[PARK_STATE], sum[32];
	void *w;

	(void)state;
	park_state(&p, "k", s);
	hash_sha256("the tail, all", 13, sum);
	put.parked = s;
	put.parked_len = sizeof(s);
	put.sha256 = sum;
	begin(steps, LENGTH(steps));
	w = opened(&put, 8);
	asked(0, "GET /b/.stowage-tmp/k HTTP/1.1\r\n");
	assert_int_equal(requests, 1);
	assert_int_equal(s3_write(w, &op, ", all", 5, &e), STOW_OK);
	assert_int_equal(s3_write_commit(w, &op, NULL, &e), STOW_OK);
	asked(1, "PUT /b/k HTTP/1.1\r\n");
	asked(1, "\r\n\r\nthe tail, all");
	asked(1, "if-none-match: *\r\n");
	asked(2, "DELETE /b/.stowage-tmp/k HTTP/1.1\r\n");
	s3_write_close(w, &op);
	end();
	free(record);
}

/* The commit holds where its record stays behind. */
static void record_stays(void **state)
{
	struct park p = tail_only();
	char *record = record_answer(&p, "tail", false);
	const struct script_step steps[] = { { record, 0 }, { CREATED, 0 }, { DENIED, 0 } };
	const struct stow_put put = { .size = sizeof(put), .length = -1, .flags = STOW_PUT_RESUME };
	void *w;

	(void)state;
	begin(steps, LENGTH(steps));
	w = opened(&put, 4);
	assert_int_equal(s3_write_commit(w, &op, NULL, &e), STOW_OK);
	s3_write_close(w, &op);
	end();
	free(record);
}

/* Bytes before the tail that were not hashed cannot be vouched for. */
static void sum_of_parts(void **state)
{
	static const uint8_t sum[32] = { 1 };
	struct park p = sample();
	char *record;
	struct stow_put put = {
		.size = sizeof(put), .length = -1, .flags = STOW_PUT_RESUME, .sha256 = sum
	};
	int64_t offset = 77;
	void *w = NULL;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		if (i == 1)
			p.hash_len = 0;
		record = record_answer(&p, "tail", false);
		{
			const struct script_step steps[] = { { record, 0 } };

			begin(steps, LENGTH(steps));
			/* at first a hash of other bytes than those that are there */
			assert_int_equal(s3_write_open(self, &op, "k", &put, &w, &offset, &e),
			                 i == 0 ? STOW_ECORRUPT : STOW_ENOTSUP);
			assert_int_equal(offset, 77);
			end();
		}
		free(record);
	}
}

/* Nothing is begun, and nothing is taken away. */
static void does_not_go_on(void **state)
{
	struct park p = tail_only(), other;
	char *record = record_answer(&p, "tail", false);
	char *damaged = record_answer(&p, "tail", true);
	const struct {
		const char *answer;
		int64_t length;
		bool by_state;
		int want;
	} rows[] = {
		{ ABSENT, -1, false, STOW_ENOTFOUND },
		{ ABSENT, -1, true, STOW_ENOTFOUND },
		{ record, -1, true, STOW_ENOTFOUND }, /* of another nonce */
		{ record, 3, false, STOW_ECORRUPT },
		{ damaged, -1, false, STOW_ECORRUPT },
		{ DENIED, -1, false, STOW_EDENIED },
		{ "HTTP/1.1 200 OK\r\nETag: \"r\"\r\nContent-Length: 5\r\n\r\nother", -1, false,
		  STOW_ECORRUPT },
		{ "HTTP/1.1 200 OK\r\nETag: \"r\"\r\nContent-Length: 32\r\n\r\n"
		  "stowage parked write 1 00000100\n",
		  -1, false, STOW_ECORRUPT },
	};

	(void)state;
	other = p;
	other.nonce[1]++;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		/* by the key alone the uploads are looked at, too */
		const struct script_step steps[] = { { rows[i].answer, 0 }, { NO_UPLOADS, 0 } };
		size_t n = !rows[i].by_state && rows[i].want == STOW_ENOTFOUND ? 2 : 1;
		struct stow_put put = { .size = sizeof(put),
			                .length = rows[i].length,
			                .flags = rows[i].by_state ? 0 : STOW_PUT_RESUME };
		uint8_t s[PARK_STATE];
		int64_t offset = 77;
		void *w = NULL;

		park_state(&other, "k", s);
		put.parked = rows[i].by_state ? s : NULL;
		put.parked_len = rows[i].by_state ? sizeof(s) : 0;
		begin(steps, n);
		assert_int_equal(s3_write_open(self, &op, "k", &put, &w, &offset, &e),
		                 rows[i].want);
		assert_null(w);
		assert_int_equal(offset, 77);
		end();
	}
	free(record);
	free(damaged);
}

/* An abort takes the record's upload and the record. */
static void aborts(void **state)
{
	struct park p = sample();
	char *record = record_answer(&p, "tail", false);
	const struct script_step steps[] = { { record, 0 }, { NO_CONTENT, 0 }, { NO_CONTENT, 0 } };
	const struct stow_put put = { .size = sizeof(put), .length = -1, .flags = STOW_PUT_RESUME };
	void *w;

	(void)state;
	begin(steps, LENGTH(steps));
	w = opened(&put, 3 * S3_PART_MIN + 4);
	s3_write_close(w, &op);
	asked(1, "DELETE /b/k?uploadId=id%2Fwith%20%25%2B%0A HTTP/1.1\r\n");
	asked(2, "DELETE /b/.stowage-tmp/k HTTP/1.1\r\n");
	end();
	free(record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back), cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(senseless),      cmocka_unit_test(marks),
		cmocka_unit_test(states),         cmocka_unit_test(hidden_keys),
		cmocka_unit_test(parks),          cmocka_unit_test(does_not_park),
		cmocka_unit_test(park_fails),     cmocka_unit_test(goes_on),
		cmocka_unit_test(record_stays),   cmocka_unit_test(sum_of_parts),
		cmocka_unit_test(does_not_go_on), cmocka_unit_test(aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
