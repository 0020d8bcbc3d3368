/* SPDX-License-Identifier: Apache-2.0 */
/*
 * contract DRIVER.so [--caps] [--part BYTES] [--loose-keys] [--verbose] [--only WORD] [KEY=VALUE ...]
 * holds any driver to include/stowage/driver.h, through the ABI alone. It must not know which
 * driver it runs over: what differs is in the driver's caps and the arguments.
 */
#include "tests/driver/contract.h"

#include "common/hash.h"
#include "common/option.h"
#include "common/text.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct contract C;
_Thread_local struct stow_error E;

static struct {
	int number;
	int failed;
	bool this_failed; /* atomic: threads of a case may fail it */
	char skipped[200];
} run;

/* ---- TAP ---- */

bool check(bool ok, const char *file, int line, const char *fmt, ...)
{
	char text[900];
	va_list ap;

	if (ok)
		return true;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	printf("# %s:%d: %s\n", file, line, text);
	__atomic_store_n(&run.this_failed, true, __ATOMIC_RELAXED);
	return false;
}

const char *status_name(int status)
{
	static const char *const names[] = {
		"OK",      "ENOTFOUND", "EEXIST",   "ECHANGED",  "EINVAL",   "ERANGE", "EDENIED",
		"ENOTSUP", "EBUSY",     "ETIMEOUT", "ECANCELED", "ECORRUPT", "EIO",    "ENOMEM",
	};

	return status <= 0 && status > -(int)(sizeof(names) / sizeof(names[0])) ? names[-status]
	                                                                        : "no status";
}

bool check_status(int got, int want, const char *file, int line, const char *what)
{
	return check(got == want, file, line, "%s is %s, not %s%s%s", what, status_name(got),
	             status_name(want), got == STOW_OK ? "" : ": ",
	             got == STOW_OK ? "" : E.message);
}

void skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(run.skipped, sizeof(run.skipped), fmt, ap);
	va_end(ap);
}

static void run_cases(const struct contract_case *cases, const char *only)
{
	for (; cases->name; cases++) {
		if (only && !strstr(cases->name, only))
			continue;
		run.this_failed = false;
		run.skipped[0] = '\0';
		memset(&E, 0, sizeof(E));
		cases->run();
		run.number++;
		if (run.this_failed) {
			run.failed++;
			printf("not ok %d - %s\n", run.number, cases->name);
		} else if (run.skipped[0]) {
			printf("ok %d - %s # SKIP %s\n", run.number, cases->name, run.skipped);
		} else {
			printf("ok %d - %s\n", run.number, cases->name);
		}
		fflush(stdout);
	}
}

/* ---- keys and bytes ---- */

const char *key_of(const char *fmt, ...)
{
	static _Thread_local char buffers[16][STOW_KEY_MAX + 64];
	static _Thread_local unsigned next;
	char *buffer = buffers[next++ % 16];
	size_t len = strlen(C.prefix);
	va_list ap;

	memcpy(buffer, C.prefix, len);
	va_start(ap, fmt);
	vsnprintf(buffer + len, sizeof(buffers[0]) - len, fmt, ap);
	va_end(ap);
	return buffer;
}

/* The eight bytes that the one at i is among, as they lie in memory. */
static uint64_t pattern_word(int64_t i, uint32_t seed)
{
	uint64_t x = ((uint64_t)i >> 3) * UINT64_C(0x9e3779b97f4a7c15) + seed;

	x ^= x >> 29;
	return x * UINT64_C(0xbf58476d1ce4e5b9);
}

/* How many of len bytes from i on are in one such word. */
static size_t in_word(int64_t i, size_t len)
{
	size_t n = 8 - ((size_t)i & 7);

	return n < len ? n : len;
}

void pattern_fill(void *buf, int64_t offset, size_t len, uint32_t seed)
{
	uint8_t *p = buf;

	for (size_t n; len; p += n, offset += (int64_t)n, len -= n) {
		uint64_t word = pattern_word(offset, seed);

		n = in_word(offset, len);
		if (n == sizeof(word))
			memcpy(p, &word, sizeof(word)); /* of a length that the compiler sees */
		else
			memcpy(p, (const uint8_t *)&word + (offset & 7), n);
	}
}

bool pattern_is(const void *buf, int64_t offset, size_t len, uint32_t seed)
{
	const uint8_t *p = buf;

	for (size_t n; len; p += n, offset += (int64_t)n, len -= n) {
		uint64_t word = pattern_word(offset, seed), is = word;

		n = in_word(offset, len);
		if (n == sizeof(word))
			memcpy(&is, p, sizeof(is));
		if (is != word ||
		    (n < sizeof(word) && memcmp(p, (const uint8_t *)&word + (offset & 7), n) != 0))
			return false;
	}
	return true;
}

