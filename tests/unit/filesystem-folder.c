/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filesystem driver against what else a folder may hold: links, pipes, foreign folders,
 * leftovers, other modes, no room. It must not repeat what the driver contract tests say.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/error.h"
#include "common/thread.h"
#include "driver/filesystem/filesystem.h"
#include "driver/filesystem/slice.h"
#include "driver/filesystem/temp.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

const struct stow_driver *stow_driver_v1(void);

struct setup {
	const struct stow_driver *d;
	void *self;
	char top[64];
	char root[80];
	struct stow_error err;
};

static void *open_store(const struct stow_driver *d, const char *root, const char *stale_age)
{
	struct stow_kv kv[] = { { "rootdirectory", root },
		                { "fsync", "no" },
		                { "staleage", stale_age } };
	void *self = NULL;
	struct stow_error err;

	assert_int_equal(d->open(NULL, kv, 3, &self, &err), STOW_OK);
	return self;
}

static int set_up(void **state)
{
	struct setup *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	snprintf(s->top, sizeof(s->top), "/tmp/stowage-unit-XXXXXX");
	if (!mkdtemp(s->top))
		return -1;
	snprintf(s->root, sizeof(s->root), "%s/root", s->top);
	s->d = stow_driver_v1();
	s->self = open_store(s->d, s->root, "24h");
	*state = s;
	return s->d->check(s->self, NULL, &s->err) == STOW_OK ? 0 : -1;
}

static int drop(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int tear_down(void **state)
{
	struct setup *s = *state;

	s->d->close(s->self);
	nftw(s->top, drop, 16, FTW_DEPTH | FTW_PHYS);
	free(s);
	return 0;
}

static const char *path_of(const struct setup *s, const char *name)
{
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", s->root, name);
	return path;
}

static void make_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int put(struct setup *s, const char *key, const char *text)
{
	return s->d->put(s->self, NULL, key, text, strlen(text), NULL, NULL, &s->err);
}

static int look(struct setup *s, const char *key)
{
	struct stow_stat st;

	return s->d->stat(s->self, NULL, key, &st, &s->err);
}

/* All that a listing shows, joined by spaces. */
static const char *listing(struct setup *s, const char *prefix, uint32_t flags)
{
	static char text[1024];
	struct stow_entry entry;
	void *list = NULL;
	int r;

	text[0] = '\0';
	assert_int_equal(s->d->list_open(s->self, NULL, prefix, NULL, flags, &list, &s->err),
	                 STOW_OK);
	while ((r = s->d->list_next(list, NULL, &entry, &s->err)) == STOW_OK)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
		         text[0] ? " " : "", entry.key);
	assert_int_equal(r, STOW_ENOTFOUND);
	s->d->list_close(list);
	return text;
}

/* How many files lie in the folder for what is unfinished. */
static size_t unfinished(const struct setup *s)
{
	struct slice slice = { 0 };
	int fd = open(path_of(s, TEMP_FOLDER), O_RDONLY | O_DIRECTORY);
	size_t n;

	assert_true(fd >= 0);
	assert_int_equal(slice_fill(&slice, fd, "", "", false, NULL, NULL), 0);
	close(fd);
	n = slice.len;
	slice_done(&slice);
	return n;
}

/* ---- what is no object ---- */

static void symbolic_links_are_not_followed(void **state)
{
	struct setup *s = *state;
	char outside[128];
	char text[8];
	size_t len = 0;
	struct stow_stat st;

	snprintf(outside, sizeof(outside), "%s/outside", s->top);
	assert_int_equal(mkdir(outside, 0777), 0);
	assert_int_equal(symlink(outside, path_of(s, "linked")), 0);
	assert_int_equal(put(s, "linked/escaped", "x"), STOW_EIO);
	assert_non_null(strstr(s->err.message, "symbolic link"));
	assert_int_equal(look(s, "linked/escaped"), STOW_EIO);
	assert_int_equal(s->d->remove(s->self, NULL, "linked/escaped", NULL, &s->err), STOW_EIO);
	snprintf(outside, sizeof(outside), "%s/outside/escaped", s->top);
	assert_false(exists(outside));
	/* a link in the place of an object */
	make_file(outside, "secret");
	assert_int_equal(symlink(outside, path_of(s, "leaf")), 0);
	assert_int_equal(look(s, "leaf"), STOW_ENOTFOUND);
	assert_int_equal(s->d->get(s->self, NULL, "leaf", NULL, text, 8, &len, &st, &s->err),
	                 STOW_ENOTFOUND);
	assert_string_equal(listing(s, "", 0), "");
	assert_string_equal(listing(s, "", STOW_LIST_FOLDERS), "");
	assert_int_equal(put(s, "leaf", "own"), STOW_OK);
	assert_int_equal(s->d->get(s->self, NULL, "leaf", NULL, text, 8, &len, &st, &s->err),
	                 STOW_OK);
	assert_memory_equal(text, "own", 3);
	assert_int_equal(lstat(outside, &(struct stat){ 0 }), 0);
	assert_string_equal(listing(s, "", 0), "leaf");
}

