/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The S3 driver against a server that answers from a script: what a real one does seldom.  Each
 * test says which answers come in which order, and looks at what was made of them and at what
 * was asked.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/scripted-store.h"

/* ---- attempts ---- */

static void tries_again(void **state)
{
	const struct script_step steps[] = {
		{ failure("503 Slow Down", "SlowDown"), 0 },
		{ failure("500 Internal Server Error", "InternalError"), 0 },
		{ NULL, SCRIPT_CLOSE },
		{ failure("400 Bad Request", "RequestTimeout"), SCRIPT_CLOSE },
		{ answer("200 OK", "ETag: \"e\"\r\n", ""), 0 },
	};
	struct stow_stat st;

	(void)state;
	begin(steps, LENGTH(steps), "4");
	assert_int_equal(s3_put(self, &op, "k", "data", 4, NULL, &st, &e), STOW_OK);
	assert_string_equal(st.etag, "\"e\"");
	assert_int_equal(requests, 5);
	for (size_t i = 0; i < 5; i++) {
		asked(i, "PUT /b/k HTTP/1.1\r\n");
		asked(i, "Authorization: AWS4-HMAC-SHA256 Credential=AK/");
		asked(i, "\r\n\r\ndata");
	}
	end();
}

static void gives_up(void **state)
{
	static const struct {
		const char *status, *code;
		int want;
		uint32_t flags;
	} rows[] = {
		{ "503 Slow Down", "SlowDown", STOW_EBUSY, STOW_ERROR_RETRYABLE },
		{ "429 Too Many", "", STOW_EBUSY, STOW_ERROR_RETRYABLE },
		{ "500 Oops", "InternalError", STOW_EIO, STOW_ERROR_RETRYABLE | STOW_ERROR_MAYBE },
		{ "507 Full", "XMinioStorageFull", STOW_EIO, 0 },
		{ "403 Forbidden", "AccessDenied", STOW_EDENIED, 0 },
		{ "403 Forbidden", "", STOW_EDENIED, 0 },
		{ "401 Unauthorized", "", STOW_EDENIED, 0 },
		{ "404 Not Found", "NoSuchBucket", STOW_EIO, 0 },
		{ "412 Precondition Failed", "PreconditionFailed", STOW_ECHANGED, 0 },
		{ "304 Not Modified", "", STOW_EIO, 0 },
		{ "301 Moved Permanently", "PermanentRedirect", STOW_EIO, 0 },
		{ "307 Temporary Redirect", "TemporaryRedirect", STOW_EIO, 0 },
		{ "400 Bad Request", "AuthorizationHeaderMalformed", STOW_EIO, 0 },
		{ "400 Bad Request", "XMinioInvalidObjectName", STOW_EINVAL, 0 },
		{ "501 Not Implemented", "NotImplemented", STOW_ENOTSUP, 0 },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct script_step step = { failure(rows[i].status, rows[i].code), 0 };

		begin(&step, 1, "0");
		assert_int_equal(s3_put(self, &op, "k", "d", 1, NULL, NULL, &e), rows[i].want);
		assert_int_equal(e.flags, rows[i].flags);
		assert_int_equal(e.backend, (int)strtol(rows[i].status, NULL, 10));
		assert_non_null(strstr(e.message, "bucket b, key k"));
		if (strncmp(rows[i].status, "304", 3) != 0)
			assert_string_equal(e.request, "R1");
		end();
	}
}

/* An operator finds the object by its key's start and end, however long, and the request by its id,
 * wherever the store says it. */
static void names_what_failed(void **state)
{
	static const char body[] = "<Error><Code>AccessDenied</Code><Message>No.</Message>"
				   "<RequestId>R7</RequestId></Error>";
	const struct script_step step = { answer("403 Forbidden", "", body), 0 };
	char key[STOW_KEY_MAX + 1] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(key) - 1; i++)
		key[i] = i % 100 == 99 ? '/' : 'k';
	memcpy(key, "start/", 6);
	memcpy(key + sizeof(key) - 1 - 4, "/end", 5);
	begin(&step, 1, "0");
	assert_int_equal(s3_put(self, &op, key, "d", 1, NULL, NULL, &e), STOW_EDENIED);
	assert_non_null(strstr(e.message, "bucket b, key start/kkk"));
	assert_non_null(strstr(e.message, "k...k"));
	assert_non_null(strstr(e.message, "k/end: HTTP 403 AccessDenied: No."));
	assert_string_equal(e.request, "R7");
	end();
}

