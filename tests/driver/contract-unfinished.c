/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes that do not reach their commit: aborted, parked, gone on with, purged.
 * It must not expect them to be offered; an abort leaves nothing everywhere.
 */
#include "tests/driver/contract.h"

#include <inttypes.h>
#include <string.h>

#define STEP ((size_t)300000)

/* Nothing of the key is to be seen, finished or not. */
static bool leaves_nothing(const char *key)
{
	uint64_t count = 77;
	int r;

	if (!is_absent(key) ||
	    !check(list_count(key) == 0, __FILE__, __LINE__, "the list shows %s", key))
		return false;
	if (!C.driver->purge_writes)
		return true;
	r = C.driver->purge_writes(C.self, NULL, key, 0, &count, &E);
	if (r == STOW_OK) /* who does not want the count gives no place for it */
		r = C.driver->purge_writes(C.self, NULL, key, 0, NULL, &E);
	return check_status(r, STOW_OK, __FILE__, __LINE__, "purge_writes") &&
	       check(count == 0, __FILE__, __LINE__, "%" PRIu64 " unfinished writes are left",
	             count);
}

static void case_abort(void)
{
	const int64_t sizes[] = { 0, 1, C.part, 2 * C.part + C.part / 2 };
	const char *key = key_of("abort/object");
	void *writer = NULL;
	int64_t offset;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		OK(C.driver->write_open(C.self, NULL, key, NULL, &writer, &offset, &E));
		CHECK(offset == 0);
		OK(write_pattern(writer, 0, sizes[i], 1, STEP));
		CHECK(is_absent(key));
		C.driver->write_close(writer, NULL);
		CHECK(leaves_nothing(key));
	}
	/* the old object is not touched */
	OK(put_text(key, "old"));
	OK(C.driver->write_open(C.self, NULL, key, NULL, &writer, &offset, &E));
	OK(write_pattern(writer, 0, C.part + 1, 1, STEP));
	CHECK(text_is(key, "old"));
	C.driver->write_close(writer, NULL);
	CHECK(text_is(key, "old"));
	OK(remove_key(key));
}

static void case_two_writers(void)
{
	const char *key = key_of("two/writers");
	void *one = NULL;
	void *two = NULL;
	int64_t offset;

	OK(C.driver->write_open(C.self, NULL, key, NULL, &one, &offset, &E));
	OK(C.driver->write_open(C.self, NULL, key, NULL, &two, &offset, &E));
	OK(write_pattern(one, 0, C.part + 100, 1, STEP));
	OK(write_pattern(two, 0, C.part + 200, 2, STEP));
	OK(C.driver->write_commit(one, NULL, NULL, &E));
	CHECK(object_is(key, C.part + 100, 1));
	OK(C.driver->write_commit(two, NULL, NULL, &E));
	CHECK(object_is(key, C.part + 200, 2));
	C.driver->write_close(one, NULL);
	C.driver->write_close(two, NULL);
	CHECK(object_is(key, C.part + 200, 2));
	OK(remove_key(key));
	CHECK(leaves_nothing(key));
}

/* Writes so many bytes of seed 5 and parks. */
static int write_and_park(const char *key, int64_t len, char *state, size_t *ret_len)
{
	void *writer = NULL;
	int64_t offset;
	int r = C.driver->write_open(C.self, NULL, key, NULL, &writer, &offset, &E);

	if (r != STOW_OK)
		return r;
	r = write_pattern(writer, 0, len, 5, STEP);
	if (r == STOW_OK)
		r = C.driver->write_park(writer, NULL, state, 512, ret_len, &E);
	C.driver->write_close(writer, NULL);
	return r;
}

/* Goes on up to total and commits; *ret_offset is where it went on. */
static int go_on(const char *key, const struct stow_put *put, int64_t total, int64_t *ret_offset)
{
	void *writer = NULL;
	int r = C.driver->write_open(C.self, NULL, key, put, &writer, ret_offset, &E);

	if (r != STOW_OK)
		return r;
	r = write_pattern(writer, *ret_offset, total, 5, STEP);
	if (r == STOW_OK)
		r = C.driver->write_commit(writer, NULL, NULL, &E);
	C.driver->write_close(writer, NULL);
	return r;
}

