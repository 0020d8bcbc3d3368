/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Freezes the binary interface: where each member lies, what each name stands for, what a driver's
 * functions take.  A line here may be added, never changed, within major 1 of the driver ABI.
 * It must not know what any of it is for; that it compiles is most of the test.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stowage.h>
#include <string.h>

/* ---- layouts, where long and pointers have 64 bits ---- */

#if UINTPTR_MAX == UINT64_MAX

#define AT(type, member, offset)                                                                   \
	_Static_assert(offsetof(struct type, member) == (offset), "place of " #type "." #member)
#define SIZE(type, size) _Static_assert(sizeof(struct type) == (size), "size of " #type)

/* types.h */

AT(stow_error, status, 0);
AT(stow_error, backend, 4);
AT(stow_error, retry_after_ms, 8);
AT(stow_error, flags, 12);
AT(stow_error, where, 16);
AT(stow_error, request, 48);
AT(stow_error, message, 112);
SIZE(stow_error, 624);

AT(stow_op, size, 0);
AT(stow_op, flags, 4);
AT(stow_op, deadline_ns, 8);
AT(stow_op, cancel, 16);
AT(stow_op, requests, 24);
AT(stow_op, trace, 32);
SIZE(stow_op, 40);

AT(stow_kv, key, 0);
AT(stow_kv, value, 8);
SIZE(stow_kv, 16);

AT(stow_host, size, 0);
AT(stow_host, reserved, 4);
AT(stow_host, arg, 8);
AT(stow_host, log, 16);
AT(stow_host, count, 24);
AT(stow_host, now_ns, 32);
AT(stow_host, open_driver, 40);
SIZE(stow_host, 48);

/* driver.h */

AT(stow_option, name, 0);
AT(stow_option, type, 8);
AT(stow_option, flags, 12);
AT(stow_option, fallback, 16);
AT(stow_option, help, 24);
SIZE(stow_option, 32);

AT(stow_stat, size, 0);
AT(stow_stat, mtime_ns, 8);
AT(stow_stat, etag, 16);
AT(stow_stat, reserved, 96);
SIZE(stow_stat, 112);

AT(stow_put, size, 0);
AT(stow_put, flags, 4);
AT(stow_put, if_match, 8);
AT(stow_put, content_type, 16);
AT(stow_put, length, 24);
AT(stow_put, sha256, 32);
AT(stow_put, parked, 40);
AT(stow_put, parked_len, 48);
SIZE(stow_put, 56);

AT(stow_call, verb, 0);
AT(stow_call, status, 4);
AT(stow_call, key, 8);
AT(stow_call, from, 16);
AT(stow_call, if_match, 24);
AT(stow_call, put, 32);
AT(stow_call, data, 40);
AT(stow_call, buf, 48);
AT(stow_call, len, 56);
AT(stow_call, ret_len, 64);
AT(stow_call, ret_stat, 72);
AT(stow_call, err, 184);
SIZE(stow_call, 192);

AT(stow_entry, key, 0);
AT(stow_entry, size, 8);
AT(stow_entry, mtime_ns, 16);
AT(stow_entry, etag, 24);
AT(stow_entry, is_folder, 32);
AT(stow_entry, reserved, 36);
SIZE(stow_entry, 40);

AT(stow_driver, size, 0);
AT(stow_driver, major, 4);
AT(stow_driver, minor, 6);
AT(stow_driver, caps, 8);
AT(stow_driver, name, 16);
AT(stow_driver, version, 24);
AT(stow_driver, summary, 32);
AT(stow_driver, options, 40);
AT(stow_driver, open, 48);
AT(stow_driver, close, 56);
AT(stow_driver, stat, 64);
AT(stow_driver, get, 72);
AT(stow_driver, put, 80);
AT(stow_driver, remove, 88);
AT(stow_driver, read_open, 96);
AT(stow_driver, read, 104);
AT(stow_driver, read_close, 112);
AT(stow_driver, write_open, 120);
AT(stow_driver, write, 128);
AT(stow_driver, write_copy, 136);
AT(stow_driver, write_commit, 144);
AT(stow_driver, write_close, 152);
AT(stow_driver, list_open, 160);
AT(stow_driver, list_next, 168);
AT(stow_driver, list_close, 176);
AT(stow_driver, batch, 184);
AT(stow_driver, copy, 192);
AT(stow_driver, remove_many, 200);
AT(stow_driver, write_park, 208);
AT(stow_driver, purge_writes, 216);
AT(stow_driver, presign, 224);
AT(stow_driver, check, 232);
AT(stow_driver, instance_caps, 240);
AT(stow_driver, probe, 248);
SIZE(stow_driver, 256);

/* registry.h */

AT(stow_descriptor, size, 0);
AT(stow_descriptor, digest, 8);
AT(stow_descriptor, media_type, 144);
AT(stow_descriptor, reserved, 400);
SIZE(stow_descriptor, 432);

AT(stow_fault, kind, 0);
AT(stow_fault, status, 4);
AT(stow_fault, digest, 8);
AT(stow_fault, message, 144);
SIZE(stow_fault, 400);

/* config.h */

AT(stow_config_entry, section, 0);
AT(stow_config_entry, option, 8);
AT(stow_config_entry, value, 16);
AT(stow_config_entry, origin, 24);
SIZE(stow_config_entry, 32);

#endif

/* ---- values ---- */

#define VALUE(name, value) _Static_assert((name) == (value), "value of " #name)

/* types.h */
VALUE(STOW_OK, 0);
VALUE(STOW_ENOTFOUND, -1);
VALUE(STOW_EEXIST, -2);
VALUE(STOW_ECHANGED, -3);
VALUE(STOW_EINVAL, -4);
VALUE(STOW_ERANGE, -5);
VALUE(STOW_EDENIED, -6);
VALUE(STOW_ENOTSUP, -7);
VALUE(STOW_EBUSY, -8);
VALUE(STOW_ETIMEOUT, -9);
VALUE(STOW_ECANCELED, -10);
VALUE(STOW_ECORRUPT, -11);
VALUE(STOW_EIO, -12);
VALUE(STOW_ENOMEM, -13);
VALUE(STOW_LOG_ERROR, 0);
VALUE(STOW_LOG_WARNING, 1);
VALUE(STOW_LOG_INFO, 2);
VALUE(STOW_LOG_DEBUG, 3);
VALUE(STOW_ERROR_RETRYABLE, 1);
VALUE(STOW_ERROR_MAYBE, 2);
/* driver.h */
VALUE(STOW_OPTION_STRING, 1);
VALUE(STOW_OPTION_SIZE, 2);
VALUE(STOW_OPTION_TIME, 3);
VALUE(STOW_OPTION_BOOL, 4);
VALUE(STOW_OPTION_COUNT, 5);
VALUE(STOW_CALL_STAT, 1);
VALUE(STOW_CALL_GET, 2);
VALUE(STOW_CALL_PUT, 3);
VALUE(STOW_CALL_REMOVE, 4);
VALUE(STOW_CALL_COPY, 5);
VALUE(STOW_DRIVER_MAJOR, 1);
VALUE(STOW_DRIVER_MINOR, 1);
VALUE(STOW_KEY_MAX, 1024);
VALUE(STOW_KEY_COMPONENT_MAX, 255);
VALUE(STOW_CAP_CREATE, 1);
VALUE(STOW_CAP_PUT_IF_MATCH, 2);
VALUE(STOW_CAP_REMOVE_IF_MATCH, 4);
VALUE(STOW_CAP_COPY_IF_MATCH, 8);
VALUE(STOW_CAP_GET_IF_MATCH, 16);
VALUE(STOW_CAP_PARALLEL, 32);
VALUE(STOW_CAP_SHARED, 64);
VALUE(STOW_CAP_DURABLE, 128);
VALUE(STOW_OPTION_REQUIRED, 1);
VALUE(STOW_OPTION_SECRET, 2);
VALUE(STOW_OPTION_IGNORED, 4);
VALUE(STOW_OPTION_DERIVE, 8);
VALUE(STOW_PUT_CREATE, 1);
VALUE(STOW_PUT_RESUME, 2);
VALUE(STOW_PUT_PRIVATE, 4);
VALUE(STOW_LIST_FOLDERS, 1);
/* registry.h */
VALUE(STOW_FAULT_INVALID, 1);
VALUE(STOW_FAULT_DIGEST, 2);
VALUE(STOW_FAULT_BLOB_UNKNOWN, 3);
VALUE(STOW_FAULT_NAME, 4);
VALUE(STOW_FAULT_UNVERIFIED, 5);
VALUE(STOW_FAULT_TOO_LARGE, 6);
VALUE(STOW_NAME_MAX, 255);
VALUE(STOW_TAG_MAX, 128);
VALUE(STOW_DIGEST_MAX, 135);
VALUE(STOW_MEDIA_TYPE_MAX, 255);
VALUE(STOW_MANIFEST_MAX, 4194304);
VALUE(STOW_TOKEN_MAX, 2048);
VALUE(STOW_UUID_LEN, 36);

/* ---- what the functions of a driver take and give ---- */

#define STAT struct stow_stat *
#define ERR struct stow_error *
#define OP const struct stow_op *
#define KEY const char *
#define TYPE(member, ...)                                                                          \
	_Static_assert(__builtin_types_compatible_p(__typeof__(((struct stow_driver *)0)->member), \
	                                            __VA_ARGS__),                                  \
	               "signature of " #member)

TYPE(open, int (*)(const struct stow_host *, const struct stow_kv *, size_t, void **, ERR));
TYPE(close, void (*)(void *));
TYPE(stat, int (*)(void *, OP, KEY, STAT, ERR));
TYPE(get, int (*)(void *, OP, KEY, KEY, void *, size_t, size_t *, STAT, ERR));
TYPE(put, int (*)(void *, OP, KEY, const void *, size_t, const struct stow_put *, STAT, ERR));
TYPE(remove, int (*)(void *, OP, KEY, KEY, ERR));
TYPE(read_open, int (*)(void *, OP, KEY, KEY, int64_t, int64_t, void **, STAT, ERR));
TYPE(read, int (*)(void *, OP, void *, size_t, size_t *, ERR));
TYPE(read_close, void (*)(void *));
TYPE(write_open, int (*)(void *, OP, KEY, const struct stow_put *, void **, int64_t *, ERR));
TYPE(write, int (*)(void *, OP, const void *, size_t, ERR));
TYPE(write_copy, int (*)(void *, OP, KEY, KEY, int64_t, int64_t, ERR));
TYPE(write_commit, int (*)(void *, OP, STAT, ERR));
TYPE(write_close, void (*)(void *, OP));
TYPE(list_open, int (*)(void *, OP, KEY, KEY, uint32_t, void **, ERR));
TYPE(list_next, int (*)(void *, OP, struct stow_entry *, ERR));
TYPE(list_close, void (*)(void *));
TYPE(batch, int (*)(void *, OP, struct stow_call *, size_t, size_t, ERR));
TYPE(copy, int (*)(void *, OP, KEY, KEY, KEY, const struct stow_put *, ERR));
TYPE(remove_many, int (*)(void *, OP, KEY const *, KEY const *, size_t, int *, ERR));
TYPE(write_park, int (*)(void *, OP, void *, size_t, size_t *, ERR));
TYPE(purge_writes, int (*)(void *, OP, KEY, int64_t, uint64_t *, ERR));
TYPE(presign, int (*)(void *, OP, KEY, const char *, int64_t, char *, size_t, ERR));
TYPE(check, int (*)(void *, OP, ERR));
TYPE(instance_caps, uint64_t (*)(void *));
TYPE(probe, int (*)(void *, const struct stow_op *, char *, size_t, size_t *, struct stow_error *));
_Static_assert(__builtin_types_compatible_p(stow_driver_entry, const struct stow_driver *(void)),
               "signature of the entry");

/* A loader finds it by that name. */
static void entry_name(void **state)
{
	(void)state;
	assert_string_equal(STOW_DRIVER_ENTRY, "stow_driver_v1");
}

/* A driver of an earlier minor ends before what it does not know: a loader that copies by its
 * size needs every member added since to lie behind. */
static void first_minor_ends_with_instance_caps(void **state)
{
	size_t end = offsetof(struct stow_driver, instance_caps) +
	             sizeof(((struct stow_driver *)0)->instance_caps);

	(void)state;
	assert_true(end <= sizeof(struct stow_driver));
#if UINTPTR_MAX == UINT64_MAX
	assert_int_equal(end, 248);
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entry_name),
		cmocka_unit_test(first_minor_ends_with_instance_caps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
