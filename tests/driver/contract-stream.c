/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Big objects: readers and writers, ranges, parts of other objects, replacement while reading.
 * It must not expect a read to fill its buffer.
 */
#include "common/clock.h"
#include "common/thread.h"
#include "tests/driver/contract.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define STEP ((size_t)300000) /* no divisor of any part */

static void case_around_the_part(void)
{
	const int64_t sizes[] = { 0, 1, C.part - 1, C.part, C.part + 1, 2 * C.part };
	const char *key = key_of("stream/part");

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		OK(put_pattern(key, sizes[i], (uint32_t)i, STEP));
		CHECK(object_is(key, sizes[i], (uint32_t)i));
	}
	OK(remove_key(key));
}

static void case_hundred_mib(void)
{
	const int64_t size = 100 * MIB;
	const char *key = key_of("stream/hundred");
	struct stow_put put = { .size = sizeof(put), .length = size };
	struct stow_stat stat;
	void *writer = NULL;
	int64_t offset = -1;
	int r;

	OK(C.driver->write_open(C.self, NULL, key, &put, &writer, &offset, &E));
	CHECK(offset == 0);
	r = write_pattern(writer, 0, size, 100, (size_t)MIB);
	if (r == STOW_OK) {
		check(is_absent(key), __FILE__, __LINE__, "visible before the commit");
		r = C.driver->write_commit(writer, NULL, &stat, &E);
	}
	C.driver->write_close(writer, NULL);
	OK(r);
	CHECK(stat.size == size);
	CHECK(object_is(key, size, 100));
	OK(remove_key(key));
}

static void case_one_big_write(void)
{
	const char *key = key_of("stream/big-write");
	size_t len = (size_t)(3 * C.part + 17);
	char *buf = malloc(len);
	void *writer = NULL;
	int64_t offset;
	int r;

	CHECK(buf != NULL);
	pattern_fill(buf, 0, len, 9);
	OK(C.driver->write_open(C.self, NULL, key, NULL, &writer, &offset, &E));
	r = C.driver->write(writer, NULL, buf, len, &E);
	if (r == STOW_OK)
		r = C.driver->write(writer, NULL, buf, 0, &E);
	free(buf);
	if (r == STOW_OK)
		r = C.driver->write_commit(writer, NULL, NULL, &E);
	C.driver->write_close(writer, NULL);
	OK(r);
	CHECK(object_is(key, (int64_t)len, 9));
	OK(remove_key(key));
}

/* ---- ranges ---- */

static void one_range(const char *key, int64_t size, int64_t offset, int64_t length)
{
	struct stow_stat stat;
	void *reader = NULL;
	int64_t want = length < 0 || length > size - offset ? size - offset : length;
	bool is;

	OK(C.driver->read_open(C.self, NULL, key, NULL, offset, length, &reader, &stat, &E));
	is = reader_is(reader, offset, want, 7);
	C.driver->read_close(reader);
	CHECK_TEXT(is && stat.size == size, "range %" PRId64 "+%" PRId64, offset, length);
}

