/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How large the parts of an upload are, up to the largest object there is, and where that ends.
 * Nothing is sent: sizes are looked at, not written.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/clock.h"
#include "driver/s3/park.h"
#include "driver/s3/writer.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define MIB ((int64_t)1 << 20)
#define GIB ((int64_t)1 << 30)
#define TIB ((int64_t)1 << 40)

const struct stow_driver *stow_driver_v1(void);

static const struct stow_op op = { .size = sizeof(op) };
static struct stow_error e;

static void *opened(const char *chunksize, const char *memory, const char *profile)
{
	const struct stow_kv kv[] = {
		{ "regionendpoint", "http://127.0.0.1:1" },
		{ "bucket", "b" },
		{ "accesskey", "AK" },
		{ "secretkey", "hush" },
		{ "chunksize", chunksize },
		{ "memory", memory },
		{ "serverprofile", profile },
	};
	void *self = NULL;

	assert_int_equal(stow_driver_v1()->open(NULL, kv, LENGTH(kv), &self, &e), STOW_OK);
	return self;
}

/* A length that is announced is planned for, or refused at once. */
static void announced(void **state)
{
	static const struct {
		const char *chunksize, *memory;
		int64_t length, part;
	} rows[] = {
		{ "8M", "256M", 0, 8 * MIB },          { "8M", "256M", 80000 * MIB - 1, 8 * MIB },
		{ "8M", "256M", 100 * GIB, 11 * MIB }, { "5M", "256M", 100 * GIB, 11 * MIB },
		{ "8M", "256M", 600 * GIB, 62 * MIB }, { "8M", "256M", 640000 * MIB - 1, 64 * MIB },
		{ "8M", "256M", 640000 * MIB, 0 }, /* memory holds no four of them */
		{ "8M", "2200M", 5 * TIB, 525 * MIB }, { "8M", "2200M", 5 * TIB + 1, 0 },
		{ "8M", "2200M", INT64_MAX, 0 },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const struct stow_put put = { .size = sizeof(put), .length = rows[i].length };
		void *self = opened(rows[i].chunksize, rows[i].memory, "auto");
		int64_t offset = 0;
		void *handle = NULL;
		struct writer *w;
		int r = s3_write_open(self, &op, "k", &put, &handle, &offset, &e);

		if (rows[i].part == 0) {
			assert_int_equal(r, STOW_ERANGE);
		} else {
			assert_int_equal(r, STOW_OK);
			w = handle;
			if ((int64_t)w->part_size != rows[i].part)
				fail_msg("row %zu: parts of %zu", i, w->part_size);
			assert_true((rows[i].length + rows[i].part - 1) / rows[i].part <= 10000);
			s3_write_close(w, &op);
		}
		stow_driver_v1()->close(self);
	}
}

/* Of unknown length: what is left once so many parts were sent, to the byte. */
static void unknown(void **state)
{
	static const struct {
		const char *chunksize, *memory, *profile;
		size_t parts;
		int64_t room;
	} rows[] = {
		/* doubled each thousand, up to a quarter of memory */
		{ "8M", "256M", "auto", 0, (8 + 16 + 32 + 7 * 64) * 1000 * MIB },
		{ "8M", "256M", "auto", 999, (8 + (16 + 32 + 7 * 64) * 1000) * MIB },
		{ "8M", "256M", "auto", 1000, (16 + 32 + 7 * 64) * 1000 * MIB },
		{ "8M", "256M", "auto", 9999, 64 * MIB },
		{ "8M", "256M", "auto", 10000, 0 },
		{ "8M", "32M", "auto", 0, 80000 * MIB },
		/* where that is enough, an object ends at 5 TiB */
		{ "8M", "16G", "auto", 0, 5 * TIB },
		/* parts of one size, and fewer of them */
		{ "8M", "256M", "r2", 0, 80000 * MIB },
		{ "8M", "256M", "plain", 0, 8000 * MIB },
	};

	(void)state;
	for (size_t i = 0; i < LENGTH(rows); i++) {
		void *self = opened(rows[i].chunksize, rows[i].memory, rows[i].profile);
		int64_t offset = 0;
		void *handle = NULL;
		struct writer *w;

		assert_int_equal(s3_write_open(self, &op, "k", NULL, &handle, &offset, &e),
		                 STOW_OK);
		w = handle;
		w->upload.n = rows[i].parts;
		assert_int_equal(writer_room(w, 0, &e), STOW_OK);
		if (writer_room(w, rows[i].room, &e) != STOW_OK)
			fail_msg("row %zu: %s", i, e.message);
		if (writer_room(w, rows[i].room + 1, &e) != STOW_ERANGE)
			fail_msg("row %zu: there is more room", i);
		w->upload.n = 0;
		s3_write_close(w, &op);
		stow_driver_v1()->close(self);
	}
}

/* Ten thousand parts fit into the record of a parked write, and come back in their order. */
static void parked(void **state)
{
	static const size_t counts[] = { 1000, 1001, 2500, 10000 };
	struct multipart_part *parts = calloc(10000, sizeof(*parts));

	(void)state;
	assert_non_null(parts);
	for (size_t i = 0; i < 10000; i++)
		snprintf(parts[i].etag, sizeof(parts[i].etag), "\"%076zu\"", i);
	for (size_t i = 0; i < LENGTH(counts); i++) {
		struct park p = { .upload = "id",
			          .part_size = 8 * MIB,
			          .in_parts = (int64_t)counts[i] * 8 * MIB,
			          .n_parts = counts[i] };
		struct park got = { .n_parts = 0 };
		struct multipart m = { 0 };
		struct buf head;

		buf_init(&head, PARK_HEAD_MAX);
		assert_int_equal(park_head(&p, "k", parts, &head), STOW_OK);
		assert_true(park_parse(buf_text(&head), head.len, "k", &got, &m));
		assert_int_equal(m.n, counts[i]);
		assert_int_equal(got.in_parts, p.in_parts);
		for (size_t k = 0; k < m.n; k++)
			assert_string_equal(m.parts[k].etag, parts[k].etag);
		multipart_done(&m);
		buf_done(&head);
	}
	free(parts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(announced),
		cmocka_unit_test(unknown),
		cmocka_unit_test(parked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
