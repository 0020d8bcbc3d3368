/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings: order, folders, cursors, changes meanwhile.
 * It must not expect ETags in a listing, nor one page size.
 */
#include "common/thread.h"
#include "tests/driver/contract.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Does the listing give exactly these texts? Folders are those that end with '/'. */
static bool list_is(const char *prefix, const char *after, uint32_t flags, char *const *want,
                    size_t n)
{
	struct stow_entry entry;
	void *list = NULL;
	size_t i = 0;
	int r = C.driver->list_open(C.self, NULL, prefix, after, flags, &list, &E);
	bool ok = check_status(r, STOW_OK, __FILE__, __LINE__, "list_open");

	if (!ok)
		return false;
	while (ok && (r = C.driver->list_next(list, NULL, &entry, &E)) == STOW_OK) {
		size_t len = strlen(entry.key);
		bool is_folder = len > 0 && entry.key[len - 1] == '/';

		ok = check(i < n, __FILE__, __LINE__, "%s is one too many", entry.key) &&
		     check(strcmp(entry.key, want[i]) == 0, __FILE__, __LINE__,
		           "entry %zu of %s after %s is %s, not %s", i, prefix,
		           after ? after : "nothing", entry.key, want[i]) &&
		     check(is_folder == (entry.is_folder != 0), __FILE__, __LINE__,
		           "%s: is_folder is %u", entry.key, entry.is_folder) &&
		     check(entry.etag != NULL, __FILE__, __LINE__, "no etag") &&
		     check(is_folder ? entry.size == 0 && entry.mtime_ns == 0
		                     : entry.size == 1 && entry.mtime_ns > 0,
		           __FILE__, __LINE__, "%s: size or time", entry.key);
		i++;
	}
	ok = ok && check_status(r, STOW_ENOTFOUND, __FILE__, __LINE__, "the end of the list") &&
	     check(i == n, __FILE__, __LINE__, "%s after %s: %zu entries, not %zu", prefix,
	           after ? after : "nothing", i, n);
	C.driver->list_close(list);
	return ok;
}

static void case_around_the_slash(void)
{
	const char *names[] = { "a-b", "a.b/c", "a/b", "a0", "a/b0", "a/b-", "a", NULL };
	/* a is left out: it would be a folder, too */
	char *flat[8];
	char *folders[8];
	size_t n = 0;
	static const char *const sorted[] = { "a-b", "a.b/c", "a/b", "a/b-", "a/b0", "a0" };
	static const char *const grouped[] = { "a-b", "a.b/", "a/", "a0" };

	for (size_t i = 0; strcmp(names[i], "a") != 0; i++)
		OK(C.driver->put(C.self, NULL, key_of("%s", names[i]), "x", 1, NULL, NULL, &E));
	for (n = 0; n < 6; n++)
		flat[n] = strdup(key_of("%s", sorted[n]));
	for (n = 0; n < 4; n++)
		folders[n] = strdup(key_of("%s", grouped[n]));
	CHECK(list_is(C.prefix, NULL, 0, flat, 6));
	CHECK(list_is(C.prefix, "", 0, flat, 6));
	CHECK(list_is(key_of("a"), NULL, 0, flat, 6));
	CHECK(list_is(key_of("a."), NULL, 0, flat + 1, 1));
	CHECK(list_is(key_of("a/"), NULL, 0, flat + 2, 3));
	CHECK(list_is(key_of("a/b"), NULL, 0, flat + 2, 3));
	CHECK(list_is(key_of("b"), NULL, 0, NULL, 0));
	CHECK(list_is(key_of("a/b/"), NULL, 0, NULL, 0));
	CHECK(list_is(key_of("none/such/"), NULL, STOW_LIST_FOLDERS, NULL, 0));
	CHECK(list_is(C.prefix, NULL, STOW_LIST_FOLDERS, folders, 4));
	CHECK(list_is(key_of("a"), NULL, STOW_LIST_FOLDERS, folders, 4));
	CHECK(list_is(key_of("a/"), NULL, STOW_LIST_FOLDERS, flat + 2, 3));
	/* cursors */
	for (size_t i = 0; i < 6; i++)
		CHECK(list_is(C.prefix, flat[i], 0, flat + i + 1, 5 - i));
	for (size_t i = 0; i < 4; i++)
		CHECK(list_is(C.prefix, folders[i], STOW_LIST_FOLDERS, folders + i + 1, 3 - i));
	CHECK(list_is(C.prefix, key_of("a/"), 0, flat + 2, 4));
	CHECK(list_is(C.prefix, key_of("a/b"), STOW_LIST_FOLDERS, folders + 3, 1));
	CHECK(list_is(C.prefix, key_of("a."), STOW_LIST_FOLDERS, folders + 1, 3));
	CHECK(list_is(C.prefix, key_of("b"), 0, NULL, 0));
	CHECK(list_is(C.prefix, "!", 0, flat, 6));
	CHECK(list_is(key_of("a/"), key_of("a-"), 0, flat + 2, 3));
	CHECK(list_is(key_of("a/"), key_of("a0"), 0, NULL, 0));
	/* nothing is left of what is removed */
	for (n = 0; n < 6; n++) {
		OK(remove_key(flat[n]));
		free(flat[n]);
	}
	for (n = 0; n < 4; n++)
		free(folders[n]);
	CHECK(list_is(C.prefix, NULL, STOW_LIST_FOLDERS, NULL, 0));
}