/* Out of time in the middle of an attempt: what failed before it is the cause that is said. */
static void names_what_took_the_time(void **state)
{
	const struct script_step steps[] = {
		{ failure("500 Internal Server Error", "InternalError"), 0 },
		{ NULL, SCRIPT_SILENT },
	};
	struct stow_op hurried = op;
	struct stow_stat st;

	(void)state;
	begin(steps, LENGTH(steps), "4");
	hurried.deadline_ns = clock_monotonic() + CLOCK_SECOND;
	assert_int_equal(s3_stat(self, &hurried, "k", &st, &e), STOW_ETIMEOUT);
	assert_non_null(strstr(e.message, "bucket b, key k: HTTP 500"));
	assert_non_null(strstr(e.message, "deadline"));
	assert_string_equal(e.request, "R1");
	assert_int_equal(e.flags, STOW_ERROR_RETRYABLE);
	end();
	begin(NULL, 0, "4");
	hurried.deadline_ns = clock_monotonic();
	assert_int_equal(s3_stat(self, &hurried, "k", &st, &e), STOW_ETIMEOUT);
	assert_non_null(strstr(e.message, "bucket b, key k: the deadline"));
	end();
}

/* Corrected once; a store that then names another one again is not followed for ever. */
static void names_the_region(void **state)
{
	const struct script_step steps[] = {
		{ answer("301 Moved Permanently", "x-amz-bucket-region: eu-west-1\r\n", ""), 0 },
		{ answer("301 Moved Permanently", "x-amz-bucket-region: eu-west-2\r\n", ""), 0 },
	};

	(void)state;
	begin(steps, 2, "3");
	assert_int_equal(s3_check(self, &op, &e), STOW_EIO);
	asked(0, "/us-east-1/s3/aws4_request");
	asked(1, "/eu-west-1/s3/aws4_request");
	assert_int_equal(e.flags, 0);
	assert_non_null(strstr(e.message, "eu-west-1"));
	assert_non_null(strstr(e.message, "eu-west-2"));
	end();
}

/* A lost answer to a write: it may have been done. To a read: no matter. */
static void unknown_outcome(void **state)
{
	const struct script_step steps[] = { { NULL, SCRIPT_CLOSE } };
	struct stow_stat st;

	(void)state;
	begin(steps, 1, "0");
	assert_int_equal(s3_put(self, &op, "k", "d", 1, NULL, NULL, &e), STOW_EIO);
	assert_int_equal(e.flags, STOW_ERROR_RETRYABLE | STOW_ERROR_MAYBE);
	end();
	begin(steps, 1, "0");
	assert_int_equal(s3_stat(self, &op, "k", &st, &e), STOW_EIO);
	assert_int_equal(e.flags, STOW_ERROR_RETRYABLE);
	end();
}

/* Created by an attempt whose answer was lost: the second one's refusal says maybe. */
static void create_twice(void **state)
{
	const struct script_step steps[] = {
		{ NULL, SCRIPT_CLOSE },
		{ failure("412 Precondition Failed", "PreconditionFailed"), 0 },
	};
	struct stow_put put = { .size = sizeof(put), .flags = STOW_PUT_CREATE };

	(void)state;
	begin(steps, 2, "1");
	assert_int_equal(s3_put(self, &op, "k", "d", 1, &put, NULL, &e), STOW_EEXIST);
	assert_int_equal(e.flags, STOW_ERROR_MAYBE);
	asked(1, "\r\nif-none-match: *\r\n");
	end();
}

static void cancelled(void **state)
{
	const struct script_step steps[] = { { NULL, SCRIPT_SILENT } };
	int64_t before = clock_monotonic();
	struct stow_op mine = op;

	(void)state;
	mine.deadline_ns = before + 200 * CLOCK_MILLISECOND;
	begin(steps, 1, "5");
	assert_int_equal(s3_put(self, &mine, "k", "d", 1, NULL, NULL, &e), STOW_ETIMEOUT);
	assert_int_equal(e.flags & STOW_ERROR_MAYBE, STOW_ERROR_MAYBE);
	assert_true(clock_monotonic() - before < 300 * CLOCK_MILLISECOND);
	end();
}

