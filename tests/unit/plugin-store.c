/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of plugin/store*: what is emulated for a driver that offers the least, what a driver may
 * not answer, and that what it offers is used.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/error.h"
#include "plugin/config.h"
#include "plugin/store.h"
#include "tests/unit/fake-driver.h"

#include <stdio.h>
#include <string.h>

/* ---- fixture ---- */

static struct stow_store *open_store(const struct stow_driver *d)
{
	struct stow_store *s;

	assert_int_equal(store_wrap(d, NULL, false, NULL, &s, NULL), STOW_OK);
	return s;
}

static int setup(void **state)
{
	memset(&fake, 0, sizeof(fake));
	fake.instance = ~UINT64_C(0);
	*state = open_store(&least);
	return 0;
}

static int teardown(void **state)
{
	stow_store_close(*state);
	assert_int_equal(fake.handles, 0);
	for (int i = 0; i < SLOTS; i++)
		free(fake.slots[i].data);
	return 0;
}

static void add(struct stow_store *s, const char *key, const char *text)
{
	struct stow_stat st;

	assert_int_equal(store_put(s, NULL, key, text, strlen(text), NULL, &st, NULL), STOW_OK);
	assert_int_equal(st.size, strlen(text));
}

static void holds(struct stow_store *s, const char *key, const char *text)
{
	char buf[64];
	size_t len;

	assert_int_equal(store_get(s, NULL, key, NULL, buf, sizeof(buf), &len, NULL, NULL),
	                 STOW_OK);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(buf, text, len);
}

#define FAILS(call, wanted, text)                                                                  \
	do {                                                                                       \
		memset(&err, 0, sizeof(err));                                                      \
		assert_int_equal(call, wanted);                                                    \
		assert_int_equal(err.status, wanted);                                              \
		assert_string_equal(err.message, text);                                            \
	} while (0)

/* ---- tests ---- */

static void answers_are_checked(void **state)
{
	struct stow_store *s = *state;
	struct store_reader *reader;
	struct store_writer *writer;
	struct stow_error err;
	struct stow_stat st;
	char buf[4];
	size_t len = 77;

	add(s, "a", "text");
	fake.status = 5;
	FAILS(store_stat(s, NULL, "a", &st, &err), STOW_EIO,
	      "driver fake answered 5, which is no status");
	fake.status = -14;
	FAILS(store_remove(s, NULL, "a", NULL, &err), STOW_EIO,
	      "driver fake answered -14, which is no status");
	fake.status = STOW_EBUSY;
	FAILS(store_stat(s, NULL, "a", &st, &err), STOW_EBUSY,
	      "busy, and driver fake gives no reason");
	assert_string_equal(err.where, "store.stat");
	assert_int_equal(store_stat(s, NULL, "a", &st, NULL), STOW_EBUSY);
	fake.status = STOW_OK;
	fake.extra = 1;
	FAILS(store_get(s, NULL, "a", NULL, buf, sizeof(buf), &len, NULL, &err), STOW_EIO,
	      "driver fake says it put 5 bytes into a room of 4");
	assert_int_equal(len, 77);
	assert_int_equal(store_read_open(s, NULL, "a", NULL, 0, -1, &reader, NULL, &err), STOW_OK);
	FAILS(store_read(reader, NULL, buf, sizeof(buf), &len, &err), STOW_EIO,
	      "driver fake says it put 5 bytes into a room of 4");
	store_read_close(reader);
	fake.extra = 0;
	fake.negative = true;
	FAILS(store_stat(s, NULL, "a", &st, &err), STOW_EIO,
	      "a: driver fake answered a size below 0");
	FAILS(store_read_open(s, NULL, "a", NULL, 0, -1, &reader, NULL, &err), STOW_EIO,
	      "a: driver fake answered a size below 0");
	FAILS(store_write_open(s, NULL, "a", NULL, &writer, NULL, &err), STOW_EIO,
	      "a: driver fake answered an offset below 0");
	fake.negative = false;
	FAILS(store_get(s, NULL, "a", NULL, buf, 3, &len, NULL, &err), STOW_ERANGE, "a is too big");
	assert_int_equal(len, 4);
	FAILS(store_read_open(s, NULL, "a", NULL, -1, -1, &reader, NULL, &err), STOW_EINVAL,
	      "a: a range below 0");
}

