/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory driver's own promises: its budget, its clock, its order.
 * It must not repeat what the driver contract tests say.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "driver/memory/map.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <stowage/driver.h>
#include <string.h>

const struct stow_driver *stow_driver_v1(void);

static int64_t now;

static int64_t test_clock(void *arg)
{
	(void)arg;
	return now;
}

static const struct stow_host host = { .size = sizeof(host), .now_ns = test_clock };

static void *open_store(const char *budget)
{
	struct stow_kv kv[] = { { "memory", budget } };
	void *self = NULL;
	struct stow_error err;

	now = 1000;
	assert_int_equal(stow_driver_v1()->open(&host, kv, 1, &self, &err), STOW_OK);
	return self;
}

static void budget_bounds_all_there_is(void **state)
{
	const struct stow_driver *d = stow_driver_v1();
	void *self = open_store("10000");
	static char data[8000];
	struct stow_error err;
	struct stow_stat st;
	void *reader = NULL;
	void *writer = NULL;
	int64_t offset;

	(void)state;
	assert_int_equal(d->put(self, NULL, "a", data, 6000, NULL, NULL, &err), STOW_OK);
	assert_int_equal(d->put(self, NULL, "b", data, 6000, NULL, NULL, &err), STOW_EIO);
	assert_non_null(strstr(err.message, "memory"));
	assert_int_equal(d->stat(self, NULL, "b", &st, &err), STOW_ENOTFOUND);
	/* a reader keeps its version, and that counts */
	assert_int_equal(d->read_open(self, NULL, "a", NULL, 0, -1, &reader, &st, &err), STOW_OK);
	assert_int_equal(d->remove(self, NULL, "a", NULL, &err), STOW_OK);
	assert_int_equal(d->put(self, NULL, "b", data, 6000, NULL, NULL, &err), STOW_EIO);
	d->read_close(reader);
	assert_int_equal(d->put(self, NULL, "b", data, 6000, NULL, NULL, &err), STOW_OK);
	/* so does what is not finished, until it is given up */
	assert_int_equal(d->write_open(self, NULL, "c", NULL, &writer, &offset, &err), STOW_OK);
	assert_int_equal(d->write(writer, NULL, data, 8000, &err), STOW_EIO);
	d->write_close(writer, NULL);
	assert_int_equal(d->put(self, NULL, "c", data, 4000, NULL, NULL, &err), STOW_OK);
	assert_int_equal(d->put(self, NULL, "d", data, 1, NULL, NULL, &err), STOW_EIO);
	assert_int_equal(d->put(self, NULL, "d", data, 0, NULL, NULL, &err), STOW_OK);
	d->close(self);
}

static void times_are_the_hosts(void **state)
{
	const struct stow_driver *d = stow_driver_v1();
	void *self = open_store("1M");
	struct stow_error err;
	struct stow_stat st;
	void *writer = NULL;
	int64_t offset;
	char parked[512];
	size_t len;
	uint64_t count = 9;

	(void)state;
	assert_int_equal(d->put(self, NULL, "a", "x", 1, NULL, NULL, &err), STOW_OK);
	now = 5000;
	assert_int_equal(d->stat(self, NULL, "a", &st, &err), STOW_OK);
	assert_int_equal(st.mtime_ns, 1000);
	assert_int_equal(d->write_open(self, NULL, "w", NULL, &writer, &offset, &err), STOW_OK);
	assert_int_equal(d->write_park(writer, NULL, parked, sizeof(parked), &len, &err), STOW_OK);
	d->write_close(writer, NULL);
	now = 5999;
	assert_int_equal(d->purge_writes(self, NULL, "", 1000, &count, &err), STOW_OK);
	assert_int_equal(count, 0);
	now = 6001;
	assert_int_equal(d->purge_writes(self, NULL, "v", 1000, &count, &err), STOW_OK);
	assert_int_equal(count, 0);
	assert_int_equal(d->purge_writes(self, NULL, "w", 1000, &count, &err), STOW_OK);
	assert_int_equal(count, 1);
	d->close(self);
}

