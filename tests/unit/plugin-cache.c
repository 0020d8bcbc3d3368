/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of the cache: ages, clears that beat fills, bounds, kinds and repositories apart, threads.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/thread.h"
#include "plugin/cache.h"

static int64_t now_ns;

static int64_t fake_now(void *arg)
{
	(void)arg;
	return now_ns;
}

static struct cache *open_cache(size_t bytes, size_t entries)
{
	struct cache_limits limits = { bytes, entries, 60 * CLOCK_SECOND };
	struct cache *c = NULL;

	now_ns = CLOCK_SECOND;
	assert_int_equal(cache_open(&limits, &c, NULL), STOW_OK);
	cache_set_clock(c, fake_now, NULL);
	return c;
}

static struct digest digest_number(unsigned n)
{
	struct digest d;

	digest_of(&d, HASH_SHA256, &n, sizeof(n));
	return d;
}

static void fill(struct cache *c, const char *name, unsigned n, size_t len)
{
	struct digest d = digest_number(n);
	struct cache_entry e = { .size = n, .target = d };

	if (len) {
		e.bytes = cache_bytes_new(NULL, len);
		assert_non_null(e.bytes);
		memset(e.bytes->data, (int)n, len);
	}
	cache_fill(c, cache_read_begin(c), CACHE_BLOB, name, &d, e);
}

static bool has(struct cache *c, const char *name, unsigned n)
{
	struct digest d = digest_number(n);
	struct cache_entry e;

	if (!cache_get(c, CACHE_BLOB, name, &d, &e))
		return false;
	assert_int_equal(e.size, n);
	assert_true(digest_equal(&e.target, &d));
	if (e.bytes && e.bytes->len)
		assert_int_equal(e.bytes->data[e.bytes->len - 1], (char)n);
	cache_bytes_unref(e.bytes);
	return true;
}

static void keeps_apart(void **state)
{
	struct cache *c = open_cache(1 << 20, 100);
	struct digest d = digest_number(1);
	struct cache_entry e;

	(void)state;
	assert_false(has(c, "a", 1));
	fill(c, "a", 1, 10);
	assert_true(has(c, "a", 1));
	assert_false(has(c, "b", 1));
	assert_false(has(c, "a", 2));
	assert_false(cache_get(c, CACHE_MANIFEST, "a", &d, &e));
	assert_false(cache_get(c, CACHE_DATA, "", &d, &e));
	cache_close(c);
}

/* From the start of the read, whatever came between; a hit makes nothing younger. */
static void ages(void **state)
{
	struct cache *c = open_cache(1 << 20, 100);
	struct digest d = digest_number(1);
	struct cache_read read = cache_read_begin(c);

	(void)state;
	now_ns += 50 * CLOCK_SECOND;
	cache_fill(c, read, CACHE_BLOB, "a", &d, (struct cache_entry){ .size = 1, .target = d });
	now_ns += 10 * CLOCK_SECOND - 1;
	assert_true(has(c, "a", 1));
	now_ns += 1;
	assert_false(has(c, "a", 1));
	/* an older read does not replace what a younger one saw */
	read = cache_read_begin(c);
	now_ns += CLOCK_SECOND;
	fill(c, "a", 1, 0);
	cache_fill(c, read, CACHE_BLOB, "a", &d, (struct cache_entry){ .size = 9, .target = d });
	assert_true(has(c, "a", 1));
	cache_close(c);
}

/* What was read before a removal is not put in after it. */
static void clears(void **state)
{
	struct cache *c = open_cache(1 << 20, 100);
	struct digest d = digest_number(1);
	struct cache_read read = cache_read_begin(c);
	struct cache_statistics s;

	(void)state;
	fill(c, "a", 1, 0);
	cache_clear(c, CACHE_BLOB, "a", &d);
	assert_false(has(c, "a", 1));
	cache_fill(c, read, CACHE_BLOB, "a", &d, (struct cache_entry){ .size = 1, .target = d });
	assert_false(has(c, "a", 1));
	fill(c, "a", 1, 0);
	assert_true(has(c, "a", 1));
	cache_statistics(c, &s);
	assert_int_equal(s.drops, 1);
	assert_int_equal(s.fills, 2);
	assert_int_equal(s.entries, 1);
	cache_close(c);
}

static void bounds(void **state)
{
	struct cache *c = open_cache(20000, 8);
	struct cache_statistics s;

	(void)state;
	for (unsigned n = 1; n <= 9; n++) {
		fill(c, "a", n, 10);
		assert_true(has(c, "a", 1)); /* used all the time */
	}
	assert_false(has(c, "a", 2));
	for (unsigned n = 3; n <= 9; n++)
		assert_true(has(c, "a", n));
	fill(c, "a", 20, 17500);
	assert_true(has(c, "a", 20));
	cache_statistics(c, &s);
	assert_true(s.bytes <= 20000 && s.bytes >= 17500 && s.entries < 8);
	fill(c, "a", 21, 20000); /* larger than all */
	assert_false(has(c, "a", 21));
	assert_true(has(c, "a", 20));
	cache_close(c);
	c = open_cache(0, 100);
	fill(c, "a", 1, 0);
	assert_false(has(c, "a", 1));
	cache_close(c);
}

/* Bytes live as long as somebody holds them. */
static void bytes_outlive(void **state)
{
	struct cache *c = open_cache(1 << 20, 100);
	struct digest d = digest_number(3);
	struct cache_entry e;

	(void)state;
	fill(c, "a", 3, 1000);
	assert_true(cache_get(c, CACHE_BLOB, "a", &d, &e));
	cache_clear(c, CACHE_BLOB, "a", &d);
	cache_close(c);
	assert_int_equal(e.bytes->len, 1000);
	assert_int_equal(e.bytes->data[999], 3);
	cache_bytes_unref(e.bytes);
}

static void *work(void *arg)
{
	struct cache *c = arg;
	unsigned x = (unsigned)(uintptr_t)&c;

	for (int i = 0; i < 20000; i++) {
		unsigned n = (x = x * 1103515245 + 12345) >> 16 & 63;
		struct digest d = digest_number(n);

		switch (x & 3) {
		case 0:
			fill(c, "a", n, n * 20);
			break;
		case 1:
			cache_clear(c, CACHE_BLOB, "a", &d);
			break;
		default:
			has(c, "a", n);
		}
	}
	return NULL;
}

static void threads(void **state)
{
	struct cache *c = open_cache(40000, 40);
	struct cache_statistics s;
	pthread_t t[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(thread_start(&t[i], 0, work, c), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	cache_statistics(c, &s);
	assert_true(s.bytes <= 40000 && s.entries <= 40);
	for (unsigned n = 0; n < 64; n++) {
		struct digest d = digest_number(n);

		cache_clear(c, CACHE_BLOB, "a", &d);
	}
	cache_statistics(c, &s);
	assert_int_equal(s.bytes, 0);
	assert_int_equal(s.entries, 0);
	cache_close(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_apart), cmocka_unit_test(ages),
		cmocka_unit_test(clears),      cmocka_unit_test(bounds),
		cmocka_unit_test(threads),     cmocka_unit_test(bytes_outlive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
