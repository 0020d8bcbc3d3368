/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small objects: stat, get, put, remove, conditions, batch, copy, remove_many.
 * It must not expect an optional call, nor a condition that caps do not name.
 */
#include "tests/driver/contract.h"

#include <stdio.h>
#include <string.h>

static struct stow_put put_with(uint32_t flags, const char *if_match)
{
	struct stow_put put = { .size = sizeof(put), .flags = flags, .length = -1 };

	put.if_match = if_match;
	return put;
}

/* ---- put and get ---- */

static void case_put_get(void)
{
	static const int64_t sizes[] = { 0, 1, 2, 4095, 4096, 65537, MIB + 1 };
	static char buf[2 << 20];
	static char back[2 << 20];
	const char *key = key_of("small/object");

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t len = (size_t)sizes[i];
		size_t got = SIZE_MAX;
		struct stow_stat put;
		struct stow_stat stat;

		pattern_fill(buf, 0, len, (uint32_t)i);
		OK(C.driver->put(C.self, NULL, key, buf, len, NULL, &put, &E));
		CHECK(put.size == sizes[i]);
		OK(C.driver->get(C.self, NULL, key, NULL, back, sizeof(back), &got, &stat, &E));
		CHECK(got == len && memcmp(buf, back, len) == 0);
		CHECK(stat.size == sizes[i] && stat.mtime_ns > 0);
		CHECK(put.etag[0] == '\0' || strcmp(put.etag, stat.etag) == 0);
		OK(C.driver->stat(C.self, NULL, key, &put, &E));
		CHECK(put.size == sizes[i] && strcmp(put.etag, stat.etag) == 0);
		CHECK(put.mtime_ns == stat.mtime_ns);
	}
	/* exactly as much room as it needs, and none for an empty one */
	{
		size_t got = SIZE_MAX;
		struct stow_stat stat;

		OK(C.driver->get(C.self, NULL, key, NULL, back, (size_t)MIB + 1, &got, &stat, &E));
		OK(C.driver->put(C.self, NULL, key, NULL, 0, NULL, NULL, &E));
		OK(C.driver->get(C.self, NULL, key, NULL, NULL, 0, &got, &stat, &E));
		CHECK(got == 0 && stat.size == 0);
	}
	OK(remove_key(key));
	CHECK(is_absent(key));
}

static void case_absent(void)
{
	const char *key = key_of("absent");
	struct stow_stat stat;
	struct stow_stat untouched;
	char buf[8];
	size_t len = 77;
	void *reader = &len;

	memset(&stat, 0x5a, sizeof(stat));
	memcpy(&untouched, &stat, sizeof(stat));
	WANT(STOW_ENOTFOUND, C.driver->stat(C.self, NULL, key, &stat, &E));
	CHECK(E.status == STOW_ENOTFOUND && E.where[0] && E.message[0]);
	CHECK(strchr(E.message, '\n') == NULL);
	WANT(STOW_ENOTFOUND, C.driver->stat(C.self, NULL, key, &stat, NULL));
	WANT(STOW_ENOTFOUND,
	     C.driver->get(C.self, NULL, key, NULL, buf, sizeof(buf), &len, &stat, &E));
	WANT(STOW_ENOTFOUND,
	     C.driver->read_open(C.self, NULL, key, NULL, 0, -1, &reader, &stat, &E));
	CHECK(memcmp(&stat, &untouched, sizeof(stat)) == 0);
	CHECK(len == 77 && reader == &len);
	OK(remove_key(key));
}

static void case_folder_is_no_object(void)
{
	const char *folder = key_of("folder");
	const char *key = key_of("folder/object");

	OK(put_text(key, "x"));
	CHECK(is_absent(folder));
	OK(remove_key(folder));
	CHECK(text_is(key, "x"));
	CHECK(is_absent(key_of("folder/object/below")));
	OK(remove_key(key_of("folder/object/below")));
	OK(remove_key(key));
	CHECK(is_absent(folder));
	/* what was emptied can be filled anew */
	OK(put_text(key, "y"));
	CHECK(text_is(key, "y"));
	OK(remove_key(key));
}