static void pipes_are_no_objects(void **state)
{
	struct setup *s = *state;
	struct stow_stat st;
	char text[8];
	size_t len;

	assert_int_equal(mkfifo(path_of(s, "pipe"), 0666), 0);
	assert_int_equal(look(s, "pipe"), STOW_ENOTFOUND);
	assert_int_equal(s->d->get(s->self, NULL, "pipe", NULL, text, 8, &len, &st, &s->err),
	                 STOW_ENOTFOUND);
	assert_string_equal(listing(s, "", 0), "");
	assert_int_equal(s->d->remove(s->self, NULL, "pipe", NULL, &s->err), STOW_OK);
	assert_true(exists(path_of(s, "pipe")));
}

static void objects_and_folders_do_not_mix(void **state)
{
	struct setup *s = *state;
	struct stow_put create = { .size = sizeof(create), .flags = STOW_PUT_CREATE, .length = -1 };

	assert_int_equal(put(s, "a/b/c", "x"), STOW_OK);
	assert_int_equal(put(s, "a/b", "y"), STOW_EINVAL);
	assert_int_equal(s->d->put(s->self, NULL, "a/b", "y", 1, &create, NULL, &s->err),
	                 STOW_EINVAL);
	assert_int_equal(put(s, "a/b/c/d", "y"), STOW_EINVAL);
	assert_int_equal(put(s, "a/b/c/d/e", "y"), STOW_EINVAL);
	assert_int_equal(look(s, "a/b"), STOW_ENOTFOUND);
	assert_int_equal(look(s, "a/b/c/d"), STOW_ENOTFOUND);
	assert_string_equal(listing(s, "", 0), "a/b/c");
	assert_int_equal(unfinished(s), 0);
}

static void own_folder_is_hidden(void **state)
{
	struct setup *s = *state;
	void *writer = NULL;
	int64_t offset;

	assert_int_equal(s->d->write_open(s->self, NULL, "k", NULL, &writer, &offset, &s->err),
	                 STOW_OK);
	assert_int_equal(unfinished(s), 1);
	assert_string_equal(listing(s, "", 0), "");
	assert_string_equal(listing(s, "", STOW_LIST_FOLDERS), "");
	assert_string_equal(listing(s, ".stowage", STOW_LIST_FOLDERS), "");
	assert_string_equal(listing(s, TEMP_FOLDER "/", 0), "");
	assert_int_equal(put(s, TEMP_FOLDER "/x", "x"), STOW_EINVAL);
	assert_int_equal(put(s, TEMP_FOLDER, "x"), STOW_EINVAL);
	assert_int_equal(put(s, TEMP_FOLDER "-not", "x"), STOW_OK);
	s->d->write_close(writer, NULL);
	assert_int_equal(unfinished(s), 0);
}

static void impossible_prefixes_are_empty(void **state)
{
	struct setup *s = *state;

	assert_int_equal(put(s, "a/b", "x"), STOW_OK);
	make_file(path_of(s, "../outside"), "x");
	assert_string_equal(listing(s, "../", 0), "");
	assert_string_equal(listing(s, "a/../a/", 0), "");
	assert_string_equal(listing(s, "/", 0), "");
	assert_string_equal(listing(s, "a//", 0), "");
	assert_string_equal(listing(s, "./", 0), "");
	assert_string_equal(listing(s, "a/b/", 0), "");
	assert_string_equal(listing(s, "a/", 0), "a/b");
}

/* ---- folders ---- */