void pattern_sha256(int64_t len, uint32_t seed, uint8_t ret[32])
{
	static uint8_t buf[65536];
	struct hash hash;

	hash_init(&hash, HASH_SHA256);
	for (int64_t at = 0; at < len;) {
		size_t n = len - at < (int64_t)sizeof(buf) ? (size_t)(len - at) : sizeof(buf);

		pattern_fill(buf, at, n, seed);
		hash_update(&hash, buf, n);
		at += (int64_t)n;
	}
	hash_final(&hash, ret);
}

int write_pattern(void *writer, int64_t from, int64_t to, uint32_t seed, size_t step)
{
	char *buf = malloc(step);
	int r = STOW_OK;

	if (!buf)
		return STOW_ENOMEM;
	while (from < to && r == STOW_OK) {
		size_t n = to - from < (int64_t)step ? (size_t)(to - from) : step;

		pattern_fill(buf, from, n, seed);
		r = C.driver->write(writer, NULL, buf, n, &E);
		from += (int64_t)n;
	}
	free(buf);
	return r;
}

int put_pattern(const char *key, int64_t len, uint32_t seed, size_t step)
{
	void *writer = NULL;
	int64_t offset = -1;
	int r = C.driver->write_open(C.self, NULL, key, NULL, &writer, &offset, &E);

	if (r != STOW_OK)
		return r;
	r = write_pattern(writer, 0, len, seed, step);
	if (r == STOW_OK)
		r = C.driver->write_commit(writer, NULL, NULL, &E);
	C.driver->write_close(writer, NULL);
	return r;
}

bool reader_is(void *reader, int64_t offset, int64_t len, uint32_t seed)
{
	static _Thread_local char buf[256 * 1024];
	int64_t at = 0;

	for (;;) {
		size_t n = SIZE_MAX;
		int r = C.driver->read(reader, NULL, buf, sizeof(buf), &n, &E);

		if (!check_status(r, STOW_OK, __FILE__, __LINE__, "read"))
			return false;
		if (n == 0)
			break;
		if (!check(n <= sizeof(buf), __FILE__, __LINE__, "read gave more than asked") ||
		    !check(at + (int64_t)n <= len, __FILE__, __LINE__,
		           "more than %" PRId64 " bytes", len) ||
		    !check(pattern_is(buf, offset + at, n, seed), __FILE__, __LINE__,
		           "other bytes at %" PRId64, offset + at))
			return false;
		at += (int64_t)n;
	}
	return check(at == len, __FILE__, __LINE__, "%" PRId64 " bytes, not %" PRId64, at, len);
}

bool object_is(const char *key, int64_t len, uint32_t seed)
{
	struct stow_stat stat;
	void *reader = NULL;
	int r = C.driver->read_open(C.self, NULL, key, NULL, 0, -1, &reader, &stat, &E);
	bool is;

	if (!check_status(r, STOW_OK, __FILE__, __LINE__, "read_open"))
		return false;
	is = check(stat.size == len, __FILE__, __LINE__, "size %" PRId64 ", not %" PRId64,
	           stat.size, len) &&
	     reader_is(reader, 0, len, seed);
	C.driver->read_close(reader);
	return is;
}

bool is_absent(const char *key)
{
	struct stow_stat stat;
	int r = C.driver->stat(C.self, NULL, key, &stat, &E);

	return check(r == STOW_ENOTFOUND, __FILE__, __LINE__, "stat of %s is %s, not ENOTFOUND",
	             key, status_name(r));
}

int put_text(const char *key, const char *text)
{
	return C.driver->put(C.self, NULL, key, text, strlen(text), NULL, NULL, &E);
}

bool text_is(const char *key, const char *text)
{
	char buf[4096];
	size_t len = 0;
	struct stow_stat stat;
	int r = C.driver->get(C.self, NULL, key, NULL, buf, sizeof(buf), &len, &stat, &E);

	return check_status(r, STOW_OK, __FILE__, __LINE__, key) &&
	       check(len == strlen(text) && memcmp(buf, text, len) == 0, __FILE__, __LINE__,
	             "%s holds other bytes", key);
}

int64_t list_count(const char *prefix)
{
	struct stow_entry entry;
	void *list = NULL;
	int64_t count = 0;
	int r = C.driver->list_open(C.self, NULL, prefix, NULL, 0, &list, &E);

	if (r != STOW_OK)
		return -1;
	while ((r = C.driver->list_next(list, NULL, &entry, &E)) == STOW_OK)
		count++;
	C.driver->list_close(list);
	return r == STOW_ENOTFOUND ? count : -1;
}

