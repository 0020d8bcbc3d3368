/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of plugin/loader: names, folders, and every reason to refuse a table.  Those that need a
 * real driver take memory.so of the build.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "plugin/loader.h"

#include <stowage/store.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Calls that are never made: the loader only looks whether they are there. */
static int no_call(void)
{
	return STOW_EIO;
}

static const struct stow_option good_options[] = {
	{ "folder", STOW_OPTION_STRING, STOW_OPTION_REQUIRED, NULL, "a folder" },
	{ "size", STOW_OPTION_SIZE, 0, "8M", "a size" },
	{ NULL, 0, 0, NULL, NULL },
};

#define CALL(name) memcpy(&d->name, &call, sizeof(call))

static void make_table(struct stow_driver *d)
{
	int (*call)(void) = no_call;

	memset(d, 0, sizeof(*d));
	d->size = sizeof(*d);
	d->major = STOW_DRIVER_MAJOR;
	d->minor = STOW_DRIVER_MINOR;
	d->name = "test";
	d->version = "1";
	d->summary = "a test";
	d->options = good_options;
	CALL(open);
	CALL(close);
	CALL(stat);
	CALL(get);
	CALL(put);
	CALL(remove);
	CALL(read_open);
	CALL(read);
	CALL(read_close);
	CALL(write_open);
	CALL(write);
	CALL(write_copy);
	CALL(write_commit);
	CALL(write_close);
	CALL(list_open);
	CALL(list_next);
	CALL(list_close);
	CALL(batch);
	CALL(instance_caps);
}

static void table_refused(const struct stow_driver *d, const char *message)
{
	struct stow_error err = { 0 };
	struct stow_driver ret;

	memset(&ret, 0x5a, sizeof(ret));
	if (loader_check(d, "x.so", &ret, &err) == STOW_OK)
		fail_msg("taken: %s", message);
	assert_string_equal(err.message, message);
	assert_int_equal(ret.size, 0x5a5a5a5a); /* outputs on success only */
}