static void case_get_too_small(void)
{
	const char *key = key_of("big");
	struct stow_stat stat;
	char buf[16] = "unwritten";
	size_t len = 0;

	OK(put_text(key, "0123456789"));
	WANT(STOW_ERANGE, C.driver->get(C.self, NULL, key, NULL, buf, 9, &len, &stat, &E));
	CHECK(len == 10);
	OK(C.driver->get(C.self, NULL, key, NULL, buf, 10, &len, &stat, &E));
	CHECK(len == 10);
	OK(remove_key(key));
}

static void case_error_is_left_alone(void)
{
	const char *key = key_of("fine");
	struct stow_error before;
	struct stow_stat stat;
	struct stow_entry entry;
	void *handle = NULL;
	char buf[8];
	size_t len = 0;

	memset(&before, 0x5a, sizeof(before));
	memcpy(&E, &before, sizeof(E));
	OK(C.driver->put(C.self, NULL, key, "fine", 4, NULL, NULL, &E));
	OK(C.driver->stat(C.self, NULL, key, &stat, &E));
	OK(C.driver->get(C.self, NULL, key, NULL, buf, sizeof(buf), &len, &stat, &E));
	OK(C.driver->list_open(C.self, NULL, key, NULL, 0, &handle, &E));
	OK(C.driver->list_next(handle, NULL, &entry, &E));
	C.driver->list_close(handle);
	OK(C.driver->remove(C.self, NULL, key, NULL, &E));
	OK(C.driver->remove(C.self, NULL, key, NULL, &E));
	OK(C.driver->remove(C.self, NULL, key_of("no/such/folder/key"), NULL, &E));
	CHECK_TEXT(memcmp(&E, &before, sizeof(E)) == 0, "a success has written to the error");
}

static void case_requests(void)
{
	uint64_t requests = 0;
	struct stow_op op = { .size = sizeof(op), .requests = &requests };
	const char *key = key_of("counted");
	struct stow_stat stat;

	OK(C.driver->put(C.self, &op, key, "x", 1, NULL, NULL, &E));
	if (requests == 0) {
		skip("the driver counts no requests");
		OK(remove_key(key));
		return;
	}
	CHECK(requests == 1);
	OK(C.driver->stat(C.self, &op, key, &stat, &E));
	CHECK(requests == 2);
	OK(C.driver->remove(C.self, &op, key, NULL, &E));
	CHECK(requests == 3);
	OK(C.driver->remove(C.self, &op, key, NULL, &E));
	CHECK_TEXT(requests == 4, "removing a missing key is more than one request");
	WANT(STOW_ENOTFOUND, C.driver->stat(C.self, &op, key, &stat, &E));
	CHECK_TEXT(requests == 5, "finding nothing is more than one request");
}

static void case_put_sha256(void)
{
	const char *key = key_of("summed");
	uint8_t sum[32];
	char buf[1000];
	struct stow_put put = put_with(0, NULL);

	pattern_fill(buf, 0, sizeof(buf), 3);
	pattern_sha256(sizeof(buf), 3, sum);
	put.sha256 = sum;
	OK(C.driver->put(C.self, NULL, key, buf, sizeof(buf), &put, NULL, &E));
	CHECK(object_is(key, sizeof(buf), 3));
	OK(remove_key(key));
	sum[5] ^= 1;
	WANT(STOW_ECORRUPT, C.driver->put(C.self, NULL, key, buf, sizeof(buf), &put, NULL, &E));
	CHECK(is_absent(key));
}

static void case_private(void)
{
	const char *key = key_of("private");
	struct stow_put put = put_with(STOW_PUT_PRIVATE | STOW_PUT_CREATE, NULL);

	if (!(C.caps & STOW_CAP_CREATE))
		put.flags = STOW_PUT_PRIVATE;
	put.content_type = "text/plain";
	OK(C.driver->put(C.self, NULL, key, "secret", 6, &put, NULL, &E));
	CHECK(text_is(key, "secret"));
	OK(remove_key(key));
}