static void case_ranges(void)
{
	const int64_t size = C.part + C.part / 2 + 3;
	const char *key = key_of("stream/ranges");
	struct stow_stat stat;
	void *reader = &stat;
	char buf[4];
	size_t n = 9;

	OK(put_pattern(key, size, 7, STEP));
	one_range(key, size, 0, -1);
	one_range(key, size, 0, 1);
	one_range(key, size, 0, size);
	one_range(key, size, 0, size + 1000);
	one_range(key, size, 1, -1);
	one_range(key, size, C.part - 1, 2);
	one_range(key, size, C.part, 5);
	one_range(key, size, size / 2, 1000);
	one_range(key, size, size - 1, -1);
	one_range(key, size, size - 1, 1);
	one_range(key, size, size - 1, INT64_MAX);
	one_range(key, size, size, -1);
	one_range(key, size, size, 10);
	one_range(key, size, 5, 0);
	WANT(STOW_ERANGE,
	     C.driver->read_open(C.self, NULL, key, NULL, size + 1, -1, &reader, &stat, &E));
	WANT(STOW_ERANGE,
	     C.driver->read_open(C.self, NULL, key, NULL, INT64_MAX, -1, &reader, &stat, &E));
	WANT(STOW_EINVAL, C.driver->read_open(C.self, NULL, key, NULL, -1, -1, &reader, &stat, &E));
	CHECK(reader == &stat);
	/* a reader that is closed early, and the end given twice */
	OK(C.driver->read_open(C.self, NULL, key, NULL, 0, -1, &reader, &stat, &E));
	OK(C.driver->read(reader, NULL, buf, sizeof(buf), &n, &E));
	CHECK(n >= 1 && n <= 4 && pattern_is(buf, 0, n, 7));
	C.driver->read_close(reader);
	OK(C.driver->read_open(C.self, NULL, key, NULL, size, -1, &reader, &stat, &E));
	OK(C.driver->read(reader, NULL, buf, sizeof(buf), &n, &E));
	CHECK(n == 0);
	OK(C.driver->read(reader, NULL, buf, sizeof(buf), &n, &E));
	CHECK(n == 0);
	C.driver->read_close(reader);
	/* an empty object */
	OK(put_text(key, ""));
	OK(C.driver->read_open(C.self, NULL, key, NULL, 0, -1, &reader, &stat, &E));
	CHECK(stat.size == 0);
	CHECK(reader_is(reader, 0, 0, 7));
	C.driver->read_close(reader);
	WANT(STOW_ERANGE, C.driver->read_open(C.self, NULL, key, NULL, 1, -1, &reader, &stat, &E));
	OK(remove_key(key));
}

/* ---- what is announced is held to ---- */

static void announced(int64_t length, uint32_t sum_seed, int64_t written, int want)
{
	const char *key = key_of("stream/announced");
	struct stow_put put = { .size = sizeof(put), .length = length };
	uint8_t sum[32];
	void *writer = NULL;
	int64_t offset;
	int r;

	pattern_sha256(written, sum_seed, sum);
	put.sha256 = sum;
	OK(C.driver->write_open(C.self, NULL, key, &put, &writer, &offset, &E));
	r = write_pattern(writer, 0, written, 21, STEP);
	/* a store may find it out before the commit */
	if (r == STOW_OK)
		r = C.driver->write_commit(writer, NULL, NULL, &E);
	C.driver->write_close(writer, NULL);
	WANT(want, r);
	if (want == STOW_OK) {
		CHECK(object_is(key, written, 21));
		OK(remove_key(key));
	}
	CHECK(is_absent(key));
	CHECK(list_count(key) == 0);
}

static void case_announced(void)
{
	const int64_t sizes[] = { 0, 1000, C.part, C.part + 1 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		announced(sizes[i], 21, sizes[i], STOW_OK);
		announced(-1, 21, sizes[i], STOW_OK);
		announced(sizes[i] + 1, 21, sizes[i], STOW_ECORRUPT);
		if (sizes[i] > 0) {
			announced(sizes[i] - 1, 21, sizes[i], STOW_ECORRUPT);
			announced(sizes[i], 22, sizes[i], STOW_ECORRUPT);
			announced(-1, 22, sizes[i], STOW_ECORRUPT);
		}
	}
}

/* ---- ranges of other objects ---- */

struct piece {
	const char *from;
	int64_t offset, length;
	uint32_t seed;
};

static bool pieces_are(const char *key, const struct piece *pieces, size_t n)
{
	int64_t at = 0;
	bool is = true;

	for (size_t i = 0; i < n && is; i++) {
		void *reader = NULL;
		struct stow_stat stat;
		static char buf[65536];
		int64_t done = 0;
		int r = C.driver->read_open(C.self, NULL, key, NULL, at, pieces[i].length, &reader,
		                            &stat, &E);

		is = check_status(r, STOW_OK, __FILE__, __LINE__, "read_open");
		while (is && done < pieces[i].length) {
			size_t len = 0;

			r = C.driver->read(reader, NULL, buf, sizeof(buf), &len, &E);
			is = check_status(r, STOW_OK, __FILE__, __LINE__, "read") &&
			     check(len > 0 && pattern_is(buf, pieces[i].offset + done, len,
			                                 pieces[i].seed),
			           __FILE__, __LINE__, "piece %zu differs at %" PRId64, i, done);
			done += (int64_t)len;
		}
		C.driver->read_close(reader);
		at += pieces[i].length;
	}
	return is;
}