static void conditions(void **state)
{
	struct stow_store *s = *state;
	struct stow_put put = { .size = sizeof(put), .flags = STOW_PUT_CREATE };
	struct store_reader *reader;
	struct stow_error err;
	char buf[4];
	size_t len;

	add(s, "a", "text");
	assert_int_equal(store_get(s, NULL, "a", "\"9\"", buf, 4, &len, NULL, &err), STOW_OK);
	assert_string_equal(fake.last_if_match, "\"9\""); /* the driver's to judge */
	fake.instance = 0;
	assert_int_equal(store_caps(s), 0);
	assert_int_equal(store_get(s, NULL, "a", "\"1\"", buf, 4, &len, NULL, &err), STOW_OK);
	assert_null(fake.last_if_match);
	FAILS(store_get(s, NULL, "a", "\"9\"", buf, 4, &len, NULL, &err), STOW_ECHANGED,
	      "a: another version is there");
	FAILS(store_read_open(s, NULL, "a", "\"9\"", 0, -1, &reader, NULL, &err), STOW_ECHANGED,
	      "a: another version is there");
	FAILS(store_get(s, NULL, "a", "", buf, 4, &len, NULL, &err), STOW_EINVAL,
	      "the condition is an empty ETag");
	FAILS(store_put(s, NULL, "b", "x", 1, &put, NULL, &err), STOW_ENOTSUP,
	      "b: driver fake has no create-only writes");
	put = (struct stow_put){ .size = sizeof(put), .if_match = "\"1\"" };
	FAILS(store_put(s, NULL, "a", "x", 1, &put, NULL, &err), STOW_ENOTSUP,
	      "a: driver fake has no conditional writes");
	FAILS(store_copy(s, NULL, "a", NULL, "b", &put, &err), STOW_ENOTSUP,
	      "b: driver fake has no conditional writes");
	FAILS(store_remove(s, NULL, "a", "\"1\"", &err), STOW_ENOTSUP,
	      "a: driver fake has no conditional removal");
	fake.no_etag = true;
	FAILS(store_get(s, NULL, "a", "\"1\"", buf, 4, &len, NULL, &err), STOW_ENOTSUP,
	      "a: asked for by ETag, but the store tells none");
	holds(s, "a", "text");
}

static void copies(void **state)
{
	static char big[SLOT_MAX];
	struct stow_store *s = *state;
	struct slot *copy;
	struct stow_stat st;
	struct stow_error err;

	memset(big, 'b', sizeof(big));
	assert_int_equal(store_put(s, NULL, "big", big, sizeof(big), NULL, NULL, NULL), STOW_OK);
	assert_int_equal(store_copy(s, NULL, "big", "\"1\"", "copy", NULL, NULL), STOW_OK);
	assert_int_equal(store_stat(s, NULL, "copy", &st, NULL), STOW_OK);
	assert_int_equal(st.size, sizeof(big));
	copy = find("copy");
	assert_non_null(copy);
	if (copy)
		assert_memory_equal(copy->data, big, sizeof(big));
	FAILS(store_copy(s, NULL, "none", NULL, "x", NULL, &err), STOW_ENOTFOUND,
	      "none is not there");
	fake.cut_reads = true;
	FAILS(store_copy(s, NULL, "big", NULL, "x", NULL, &err), STOW_EIO,
	      "big: gave 1199999 bytes of 1200000");
	assert_null(find("x"));
	fake.cut_reads = false;
	fake.instance = 0;
	FAILS(store_copy(s, NULL, "big", "\"7\"", "x", NULL, &err), STOW_ECHANGED,
	      "big: another version is there");
}