static void empty_folders_go_and_are_not_shown(void **state)
{
	struct setup *s = *state;

	assert_int_equal(put(s, "a/b/c/d", "x"), STOW_OK);
	assert_int_equal(put(s, "a/e", "x"), STOW_OK);
	assert_int_equal(s->d->remove(s->self, NULL, "a/b/c/d", NULL, &s->err), STOW_OK);
	assert_false(exists(path_of(s, "a/b")));
	assert_true(exists(path_of(s, "a/e")));
	assert_int_equal(s->d->remove(s->self, NULL, "a/e", NULL, &s->err), STOW_OK);
	assert_false(exists(path_of(s, "a")));
	assert_true(exists(s->root));
	/* what somebody else left empty is no folder of keys */
	assert_int_equal(mkdir(path_of(s, "empty"), 0777), 0);
	assert_int_equal(mkdir(path_of(s, "empty/er"), 0777), 0);
	assert_string_equal(listing(s, "", STOW_LIST_FOLDERS), "");
	assert_int_equal(put(s, "empty/er/x", "x"), STOW_OK);
	assert_string_equal(listing(s, "", STOW_LIST_FOLDERS), "empty/");
}

static void a_failing_put_leaves_no_folders(void **state)
{
	struct setup *s = *state;
	struct stow_put match = { .size = sizeof(match), .length = -1, .if_match = "\"no\"" };

	assert_int_equal(s->d->put(s->self, NULL, "n/e/w", "x", 1, &match, NULL, &s->err),
	                 STOW_ENOTFOUND);
	assert_false(exists(path_of(s, "n")));
	assert_int_equal(unfinished(s), 0);
}

struct racer {
	struct setup *s;
	unsigned me;
	int failed;
	struct stow_error err; /* of the last that failed */
};

/* Fills and empties the same folders as the others, so that they go away under each other. */
static void *fill_and_empty(void *arg)
{
	struct racer *racer = arg;
	struct setup *s = racer->s;
	struct stow_error err = { 0 };
	char key[64];

	snprintf(key, sizeof(key), "r/a/c/e/%u", racer->me);
	for (int i = 0; i < 3000; i++) {
		if (s->d->put(s->self, NULL, key, "x", 1, NULL, NULL, &err) != STOW_OK ||
		    s->d->remove(s->self, NULL, key, NULL, &err) != STOW_OK) {
			racer->failed++;
			error_copy(&racer->err, &err);
		}
	}
	return NULL;
}