static void case_park(void)
{
	const char *key = key_of("park/object");
	const int64_t sizes[] = { 0, 1, 3 * MIB, C.part + 5, 2 * C.part };
	char state[512];
	size_t len = 0;

	OFFERED(write_park);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct stow_put put = { .size = sizeof(put), .length = sizes[i] + MIB };
		int64_t offset = -1;

		OK(write_and_park(key, sizes[i], state, &len));
		CHECK(len > 0 && len <= sizeof(state));
		CHECK(is_absent(key) && list_count(C.prefix) == 0);
		put.parked = state;
		put.parked_len = len;
		OK(go_on(key, &put, sizes[i] + MIB, &offset));
		CHECK_TEXT(offset == sizes[i], "goes on at %" PRId64 ", not %" PRId64, offset,
		           sizes[i]);
		CHECK(object_is(key, sizes[i] + MIB, 5));
		OK(remove_key(key));
		CHECK(leaves_nothing(key));
	}
}

static void case_resume(void)
{
	const char *key = key_of("park/by-key");
	struct stow_put put = { .size = sizeof(put), .length = -1, .flags = STOW_PUT_RESUME };
	char state[512];
	size_t len = 0;
	int64_t offset = -1;
	void *writer = NULL;

	if (!C.driver->write_park) {
		int r = C.driver->write_open(C.self, NULL, key, &put, &writer, &offset, &E);

		CHECK_TEXT(r == STOW_ENOTSUP || r == STOW_ENOTFOUND, "STOW_PUT_RESUME is %s",
		           status_name(r));
		skip("the driver does not offer write_park");
		return;
	}
	WANT(STOW_ENOTFOUND, C.driver->write_open(C.self, NULL, key, &put, &writer, &offset, &E));
	OK(write_and_park(key, C.part + 7, state, &len));
	WANT(STOW_ENOTFOUND,
	     C.driver->write_open(C.self, NULL, key_of("park/by-ke"), &put, &writer, &offset, &E));
	OK(go_on(key, &put, C.part + MIB, &offset));
	CHECK(offset == C.part + 7);
	CHECK(object_is(key, C.part + MIB, 5));
	/* what was gone on with cannot be again */
	WANT(STOW_ENOTFOUND, C.driver->write_open(C.self, NULL, key, &put, &writer, &offset, &E));
	OK(remove_key(key));
	/* an abort takes away what was parked, too */
	OK(write_and_park(key, 100, state, &len));
	OK(C.driver->write_open(C.self, NULL, key, &put, &writer, &offset, &E));
	CHECK(offset == 100);
	C.driver->write_close(writer, NULL);
	CHECK(leaves_nothing(key));
}

/* Goes on from state, or by the key alone where it is NULL, up to total, and parks again. */
static int park_again(void *self, const char *key, char *state, size_t *len, bool by_state,
                      int64_t total, int64_t *ret_offset)
{
	struct stow_put put = { .size = sizeof(put),
		                .length = -1,
		                .flags = by_state ? 0 : STOW_PUT_RESUME,
		                .parked = by_state ? state : NULL,
		                .parked_len = by_state ? *len : 0 };
	void *writer = NULL;
	int r = C.driver->write_open(self, NULL, key, &put, &writer, ret_offset, &E);

	if (r != STOW_OK)
		return r;
	r = write_pattern(writer, *ret_offset, total, 5, STEP);
	if (r == STOW_OK)
		r = C.driver->write_park(writer, NULL, state, 512, len, &E);
	C.driver->write_close(writer, NULL);
	return r;
}

/* Small steps and steps over several parts, by the state and by the key in turn. */
static void case_park_often(void)
{
	const char *key = key_of("park/often");
	const int64_t steps[][4] = {
		{ 32, 64, 96, 128 },
		{ 32, 3 * C.part + 32, 3 * C.part + 64, 5 * C.part + 7 },
		{ 3 * C.part + 1, 3 * C.part + 1, 4 * C.part, 4 * C.part + 1 },
	};
	char state[512];
	size_t len = 0;

	OFFERED(write_park);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct stow_put put = { .size = sizeof(put), .length = -1 };
		int64_t offset = -1;

		OK(write_and_park(key, steps[i][0], state, &len));
		for (size_t n = 1; n < 4; n++) {
			OK(park_again(C.self, key, state, &len, (n + i) % 2, steps[i][n], &offset));
			CHECK_TEXT(offset == steps[i][n - 1], "goes on at %" PRId64, offset);
			CHECK(is_absent(key) && list_count(C.prefix) == 0);
		}
		put.parked = state;
		put.parked_len = len;
		OK(go_on(key, &put, steps[i][3] + 32, &offset));
		CHECK(offset == steps[i][3]);
		CHECK(object_is(key, steps[i][3] + 32, 5));
		OK(remove_key(key));
		CHECK(leaves_nothing(key));
	}
}