static void write_copies(void **state)
{
	struct stow_store *s = *state;
	struct store_writer *w;
	struct stow_error err;
	int64_t offset = 7;
	char buf[8];
	size_t len;

	add(s, "a", "0123456789");
	assert_int_equal(store_write_open(s, NULL, "w", NULL, &w, &offset, NULL), STOW_OK);
	assert_int_equal(offset, 0);
	assert_int_equal(store_write(w, NULL, "<", 1, NULL), STOW_OK);
	assert_int_equal(store_write_copy(w, NULL, "a", NULL, 3, 4, NULL), STOW_OK);
	assert_int_equal(store_write_copy(w, NULL, "a", NULL, 10, 0, NULL), STOW_OK);
	assert_int_equal(store_write(w, NULL, ">", 1, NULL), STOW_OK);
	FAILS(store_write_park(w, NULL, buf, sizeof(buf), &len, &err), STOW_ENOTSUP,
	      "driver fake cannot keep unfinished writes");
	assert_int_equal(store_write_commit(w, NULL, NULL, NULL), STOW_OK);
	FAILS(store_write(w, NULL, "x", 1, &err), STOW_EINVAL,
	      "a writer that failed or ended can only be closed");
	store_write_close(w, NULL);
	holds(s, "w", "<3456>");

	assert_int_equal(store_write_open(s, NULL, "v", NULL, &w, NULL, NULL), STOW_OK);
	FAILS(store_write_copy(w, NULL, "a", NULL, 8, 3, &err), STOW_ERANGE,
	      "a: has 10 bytes, not 3 from 8 on");
	FAILS(store_write_commit(w, NULL, NULL, &err), STOW_EINVAL,
	      "a writer that failed or ended can only be closed");
	store_write_close(w, NULL);
	assert_int_equal(store_write_open(s, NULL, "v", NULL, &w, NULL, NULL), STOW_OK);
	FAILS(store_write_copy(w, NULL, "a", NULL, INT64_MAX, 1, &err), STOW_EINVAL,
	      "a: a range that cannot be");
	store_write_close(w, NULL);
	store_write_close(NULL, NULL);
	store_read_close(NULL);
	store_list_close(NULL);
	assert_null(find("v"));
}

static void batches(void **state)
{
	struct stow_store *s = *state;
	struct {
		struct stow_call call;
		void *mine;
	} items[6] = { { { 0 }, NULL } };
	struct stow_error errors[6], err;
	char buf[8];

	memset(errors, 0x11, sizeof(errors));
	add(s, "a", "text");
	for (int i = 0; i < 6; i++)
		items[i].call.err = &errors[i];
	items[0].call.verb = STOW_CALL_STAT;
	items[0].call.key = "a";
	items[1].call.verb = STOW_CALL_GET;
	items[1].call.key = "a";
	items[1].call.buf = buf;
	items[1].call.len = sizeof(buf);
	items[2].call.verb = STOW_CALL_PUT;
	items[2].call.key = "b";
	items[2].call.data = "xyz";
	items[2].call.len = 3;
	items[3].call.verb = STOW_CALL_COPY;
	items[3].call.from = "a";
	items[3].call.key = "c";
	items[4].call.verb = STOW_CALL_STAT;
	items[4].call.key = "none";
	items[5].call.verb = STOW_CALL_REMOVE;
	items[5].call.key = "never-there";
	assert_int_equal(store_batch(s, NULL, &items[0].call, 6, sizeof(items[0]), NULL), STOW_OK);
	assert_int_equal(items[0].call.status, STOW_OK);
	assert_int_equal(items[0].call.ret_stat.size, 4);
	assert_int_equal(items[1].call.status, STOW_OK);
	assert_int_equal(items[1].call.ret_len, 4);
	assert_int_equal(items[2].call.status, STOW_OK);
	assert_int_equal(items[3].call.status, STOW_OK);
	assert_int_equal(items[4].call.status, STOW_ENOTFOUND);
	assert_string_equal(errors[4].message, "none is not there");
	assert_int_equal(items[5].call.status, STOW_OK);
	holds(s, "b", "xyz");
	holds(s, "c", "text");

	assert_int_equal(store_batch(s, NULL, NULL, 0, sizeof(items[0]), NULL), STOW_OK);
	FAILS(store_batch(s, NULL, &items[0].call, 2, 8, &err), STOW_EINVAL, "a stride of 8");
	items[2].call.verb = 9;
	FAILS(store_batch(s, NULL, &items[0].call, 6, sizeof(items[0]), &err), STOW_EINVAL,
	      "item 2 is no call of a batch");
}