/* ---- conditions ---- */

static void case_create(void)
{
	const char *key = key_of("created");
	struct stow_put put = put_with(STOW_PUT_CREATE, NULL);
	void *writer = NULL;
	int64_t offset;

	HONOURED(STOW_CAP_CREATE);
	OK(C.driver->put(C.self, NULL, key, "one", 3, &put, NULL, &E));
	WANT(STOW_EEXIST, C.driver->put(C.self, NULL, key, "two", 3, &put, NULL, &E));
	CHECK(text_is(key, "one"));
	OK(remove_key(key));
	/* two writers, one of them wins */
	OK(C.driver->write_open(C.self, NULL, key, &put, &writer, &offset, &E));
	OK(C.driver->write(writer, NULL, "three", 5, &E));
	OK(C.driver->put(C.self, NULL, key, "four", 4, &put, NULL, &E));
	WANT(STOW_EEXIST, C.driver->write_commit(writer, NULL, NULL, &E));
	C.driver->write_close(writer, NULL);
	CHECK(text_is(key, "four"));
	OK(remove_key(key));
}

static void case_put_if_match(void)
{
	const char *key = key_of("matched");
	struct stow_stat one;
	struct stow_put put;
	void *writer = NULL;
	int64_t offset;
	int r;

	HONOURED(STOW_CAP_PUT_IF_MATCH);
	OK(put_text(key, "one"));
	OK(C.driver->stat(C.self, NULL, key, &one, &E));
	CHECK(one.etag[0] != '\0');
	put = put_with(0, one.etag);
	OK(C.driver->put(C.self, NULL, key, "two", 3, &put, NULL, &E));
	WANT(STOW_ECHANGED, C.driver->put(C.self, NULL, key, "three", 5, &put, NULL, &E));
	CHECK(text_is(key, "two"));
	OK(C.driver->write_open(C.self, NULL, key, &put, &writer, &offset, &E));
	OK(C.driver->write(writer, NULL, "four", 4, &E));
	WANT(STOW_ECHANGED, C.driver->write_commit(writer, NULL, NULL, &E));
	C.driver->write_close(writer, NULL);
	CHECK(text_is(key, "two"));
	OK(remove_key(key));
	r = C.driver->put(C.self, NULL, key, "five", 4, &put, NULL, &E);
	CHECK_TEXT(r == STOW_ENOTFOUND || r == STOW_ECHANGED, "if-match on no object is %s",
	           status_name(r));
	CHECK(is_absent(key));
	CHECK(list_count(key) == 0);
}

static void case_get_if_match(void)
{
	const char *key = key_of("read-matched");
	struct stow_stat one;
	struct stow_stat stat;
	char buf[16];
	size_t len = 0;
	void *reader = NULL;

	HONOURED(STOW_CAP_GET_IF_MATCH);
	OK(put_text(key, "one"));
	OK(C.driver->stat(C.self, NULL, key, &one, &E));
	OK(C.driver->get(C.self, NULL, key, one.etag, buf, sizeof(buf), &len, &stat, &E));
	OK(C.driver->read_open(C.self, NULL, key, one.etag, 0, -1, &reader, &stat, &E));
	C.driver->read_close(reader);
	OK(put_text(key, "two"));
	WANT(STOW_ECHANGED,
	     C.driver->get(C.self, NULL, key, one.etag, buf, sizeof(buf), &len, &stat, &E));
	WANT(STOW_ECHANGED,
	     C.driver->read_open(C.self, NULL, key, one.etag, 0, -1, &reader, &stat, &E));
	OK(remove_key(key));
	WANT(STOW_ENOTFOUND,
	     C.driver->get(C.self, NULL, key, one.etag, buf, sizeof(buf), &len, &stat, &E));
}

