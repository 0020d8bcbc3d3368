/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs through the public interface: by the repository's link only, ranges, mount, delete, what
 * a broken bucket is answered with.
 */
#include "tests/registry/fixture.h"

#define HELLO "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static void test_unknown(void **state)
{
	struct fixture *f = *state;
	struct stow_descriptor descriptor;
	struct stow_reader *reader = NULL;
	char digest[STOW_DIGEST_MAX + 1];

	sha256("x", 1, digest);
	assert_int_equal(stat_blob(f, "a", digest), STOW_ENOTFOUND);
	assert_int_equal(stow_blob_open(f->registry, &f->op, "a", digest, 0, -1, &reader,
	                                &descriptor, &f->err),
	                 STOW_ENOTFOUND);
	assert_int_equal(stow_blob_delete(f->registry, &f->op, "a", digest, &f->err),
	                 STOW_ENOTFOUND);
	assert_null(reader);
}

/* Not of the grammar: no call to the store. */
static void test_invalid(void **state)
{
	struct fixture *f = *state;
	struct stow_descriptor descriptor;
	struct stow_reader *reader = NULL;
	struct stow_names *names = NULL;
	char digest[STOW_DIGEST_MAX + 1];

	sha256("x", 1, digest);
	f->requests = 0;
	assert_int_equal(stat_blob(f, "A", digest), STOW_EINVAL);
	assert_int_equal(stat_blob(f, "../a", digest), STOW_EINVAL);
	assert_int_equal(stat_blob(f, "a", "sha256:zz"), STOW_EINVAL);
	assert_int_equal(stat_blob(f, "a", ""), STOW_EINVAL);
	assert_int_equal(stow_blob_open(f->registry, &f->op, "a", digest, -1, -1, &reader,
	                                &descriptor, &f->err),
	                 STOW_EINVAL);
	assert_int_equal(
		stow_blob_mount(f->registry, &f->op, "a", "b//c", digest, &descriptor, &f->err),
		STOW_EINVAL);
	assert_int_equal(stow_blob_delete(f->registry, &f->op, "a/", digest, &f->err), STOW_EINVAL);
	assert_int_equal(stow_tags_open(f->registry, &f->op, "..", NULL, &names, &f->err),
	                 STOW_EINVAL);
	assert_int_equal(stow_tag_delete(f->registry, &f->op, "a", "../b", &f->err), STOW_EINVAL);
	assert_int_equal(f->requests, 0);
}

/* Existence in the bucket is not enough. */
static void test_of_another_repository(void **state)
{
	struct fixture *f = *state;
	struct stow_descriptor descriptor;
	char digest[STOW_DIGEST_MAX + 1];

	push_blob(f, "p", "hello", 5, sha256("hello", 5, digest));
	assert_int_equal(stat_blob(f, "q", digest), STOW_ENOTFOUND);
	assert_int_equal(
		stow_blob_mount(f->registry, &f->op, "q", "r", digest, &descriptor, &f->err),
		STOW_ENOTFOUND);
	assert_int_equal(stat_blob(f, "q", digest), STOW_ENOTFOUND);
	check_ok(f, stow_blob_mount(f->registry, &f->op, "q", "p", digest, &descriptor, &f->err));
	assert_int_equal(descriptor.size, 5);
	check_blob(f, "q", digest, "hello", 5);
}

static void test_ranges(void **state)
{
	struct fixture *f = *state;
	struct stow_descriptor descriptor = { 0 };
	struct stow_reader *reader = NULL;
	char digest[STOW_DIGEST_MAX + 1];

	push_blob(f, "a", "0123456789", 10, sha256("0123456789", 10, digest));
	check_range(f, "a", digest, 0, -1, "0123456789", 10);
	check_range(f, "a", digest, 3, -1, "3456789", 7);
	check_range(f, "a", digest, 3, 4, "3456", 4);
	check_range(f, "a", digest, 3, 0, "", 0);
	check_range(f, "a", digest, 8, 100, "89", 2);
	check_range(f, "a", digest, 10, -1, "", 0);
	assert_int_equal(stow_blob_open(f->registry, &f->op, "a", digest, 11, -1, &reader,
	                                &descriptor, &f->err),
	                 STOW_ERANGE);
	assert_int_equal(descriptor.size, 10);
	assert_null(reader);
}

static void test_delete(void **state)
{
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1];

	push_blob(f, "a", "hello", 5, sha256("hello", 5, digest));
	push_blob(f, "b", "hello", 5, digest);
	check_ok(f, stow_blob_delete(f->registry, &f->op, "a", digest, &f->err));
	assert_int_equal(stat_blob(f, "a", digest), STOW_ENOTFOUND);
	assert_int_equal(stow_blob_delete(f->registry, &f->op, "a", digest, &f->err),
	                 STOW_ENOTFOUND);
	check_blob(f, "b", digest, "hello", 5);
	push_blob(f, "a", "hello", 5, digest);
	check_blob(f, "a", digest, "hello", 5);
}

static void test_delete_is_off(void **state)
{
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1];

	push_blob(f, "a", "hello", 5, sha256("hello", 5, digest));
	f->no_delete = true;
	fixture_reopen(f);
	assert_int_equal(stow_blob_delete(f->registry, &f->op, "a", digest, &f->err), STOW_ENOTSUP);
	assert_int_equal(stow_tag_delete(f->registry, &f->op, "a", "x", &f->err), STOW_ENOTSUP);
	assert_int_equal(stow_manifest_delete_tagged(f->registry, &f->op, "a", digest, &f->err),
	                 STOW_ENOTSUP);
	check_blob(f, "a", digest, "hello", 5);
}

