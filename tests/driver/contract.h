/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the contract test share: the driver under test, one line of TAP a case, and
 * small ways to say what is expected.  A case is a function without arguments; CHECK and its kin
 * end it at the first thing that does not hold.  It reaches the driver by the ABI alone.
 */
#ifndef TESTS_DRIVER_CONTRACT_H
#define TESTS_DRIVER_CONTRACT_H

#include <stowage/driver.h>

#include <stdbool.h>

#define MIB ((int64_t)1 << 20)

struct contract {
	const struct stow_driver *driver;
	void *self;
	struct stow_host host;
	const struct stow_kv *kv; /* the options it was opened with */
	size_t kv_len;
	char prefix[64]; /* of every key of this run, ends with '/' */
	int64_t part;
	uint64_t caps;
	bool loose_keys; /* keys outside the grammar are the store's business */
	bool verbose;
};
extern struct contract C;
extern _Thread_local struct stow_error E; /* of the call that was made last */

/* Says what did not hold; returns ok. */
bool check(bool ok, const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
bool check_status(int got, int want, const char *file, int line, const char *what);
void skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *status_name(int status);

#define CHECK(c)                                                                                   \
	do {                                                                                       \
		if (!check((c), __FILE__, __LINE__, "%s", #c))                                     \
			return;                                                                    \
	} while (0)
#define CHECK_TEXT(c, ...)                                                                         \
	do {                                                                                       \
		if (!check((c), __FILE__, __LINE__, __VA_ARGS__))                                  \
			return;                                                                    \
	} while (0)
/* The call returns that status. */
#define WANT(status, call)                                                                         \
	do {                                                                                       \
		if (!check_status((call), (status), __FILE__, __LINE__, #call))                    \
			return;                                                                    \
	} while (0)
#define OK(call) WANT(STOW_OK, call)
/* Leaves the case as skipped where the driver does not offer an optional call. */
#define OFFERED(member)                                                                            \
	do {                                                                                       \
		if (!C.driver->member) {                                                           \
			skip("the driver does not offer " #member);                                \
			return;                                                                    \
		}                                                                                  \
	} while (0)
#define HONOURED(cap)                                                                              \
	do {                                                                                       \
		if (!(C.caps & (cap))) {                                                           \
			skip("the driver does not honour " #cap);                                  \
			return;                                                                    \
		}                                                                                  \
	} while (0)

/* A key of this run; one of several buffers that take turns. */
const char *key_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- bytes: a pattern that tells position and seed ---- */

void pattern_fill(void *buf, int64_t offset, size_t len, uint32_t seed);
bool pattern_is(const void *buf, int64_t offset, size_t len, uint32_t seed);
/* sha256 of len bytes of the pattern from 0 on. */
void pattern_sha256(int64_t len, uint32_t seed, uint8_t ret[32]);

/* Puts len bytes of the pattern by a writer, in pieces of step bytes. */
int put_pattern(const char *key, int64_t len, uint32_t seed, size_t step);
/* Writes pattern bytes [from, to) to an open writer. */
int write_pattern(void *writer, int64_t from, int64_t to, uint32_t seed, size_t step);
/* Is the object exactly that? Reads it with a reader; says what differs. */
bool object_is(const char *key, int64_t len, uint32_t seed);
/* Are the bytes [offset, offset + len) that the reader gives those of the pattern, and no more? */
bool reader_is(void *reader, int64_t offset, int64_t len, uint32_t seed);
bool is_absent(const char *key);
int put_text(const char *key, const char *text);
bool text_is(const char *key, const char *text);
/* How many keys a listing of the prefix has; -1 if it fails. */
int64_t list_count(const char *prefix);
int remove_key(const char *key);

struct contract_case {
	const char *name;
	void (*run)(void);
};
/* Each ends with a NULL name. */
extern const struct contract_case small_cases[];
extern const struct contract_case stream_cases[];
extern const struct contract_case unfinished_cases[];
extern const struct contract_case key_cases[];
extern const struct contract_case list_cases[];
extern const struct contract_case time_cases[];

#endif