/* ---- multipart ---- */

static const char begun[] = "<InitiateMultipartUploadResult><UploadId>u+1/=</UploadId>"
			    "</InitiateMultipartUploadResult>";
static const char completed[] =
	"<?xml version=\"1.0\"?><CompleteMultipartUploadResult><ETag>&quot;c-2&quot;</ETag>"
	"</CompleteMultipartUploadResult>";

/* Writes 5 MiB and a byte: two parts. The script server takes one request up to 64 KiB, so the
 * parts are ranges of another object. */
static int write_two_parts(struct stow_stat *st)
{
	void *w = NULL;
	int64_t offset;
	int r = s3_write_open(self, &op, "k", NULL, &w, &offset, NULL);

	assert_int_equal(r, STOW_OK);
	r = s3_write_copy(w, &op, "from", "\"v\"", 0, 5 << 20, &e);
	if (r == STOW_OK)
		r = s3_write(w, &op, "x", 1, &e);
	if (r == STOW_OK)
		r = s3_write_commit(w, &op, st, &e);
	s3_write_close(w, &op);
	return r;
}

static struct script_step step_begun(void)
{
	return (struct script_step){ answer("200 OK", "", begun), 0 };
}

static struct script_step step_copied(void)
{
	return (struct script_step){
		answer("200 OK", "",
		       "<CopyPartResult><ETag>&quot;p1&quot;</ETag></CopyPartResult>"),
		0
	};
}

static struct script_step step_part(void)
{
	return (struct script_step){ answer("200 OK", "ETag: \"p2\"\r\n", ""), 0 };
}

static void complete_with_error_inside(void **state)
{
	const struct script_step steps[] = {
		step_begun(),
		step_copied(),
		step_part(),
		{ answer("200 OK", "",
		         "  \n <?xml version=\"1.0\"?><Error><Code>InternalError</Code></Error>"),
		  0 },
		{ answer("200 OK", "", completed), 0 },
	};
	struct stow_stat st;

	(void)state;
	begin(steps, LENGTH(steps), "3");
	assert_int_equal(write_two_parts(&st), STOW_OK);
	assert_int_equal(st.size, (5 << 20) + 1);
	assert_string_equal(st.etag, "\"c-2\"");
	asked(0, "POST /b/k?uploads= HTTP/1.1");
	asked(1, "PUT /b/k?partNumber=1&uploadId=u%2B1%2F%3D HTTP/1.1");
	asked(1, "\r\nx-amz-copy-source: /b/from\r\n");
	asked(1, "\r\nx-amz-copy-source-if-match: \"v\"\r\n");
	asked(1, "\r\nx-amz-copy-source-range: bytes=0-5242879\r\n");
	asked(4, "<Part><PartNumber>1</PartNumber><ETag>&quot;p1&quot;</ETag></Part>"
	         "<Part><PartNumber>2</PartNumber><ETag>&quot;p2&quot;</ETag></Part>");
	end();
}

/* Never a success by the status alone; and what was written is taken away. */
static void complete_without_answer(void **state)
{
	static const char *const bodies[] = { "", "<CompleteMultipartUploadResult><ETag>",
		                              "<html><body/></html>" };

	(void)state;
	for (size_t i = 0; i < LENGTH(bodies); i++) {
		const struct script_step steps[] = {
			step_begun(),      step_copied(),
			step_part(),       { answer("200 OK", "", bodies[i]), 0 },
			{ NO_CONTENT, 0 },
		};
		struct stow_stat st;

		begin(steps, LENGTH(steps), "0");
		assert_int_equal(write_two_parts(&st), STOW_EIO);
		assert_int_equal(e.flags, STOW_ERROR_RETRYABLE | STOW_ERROR_MAYBE);
		asked(4, "DELETE /b/k?uploadId=u%2B1%2F%3D HTTP/1.1");
		end();
	}
}

