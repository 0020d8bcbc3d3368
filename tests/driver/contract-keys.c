/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys: odd but allowed ones, and those outside the grammar.
 * It must not expect a store to refuse what --loose-keys leaves to it.
 */
#include "tests/driver/contract.h"

#include <stdlib.h>
#include <string.h>

/* A component of len bytes; one of two buffers. */
static const char *long_component(size_t len, char c)
{
	static char text[2][1100];
	static unsigned next;
	char *one = text[next++ % 2];

	memset(one, c, len);
	one[len] = '\0';
	return one;
}

/* Put, stat, read, list, copy, remove of one key, which is seen as exactly that. */
static void one_key(const char *key)
{
	struct stow_stat stat;
	struct stow_entry entry;
	void *list = NULL;

	OK(C.driver->put(C.self, NULL, key, key, strlen(key), NULL, NULL, &E));
	OK(C.driver->stat(C.self, NULL, key, &stat, &E));
	CHECK(stat.size == (int64_t)strlen(key));
	CHECK(text_is(key, key));
	OK(C.driver->list_open(C.self, NULL, key, NULL, 0, &list, &E));
	if (!check_status(C.driver->list_next(list, NULL, &entry, &E), STOW_OK, __FILE__, __LINE__,
	                  "list_next") ||
	    !check(strcmp(entry.key, key) == 0, __FILE__, __LINE__, "listed as %s, not %s",
	           entry.key, key)) {
		C.driver->list_close(list);
		return;
	}
	CHECK(entry.size == stat.size && !entry.is_folder);
	WANT(STOW_ENOTFOUND, C.driver->list_next(list, NULL, &entry, &E));
	C.driver->list_close(list);
	if (C.driver->copy) {
		const char *copy = key_of("copied");

		OK(C.driver->copy(C.self, NULL, key, NULL, copy, NULL, &E));
		CHECK(text_is(copy, key));
		OK(remove_key(copy));
	}
	/* as a cursor, it is passed */
	OK(C.driver->list_open(C.self, NULL, C.prefix, key, 0, &list, &E));
	WANT(STOW_ENOTFOUND, C.driver->list_next(list, NULL, &entry, &E));
	C.driver->list_close(list);
	OK(remove_key(key));
	CHECK(is_absent(key));
}

/* There are stores that cannot find a path with a control character in it. */
static bool takes(const char *key)
{
	return put_text(key, "control") == STOW_OK;
}

static void case_odd_keys(void)
{
	static const char *const odd[] = {
		"a space",
		" leading and trailing ",
		"pl+us",
		"ti~lde",
		"per%cent",
		"literal%2Fslash",
		"%00",
		"ha#sh",
		"quest?ion=1&x",
		"am&per;sand",
		"single'quote",
		"double\"quote",
		"back\\slash",
		"tab\there",
		"line\nend",
		"gr\xc3\xbc\xc3\x9f-\xe6\xbc\xa2\xe5\xad\x97",
		"\xf0\x9f\x90\xb3",
		"...",
		"..a",
		"a..",
		".hidden",
		"-dash",
		"<angle>",
		"a:b@c=d,e",
		"(par){brace}[bracket]",
		"st*r",
		"pipe|caret^tick`",
		"$dollar!",
		"trailing.",
		"CON",
		"a b/c d/e+f/%41",
	};

	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		const char *key = key_of("%s", odd[i]);

		if (C.loose_keys && strpbrk(key, "\t\n") && !takes(key)) {
			printf("# the store refuses the key with a %s in it\n",
			       strchr(key, '\n') ? "line end" : "tab");
			continue;
		}
		one_key(key);
	}
}

static void case_long_keys(void)
{
	char key[STOW_KEY_MAX + 1];
	size_t len;

	one_key(key_of("%s", long_component(STOW_KEY_COMPONENT_MAX, 'x')));
	/* 900 bytes, in components of 99 */
	memcpy(key, C.prefix, strlen(C.prefix));
	for (len = strlen(C.prefix); len < 900; len++)
		key[len] = len % 100 == 50 ? '/' : 'k';
	key[len] = '\0';
	one_key(key);
}

static void case_longest_key(void)
{
	char key[STOW_KEY_MAX + 1];
	size_t len;

	if (C.loose_keys) {
		skip("how long a key may be is the store's business");
		return;
	}
	memcpy(key, C.prefix, strlen(C.prefix));
	for (len = strlen(C.prefix); len < STOW_KEY_MAX; len++)
		key[len] = len % 2 == 0 ? '/' : 'k';
	if (key[STOW_KEY_MAX - 1] == '/')
		key[STOW_KEY_MAX - 1] = 'k';
	for (size_t i = strlen(C.prefix); i + 1 < STOW_KEY_MAX; i++)
		if (key[i] == '/' && (key[i + 1] == '/' || key[i - 1] == '/'))
			key[i] = 'k';
	key[len] = '\0';
	one_key(key);
}

static void refuse(const char *key)
{
	struct stow_stat stat;
	void *handle = NULL;
	char buf[8];
	size_t n;
	int64_t offset;

	WANT(STOW_EINVAL, C.driver->stat(C.self, NULL, key, &stat, &E));
	WANT(STOW_EINVAL, C.driver->get(C.self, NULL, key, NULL, buf, 8, &n, &stat, &E));
	WANT(STOW_EINVAL, C.driver->put(C.self, NULL, key, "x", 1, NULL, NULL, &E));
	WANT(STOW_EINVAL, C.driver->remove(C.self, NULL, key, NULL, &E));
	WANT(STOW_EINVAL, C.driver->read_open(C.self, NULL, key, NULL, 0, -1, &handle, &stat, &E));
	WANT(STOW_EINVAL, C.driver->write_open(C.self, NULL, key, NULL, &handle, &offset, &E));
	if (C.driver->copy) {
		WANT(STOW_EINVAL, C.driver->copy(C.self, NULL, key, NULL, key_of("to"), NULL, &E));
		WANT(STOW_EINVAL,
		     C.driver->copy(C.self, NULL, key_of("from"), NULL, key, NULL, &E));
	}
}

static void case_invalid_keys(void)
{
	char key[STOW_KEY_MAX + 2];

	if (C.loose_keys) {
		skip("keys outside the grammar are the store's business");
		return;
	}
	refuse("");
	refuse("/");
	refuse("/leading");
	refuse(key_of("trailing/"));
	refuse(key_of("dou//ble"));
	refuse(".");
	refuse("..");
	refuse("../escape");
	refuse(key_of("."));
	refuse(key_of(".."));
	refuse(key_of("./a"));
	refuse(key_of("a/../b"));
	refuse(key_of("a/."));
	refuse(key_of("%s", long_component(STOW_KEY_COMPONENT_MAX + 1, 'x')));
	refuse(key_of("a/%s/b", long_component(STOW_KEY_COMPONENT_MAX + 1, 'x')));
	memset(key, 'k', sizeof(key));
	for (size_t i = 100; i < sizeof(key) - 2; i += 100)
		key[i] = '/';
	key[STOW_KEY_MAX + 1] = '\0';
	refuse(key);
	CHECK(list_count(C.prefix) == 0);
}

const struct contract_case key_cases[] = {
	{ "odd keys", case_odd_keys },
	{ "a component of 255 bytes, a key of 900", case_long_keys },
	{ "a key of 1,024 bytes", case_longest_key },
	{ "invalid keys are refused", case_invalid_keys },
	{ NULL, NULL },
};