/*
 * A state of a write that has gone on since: it is not found, or stands for the same write; never
 * for other bytes.
 */
static void case_park_superseded(void)
{
	const char *key = key_of("park/twice");
	struct stow_put put = { .size = sizeof(put), .length = -1 };
	char first[512], second[512];
	size_t first_len = 0, second_len = 0;
	int64_t offset = -1;
	int r;

	OFFERED(write_park);
	OK(write_and_park(key, 100, first, &first_len));
	memcpy(second, first, first_len);
	second_len = first_len;
	OK(park_again(C.self, key, second, &second_len, true, 200, &offset));
	put.parked = first;
	put.parked_len = first_len;
	r = go_on(key, &put, 300, &offset);
	CHECK_TEXT(r == STOW_OK || r == STOW_ENOTFOUND, "the old state is %s", status_name(r));
	if (r == STOW_ENOTFOUND) {
		put.parked = second;
		put.parked_len = second_len;
		OK(go_on(key, &put, 300, &offset));
		CHECK(offset == 200);
	}
	CHECK(object_is(key, 300, 5));
	OK(remove_key(key));
	CHECK(leaves_nothing(key));
}

/* Another instance, as after a restart, goes on where this one parked. */
static void case_park_shared(void)
{
	const char *key = key_of("park/shared");
	struct stow_put put = { .size = sizeof(put), .length = -1 };
	char state[512];
	size_t len = 0;
	void *other = NULL;
	int64_t offset = -1;
	int r;

	OFFERED(write_park);
	HONOURED(STOW_CAP_SHARED);
	OK(write_and_park(key, C.part + 32, state, &len));
	OK(C.driver->open(&C.host, C.kv, C.kv_len, &other, &E));
	r = park_again(other, key, state, &len, true, 2 * C.part + 64, &offset);
	C.driver->close(other);
	OK(r);
	CHECK(offset == C.part + 32);
	put.parked = state;
	put.parked_len = len;
	OK(go_on(key, &put, 2 * C.part + MIB, &offset));
	CHECK(offset == 2 * C.part + 64 && object_is(key, 2 * C.part + MIB, 5));
	OK(remove_key(key));
	CHECK(leaves_nothing(key));
}

/* What was announced at the second open holds for all bytes, and conditions at the commit. */
static void case_park_checked(void)
{
	const char *key = key_of("park/checked");
	uint8_t sum[32];
	struct stow_put put = { .size = sizeof(put), .length = -1, .sha256 = sum };
	char state[512];
	size_t len = 0;
	int64_t offset = -1;

	OFFERED(write_park);
	put.parked = state;
	pattern_sha256(1000, 5, sum);
	OK(write_and_park(key, 100, state, &len));
	put.parked_len = len;
	OK(go_on(key, &put, 1000, &offset));
	CHECK(object_is(key, 1000, 5));
	OK(remove_key(key));
	OK(write_and_park(key, 100, state, &len));
	put.parked_len = len;
	WANT(STOW_ECORRUPT, go_on(key, &put, 1001, &offset));
	CHECK(leaves_nothing(key));
	if (!(C.caps & STOW_CAP_CREATE))
		return;
	put.sha256 = NULL;
	put.flags = STOW_PUT_CREATE;
	OK(write_and_park(key, 100, state, &len));
	put.parked_len = len;
	OK(put_text(key, "there"));
	WANT(STOW_EEXIST, go_on(key, &put, 1000, &offset));
	CHECK(text_is(key, "there"));
	OK(remove_key(key));
	CHECK(leaves_nothing(key));
}

static void case_park_fails(void)
{
	const char *key = key_of("park/bad");
	struct stow_put put = { .size = sizeof(put), .length = -1 };
	char state[512];
	size_t len = 0;
	void *writer = NULL;
	int64_t offset = -1;

	OFFERED(write_park);
	put.parked = "no state of ours";
	put.parked_len = 16;
	WANT(STOW_EINVAL, C.driver->write_open(C.self, NULL, key, &put, &writer, &offset, &E));
	OK(write_and_park(key, 100, state, &len));
	/* of another key, cut, with a byte changed */
	put.parked = state;
	put.parked_len = len;
	{
		int r = C.driver->write_open(C.self, NULL, key_of("park/other"), &put, &writer,
		                             &offset, &E);

		CHECK_TEXT(r == STOW_EINVAL || r == STOW_ENOTFOUND, "another key's state is %s",
		           status_name(r));
	}
	put.parked_len = 3;
	WANT(STOW_EINVAL, C.driver->write_open(C.self, NULL, key, &put, &writer, &offset, &E));
	OK(C.driver->write_open(C.self, NULL, key, NULL, &writer, &offset, &E));
	OK(C.driver->write(writer, NULL, "x", 1, &E));
	WANT(STOW_ERANGE, C.driver->write_park(writer, NULL, state, 1, &len, &E));
	C.driver->write_close(writer, NULL);
	if (C.driver->purge_writes) {
		uint64_t count = 0;

		OK(C.driver->purge_writes(C.self, NULL, key, 0, &count, &E));
		CHECK(count == 1);
	}
	CHECK(leaves_nothing(key));
}