/* The first Complete was done and its answer lost. */
static void complete_done_before(void **state)
{
	static const struct {
		const char *head; /* the answer to HEAD */
		int want;
	} rows[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5242881\r\nETag: \"c-2\"\r\n\r\n", STOW_OK },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5242880\r\nETag: \"c-2\"\r\n\r\n", STOW_EIO },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5242881\r\nETag: \"c-9\"\r\n\r\n", STOW_EIO },
		{ "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", STOW_EIO },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct script_step steps[] = {
			step_begun(),
			step_copied(),
			step_part(),
			{ NULL, SCRIPT_CLOSE },
			{ failure("404 Not Found", "NoSuchUpload"), 0 },
			{ rows[i].head, 0 },
			{ NO_CONTENT, 0 },
		};
		struct stow_stat st;

		begin(steps, rows[i].want == STOW_OK ? 6 : 7, "1");
		assert_int_equal(write_two_parts(&st), rows[i].want);
		if (rows[i].want == STOW_OK)
			assert_string_equal(st.etag, "\"c-2\"");
		asked(5, "HEAD /b/k HTTP/1.1");
		end();
	}
}

/* Without a lost answer before it, NoSuchUpload is a failure and nothing else. */
static void upload_gone(void **state)
{
	const struct script_step steps[] = {
		step_begun(),
		step_copied(),
		step_part(),
		{ failure("404 Not Found", "NoSuchUpload"), 0 },
		{ failure("404 Not Found", "NoSuchUpload"), 0 }, /* the abort's */
	};
	struct stow_stat st;

	(void)state;
	begin(steps, LENGTH(steps), "1");
	assert_int_equal(write_two_parts(&st), STOW_EIO);
	assert_int_equal(e.flags, 0);
	end();
}

/* A store that cannot copy parts: the bytes go through. */
static void no_part_copy(void **state)
{
	const struct script_step steps[] = {
		step_begun(),
		{ failure("501 Not Implemented", "NotImplemented"), 0 },
		{ failure("412 Precondition Failed", "PreconditionFailed"), 0 },
		{ NO_CONTENT, 0 },
	};
	struct stow_stat st;

	(void)state;
	begin(steps, LENGTH(steps), "0");
	assert_int_equal(write_two_parts(&st), STOW_ECHANGED);
	asked(2, "GET /b/from HTTP/1.1");
	asked(2, "\r\nif-match: \"v\"\r\n");
	end();
}

static void copy_with_error_inside(void **state)
{
	const struct script_step steps[] = {
		{ answer("200 OK", "", "<Error><Code>SlowDown</Code></Error>"), 0 },
		{ answer("200 OK", "", ""), 0 },
		{ answer("200 OK", "",
		         "<CopyObjectResult><ETag>&quot;e&quot;</ETag>"
		         "</CopyObjectResult>"),
		  0 },
	};
	struct stow_put put = { .size = sizeof(put), .length = 100 };

	(void)state;
	begin(steps, LENGTH(steps), "2");
	assert_int_equal(s3_copy(self, &op, "a b+c~%41", NULL, "k", &put, &e), STOW_OK);
	asked(0, "\r\nx-amz-copy-source: /b/a%20b%2Bc~%2541\r\n");
	end();
}

/* ---- listing ---- */

#define ENTRY(key) "<Contents><Key>" key "</Key><Size>1</Size><ETag>&quot;e&quot;</ETag></Contents>"
#define FOLDER(key) "<CommonPrefixes><Prefix>" key "</Prefix></CommonPrefixes>"
#define PAGE(token, body)                                                                          \
	"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"        \
	"<NextContinuationToken>" token "</NextContinuationToken>" body "</ListBucketResult>"
#define LAST(body) "<ListBucketResult><IsTruncated>false</IsTruncated>" body "</ListBucketResult>"