static void batch_of_the_driver(void **state)
{
	static const char *const keys[] = { "gone", "forgotten", "odd", "a" };
	struct stow_driver d = whole();
	struct stow_store *s = open_store(&d);
	struct stow_call calls[4] = { { 0 } };
	struct stow_error errors[4], err;
	char buf[8];

	(void)state;
	memset(errors, 0x11, sizeof(errors));
	for (int i = 0; i < 4; i++) {
		calls[i].verb = STOW_CALL_GET;
		calls[i].key = keys[i];
		calls[i].buf = buf;
		calls[i].len = sizeof(buf);
		calls[i].err = &errors[i];
	}
	assert_int_equal(store_batch(s, NULL, calls, 4, sizeof(calls[0]), NULL), STOW_OK);
	assert_int_equal(fake.natives, 1);
	assert_int_equal(calls[0].status, STOW_ENOTFOUND);
	assert_int_equal(errors[0].status, STOW_ENOTFOUND);
	assert_string_equal(errors[0].message, "not found, and driver fake gives no reason");
	assert_int_equal(calls[1].status, STOW_EIO);
	assert_string_equal(errors[1].message, "driver fake answered 1, which is no status");
	assert_int_equal(calls[2].status, STOW_EIO);
	assert_int_equal(calls[3].status, STOW_OK);
	assert_int_equal(calls[3].ret_stat.etag[sizeof(calls[3].ret_stat.etag) - 1], 0);
	fake.extra = 1;
	assert_int_equal(store_batch(s, NULL, calls + 3, 1, sizeof(calls[0]), NULL), STOW_OK);
	assert_int_equal(calls[3].status, STOW_EIO);
	assert_string_equal(errors[3].message,
	                    "a: driver fake says it put 9 bytes into a room of 8");
	fake.extra = 0;
	fake.negative = true;
	assert_int_equal(store_batch(s, NULL, calls + 3, 1, sizeof(calls[0]), NULL), STOW_OK);
	assert_int_equal(calls[3].status, STOW_EIO);
	fake.negative = false;
	fake.status = STOW_EBUSY;
	FAILS(store_batch(s, NULL, calls, 4, sizeof(calls[0]), &err), STOW_EBUSY,
	      "busy, and driver fake gives no reason");
	fake.status = STOW_OK;
	/* a condition that the driver does not honour takes the way of single calls */
	fake.natives = 0;
	fake.instance = 0;
	add(s, "a", "text");
	calls[3].if_match = "\"8\"";
	assert_int_equal(store_batch(s, NULL, calls + 3, 1, sizeof(calls[0]), NULL), STOW_OK);
	assert_int_equal(fake.natives, 0);
	assert_int_equal(calls[3].status, STOW_ECHANGED);
	stow_store_close(s);
}

static void optional_calls_are_used(void **state)
{
	struct stow_driver d = whole();
	struct stow_store *s = open_store(&d);
	struct store_writer *w;
	struct stow_error err;
	char buf[8];
	size_t len = 77;

	(void)state;
	add(s, "a", "text");
	assert_int_equal(store_copy(s, NULL, "a", NULL, "b", NULL, NULL), STOW_OK);
	assert_int_equal(fake.natives, 1);
	fake.instance = 0; /* the source's condition is not honoured: read and write */
	assert_int_equal(store_copy(s, NULL, "a", "\"1\"", "b", NULL, NULL), STOW_OK);
	assert_int_equal(fake.natives, 1);
	holds(s, "b", "text");
	assert_int_equal(store_write_open(s, NULL, "w", NULL, &w, NULL, NULL), STOW_OK);
	assert_int_equal(store_write_copy(w, NULL, "a", NULL, 0, 4, NULL), STOW_OK);
	assert_int_equal(fake.natives, 2);
	assert_int_equal(store_write_copy(w, NULL, "a", "\"1\"", 0, 4, NULL), STOW_OK);
	assert_int_equal(fake.natives, 2);
	assert_int_equal(store_write_park(w, NULL, buf, sizeof(buf), &len, NULL), STOW_OK);
	assert_int_equal(len, sizeof(buf));
	assert_int_equal(store_write(w, NULL, "x", 1, NULL), STOW_EINVAL);
	store_write_close(w, NULL);
	assert_int_equal(store_write_open(s, NULL, "w", NULL, &w, NULL, NULL), STOW_OK);
	fake.extra = 1;
	FAILS(store_write_park(w, NULL, buf, sizeof(buf), &len, &err), STOW_EIO,
	      "driver fake says it put 9 bytes into a room of 8");
	store_write_close(w, NULL);
	stow_store_close(s);
}