static void assemble(const struct piece *pieces, size_t n, bool with_length)
{
	const char *key = key_of("stream/assembled");
	struct stow_put put = { .size = sizeof(put), .length = -1 };
	struct stow_stat stat;
	void *writer = NULL;
	int64_t offset;
	int64_t total = 0;
	int r = STOW_OK;

	for (size_t i = 0; i < n; i++)
		total += pieces[i].length;
	if (with_length)
		put.length = total;
	OK(C.driver->write_open(C.self, NULL, key, &put, &writer, &offset, &E));
	for (size_t i = 0; i < n && r == STOW_OK; i++) {
		const struct piece *p = &pieces[i];

		r = p->from ? C.driver->write_copy(writer, NULL, p->from, NULL, p->offset,
		                                   p->length, &E)
		            : write_pattern(writer, p->offset, p->offset + p->length, p->seed,
		                            STEP);
	}
	if (r == STOW_OK)
		r = C.driver->write_commit(writer, NULL, &stat, &E);
	C.driver->write_close(writer, NULL);
	OK(r);
	CHECK(stat.size == total);
	OK(C.driver->stat(C.self, NULL, key, &stat, &E));
	CHECK(stat.size == total);
	CHECK(pieces_are(key, pieces, n));
	OK(remove_key(key));
}

static void case_write_copy(void)
{
	const int64_t five = 5 * MIB;
	const char *a = key_of("stream/a");
	const char *b = key_of("stream/b");
	const char *c = key_of("stream/c");
	const struct piece whole[] = { { a, 0, five, 1 } };
	const struct piece small[] = { { c, 0, 10, 3 }, { c, 3, 4, 3 } };
	const struct piece across[] = {
		{ a, 0, five, 1 },         { b, 0, five + 1, 2 }, { b, five, 1, 2 },
		{ b, 1, five, 2 },         { c, 2, 8, 3 },        { a, 100, five - 100, 1 },
		{ NULL, 0, 1000, 4 },      { b, 0, five - 1, 2 }, { a, five - 1, 1, 1 },
		{ NULL, 5, five + 70, 5 }, { c, 0, 0, 3 },        { a, 0, five, 1 },
	};

	OK(put_pattern(a, five, 1, STEP));
	OK(put_pattern(b, five + 1, 2, STEP));
	OK(put_pattern(c, 10, 3, STEP));
	assemble(whole, 1, true);
	assemble(small, 2, true);
	assemble(small, 2, false);
	assemble(across, sizeof(across) / sizeof(across[0]), true);
	assemble(across, sizeof(across) / sizeof(across[0]), false);
	OK(remove_key(a));
	OK(remove_key(b));
	OK(remove_key(c));
}

static void copy_fails(const char *from, const char *if_match, int64_t offset, int64_t length,
                       int want)
{
	const char *key = key_of("stream/refused");
	void *writer = NULL;
	int64_t at;
	int r;

	OK(C.driver->write_open(C.self, NULL, key, NULL, &writer, &at, &E));
	OK(C.driver->write(writer, NULL, "x", 1, &E));
	r = C.driver->write_copy(writer, NULL, from, if_match, offset, length, &E);
	/* a store may do the copying later, but it is not committed */
	if (r == STOW_OK)
		r = C.driver->write_commit(writer, NULL, NULL, &E);
	C.driver->write_close(writer, NULL);
	WANT(want, r);
	CHECK(is_absent(key));
}