int remove_key(const char *key)
{
	return C.driver->remove(C.self, NULL, key, NULL, &E);
}

/* ---- the vtable, the options, the instance ---- */

static void case_vtable(void)
{
	const struct stow_driver *d = C.driver;

	/* a driver of the first minor ends there */
	CHECK(d->size >= offsetof(struct stow_driver, probe));
	CHECK(d->major == STOW_DRIVER_MAJOR);
	CHECK(d->name && d->name[0] && d->version && d->version[0] && d->summary && d->options);
	CHECK(d->open && d->close && d->stat && d->get && d->put && d->remove);
	CHECK(d->read_open && d->read && d->read_close);
	CHECK(d->write_open && d->write && d->write_copy && d->write_commit && d->write_close);
	CHECK(d->list_open && d->list_next && d->list_close);
	CHECK((C.caps & ~d->caps) == 0);
}

static void case_options(void)
{
	for (const struct stow_option *o = C.driver->options; o->name; o++) {
		CHECK_TEXT(option_find(C.driver->options, o->name) == o, "%s: named twice",
		           o->name);
		CHECK_TEXT(o->type >= STOW_OPTION_STRING && o->type <= STOW_OPTION_COUNT,
		           "%s: type %d", o->name, o->type);
		CHECK_TEXT(o->help && o->help[0], "%s: no help", o->name);
		for (const char *p = o->name; *p; p++)
			CHECK_TEXT((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9'),
			           "%s: not lower-case letters and digits", o->name);
		CHECK_TEXT(!o->fallback || option_parse(o, o->fallback, NULL),
		           "%s: its default is not %s", o->name, option_expected(o->type));
	}
}

static void case_open_refuses(void)
{
	struct stow_kv unknown[] = { { "nosuchoption", "1" } };
	void *self = &unknown;

	WANT(STOW_EINVAL, C.driver->open(&C.host, unknown, 1, &self, &E));
	CHECK(self == &unknown);
	CHECK(E.status == STOW_EINVAL && strstr(E.message, "nosuchoption"));
	WANT(STOW_EINVAL, C.driver->open(&C.host, unknown, 1, &self, NULL));
	C.driver->close(NULL);
	C.driver->read_close(NULL);
	C.driver->write_close(NULL, NULL);
	C.driver->list_close(NULL);
}

static void case_second_instance(void)
{
	void *self = NULL;

	OK(C.driver->open(NULL, C.kv, C.kv_len, &self, &E));
	CHECK(self != NULL && self != C.self);
	C.driver->close(self);
}

static void case_check(void)
{
	OFFERED(check);
	OK(C.driver->check(C.self, NULL, &E));
}

static void case_fork(void)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		struct stow_stat stat;
		const char *key = key_of("fork");
		int r = C.driver->stat(C.self, NULL, key, &stat, &E);

		if (r == STOW_EINVAL)
			r = C.driver->put(C.self, NULL, key, "x", 1, NULL, NULL, &E);
		_exit(r == STOW_EINVAL ? 0 : 1);
	}
	CHECK(pid > 0);
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_TEXT(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	           "a call in a forked child does not fail with EINVAL");
	CHECK(is_absent(key_of("fork")));
}

static const struct contract_case instance_cases[] = {
	{ "vtable is complete", case_vtable },
	{ "options are sound", case_options },
	{ "open refuses what it does not know, closes take NULL", case_open_refuses },
	{ "a second instance", case_second_instance },
	{ "check", case_check },
	{ "a call in a forked child fails", case_fork },
	{ NULL, NULL },
};

/* ---- the program ---- */

static void host_log(void *arg, int32_t level, const char *component, const char *line)
{
	(void)arg;
	if (C.verbose)
		printf("# log %d %s: %s\n", level, component, line);
}

/* Takes away all keys of this run. */
static void case_leave_nothing(void)
{
	for (int round = 0; round < 20; round++) {
		struct stow_entry entry;
		void *list = NULL;
		int64_t count = 0;

		OK(C.driver->list_open(C.self, NULL, C.prefix, NULL, 0, &list, &E));
		while (C.driver->list_next(list, NULL, &entry, &E) == STOW_OK) {
			remove_key(entry.key);
			count++;
		}
		C.driver->list_close(list);
		if (count == 0)
			break;
	}
	CHECK(list_count(C.prefix) == 0);
	if (C.driver->purge_writes) {
		uint64_t left = 77;

		OK(C.driver->purge_writes(C.self, NULL, C.prefix, 0, &left, &E));
		CHECK_TEXT(left == 0, "%" PRIu64 " unfinished writes are left", left);
	}
}