static void case_remove_if_match(void)
{
	const char *key = key_of("remove-matched");
	struct stow_stat one;

	HONOURED(STOW_CAP_REMOVE_IF_MATCH);
	OK(put_text(key, "one"));
	OK(C.driver->stat(C.self, NULL, key, &one, &E));
	OK(put_text(key, "two"));
	WANT(STOW_ECHANGED, C.driver->remove(C.self, NULL, key, one.etag, &E));
	CHECK(text_is(key, "two"));
	OK(C.driver->stat(C.self, NULL, key, &one, &E));
	OK(C.driver->remove(C.self, NULL, key, one.etag, &E));
	CHECK(is_absent(key));
	OK(C.driver->remove(C.self, NULL, key, one.etag, &E));
}

/* Versions of one size, one after the other as fast as they can be had. */
static void case_etag_tells_versions(void)
{
	enum { VERSIONS = 40 };
	static struct stow_stat seen[VERSIONS];
	const char *key = key_of("versions");

	for (int i = 0; i < VERSIONS; i++) {
		OK(put_text(key, i % 2 ? "odd!" : "even"));
		OK(C.driver->stat(C.self, NULL, key, &seen[i], &E));
	}
	OK(remove_key(key));
	/* a store whose ETag is a hash of the content tells content apart */
	if (seen[0].etag[0] == '\0' || strcmp(seen[0].etag, seen[2].etag) == 0) {
		CHECK(seen[0].etag[0] == '\0' || strcmp(seen[0].etag, seen[1].etag) != 0);
		return;
	}
	for (int i = 0; i < VERSIONS; i++)
		for (int k = 0; k < i; k++)
			CHECK_TEXT(strcmp(seen[i].etag, seen[k].etag) != 0,
			           "versions %d and %d have the ETag %s", k, i, seen[i].etag);
}

/* ---- optional calls ---- */

/* The key "many/<i>" in a buffer of 128 bytes. */
static void many_key(char *ret, int i)
{
	snprintf(ret, 128, "%s", key_of("many/%d/%04d", i % 7, i));
}

static void case_copy(void)
{
	const char *from = key_of("copy/from");
	const char *to = key_of("copy/to/there");
	struct stow_put create = put_with(STOW_PUT_CREATE, NULL);
	int64_t sizes[] = { 0, 1, 1000, C.part - 1, C.part, C.part + 1 };

	OFFERED(copy);
	WANT(STOW_ENOTFOUND, C.driver->copy(C.self, NULL, from, NULL, to, NULL, &E));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		OK(put_pattern(from, sizes[i], 50 + (uint32_t)i, 1 << 20));
		OK(C.driver->copy(C.self, NULL, from, NULL, to, NULL, &E));
		CHECK(object_is(to, sizes[i], 50 + (uint32_t)i));
		CHECK(object_is(from, sizes[i], 50 + (uint32_t)i));
	}
	/* one's end is not the other's */
	OK(put_text(from, "other"));
	CHECK(object_is(to, C.part + 1, 55));
	OK(remove_key(from));
	CHECK(object_is(to, C.part + 1, 55));
	OK(put_text(from, "again"));
	if (C.caps & STOW_CAP_CREATE) {
		WANT(STOW_EEXIST, C.driver->copy(C.self, NULL, from, NULL, to, &create, &E));
		OK(remove_key(to));
		OK(C.driver->copy(C.self, NULL, from, NULL, to, &create, &E));
		CHECK(text_is(to, "again"));
	}
	OK(remove_key(from));
	OK(remove_key(to));
}