static void case_write_copy_fails(void)
{
	const char *from = key_of("stream/source");
	struct stow_stat stat;

	copy_fails(from, NULL, 0, 1, STOW_ENOTFOUND);
	OK(put_pattern(from, 6 * MIB, 1, STEP));
	copy_fails(from, NULL, 0, 6 * MIB + 1, STOW_ERANGE);
	copy_fails(from, NULL, 6 * MIB - 10, 11, STOW_ERANGE);
	copy_fails(from, NULL, 7 * MIB, 1, STOW_ERANGE);
	if (C.caps & STOW_CAP_COPY_IF_MATCH) {
		OK(C.driver->stat(C.self, NULL, from, &stat, &E));
		OK(put_pattern(from, 6 * MIB, 2, STEP));
		copy_fails(from, stat.etag, 0, 6 * MIB, STOW_ECHANGED);
		copy_fails(from, stat.etag, 10, 20, STOW_ECHANGED);
	}
	OK(remove_key(from));
}

/* Bytes of our own, then of another object: the sum is of both. */
static void case_write_copy_summed(void)
{
	const int64_t size = 6 * MIB;
	const char *from = key_of("stream/summed-source");
	const char *key = key_of("stream/summed");
	struct stow_put put = { .size = sizeof(put), .length = size };
	uint8_t sum[32];
	void *writer = NULL;
	int64_t offset;
	int r;

	OK(put_pattern(from, size, 31, STEP));
	pattern_sha256(size, 31, sum);
	put.sha256 = sum;
	OK(C.driver->write_open(C.self, NULL, key, &put, &writer, &offset, &E));
	r = write_pattern(writer, 0, 1000, 31, STEP);
	if (r == STOW_OK)
		r = C.driver->write_copy(writer, NULL, from, NULL, 1000, size - 2000, &E);
	if (r == STOW_OK)
		r = write_pattern(writer, size - 1000, size, 31, STEP);
	if (r == STOW_OK)
		r = C.driver->write_commit(writer, NULL, NULL, &E);
	C.driver->write_close(writer, NULL);
	OK(r);
	CHECK(object_is(key, size, 31));
	OK(remove_key(key));
	OK(remove_key(from));
}

/* ---- replacement while reading ---- */

static void case_replace_while_reading(void)
{
	const int64_t size = 3 * C.part;
	const char *key = key_of("stream/replaced");
	static char buf[65536];
	struct stow_stat stat;
	void *reader = NULL;
	int64_t at = 0;
	int r;

	OK(put_pattern(key, size, 1, STEP));
	OK(C.driver->read_open(C.self, NULL, key, NULL, 0, -1, &reader, &stat, &E));
	for (;;) {
		size_t n = 0;

		r = C.driver->read(reader, NULL, buf, sizeof(buf), &n, &E);
		if (r != STOW_OK || n == 0)
			break;
		CHECK_TEXT(pattern_is(buf, at, n, 1), "a mixture at %" PRId64, at);
		if (at == 0)
			OK(put_pattern(key, size, 2, STEP));
		at += (int64_t)n;
	}
	C.driver->read_close(reader);
	CHECK_TEXT((r == STOW_OK && at == size) || r == STOW_ECHANGED, "read is %s at %" PRId64,
	           status_name(r), at);
	CHECK(object_is(key, size, 2));
	/* and taken away */
	OK(C.driver->read_open(C.self, NULL, key, NULL, 0, -1, &reader, &stat, &E));
	OK(remove_key(key));
	for (at = 0;;) {
		size_t n = 0;

		r = C.driver->read(reader, NULL, buf, sizeof(buf), &n, &E);
		if (r != STOW_OK || n == 0)
			break;
		CHECK_TEXT(pattern_is(buf, at, n, 2), "other bytes at %" PRId64, at);
		at += (int64_t)n;
	}
	C.driver->read_close(reader);
	CHECK_TEXT((r == STOW_OK && at == size) || r == STOW_ECHANGED || r == STOW_ENOTFOUND,
	           "read is %s at %" PRId64, status_name(r), at);
}

static struct {
	const char *key;
	bool stop; /* atomic */
	bool failed;
} replacing;