/* ---- 2,500 keys ---- */

enum { KEYS = 2500, FOLDERS = 25, MAKERS = 8 };

static char *keys[KEYS];
static bool maker_failed;

static void *make_keys(void *arg)
{
	size_t first = (size_t)(uintptr_t)arg;

	for (size_t i = first; i < KEYS; i += MAKERS)
		if (C.driver->put(C.self, NULL, keys[i], "x", 1, NULL, NULL, &E) != STOW_OK)
			__atomic_store_n(&maker_failed, true, __ATOMIC_RELAXED);
	return NULL;
}

static void *remove_keys(void *arg)
{
	size_t first = (size_t)(uintptr_t)arg;

	for (size_t i = first; i < KEYS; i += MAKERS)
		if (remove_key(keys[i]) != STOW_OK)
			__atomic_store_n(&maker_failed, true, __ATOMIC_RELAXED);
	return NULL;
}

static bool with_threads(void *(*run)(void *))
{
	pthread_t threads[MAKERS];

	maker_failed = false;
	for (size_t i = 0; i < MAKERS; i++)
		if (thread_start(&threads[i], 0, run, (void *)(uintptr_t)i) != 0)
			abort();
	for (size_t i = 0; i < MAKERS; i++)
		pthread_join(threads[i], NULL);
	return !maker_failed;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Every 50th key lies above the folders, at a name that sorts between them. */
static void name_keys(void)
{
	for (size_t i = 0; i < KEYS; i++)
		keys[i] = strdup(i % 50 == 49 ? key_of("l/%02zu-%04zu", i / 50 % FOLDERS, i)
		                              : key_of("l/%02zu/k%04zu", i % FOLDERS, i));
}

static size_t first_after(char *const *list, size_t n, const char *after)
{
	size_t i = 0;

	while (i < n && strcmp(list[i], after) <= 0)
		i++;
	return i;
}

/* What STOW_LIST_FOLDERS makes of the sorted keys. */
static size_t group_keys(char **ret)
{
	size_t skip_len = strlen(key_of("l/"));
	size_t n = 0;

	for (size_t i = 0; i < KEYS; i++) {
		const char *slash = strchr(keys[i] + skip_len, '/');
		char *text = slash ? strndup(keys[i], (size_t)(slash - keys[i]) + 1)
		                   : strdup(keys[i]);

		if (n > 0 && strcmp(ret[n - 1], text) == 0)
			free(text);
		else
			ret[n++] = text;
	}
	return n;
}

static void list_many(char **grouped, size_t groups)
{
	const char *prefix = key_of("l/");
	const char *afters[] = {
		"l/", "l/12", "l/12/", "l/12/k", "l/12-9", "l/24/k9999", "l/0", "m"
	};
	char *middle = keys[KEYS / 2];

	CHECK(list_is(prefix, NULL, 0, keys, KEYS));
	CHECK(list_is(prefix, NULL, STOW_LIST_FOLDERS, grouped, groups));
	CHECK(list_is(prefix, middle, 0, keys + KEYS / 2 + 1, KEYS - KEYS / 2 - 1));
	for (size_t i = 0; i < sizeof(afters) / sizeof(afters[0]); i++) {
		const char *after = key_of("%s", afters[i]);
		size_t flat = first_after(keys, KEYS, after);
		size_t group = first_after(grouped, groups, after);

		CHECK(list_is(prefix, after, 0, keys + flat, KEYS - flat));
		CHECK(list_is(prefix, after, STOW_LIST_FOLDERS, grouped + group, groups - group));
	}
}

static void case_many_keys(void)
{
	char **grouped = calloc(KEYS, sizeof(*grouped));
	size_t groups = 0;
	bool made;

	name_keys();
	qsort(keys, KEYS, sizeof(keys[0]), compare);
	made = with_threads(make_keys);
	check(made, __FILE__, __LINE__, "not all keys could be put");
	if (made && grouped) {
		groups = group_keys(grouped);
		list_many(grouped, groups);
	}
	check(with_threads(remove_keys), __FILE__, __LINE__, "not all keys could be removed");
	check(list_count(key_of("l/")) == 0, __FILE__, __LINE__, "keys are left");
	for (size_t i = 0; i < KEYS; i++)
		free(keys[i]);
	for (size_t i = 0; grouped && i < groups; i++)
		free(grouped[i]);
	free(grouped);
}

/* ---- a listing while keys come and go ---- */

static void case_changes_meanwhile(void)
{
	struct stow_entry entry;
	void *list = NULL;
	char last[STOW_KEY_MAX + 1] = "";
	int lasting = 0;
	int r;

	for (int i = 0; i < 60; i++)
		OK(put_text(key_of("c/%02d/%s", i, i % 3 ? "goes" : "stays"), "x"));
	OK(C.driver->list_open(C.self, NULL, key_of("c/"), NULL, 0, &list, &E));
	for (int seen = 0; (r = C.driver->list_next(list, NULL, &entry, &E)) == STOW_OK; seen++) {
		CHECK_TEXT(strcmp(entry.key, last) > 0, "%s comes after %s", entry.key, last);
		snprintf(last, sizeof(last), "%s", entry.key);
		if (strstr(entry.key, "stays"))
			lasting++;
		if (seen < 60)
			OK(put_text(key_of("c/%02d/a-new-one", 59 - seen), "x"));
		for (int i = 0; seen == 5 && i < 60; i++)
			if (i % 3)
				OK(remove_key(key_of("c/%02d/goes", i)));
	}
	C.driver->list_close(list);
	WANT(STOW_ENOTFOUND, r);
	CHECK_TEXT(lasting == 20, "%d of the 20 keys that were there throughout", lasting);
	for (int i = 0; i < 60; i++) {
		OK(remove_key(key_of("c/%02d/stays", i)));
		OK(remove_key(key_of("c/%02d/a-new-one", i)));
	}
	CHECK(list_count(key_of("c/")) == 0);
}

const struct contract_case list_cases[] = {
	{ "keys around the slash in order", case_around_the_slash },
	{ "2,500 keys in order, with folders and cursors", case_many_keys },
	{ "a listing while keys come and go", case_changes_meanwhile },
	{ NULL, NULL },
};