static void removals(void **state)
{
	const char *keys[130];
	char names[130][16];
	int status[130];
	struct stow_store *s = *state;
	struct stow_driver d = whole();
	struct stow_error err;
	uint64_t count;

	for (int i = 0; i < 130; i++) {
		snprintf(names[i], sizeof(names[i]), "k%d", i);
		keys[i] = names[i];
		status[i] = 77;
	}
	add(s, "k0", "x");
	add(s, "k129", "x");
	assert_int_equal(store_remove_many(s, NULL, keys, NULL, 130, status, NULL), STOW_OK);
	for (int i = 0; i < 130; i++)
		assert_int_equal(status[i], STOW_OK);
	assert_null(find("k0"));
	assert_null(find("k129"));
	keys[100] = "stuck";
	FAILS(store_remove_many(s, NULL, keys, NULL, 130, status, &err), STOW_EDENIED,
	      "stuck stays");
	assert_int_equal(status[99], STOW_OK);
	assert_int_equal(status[100], STOW_EDENIED);
	assert_int_equal(status[129], STOW_OK);
	FAILS(store_purge_writes(s, NULL, "", 0, &count, &err), STOW_ENOTSUP,
	      "driver fake knows of no unfinished writes");

	s = open_store(&d);
	FAILS(store_remove_many(s, NULL, keys, NULL, 130, status, &err), STOW_EDENIED,
	      "stuck: denied");
	assert_int_equal(fake.natives, 1);
	assert_int_equal(status[129], STOW_OK);
	keys[3] = "forgotten";
	FAILS(store_remove_many(s, NULL, keys, NULL, 130, status, &err), STOW_EIO,
	      "forgotten: input/output");
	fake.status = STOW_EBUSY;
	FAILS(store_remove_many(s, NULL, keys, NULL, 130, status, &err), STOW_EBUSY,
	      "busy, and driver fake gives no reason");
	assert_int_equal(status[3], STOW_EBUSY);
	assert_int_equal(status[4], STOW_OK);
	stow_store_close(s);
}

static void lists(void **state)
{
	struct stow_store *s = *state;
	struct store_list *list;
	struct stow_entry e;
	struct stow_error err;

	add(s, "p/a", "1");
	add(s, "p/b", "22");
	assert_int_equal(store_list_open(s, NULL, "p/", NULL, 0, &list, NULL), STOW_OK);
	assert_int_equal(store_list_next(list, NULL, &e, NULL), STOW_OK);
	assert_string_equal(e.key, "p/a");
	assert_string_equal(e.etag, "");
	assert_int_equal(store_list_next(list, NULL, &e, NULL), STOW_OK);
	FAILS(store_list_next(list, NULL, &e, &err), STOW_ENOTFOUND, "the end");
	FAILS(store_list_next(list, NULL, &e, &err), STOW_ENOTFOUND, "the listing has ended");
	store_list_close(list);
	assert_int_equal(store_list_open(s, NULL, "p/", "p/a", 0, &list, NULL), STOW_OK);
	FAILS(store_list_next(list, NULL, &e, &err), STOW_EIO,
	      "driver fake listed \"p/a\" after \"p/a\": out of order");
	store_list_close(list);
	assert_int_equal(store_list_open(s, NULL, "q/", NULL, 0, &list, NULL), STOW_OK);
	FAILS(store_list_next(list, NULL, &e, &err), STOW_EIO,
	      "driver fake listed \"p/a\", which is not below \"q/\"");
	FAILS(store_list_next(list, NULL, &e, &err), STOW_EIO, "the listing has ended");
	store_list_close(list);
	fake.negative = true;
	assert_int_equal(store_list_open(s, NULL, "", NULL, 0, &list, NULL), STOW_OK);
	FAILS(store_list_next(list, NULL, &e, &err), STOW_EIO,
	      "driver fake listed \"p/a\" with a key or size that cannot be");
	store_list_close(list);
}