static void lists(void **state)
{
	const struct script_step steps[] = {
		{ answer("200 OK", "",
		         PAGE("a+b/c%2F==",
		              ENTRY("a%2Fx+y") ENTRY("b%2B") ENTRY("c%2F") FOLDER("a-%2F"))),
		  0 },
		/* the folder comes again, and keys as they are */
		{ answer("200 OK", "", LAST(FOLDER("b+/") ENTRY("c%41") ENTRY("b+"))), 0 },
	};
	static const char *const want[] = { "a-/", "a/x y", "b+", "b+/", "c%41" };
	struct stow_entry entry;
	void *list = NULL;
	size_t n = 0;

	(void)state;
	begin(steps, 2, "0");
	assert_int_equal(s3_list_open(self, &op, "", NULL, STOW_LIST_FOLDERS, &list, &e), STOW_OK);
	while (s3_list_next(list, &op, &entry, &e) == STOW_OK) {
		assert_true(n < LENGTH(want));
		assert_string_equal(entry.key, want[n++]);
	}
	assert_int_equal(e.status, STOW_ENOTFOUND);
	assert_int_equal(n, LENGTH(want));
	s3_list_close(list);
	asked(0, "GET /b?delimiter=%2F&encoding-type=url&list-type=2&prefix= HTTP/1.1");
	asked(1, "GET /b?continuation-token=a%2Bb%2Fc%252F%3D%3D&delimiter=");
	end();
}

static void list_in_circles(void **state)
{
	static const char *const second[] = { PAGE("t", ENTRY("a")), PAGE("", ENTRY("a")),
		                              ("<ListBucketResult><IsTruncated>true</IsTruncated>"
		                               "</ListBucketResult>") };

	(void)state;
	for (size_t i = 0; i < LENGTH(second); i++) {
		const struct script_step steps[] = {
			{ answer("200 OK", "", PAGE("t", ENTRY("a"))), 0 },
			{ answer("200 OK", "", second[i]), 0 },
		};
		struct stow_entry entry;
		void *list = NULL;

		begin(steps, 2, "3");
		assert_int_equal(s3_list_open(self, &op, "", NULL, 0, &list, &e), STOW_OK);
		assert_int_equal(s3_list_next(list, &op, &entry, &e), STOW_OK);
		assert_int_equal(s3_list_next(list, &op, &entry, &e), STOW_EIO);
		assert_int_equal(e.flags, 0);
		s3_list_close(list);
		end();
	}
}

static void list_start(void **state)
{
	static const struct {
		const char *prefix, *after, *sent;
	} rows[] = {
		{ "a/", "a/b", "&start-after=a%2Fb HTTP" },
		{ "a/", "a", "&prefix=a%2F HTTP" }, /* before all there is: not sent */
		{ "a/", "", "&prefix=a%2F HTTP" },
		{ "a/", "b", NULL }, /* behind all there is: not even asked */
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct script_step steps[] = { { answer("200 OK", "", LAST("")), 0 } };
		struct stow_entry entry;
		void *list = NULL;

		begin(steps, rows[i].sent ? 1 : 0, "0");
		assert_int_equal(
			s3_list_open(self, &op, rows[i].prefix, rows[i].after, 0, &list, &e),
			STOW_OK);
		assert_int_equal(s3_list_next(list, &op, &entry, &e), STOW_ENOTFOUND);
		s3_list_close(list);
		if (rows[i].sent)
			asked(0, rows[i].sent);
		end();
	}
}

/* ---- removing many ---- */

static void removes(void **state)
{
	const struct script_step steps[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<DeleteRes", SCRIPT_CLOSE },
		{ answer("200 OK", "",
		         "<DeleteResult><Deleted><Key>c</Key></Deleted><Error><Key>b&amp;</Key>"
		         "<Code>AccessDenied</Code></Error><Deleted><Key>x</Key></Deleted>"
		         "<Deleted><Key>a</Key></Deleted></DeleteResult>"),
		  0 },
	};
	const char *const keys[] = { "a", "b&", "c", "d" };
	int statuses[4];

	(void)state;
	begin(steps, 2, "1");
	assert_int_equal(s3_remove_many(self, &op, keys, NULL, 4, statuses, &e), STOW_OK);
	assert_int_equal(statuses[0], STOW_OK);
	assert_int_equal(statuses[1], STOW_EDENIED);
	assert_int_equal(statuses[2], STOW_OK);
	assert_int_equal(statuses[3], STOW_EIO); /* no word of it */
	asked(1, "POST /b?delete= HTTP/1.1");
	asked(1, "\r\ncontent-md5: ");
	asked(1, "<Object><Key>b&amp;</Key></Object>");
	end();
}