static void case_copy_if_match(void)
{
	const char *from = key_of("copy/matched");
	const char *to = key_of("copy/target");
	struct stow_stat stat;

	OFFERED(copy);
	HONOURED(STOW_CAP_COPY_IF_MATCH);
	OK(put_text(from, "one"));
	OK(C.driver->stat(C.self, NULL, from, &stat, &E));
	OK(C.driver->copy(C.self, NULL, from, stat.etag, to, NULL, &E));
	CHECK(text_is(to, "one"));
	OK(put_text(from, "two"));
	WANT(STOW_ECHANGED, C.driver->copy(C.self, NULL, from, stat.etag, to, NULL, &E));
	CHECK(text_is(to, "one"));
	OK(remove_key(from));
	OK(remove_key(to));
}

static void case_remove_many(void)
{
	enum { MANY = 40 };
	const char *keys[MANY];
	char texts[MANY][128];
	int status[MANY];

	OFFERED(remove_many);
	for (int i = 0; i < MANY; i++) {
		many_key(texts[i], i);
		keys[i] = texts[i];
		status[i] = 77;
		if (i % 3 != 0)
			OK(put_text(keys[i], "x"));
	}
	OK(C.driver->remove_many(C.self, NULL, keys, NULL, MANY, status, &E));
	for (int i = 0; i < MANY; i++)
		CHECK_TEXT(status[i] == STOW_OK, "%s: %s", keys[i], status_name(status[i]));
	CHECK(list_count(key_of("many/")) == 0);
}

/* ---- batch ---- */

struct stretched { /* a caller may have more in an item than the driver knows of */
	struct stow_call call;
	uint64_t canary;
};

static void case_batch(void)
{
	static struct stretched items[6];
	struct stow_error errors[6];
	char buf[16];
	const char *there = key_of("batch/there");
	const char *copied = key_of("batch/copied");

	OFFERED(batch);
	OK(put_text(there, "there"));
	OK(put_text(key_of("batch/gone"), "gone"));
	memset(items, 0, sizeof(items));
	for (size_t i = 0; i < 6; i++) {
		items[i].canary = 0x1234567890abcdefu;
		items[i].call.err = &errors[i];
		items[i].call.status = 77;
	}
	items[0].call.verb = STOW_CALL_STAT;
	items[0].call.key = key_of("batch/absent");
	items[1].call.verb = STOW_CALL_GET;
	items[1].call.key = there;
	items[1].call.buf = buf;
	items[1].call.len = sizeof(buf);
	items[2].call.verb = STOW_CALL_PUT;
	items[2].call.key = key_of("batch/put");
	items[2].call.data = "put";
	items[2].call.len = 3;
	items[3].call.verb = STOW_CALL_REMOVE;
	items[3].call.key = key_of("batch/gone");
	items[4].call.verb = STOW_CALL_COPY;
	items[4].call.from = key_of("batch/no-source");
	items[4].call.key = copied;
	items[5].call.verb = 99;
	items[5].call.key = key_of("batch/verb");
	OK(C.driver->batch(C.self, NULL, &items[0].call, 6, sizeof(items[0]), &E));
	CHECK(items[0].call.status == STOW_ENOTFOUND && errors[0].status == STOW_ENOTFOUND);
	CHECK(items[1].call.status == STOW_OK && items[1].call.ret_len == 5);
	CHECK(memcmp(buf, "there", 5) == 0 && items[1].call.ret_stat.size == 5);
	CHECK(items[2].call.status == STOW_OK && text_is(items[2].call.key, "put"));
	CHECK(items[3].call.status == STOW_OK && is_absent(items[3].call.key));
	CHECK(items[4].call.status == STOW_ENOTFOUND || items[4].call.status == STOW_ENOTSUP);
	CHECK(items[5].call.status == STOW_EINVAL || items[5].call.status == STOW_ENOTSUP);
	for (size_t i = 0; i < 6; i++)
		CHECK(items[i].canary == 0x1234567890abcdefu);
	OK(C.driver->batch(C.self, NULL, NULL, 0, sizeof(items[0]), &E));
	OK(remove_key(there));
	OK(remove_key(items[2].call.key));
}