static void folders_go_and_come_under_puts(void **state)
{
	struct setup *s = *state;
	struct racer racers[4];
	pthread_t threads[4];

	for (unsigned i = 0; i < 4; i++) {
		racers[i] = (struct racer){ .s = s, .me = i };
		assert_int_equal(thread_start(&threads[i], 0, fill_and_empty, &racers[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < 4; i++) {
		if (racers[i].failed != 0)
			fail_msg("%d failed, the last: %s", racers[i].failed,
			         racers[i].err.message);
	}
	assert_false(exists(path_of(s, "r")));
	assert_int_equal(unfinished(s), 0);
}

static void a_missing_root_is_a_fault(void **state)
{
	struct setup *s = *state;
	char aside[128];
	void *list = NULL;

	assert_int_equal(put(s, "k", "x"), STOW_OK);
	snprintf(aside, sizeof(aside), "%s/aside", s->top);
	assert_int_equal(rename(s->root, aside), 0);
	assert_int_equal(look(s, "k"), STOW_EIO);
	assert_non_null(strstr(s->err.message, s->root));
	assert_int_equal(put(s, "k", "y"), STOW_EIO);
	assert_int_equal(s->d->list_open(s->self, NULL, "", NULL, 0, &list, &s->err), STOW_EIO);
	assert_false(exists(s->root));
	assert_int_equal(rename(aside, s->root), 0);
	assert_int_equal(look(s, "k"), STOW_OK);
}

static void big_folders_come_in_slices(void **state)
{
	enum { FILES = 2 * SLICE_MAX + 17 };
	struct setup *s = *state;
	struct stow_entry entry;
	void *list = NULL;
	char want[32];

	assert_int_equal(put(s, "big/x", "x"), STOW_OK);
	assert_int_equal(s->d->remove(s->self, NULL, "big/x", NULL, &s->err), STOW_OK);
	assert_int_equal(mkdir(path_of(s, "big"), 0777), 0);
	for (int i = 0; i < FILES; i++) {
		char name[32];

		snprintf(name, sizeof(name), "big/%05d", (i * 7919) % FILES);
		make_file(path_of(s, name), "");
	}
	assert_int_equal(s->d->list_open(s->self, NULL, "big/", NULL, 0, &list, &s->err), STOW_OK);
	for (int i = 0; i < FILES; i++) {
		assert_int_equal(s->d->list_next(list, NULL, &entry, &s->err), STOW_OK);
		snprintf(want, sizeof(want), "big/%05d", i);
		assert_string_equal(entry.key, want);
	}
	assert_int_equal(s->d->list_next(list, NULL, &entry, &s->err), STOW_ENOTFOUND);
	s->d->list_close(list);
}

/* Folders, too, once each; and a key that names one begins in it. */
static void big_folders_of_folders(void **state)
{
	enum { FOLDERS = SLICE_MAX + 17 };
	struct setup *s = *state;
	struct stow_entry entry;
	char name[48], want[32];
	void *list = NULL;

	assert_int_equal(mkdir(path_of(s, "big"), 0777), 0);
	for (int i = 0; i < FOLDERS; i++) {
		snprintf(name, sizeof(name), "big/%05d", i);
		assert_int_equal(mkdir(path_of(s, name), 0777), 0);
		snprintf(name, sizeof(name), "big/%05d/x", i);
		make_file(path_of(s, name), "");
	}
	for (int flat = 0; flat < 2; flat++) {
		assert_int_equal(s->d->list_open(s->self, NULL, "big/", NULL,
		                                 flat ? 0 : STOW_LIST_FOLDERS, &list, &s->err),
		                 STOW_OK);
		for (int i = 0; i < FOLDERS; i++) {
			assert_int_equal(s->d->list_next(list, NULL, &entry, &s->err), STOW_OK);
			snprintf(want, sizeof(want), flat ? "big/%05d/x" : "big/%05d/", i);
			assert_string_equal(entry.key, want);
		}
		assert_int_equal(s->d->list_next(list, NULL, &entry, &s->err), STOW_ENOTFOUND);
		s->d->list_close(list);
	}
	assert_int_equal(s->d->list_open(s->self, NULL, "big/", "big/04100/", 0, &list, &s->err),
	                 STOW_OK);
	assert_int_equal(s->d->list_next(list, NULL, &entry, &s->err), STOW_OK);
	assert_string_equal(entry.key, "big/04100/x");
	s->d->list_close(list);
}

/* ---- modes, copies ---- */

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static void modes_are_by_umask(void **state)
{
	struct setup *s = *state;
	struct stow_put private = { .size = sizeof(private),
		                    .flags = STOW_PUT_PRIVATE,
		                    .length = -1 };
	mode_t before = umask(027);
	void *writer = NULL;
	int64_t offset;

	assert_int_equal(put(s, "m/open", "x"), STOW_OK);
	assert_int_equal(s->d->put(s->self, NULL, "m/private", "x", 1, &private, NULL, &s->err),
	                 STOW_OK);
	assert_int_equal(
		s->d->write_open(s->self, NULL, "m/written", NULL, &writer, &offset, &s->err),
		STOW_OK);
	assert_int_equal(s->d->write_commit(writer, NULL, NULL, &s->err), STOW_OK);
	s->d->write_close(writer, NULL);
	assert_int_equal(s->d->copy(s->self, NULL, "m/open", NULL, "m/kept", &private, &s->err),
	                 STOW_OK);
	umask(before);
	assert_int_equal(mode_of(path_of(s, "m")), 0750);
	assert_int_equal(mode_of(path_of(s, "m/open")), 0640);
	assert_int_equal(mode_of(path_of(s, "m/written")), 0640);
	assert_int_equal(mode_of(path_of(s, "m/private")), 0600);
	assert_int_equal(mode_of(path_of(s, "m/kept")), 0600);
}

static void a_copy_onto_itself_and_its_twin(void **state)
{
	struct setup *s = *state;
	struct stow_stat one;
	struct stow_stat two;

	assert_int_equal(put(s, "a", "x"), STOW_OK);
	assert_int_equal(s->d->copy(s->self, NULL, "a", NULL, "a", NULL, &s->err), STOW_OK);
	assert_int_equal(s->d->copy(s->self, NULL, "a", NULL, "b", NULL, &s->err), STOW_OK);
	assert_int_equal(s->d->copy(s->self, NULL, "a", NULL, "b", NULL, &s->err), STOW_OK);
	assert_int_equal(unfinished(s), 0);
	assert_string_equal(listing(s, "", 0), "a b");
	assert_int_equal(put(s, "a", "other"), STOW_OK);
	assert_int_equal(s->d->stat(s->self, NULL, "a", &one, &s->err), STOW_OK);
	assert_int_equal(s->d->stat(s->self, NULL, "b", &two, &s->err), STOW_OK);
	assert_int_equal(one.size, 5);
	assert_int_equal(two.size, 1);
}

static int64_t test_clock(void *arg)
{
	(void)arg;
	return INT64_C(1700000000123456789);
}

/* Stamped to the nanosecond: the kernel's own stamp could be that of the version before. */
static void times_are_stamped_by_the_hosts_clock(void **state)
{
	struct setup *s = *state;
	const struct stow_host host = { .size = sizeof(host), .now_ns = test_clock };
	struct stow_kv kv[] = { { "rootdirectory", s->root } };
	struct stow_stat st;
	void *self = NULL;

	assert_int_equal(s->d->open(&host, kv, 1, &self, &s->err), STOW_OK);
	assert_int_equal(s->d->put(self, NULL, "t", "x", 1, NULL, NULL, &s->err), STOW_OK);
	assert_int_equal(s->d->stat(self, NULL, "t", &st, &s->err), STOW_OK);
	s->d->close(self);
	assert_true(st.mtime_ns == test_clock(NULL));
}

/* ---- leftovers ---- */

static void age(const char *path, time_t seconds)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		                     { .tv_sec = time(NULL) - seconds } };

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void a_folder_is_made_by_the_first_call(void **state)
{
	struct setup *s = *state;
	struct stow_stat st;
	char root[96];
	void *self;

	snprintf(root, sizeof(root), "%s/another/root", s->top);
	self = open_store(s->d, root, "24h");
	assert_false(exists(root));
	assert_int_equal(s->d->stat(self, NULL, "k", &st, &s->err), STOW_ENOTFOUND);
	assert_true(exists(root));
	s->d->close(self);
}

static void leftovers_are_swept_by_age(void **state)
{
	struct setup *s = *state;
	char parked[512];
	char name[128];
	char stem[TEMP_NAME_MAX];
	size_t len;
	void *writer = NULL;
	void *other;
	int64_t offset;
	struct stow_put resume = { .size = sizeof(resume), .flags = STOW_PUT_RESUME, .length = -1 };

	assert_int_equal(put(s, "k", "x"), STOW_OK);
	/* a parked write, old */
	assert_int_equal(s->d->write_open(s->self, NULL, "parked", NULL, &writer, &offset, &s->err),
	                 STOW_OK);
	assert_int_equal(s->d->write(writer, NULL, "abc", 3, &s->err), STOW_OK);
	assert_int_equal(s->d->write_park(writer, NULL, parked, sizeof(parked), &len, &s->err),
	                 STOW_OK);
	s->d->write_close(writer, NULL);
	/* leftovers, old and young, and a file that is not ours */
	temp_stem("crashed", stem);
	snprintf(name, sizeof(name), TEMP_FOLDER "/%s-0123456789abcdef", stem);
	make_file(path_of(s, name), "abc");
	age(path_of(s, name), 90000);
	make_file(path_of(s, TEMP_FOLDER "/p-0123456789abcdef"), "abc");
	age(path_of(s, TEMP_FOLDER "/p-0123456789abcdef"), 90000);
	make_file(path_of(s, TEMP_FOLDER "/p-fedcba9876543210"), "abc");
	make_file(path_of(s, TEMP_FOLDER "/README"), "abc");
	age(path_of(s, TEMP_FOLDER "/README"), 90000);
	assert_int_equal(unfinished(s), 6);
	other = open_store(s->d, s->root, "24h");
	assert_int_equal(unfinished(s), 6);
	assert_int_equal(s->d->check(other, NULL, &s->err), STOW_OK);
	s->d->close(other);
	assert_int_equal(unfinished(s), 4);
	assert_false(exists(path_of(s, name)));
	assert_true(exists(path_of(s, TEMP_FOLDER "/p-fedcba9876543210")));
	assert_true(exists(path_of(s, TEMP_FOLDER "/README")));
	assert_int_equal(
		s->d->write_open(s->self, NULL, "parked", &resume, &writer, &offset, &s->err),
		STOW_OK);
	assert_int_equal(offset, 3);
	s->d->write_close(writer, NULL);
	assert_int_equal(unfinished(s), 2);
}

static void a_writer_at_work_is_left_alone(void **state)
{
	struct setup *s = *state;
	struct stow_put resume = { .size = sizeof(resume), .flags = STOW_PUT_RESUME, .length = -1 };
	void *writer = NULL;
	void *second = NULL;
	int64_t offset;
	void *other;

	assert_int_equal(s->d->write_open(s->self, NULL, "k", NULL, &writer, &offset, &s->err),
	                 STOW_OK);
	assert_int_equal(s->d->write(writer, NULL, "abc", 3, &s->err), STOW_OK);
	/* neither swept, however old it looks, nor gone on with by another */
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	other = open_store(s->d, s->root, "0s");
	assert_int_equal(s->d->write_open(other, NULL, "k", &resume, &second, &offset, &s->err),
	                 STOW_EBUSY);
	s->d->close(other);
	assert_int_equal(s->d->write_commit(writer, NULL, NULL, &s->err), STOW_OK);
	s->d->write_close(writer, NULL);
	assert_string_equal(listing(s, "", 0), "k");
}

static void what_crashed_can_be_gone_on_with(void **state)
{
	struct setup *s = *state;
	struct stow_put resume = { .size = sizeof(resume), .flags = STOW_PUT_RESUME, .length = -1 };
	char stem[TEMP_NAME_MAX];
	char name[128];
	void *writer = NULL;
	int64_t offset = -1;
	struct stow_stat st;

	assert_int_equal(put(s, "x", "x"), STOW_OK);
	temp_stem("k", stem);
	snprintf(name, sizeof(name), TEMP_FOLDER "/%s-0123456789abcdef", stem);
	make_file(path_of(s, name), "abcd");
	assert_int_equal(s->d->write_open(s->self, NULL, "k", &resume, &writer, &offset, &s->err),
	                 STOW_OK);
	assert_int_equal(offset, 4);
	assert_int_equal(s->d->write(writer, NULL, "e", 1, &s->err), STOW_OK);
	assert_int_equal(s->d->write_commit(writer, NULL, &st, &s->err), STOW_OK);
	s->d->write_close(writer, NULL);
	assert_int_equal(st.size, 5);
	assert_int_equal(unfinished(s), 0);
}

/* ---- no room ---- */

static void no_room_leaves_nothing(void **state)
{
	struct setup *s = *state;
	struct rlimit before;
	struct rlimit small;
	static char data[100000];
	void *writer = NULL;
	int64_t offset;
	int r;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 50000;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(put(s, "there", "x"), STOW_OK);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	r = s->d->put(s->self, NULL, "f/u/ll", data, sizeof(data), NULL, NULL, &s->err);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(r, STOW_EIO);
	assert_non_null(strstr(s->err.message, "f/u/ll"));
	assert_false(exists(path_of(s, "f")));
	assert_int_equal(unfinished(s), 0);
	assert_int_equal(s->d->write_open(s->self, NULL, "full", NULL, &writer, &offset, &s->err),
	                 STOW_OK);
	setrlimit(RLIMIT_FSIZE, &small);
	r = s->d->write(writer, NULL, data, sizeof(data), &s->err);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(r, STOW_EIO);
	assert_int_equal(s->d->write_commit(writer, NULL, NULL, &s->err), STOW_EINVAL);
	s->d->write_close(writer, NULL);
	assert_int_equal(unfinished(s), 0);
	assert_string_equal(listing(s, "", 0), "there");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(symbolic_links_are_not_followed),
		TEST(pipes_are_no_objects),
		TEST(objects_and_folders_do_not_mix),
		TEST(own_folder_is_hidden),
		TEST(impossible_prefixes_are_empty),
		TEST(empty_folders_go_and_are_not_shown),
		TEST(a_failing_put_leaves_no_folders),
		TEST(folders_go_and_come_under_puts),
		TEST(a_missing_root_is_a_fault),
		TEST(big_folders_come_in_slices),
		TEST(big_folders_of_folders),
		TEST(modes_are_by_umask),
		TEST(a_copy_onto_itself_and_its_twin),
		TEST(times_are_stamped_by_the_hosts_clock),
		TEST(a_folder_is_made_by_the_first_call),
		TEST(leftovers_are_swept_by_age),
		TEST(a_writer_at_work_is_left_alone),
		TEST(what_crashed_can_be_gone_on_with),
		TEST(no_room_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