static void checks_by_listing(void **state)
{
	struct stow_store *s = *state;
	struct stow_error err;

	assert_int_equal(stow_store_check(s, NULL, NULL), STOW_OK);
	add(s, "a", "x");
	assert_int_equal(stow_store_check(s, NULL, NULL), STOW_OK);
	fake.status = STOW_EDENIED;
	FAILS(stow_store_check(s, NULL, &err), STOW_EDENIED, "no list");
	assert_string_equal(stow_store_driver(s), "fake");
}

/* ---- opening by a configuration ---- */

static void with_config(const char *bucket, const char *secret, struct stow_config **ret)
{
	struct stow_driver *d = malloc(sizeof(*d));
	struct stow_config *c;

	assert_non_null(d);
	*d = least;
	assert_int_equal(stow_config_new(&c, NULL), STOW_OK);
	assert_int_equal(config_add_section(c, "fake", d->options, d, NULL, NULL), STOW_OK);
	assert_int_equal(stow_config_set(c, "storage", "driver", "fake", NULL), STOW_OK);
	if (bucket)
		assert_int_equal(stow_config_set(c, "fake", "bucket", bucket, NULL), STOW_OK);
	if (secret)
		assert_int_equal(stow_config_set(c, "fake", "secretkey", secret, NULL), STOW_OK);
	*ret = c;
}

static bool key_for(const char *bucket, const char *secret, uint8_t ret[32])
{
	struct stow_config *c;
	struct stow_store *s;
	bool has;

	with_config(bucket, secret, &c);
	assert_int_equal(stow_config_check(c, NULL), STOW_OK);
	assert_int_equal(stow_store_open(c, NULL, &s, NULL), STOW_OK);
	assert_int_equal(fake.pairs, (bucket != NULL) + (secret != NULL));
	has = store_derive_key(s, ret);
	stow_store_close(s);
	stow_config_free(c);
	return has;
}

static void derived_keys(void **state)
{
	uint8_t a[32], b[32] = { 1, 2, 3 }, untouched[32] = { 1, 2, 3 };

	(void)state;
	assert_false(key_for("b", NULL, b));
	assert_false(key_for("b", "", b));
	assert_memory_equal(b, untouched, 32);
	assert_true(key_for("b", "s", a));
	assert_true(key_for("b", "s", b));
	assert_memory_equal(a, b, 32);
	assert_true(key_for("b", "t", b));
	assert_memory_not_equal(a, b, 32);
	assert_true(key_for("c", "s", b));
	assert_memory_not_equal(a, b, 32);
	/* a default is in force like a value that was given */
	assert_true(key_for("main", "s", a));
	assert_true(key_for(NULL, "s", b));
	assert_memory_equal(a, b, 32);
}

static void opening_fails(void **state)
{
	struct stow_config *c;
	struct stow_store *s = NULL;
	struct stow_error err;

	(void)state;
	with_config("b", "s", &c);
	FAILS(stow_store_open(c, NULL, &s, &err), STOW_EINVAL, "the configuration was not checked");
	assert_int_equal(stow_config_check(c, NULL), STOW_OK);
	fake.status = STOW_EINVAL;
	FAILS(stow_store_open(c, NULL, &s, &err), STOW_EINVAL, "[fake]: no luck");
	assert_null(s);
	stow_store_close(NULL);
	stow_config_free(c);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(answers_are_checked),
		T(conditions),
		T(copies),
		T(write_copies),
		T(batches),
		T(batch_of_the_driver),
		T(removals),
		T(lists),
		T(optional_calls_are_used),
		T(checks_by_listing),
		T(derived_keys),
		T(opening_fails),
	};

	return cmocka_run_group_tests_name("plugin-store", tests, NULL, NULL);
}