static void case_purge(void)
{
	char state[512];
	size_t len = 0;
	uint64_t count = 77;
	struct stow_put put = { .size = sizeof(put), .length = -1, .flags = STOW_PUT_RESUME };
	void *writer = NULL;
	int64_t offset;

	OFFERED(purge_writes);
	if (!C.driver->write_park) {
		OK(C.driver->purge_writes(C.self, NULL, key_of("purge/"), 0, &count, &E));
		CHECK(count == 0);
		return;
	}
	for (int i = 0; i < 5; i++)
		OK(write_and_park(key_of("purge/%d", i), i < 3 ? 10 : C.part + 10, state, &len));
	OK(C.driver->purge_writes(C.self, NULL, key_of("purge/"), INT64_C(3600000000000), &count,
	                          &E));
	CHECK(count == 0);
	OK(C.driver->purge_writes(C.self, NULL, key_of("purge/3"), 0, &count, &E));
	CHECK(count == 1);
	WANT(STOW_ENOTFOUND,
	     C.driver->write_open(C.self, NULL, key_of("purge/3"), &put, &writer, &offset, &E));
	OK(C.driver->purge_writes(C.self, NULL, key_of("purge/"), 0, &count, &E));
	CHECK(count == 4);
	OK(C.driver->purge_writes(C.self, NULL, key_of("purge/"), 0, &count, &E));
	CHECK(count == 0);
}

/* A call that fails costs what came since the park, not what was parked. */
static void case_park_then_fail(void)
{
	const char *key = key_of("park/failing");
	const int64_t sizes[] = { 0, 3 * MIB, C.part + 5, 2 * C.part };
	const int64_t more[] = { MIB, 2 * C.part + 17 };
	struct stow_put put = { .size = sizeof(put), .length = -1, .flags = STOW_PUT_RESUME };
	uint32_t cancel = 0;
	struct stow_op op = { .size = sizeof(op), .cancel = &cancel };
	char state[512];
	size_t len = 0;
	int64_t offset = -1;
	void *writer = NULL;

	OFFERED(write_park);
	for (size_t i = 0; i < 8; i++) {
		int64_t size = sizes[i / 2], end = size + more[i % 2];

		OK(write_and_park(key, size, state, &len));
		OK(C.driver->write_open(C.self, NULL, key, &put, &writer, &offset, &E));
		CHECK(offset == size);
		OK(write_pattern(writer, offset, end, 7, STEP)); /* other bytes */
		cancel = 1;
		WANT(STOW_ECANCELED, C.driver->write(writer, &op, "x", 1, &E));
		C.driver->write_close(writer, NULL);
		OK(go_on(key, &put, end, &offset));
		CHECK_TEXT(offset == size, "goes on at %" PRId64 ", not %" PRId64, offset, size);
		CHECK(object_is(key, end, 5));
		OK(remove_key(key));
		CHECK(leaves_nothing(key));
	}
	/* a commit that fails is no other */
	OK(write_and_park(key, MIB, state, &len));
	OK(C.driver->write_open(C.self, NULL, key, &put, &writer, &offset, &E));
	WANT(STOW_ECANCELED, C.driver->write_commit(writer, &op, NULL, &E));
	C.driver->write_close(writer, NULL);
	OK(go_on(key, &put, MIB, &offset));
	CHECK(offset == MIB);
	OK(remove_key(key));
	CHECK(leaves_nothing(key));
}

const struct contract_case unfinished_cases[] = {
	{ "an abort leaves nothing", case_abort },
	{ "two writers of one key", case_two_writers },
	{ "park and go on", case_park },
	{ "go on by the key alone", case_resume },
	{ "park, go on, and park again", case_park_often },
	{ "a state that was superseded", case_park_superseded },
	{ "another instance goes on", case_park_shared },
	{ "a parked write is checked", case_park_checked },
	{ "park, go on, and fail", case_park_then_fail },
	{ "bad states", case_park_fails },
	{ "purge by prefix and age", case_purge },
	{ NULL, NULL },
};