/* Link without data, and an empty object that stands in for data. */
static void test_missing_data(void **state)
{
	static const char data[] = V2 "blobs/sha256/2c/" HELLO "/data";
	struct fixture *f = *state;
	struct stow_descriptor descriptor;
	struct stow_reader *reader = NULL;
	char digest[] = "sha256:" HELLO, path[2048];

	for (int i = 0; i < 2; i++) {
		const char *name = i == 0 ? "a" : "c";

		push_blob(f, name, "hello", 5, digest);
		path_of(f, data, path);
		assert_int_equal(unlink(path), 0);
		if (i == 1)
			write_object(f, data, "", 0);
		assert_int_equal(stat_blob(f, name, digest), STOW_ENOTFOUND);
		assert_int_equal(stow_blob_open(f->registry, &f->op, name, digest, 0, -1, &reader,
		                                &descriptor, &f->err),
		                 STOW_ENOTFOUND);
		assert_int_equal(stow_blob_open(f->registry, &f->op, name, digest, 3, -1, &reader,
		                                &descriptor, &f->err),
		                 STOW_ENOTFOUND);
		assert_int_equal(stow_blob_mount(f->registry, &f->op, "b", name, digest,
		                                 &descriptor, &f->err),
		                 STOW_ENOTFOUND);
		assert_false(exists(f, V2 "repositories/b/_layers/sha256/" HELLO "/link"));
		push_blob(f, name, "hello", 5, digest);
		check_blob(f, name, digest, "hello", 5);
	}
}

/* Junk in a link is a fault of the bucket, not an answer. */
static void test_junk_links(void **state)
{
	static const char key[] = V2 "repositories/a/_layers/sha256/" HELLO "/link";
	static const char *const bodies[] = {
		"", "junk", "sha256:" HELLO "\n", "sha256:" HELLO "0", "sha256:../../../etc/passwd",
		/* another of the same kind is no alias */
		"sha256:3cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	};
	struct fixture *f = *state;
	struct stow_descriptor descriptor;
	char long_body[4096], digest[] = "sha256:" HELLO;

	push_blob(f, "a", "hello", 5, digest);
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		write_object(f, key, bodies[i], strlen(bodies[i]));
		assert_int_equal(stat_blob(f, "a", digest), STOW_ECORRUPT);
		assert_int_equal(stow_blob_mount(f->registry, &f->op, "b", "a", digest, &descriptor,
		                                 &f->err),
		                 STOW_ECORRUPT);
	}
	memset(long_body, 'a', sizeof(long_body));
	write_object(f, key, long_body, sizeof(long_body));
	assert_int_equal(stat_blob(f, "a", digest), STOW_ECORRUPT);
	assert_non_null(strstr(f->err.message, key));
	push_blob(f, "a", "hello", 5, digest);
	check_blob(f, "a", digest, "hello", 5);
}

/* Distribution keeps what was pushed by sha512 under its sha256, and links both to that. */
static void test_alias(void **state)
{
	struct fixture *f = *state;
	struct stow_descriptor descriptor;
	char long_digest[STOW_DIGEST_MAX + 1], digest[] = "sha256:" HELLO, key[1024];

	digest_by(HASH_SHA512, "hello", 5, long_digest);
	write_object(f, V2 "blobs/sha256/2c/" HELLO "/data", "hello", 5);
	write_object(f, V2 "repositories/a/_layers/sha256/" HELLO "/link", digest, 71);
	assert_true(text_format(key, sizeof(key), V2 "repositories/a/_layers/sha512/%s/link",
	                        long_digest + 7));
	write_object(f, key, digest, 71);
	check_blob(f, "a", long_digest, "hello", 5);
	check_blob(f, "a", digest, "hello", 5);
	check_ok(f,
	         stow_blob_mount(f->registry, &f->op, "b", "a", long_digest, &descriptor, &f->err));
	check_blob(f, "b", long_digest, "hello", 5);
	check_blob(f, "b", digest, "hello", 5);
	assert_true(text_format(key, sizeof(key), V2 "repositories/b/_layers/sha512/%s/link",
	                        long_digest + 7));
	check_object(f, key, digest, 71);
}

/* The object is written anew while somebody reads it, as another push of it does. */
static void test_replaced_while_read(void **state)
{
	struct fixture *f = *state;
	struct stow_descriptor descriptor;
	struct stow_reader *reader = NULL;
	char *data = make_bytes(3 * MIB, 1), *found = malloc(3 * MIB + 1);
	char digest[STOW_DIGEST_MAX + 1];
	size_t at = 0, got;

	assert_non_null(found);
	push_blob(f, "a", data, 3 * MIB, sha256(data, 3 * MIB, digest));
	check_ok(f, stow_blob_open(f->registry, &f->op, "a", digest, 0, -1, &reader, &descriptor,
	                           &f->err));
	do {
		check_ok(f, stow_reader_read(reader, &f->op, found + at, 700000, &got, &f->err));
		at += got;
		push_blob(f, "a", data, 3 * MIB, digest);
	} while (got > 0 && at <= 2 * MIB);
	check_ok(f, stow_reader_read(reader, &f->op, found + at, 0, &got, &f->err));
	do {
		check_ok(f, stow_reader_read(reader, &f->op, found + at, 3 * MIB + 1 - at, &got,
		                             &f->err));
		at += got;
	} while (got > 0);
	stow_reader_close(reader);
	stow_reader_close(NULL);
	assert_int_equal(at, 3 * MIB);
	assert_memory_equal(found, data, 3 * MIB);
	free(data);
	free(found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_unknown),
		BOTH(test_invalid),
		BOTH(test_of_another_repository),
		BOTH(test_ranges),
		BOTH(test_delete),
		ONDISK(test_delete_is_off),
		ONDISK(test_missing_data),
		ONDISK(test_junk_links),
		ONDISK(test_alias),
		BOTH(test_replaced_while_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