static void *replace(void *arg)
{
	static char buf[200000];

	(void)arg;
	for (uint32_t seed = 1; !__atomic_load_n(&replacing.stop, __ATOMIC_RELAXED); seed++) {
		size_t len = 100000 + 1000 * (seed % 100);

		pattern_fill(buf, 0, len, seed % 100);
		if (C.driver->put(C.self, NULL, replacing.key, buf, len, NULL, NULL, &E) != STOW_OK)
			replacing.failed = true;
	}
	return NULL;
}

static void case_never_a_mixture(void)
{
	static char buf[200000];
	pthread_t thread;
	int64_t until = clock_monotonic() + 2 * CLOCK_SECOND;
	bool fine = true;
	int rounds = 0;

	replacing.key = key_of("stream/racing");
	replacing.stop = false;
	replacing.failed = false;
	pattern_fill(buf, 0, 100000, 0);
	OK(C.driver->put(C.self, NULL, replacing.key, buf, 100000, NULL, NULL, &E));
	CHECK(thread_start(&thread, 0, replace, NULL) == 0);
	while (fine && clock_monotonic() < until) {
		struct stow_stat stat;
		size_t len = 0;
		int r = C.driver->get(C.self, NULL, replacing.key, NULL, buf, sizeof(buf), &len,
		                      &stat, &E);

		fine = check_status(r, STOW_OK, __FILE__, __LINE__, "get") &&
		       check(stat.size == (int64_t)len && len >= 100000 &&
		                     pattern_is(buf, 0, len, (uint32_t)(len - 100000) / 1000),
		             __FILE__, __LINE__, "a mixture in round %d", rounds);
		rounds++;
	}
	__atomic_store_n(&replacing.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	CHECK(!replacing.failed);
	OK(remove_key(replacing.key));
}

/* Readers that are slow hold up neither each other nor anything else, however many. */
static void case_slow_readers(void)
{
	enum { READERS = 12 };
	const int64_t size = 12 * MIB;
	const char *key = key_of("stream/slow");
	void *readers[READERS] = { NULL };
	size_t at[READERS] = { 0 }, len;
	char *buf = malloc((size_t)MIB);
	struct stow_stat stat;
	int r = STOW_OK;
	bool fine = true;

	CHECK(buf != NULL);
	OK(put_pattern(key, size, 4, STEP));
	for (size_t i = 0; i < READERS && r == STOW_OK; i++) {
		r = C.driver->read_open(C.self, NULL, key, NULL, 0, -1, &readers[i], NULL, &E);
		if (r == STOW_OK)
			r = C.driver->read(readers[i], NULL, buf, 1000, &at[i], &E);
	}
	if (r == STOW_OK)
		r = C.driver->stat(C.self, NULL, key, &stat, &E);
	for (size_t i = 0; i < READERS && r == STOW_OK && fine; i++)
		do {
			r = C.driver->read(readers[i], NULL, buf, (size_t)MIB, &len, &E);
			fine = r != STOW_OK || pattern_is(buf, (int64_t)at[i], len, 4);
			at[i] += r == STOW_OK ? len : 0;
		} while (r == STOW_OK && len && fine);
	for (size_t i = 0; i < READERS; i++) {
		if (r == STOW_OK)
			check(at[i] == (size_t)size, __FILE__, __LINE__, "reader %zu ends at %zu",
			      i, at[i]);
		C.driver->read_close(readers[i]);
	}
	free(buf);
	OK(r);
	CHECK(fine);
	OK(remove_key(key));
}

const struct contract_case stream_cases[] = {
	{ "part size -1, 0, +1", case_around_the_part },
	{ "100 MiB", case_hundred_mib },
	{ "one write of several parts", case_one_big_write },
	{ "ranges", case_ranges },
	{ "announced length and sha256", case_announced },
	{ "write_copy of ranges", case_write_copy },
	{ "write_copy between writes, with sha256", case_write_copy_summed },
	{ "write_copy of what is not there", case_write_copy_fails },
	{ "replaced while it is read", case_replace_while_reading },
	{ "never a mixture", case_never_a_mixture },
	{ "slow readers", case_slow_readers },
	{ NULL, NULL },
};