static const struct contract_case last_cases[] = {
	{ "all keys of the run are removed", case_leave_nothing },
	{ NULL, NULL },
};

/* What this instance honours, a line each. */
static int print_caps(void)
{
	static const struct {
		uint64_t cap;
		const char *name;
	} caps[] = {
		{ STOW_CAP_CREATE, "create" },
		{ STOW_CAP_PUT_IF_MATCH, "put-if-match" },
		{ STOW_CAP_REMOVE_IF_MATCH, "remove-if-match" },
		{ STOW_CAP_COPY_IF_MATCH, "copy-if-match" },
		{ STOW_CAP_GET_IF_MATCH, "get-if-match" },
		{ STOW_CAP_PARALLEL, "parallel" },
		{ STOW_CAP_SHARED, "shared" },
		{ STOW_CAP_DURABLE, "durable" },
	};

	for (size_t i = 0; i < sizeof(caps) / sizeof(caps[0]); i++)
		if (C.caps & caps[i].cap)
			printf("%s\n", caps[i].name);
	C.driver->close(C.self);
	return 0;
}

static int usage(const char *program)
{
	fprintf(stderr,
	        "usage: %s DRIVER.so [--caps] [--part BYTES] [--loose-keys] [--verbose] [--only "
	        "WORD] "
	        "[KEY=VALUE ...]\n",
	        program);
	return 2;
}

static bool load(const char *path)
{
	/* a path without a slash would be looked for in the system's folders */
	char *full = realpath(path, NULL);
	void *handle = full ? dlopen(full, RTLD_NOW | RTLD_LOCAL) : NULL;
	void *symbol = handle ? dlsym(handle, STOW_DRIVER_ENTRY) : NULL;
	stow_driver_entry *entry;

	free(full);
	if (!symbol) {
		fprintf(stderr, "%s: %s\n", path, handle || full ? dlerror() : "cannot be loaded");
		return false;
	}
	memcpy(&entry, &symbol, sizeof(entry));
	C.driver = entry();
	return C.driver != NULL;
}

int main(int argc, char **argv)
{
	struct stow_kv *kv = calloc((size_t)argc, sizeof(*kv));
	const char *only = NULL;
	const char *path = NULL;
	bool caps_only = false;
	uint8_t random[6];
	char hex[13];

	C.part = 8 * MIB;
	C.host.size = sizeof(C.host);
	C.host.log = host_log;
	C.kv = kv;
	for (int i = 1; kv && i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		if (strcmp(argv[i], "--loose-keys") == 0)
			C.loose_keys = true;
		else if (strcmp(argv[i], "--caps") == 0)
			caps_only = true;
		else if (strcmp(argv[i], "--verbose") == 0)
			C.verbose = true;
		else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
			only = argv[++i];
		else if (strcmp(argv[i], "--part") == 0 && i + 1 < argc) {
			if (!option_size(argv[++i], &C.part) || C.part < 1)
				return usage(argv[0]);
		} else if (!path && argv[i][0] != '-')
			path = argv[i];
		else if (equals) {
			*equals = '\0';
			kv[C.kv_len].key = argv[i];
			kv[C.kv_len++].value = equals + 1;
		} else
			return usage(argv[0]);
	}
	if (!kv || !path)
		return usage(argv[0]);
	if (!load(path) || !hash_random(random, sizeof(random)))
		return 1;
	text_hex(hex, random, sizeof(random));
	snprintf(C.prefix, sizeof(C.prefix), "contract-%s/", hex);
	if (C.driver->open(&C.host, kv, C.kv_len, &C.self, &E) != STOW_OK) {
		printf("not ok 1 - open\n# %s\n1..1\n", E.message);
		return 1;
	}
	if (C.driver->check) /* what the store honours is known then */
		C.driver->check(C.self, NULL, &E);
	C.caps = C.driver->instance_caps ? C.driver->instance_caps(C.self) : C.driver->caps;
	if (caps_only) {
		free(kv);
		return print_caps();
	}
	run_cases(instance_cases, only);
	run_cases(small_cases, only);
	run_cases(key_cases, only);
	run_cases(list_cases, only);
	run_cases(stream_cases, only);
	run_cases(unfinished_cases, only);
	run_cases(time_cases, only);
	run_cases(last_cases, NULL);
	C.driver->close(C.self);
	free(kv);
	printf("1..%d\n", run.number);
	return run.failed > 0;
}