static void *open_named(const char *name, const struct stow_host *its_host)
{
	struct stow_kv kv[] = { { "name", name }, { "memory", "10000" } };
	struct stow_error err;
	void *self = NULL;

	assert_int_equal(stow_driver_v1()->open(its_host, kv, name ? 2 : 0, &self, &err), STOW_OK);
	return self;
}

/* Those of one name see each other's objects, conditions and budget; others do not. */
static void instances_of_one_name_share(void **state)
{
	static const struct stow_host no_clock = { .size = sizeof(no_clock) };
	const struct stow_driver *d = stow_driver_v1();
	void *one = open_named("x", &host), *two = open_named("x", &no_clock);
	void *three = open_named("y", &host), *four = open_named(NULL, &host);
	struct stow_put create = { .size = sizeof(create), .flags = STOW_PUT_CREATE, .length = -1 };
	static char data[8000];
	struct stow_error err;
	struct stow_stat st;

	(void)state;
	now = 7000;
	assert_int_equal(d->put(one, NULL, "a", data, 6000, NULL, NULL, &err), STOW_OK);
	assert_int_equal(d->stat(two, NULL, "a", &st, &err), STOW_OK);
	assert_int_equal(st.mtime_ns, 7000);
	assert_int_equal(d->put(two, NULL, "a", "", 0, &create, NULL, &err), STOW_EEXIST);
	assert_int_equal(d->put(two, NULL, "b", data, 6000, NULL, NULL, &err), STOW_EIO);
	assert_int_equal(d->stat(three, NULL, "a", &st, &err), STOW_ENOTFOUND);
	assert_int_equal(d->stat(four, NULL, "a", &st, &err), STOW_ENOTFOUND);
	d->close(one);
	assert_int_equal(d->stat(two, NULL, "a", &st, &err), STOW_OK);
	d->close(two);
	d->close(three);
	d->close(four);
	one = open_named("x", &host);
	assert_int_equal(d->stat(one, NULL, "a", &st, &err), STOW_ENOTFOUND);
	d->close(one);
}

static void options_are_checked(void **state)
{
	struct stow_kv kv[] = { { "memory", "much" } };
	void *self = NULL;
	struct stow_error err;

	(void)state;
	assert_int_equal(stow_driver_v1()->open(NULL, kv, 1, &self, &err), STOW_EINVAL);
	assert_non_null(strstr(err.message, "memory"));
	assert_null(self);
}

/* The map beside an array of flags, through many puts and takes. */
static void map_keeps_order(void **state)
{
	enum { KEYS = 500 };
	static struct object objects[KEYS];
	bool there[KEYS] = { false };
	struct map map;
	struct map_node *node;
	uint32_t x = 12345;
	size_t count = 0;
	char key[16];

	(void)state;
	map_init(&map);
	for (int step = 0; step < 20000; step++) {
		struct object *old = NULL;
		size_t i;

		x = (uint32_t)(x * UINT64_C(1664525) + 1013904223);
		i = (x >> 8) % KEYS;
		snprintf(key, sizeof(key), "k%zu", i);
		if (x >> 31) {
			assert_int_equal(map_put(&map, key, &objects[i], &old), STOW_OK);
			assert_ptr_equal(old, there[i] ? &objects[i] : NULL);
			count += !there[i];
			there[i] = true;
		} else {
			assert_ptr_equal(map_take(&map, key), there[i] ? &objects[i] : NULL);
			count -= there[i];
			there[i] = false;
		}
		assert_int_equal(map.count, count);
		assert_ptr_equal(map_find(&map, key), there[i] ? &objects[i] : NULL);
	}
	key[0] = '\0';
	for (const struct map_node *n = map_seek(&map, "", 0); n; n = map_seek(&map, n->key, 1)) {
		assert_true(strcmp(n->key, key) > 0);
		snprintf(key, sizeof(key), "%s", n->key);
		count--;
	}
	assert_int_equal(count, 0);
	while ((node = map_pop(&map)))
		map_node_free(node);
	assert_int_equal(map.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(budget_bounds_all_there_is),
		cmocka_unit_test(times_are_the_hosts),
		cmocka_unit_test(instances_of_one_name_share),
		cmocka_unit_test(options_are_checked),
		cmocka_unit_test(map_keeps_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