static void case_batch_wide(void)
{
	enum { WIDE = 200 };
	static struct stow_call calls[WIDE];
	static char keys[WIDE][128];
	static char bufs[WIDE][8];

	OFFERED(batch);
	for (int verb = STOW_CALL_STAT; verb <= STOW_CALL_REMOVE; verb++) {
		/* put first, then stat, get, remove */
		int now = verb == STOW_CALL_STAT  ? STOW_CALL_PUT
		          : verb == STOW_CALL_GET ? STOW_CALL_STAT
		          : verb == STOW_CALL_PUT ? STOW_CALL_GET
		                                  : STOW_CALL_REMOVE;

		memset(calls, 0, sizeof(calls));
		for (int i = 0; i < WIDE; i++) {
			many_key(keys[i], i);
			calls[i].verb = now;
			calls[i].key = keys[i];
			calls[i].data = keys[i] + strlen(keys[i]) - 4;
			calls[i].buf = bufs[i];
			calls[i].len = now == STOW_CALL_PUT ? 4 : sizeof(bufs[i]);
			calls[i].status = 77;
		}
		OK(C.driver->batch(C.self, NULL, calls, WIDE, sizeof(calls[0]), &E));
		for (int i = 0; i < WIDE; i++) {
			CHECK_TEXT(calls[i].status == STOW_OK, "verb %d item %d: %s", now, i,
			           status_name(calls[i].status));
			CHECK(now == STOW_CALL_REMOVE || now == STOW_CALL_GET ||
			      calls[i].ret_stat.size == 4);
			CHECK(now != STOW_CALL_GET ||
			      memcmp(bufs[i], keys[i] + strlen(keys[i]) - 4, 4) == 0);
		}
	}
	CHECK(list_count(key_of("many/")) == 0);
}

/* A URL's shape only: that it answers is the store's to show. */
static void case_presign(void)
{
	const char *key = key_of("presign/object");
	char url[4096] = "untouched";
	int r;

	OFFERED(presign);
	OK(C.driver->presign(C.self, NULL, key, "GET", 60, url, sizeof(url), &E));
	CHECK(strncmp(url, "http", 4) == 0 && strstr(url, "presign/object"));
	CHECK(strlen(url) < sizeof(url) && !strpbrk(url, " \r\n\"<>"));
	OK(C.driver->presign(C.self, NULL, key, "HEAD", 60, url, sizeof(url), &E));
	memcpy(url, "untouched", 10);
	WANT(STOW_ERANGE, C.driver->presign(C.self, NULL, key, "GET", 60, url, 10, &E));
	WANT(STOW_EINVAL, C.driver->presign(C.self, NULL, key, "GET", 0, url, sizeof(url), &E));
	WANT(STOW_EINVAL, C.driver->presign(C.self, NULL, "", "GET", 60, url, sizeof(url), &E));
	r = C.driver->presign(C.self, NULL, key, "DELETE", 60, url, sizeof(url), &E);
	CHECK_TEXT(r == STOW_ENOTSUP || r == STOW_EINVAL, "DELETE is %s", status_name(r));
	CHECK(strcmp(url, "untouched") == 0);
}

const struct contract_case small_cases[] = {
	{ "put, stat, get, remove", case_put_get },
	{ "an absent key", case_absent },
	{ "a folder is no object", case_folder_is_no_object },
	{ "get into too little room", case_get_too_small },
	{ "a success leaves the error alone", case_error_is_left_alone },
	{ "requests are counted", case_requests },
	{ "put checks sha256", case_put_sha256 },
	{ "a private object", case_private },
	{ "create-only", case_create },
	{ "put if-match", case_put_if_match },
	{ "get and read if-match", case_get_if_match },
	{ "remove if-match", case_remove_if_match },
	{ "an ETag tells versions apart", case_etag_tells_versions },
	{ "copy", case_copy },
	{ "copy if-match", case_copy_if_match },
	{ "remove_many", case_remove_many },
	{ "batch with calls that fail", case_batch },
	{ "a batch of 200", case_batch_wide },
	{ "presign", case_presign },
	{ NULL, NULL },
};