static void names(void **state)
{
	static const char *const good[] = { "s3", "a", "9", "my-driver",
		                            "abcdefghijklmnopqrstuvwxyz012345" };
	static const char *const bad[] = {
		"",    "-s3", "../s3", "a/b",  "S3",       "s3.so",
		"s 3", ".",   "a_b",   "s3\n", "\xc3\xa9", "abcdefghijklmnopqrstuvwxyz0123456"
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(loader_name_ok(good[i]));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(loader_name_ok(bad[i]));
}

static void tables(void **state)
{
	struct stow_driver d, ret;
	char expected[128];

	(void)state;
	table_refused(NULL, "x.so: stow_driver_v1() gave no table");
	make_table(&d);
	assert_int_equal(loader_check(&d, "x.so", &ret, NULL), STOW_OK);
	assert_memory_equal(&d, &ret, sizeof(d));
	d.major = 2;
	d.minor = 7;
	table_refused(&d, "x.so: is built for driver ABI 2.7, this libstowage takes 1.x");
	make_table(&d);
	d.size = (uint32_t)offsetof(struct stow_driver, list_close);
	snprintf(expected, sizeof(expected), "x.so: its table has %zu bytes, ABI 1 begins with %zu",
	         offsetof(struct stow_driver, list_close), offsetof(struct stow_driver, batch));
	table_refused(&d, expected);
	make_table(&d);
	d.name = "Test";
	table_refused(&d, "x.so: does not say its name in lower-case letters, digits and '-'");
	d.name = NULL;
	table_refused(&d, "x.so: does not say its name in lower-case letters, digits and '-'");
	make_table(&d);
	d.version = NULL;
	table_refused(&d, "x.so: does not say its version and summary, a line each");
	make_table(&d);
	d.summary = "two\nlines";
	table_refused(&d, "x.so: does not say its version and summary, a line each");
	make_table(&d);
	d.options = NULL;
	table_refused(&d, "x.so: has no option table");
}

/* An older driver lacks what was appended; a newer one has more than we know. */
static void sizes(void **state)
{
	struct {
		struct stow_driver d;
		void *more[4];
	} newer;
	struct stow_driver d, ret;

	(void)state;
	make_table(&d);
	d.size = (uint32_t)offsetof(struct stow_driver, copy);
	assert_int_equal(loader_check(&d, "x.so", &ret, NULL), STOW_OK);
	assert_true(ret.batch == d.batch);
	assert_null(ret.instance_caps);
	assert_int_equal(ret.size, d.size);
	memset(&newer, 0xff, sizeof(newer));
	make_table(&newer.d);
	newer.d.size = sizeof(newer);
	newer.d.minor = 99;
	assert_int_equal(loader_check(&newer.d, "x.so", &ret, NULL), STOW_OK);
	assert_int_equal(ret.size, sizeof(ret));
}

static void mandatory_calls(void **state)
{
	static const struct {
		size_t offset;
		const char *message;
	} cases[] = {
#define CASE(call, why) { offsetof(struct stow_driver, call), "x.so: has no " #call ": " why }
		CASE(open, "there is no way to an instance"),
		CASE(close, "an instance could never end"),
		CASE(stat, "nobody could tell whether an object is there"),
		CASE(get, "no small object could be read"),
		CASE(put, "no small object could be written"),
		CASE(remove, "no object could be taken away"),
		CASE(read_open, "no big object could be read"),
		CASE(read, "a reader would give nothing"),
		CASE(read_close, "a reader could never end"),
		CASE(write_open, "no big object could be written"),
		CASE(write, "a writer would take nothing"),
		CASE(write_commit, "nothing written would become visible"),
		CASE(write_close, "a writer could never end"),
		CASE(list_open, "no keys could be listed"),
		CASE(list_next, "a listing would give nothing"),
		CASE(list_close, "a listing could never end"),
	};
	struct stow_driver d;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make_table(&d);
		memset((char *)&d + cases[i].offset, 0, sizeof(d.open));
		table_refused(&d, cases[i].message);
	}
	make_table(&d);
	d.write_copy = NULL; /* emulated */
	assert_int_equal(loader_check(&d, "x.so", &d, NULL), STOW_OK);
}

static void option_tables(void **state)
{
	static const struct {
		struct stow_option row;
		const char *message;
	} cases[] = {
		{ { "Size", STOW_OPTION_SIZE, 0, NULL, "x" },
		  "x.so: option 1 has a name other than lower-case letters and digits" },
		{ { "a_b", STOW_OPTION_SIZE, 0, NULL, "x" },
		  "x.so: option 1 has a name other than lower-case letters and digits" },
		{ { "", STOW_OPTION_SIZE, 0, NULL, "x" },
		  "x.so: option 1 has a name other than lower-case letters and digits" },
		{ { "folder", STOW_OPTION_SIZE, 0, NULL, "x" },
		  "x.so: option folder is there twice" },
		{ { "size", 0, 0, NULL, "x" },
		  "x.so: option size has the type 0, known are 1 to 5" },
		{ { "size", 6, 0, NULL, "x" },
		  "x.so: option size has the type 6, known are 1 to 5" },
		{ { "size", STOW_OPTION_SIZE, 0, NULL, NULL },
		  "x.so: option size has no help of one line" },
		{ { "size", STOW_OPTION_SIZE, 0, NULL, "two\nlines" },
		  "x.so: option size has no help of one line" },
		{ { "size", STOW_OPTION_SIZE, STOW_OPTION_REQUIRED, "8M", "x" },
		  "x.so: option size is required and yet has a default" },
		{ { "size", STOW_OPTION_SIZE, 0, "8X", "x" },
		  "x.so: the default \"8X\" of option size is not a size such as 8M" },
	};
	static struct stow_option endless[300];
	static char endless_names[300][8];
	struct stow_option table[3] = { good_options[0] };
	struct stow_driver d;
	size_t i;

	(void)state;
	make_table(&d);
	d.options = table;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		table[1] = cases[i].row;
		table_refused(&d, cases[i].message);
	}
	for (i = 0; i < 300; i++) {
		snprintf(endless_names[i], sizeof(endless_names[i]), "o%zu", i);
		endless[i] = (struct stow_option){ endless_names[i], STOW_OPTION_STRING, 0, NULL,
			                           "x" };
	}
	d.options = endless;
	table_refused(&d, "x.so: the option table has no end");
}