static void removes_singly(void **state)
{
	const struct script_step steps[] = {
		{ failure("501 Not Implemented", "NotImplemented"), 0 },
		{ NO_CONTENT, 0 },
		{ failure("404 Not Found", "NoSuchKey"), 0 },
	};
	const char *const keys[] = { "a", "b" };
	int statuses[2];

	(void)state;
	begin(steps, 3, "0");
	assert_int_equal(s3_remove_many(self, &op, keys, NULL, 2, statuses, &e), STOW_OK);
	assert_int_equal(statuses[0], STOW_OK);
	assert_int_equal(statuses[1], STOW_OK);
	end();
}

/* ---- options ---- */

static void options(void **state)
{
	static const struct {
		struct stow_kv kv;
		const char *word;
	} rows[] = {
		{ { "chunksize", "5000000" }, "chunksize" },
		{ { "memory", "16M" }, "memory" },
		{ { "regionendpoint", "http://h/a?path" }, "regionendpoint" },
		{ { "maxconnections", "0" }, "maxconnections" },
		{ { "forcepathstyle", "no" }, "forcepathstyle" },
		{ { "bucket", "a/b" }, "bucket" },
		{ { "region", "eu west" }, "region" },
		{ { "chunksiez", "8M" }, "chunksize" },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct stow_kv kv[] = { { "bucket", "b" },
			                { "accesskey", "AK" },
			                { "secretkey", "hush" },
			                { "region", "eu-west-1" },
			                rows[i].kv };
		void *instance = NULL;

		memset(&e, 0, sizeof(e));
		assert_int_equal(stow_driver_v1()->open(NULL, kv, LENGTH(kv), &instance, &e),
		                 STOW_EINVAL);
		assert_null(instance);
		assert_non_null(strstr(e.message, rows[i].word));
	}
}

static void bases(void **state)
{
	static const struct {
		const char *endpoint, *secure, *base, *name;
	} rows[] = {
		{ "", "yes", "https://s3.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com" },
		{ "h:9000", "no", "http://h:9000", "h:9000" },
		{ "h", "yes", "https://h", "h" },
		{ "http://h:80/", "yes", "http://h", "h" },
		{ "HTTPS://h:443", "no", "https://h", "h" },
		{ "https://h:80", "no", "https://h:80", "h:80" },
		{ "[::1]:9000", "no", "http://[::1]:9000", "[::1]:9000" },
	};
	static const char *const roots[][2] = {
		{ "", "" }, { "/", "" }, { "/x", "x/" }, { "x/", "x/" }, { "//x/y//", "x/y/" },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct stow_kv kv[] = { { "bucket", "b" },
			                { "accesskey", "AK" },
			                { "secretkey", "hush" },
			                { "region", "eu-west-1" },
			                { "secure", rows[i].secure },
			                { "rootdirectory", roots[i % LENGTH(roots)][0] },
			                { "regionendpoint", rows[i].endpoint } };
		size_t n = rows[i].endpoint[0] ? LENGTH(kv) : LENGTH(kv) - 1;
		void *instance = NULL;
		struct s3 *s3;

		assert_int_equal(stow_driver_v1()->open(NULL, kv, n, &instance, NULL), STOW_OK);
		s3 = instance;
		assert_string_equal(s3->place->address.base, rows[i].base);
		assert_string_equal(s3->place->address.host, rows[i].name);
		assert_string_equal(s3->root, roots[i % LENGTH(roots)][1]);
		stow_driver_v1()->close(instance);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tries_again),
		cmocka_unit_test(gives_up),
		cmocka_unit_test(names_what_failed),
		cmocka_unit_test(names_what_took_the_time),
		cmocka_unit_test(names_the_region),
		cmocka_unit_test(unknown_outcome),
		cmocka_unit_test(create_twice),
		cmocka_unit_test(cancelled),
		cmocka_unit_test(complete_with_error_inside),
		cmocka_unit_test(complete_without_answer),
		cmocka_unit_test(complete_done_before),
		cmocka_unit_test(upload_gone),
		cmocka_unit_test(no_part_copy),
		cmocka_unit_test(copy_with_error_inside),
		cmocka_unit_test(lists),
		cmocka_unit_test(list_in_circles),
		cmocka_unit_test(list_start),
		cmocka_unit_test(removes),
		cmocka_unit_test(removes_singly),
		cmocka_unit_test(options),
		cmocka_unit_test(bases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