/* ---- files ---- */

struct fixture {
	char folder[32];
	char built[PATH_MAX]; /* the build's drivers */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char self[PATH_MAX / 2];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_non_null(f);
	assert_true(n > 0);
	self[n] = '\0';
	*strrchr(self, '/') = '\0'; /* build/tests/unit */
	snprintf(f->built, sizeof(f->built), "%s/../../drivers", self);
	memcpy(f->folder, "/tmp/stowage-loader-XXXXXX", 27);
	assert_non_null(mkdtemp(f->folder));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(rmdir(f->folder), 0);
	free(f);
	return 0;
}

static const char *path_of(const struct fixture *f, const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", f->folder, name);
	return path;
}

/* Copies a file into the test's folder; false where it is not there. */
static bool bring(const struct fixture *f, const char *from, const char *name)
{
	cleanup_fd int in = open(from, O_RDONLY | O_CLOEXEC), out = -1;
	char chunk[65536];
	ssize_t n;

	if (in < 0)
		return false;
	out = open(path_of(f, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	assert_true(out >= 0);
	while ((n = read(in, chunk, sizeof(chunk))) > 0)
		assert_int_equal(write(out, chunk, (size_t)n), n);
	return true;
}

static void no_such_driver(void **state)
{
	struct fixture *f = *state;
	struct stow_error err = { 0 };
	struct stow_driver d;
	char expected[256];

	assert_int_equal(stow_driver_load(f->folder, NULL, &d, &err), STOW_EINVAL);
	assert_int_equal(stow_driver_load(f->folder, "s3", NULL, &err), STOW_EINVAL);
	assert_int_equal(loader_load(f->folder, "../s3", &d, &err), STOW_EINVAL);
	assert_string_equal(err.message, "\"../s3\" is no driver's name: lower-case letters, "
	                                 "digits and '-', at most 32");
	assert_int_equal(loader_load(f->folder, "tape", &d, &err), STOW_ENOTFOUND);
	snprintf(expected, sizeof(expected), "no driver \"tape\" in %s, ", f->folder);
	assert_ptr_equal(strstr(err.message, expected), err.message);
	assert_non_null(strstr(err.message, "/tests/unit/drivers, "));
	assert_non_null(strstr(err.message, "/tests/unit/stowage/drivers, "));
	assert_true(bring(f, "/dev/null", "tapes.so"));
	assert_int_equal(loader_load(f->folder, "tape", &d, &err), STOW_ENOTFOUND);
	snprintf(expected, sizeof(expected),
	         "no driver \"tape\", did you mean \"tapes\"? looked in %s, ", f->folder);
	assert_ptr_equal(strstr(err.message, expected), err.message);
	unlink(path_of(f, "tapes.so"));
	/* a folder of that name is no driver, and is not what was meant */
	assert_int_equal(mkdir(path_of(f, "tape.so"), 0755), 0);
	assert_int_equal(loader_load(f->folder, "tape", &d, &err), STOW_ENOTFOUND);
	assert_null(strstr(err.message, "did you mean"));
	rmdir(path_of(f, "tape.so"));
}

static void no_driver_inside(void **state)
{
	struct fixture *f = *state;
	struct stow_error err = { 0 };
	struct stow_driver d;
	char expected[512];

	assert_true(bring(f, "/proc/self/maps", "junk.so"));
	assert_int_equal(loader_load(f->folder, "junk", &d, &err), STOW_EINVAL);
	snprintf(expected, sizeof(expected), "%s/junk.so: is no shared object", f->folder);
	assert_string_equal(err.message, expected);
	unlink(path_of(f, "junk.so"));
	if (!bring(f, "/lib/x86_64-linux-gnu/libm.so.6", "junk.so") &&
	    !bring(f, "/lib/aarch64-linux-gnu/libm.so.6", "junk.so"))
		return;
	assert_int_equal(loader_load(f->folder, "junk", &d, &err), STOW_EINVAL);
	snprintf(expected, sizeof(expected),
	         "%s/junk.so: is no driver of major 1: it has no stow_driver_v1()", f->folder);
	assert_string_equal(err.message, expected);
	unlink(path_of(f, "junk.so"));
}

/* A copy of a real driver that broke off; loading it would be a SIGBUS. */
static void cut_short(void **state)
{
	struct fixture *f = *state;
	char memory[PATH_MAX + 16], expected[512];
	struct stow_error err = { 0 };
	struct stow_driver d;
	struct stat st;
	off_t lengths[8];
	size_t i;

	snprintf(memory, sizeof(memory), "%s/memory.so", f->built);
	if (stat(memory, &st) != 0)
		skip();
	memcpy(lengths,
	       (const off_t[]){ 4, 63, 64, 100, 4096, st.st_size / 2, st.st_size - 64,
	                        st.st_size - 1 },
	       sizeof(lengths));
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		assert_true(bring(f, memory, "memory.so"));
		assert_int_equal(truncate(path_of(f, "memory.so"), lengths[i]), 0);
		assert_int_equal(stow_driver_load(f->folder, "memory", &d, &err), STOW_EINVAL);
		snprintf(expected, sizeof(expected),
		         "%s/memory.so: is cut short: its headers speak of more than its %lld "
		         "bytes",
		         f->folder, (long long)lengths[i]);
		assert_string_equal(err.message, expected);
	}
	unlink(path_of(f, "memory.so"));
}

static void real_driver(void **state)
{
	struct fixture *f = *state;
	char names_found[LOADER_NAMES_MAX][LOADER_NAME_MAX + 1];
	char memory[PATH_MAX + 16], expected[512];
	struct stow_error err = { 0 };
	struct stow_driver d;
	size_t i, n, seen = 0;

	snprintf(memory, sizeof(memory), "%s/memory.so", f->built);
	if (access(memory, R_OK) != 0)
		skip();
	if (loader_load(f->built, "memory", &d, &err) != STOW_OK)
		fail_msg("%s", err.message);
	assert_string_equal(d.name, "memory");
	assert_true(bring(f, memory, "other.so"));
	assert_true(bring(f, memory, "UPPER.so"));
	assert_int_equal(loader_load(f->folder, "other", &d, &err), STOW_EINVAL);
	snprintf(expected, sizeof(expected),
	         "%s/other.so: calls itself \"memory\", a driver's file is named like it",
	         f->folder);
	assert_string_equal(err.message, expected);
	n = loader_names(f->folder, names_found);
	for (i = 0; i < n; i++)
		seen += strcmp(names_found[i], "other") == 0;
	assert_int_equal(seen, 1);
	for (i = 0; i < n; i++)
		assert_string_not_equal(names_found[i], "UPPER");
	unlink(path_of(f, "other.so"));
	unlink(path_of(f, "UPPER.so"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(tables),
		cmocka_unit_test(sizes),
		cmocka_unit_test(mandatory_calls),
		cmocka_unit_test(option_tables),
		T(no_such_driver),
		T(no_driver_inside),
		T(cut_short),
		T(real_driver),
	};

	return cmocka_run_group_tests_name("plugin-loader", tests, NULL, NULL);
}
