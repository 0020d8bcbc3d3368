/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uploads through the public interface: tokens, segments, chains, commits, what a mistake leaves
 * behind.
 */
#include "common/clock.h"
#include "tests/registry/fixture.h"

static void test_monolithic(void **state)
{
	static const size_t sizes[] = { 0, 1, 300, 5 * MIB - 1, 5 * MIB, 6 * MIB };
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		char *data = make_bytes(sizes[i], 1);

		sha256(data, sizes[i], digest);
		push_blob(f, "a/b", data, sizes[i], digest);
		check_blob(f, "a/b", digest, data, sizes[i]);
		free(data);
	}
}

static void test_chunked(void **state)
{
	/* each row is one upload: the sizes of its PATCHes, then of the closing body */
	static const size_t rows[][6] = {
		{ 1, 0, 0, 0, 0, 0 },
		{ 20000, 0, 0, 0, 0, 0 },
		{ 3 * MIB, 3 * MIB, 3 * MIB, 3 * MIB, 1, 0 },
		{ 5 * MIB, 5 * MIB, 5 * MIB, 0, 0, 0 },
		{ 5 * MIB - 1, 1, 5 * MIB, 1, 0, 0 },
		{ 6 * MIB, 7 * MIB, 1, 2, 3, 4 },
		{ 1, 2, 3, 4, 5, 6 },
		{ 9 * MIB, 0, 0, 0, 0, 9 * MIB },
		{ 0, 0, 0, 0, 0, 7 },
	};
	struct fixture *f = *state;
	struct stow_descriptor descriptor;
	char digest[STOW_DIGEST_MAX + 1];

	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		char *data = make_bytes(32 * MIB, (unsigned int)row);
		struct session session;
		size_t at = 0;
		int64_t offset;

		begin(f, "a", &session);
		for (size_t i = 0; i < 5; i++) {
			check_ok(f, patch(f, "a", &session, data + at, rows[row][i]));
			at += rows[row][i];
			check_ok(f, stow_upload_status(f->registry, &f->op, "a", session.uuid,
			                               session.token, &offset, &f->err));
			assert_int_equal(offset, at);
		}
		sha256(data, at + rows[row][5], digest);
		check_ok(f, finish(f, "a", &session, data + at, rows[row][5], digest, &descriptor));
		at += rows[row][5];
		assert_int_equal(descriptor.size, at);
		assert_string_equal(descriptor.digest, digest);
		check_blob(f, "a", digest, data, at);
		if (f->filesystem)
			assert_int_equal(count_objects(f, V2 "repositories/a/_stowage"), 0);
		free(data);
	}
}

/* The process is gone between any two requests. */
static void test_restart(void **state)
{
	struct fixture *f = *state;
	char *data = make_bytes(14 * MIB, 7), digest[STOW_DIGEST_MAX + 1];
	struct stow_descriptor descriptor;
	struct session session;

	begin(f, "a", &session);
	for (size_t i = 0; i < 7; i++) {
		fixture_reopen(f);
		check_ok(f, patch(f, "a", &session, data + i * 2 * MIB, 2 * MIB));
	}
	fixture_reopen(f);
	sha256(data, 14 * MIB, digest);
	check_ok(f, finish(f, "a", &session, "", 0, digest, &descriptor));
	fixture_reopen(f);
	check_blob(f, "a", digest, data, 14 * MIB);
	assert_int_equal(count_objects(f, V2 "repositories/a/_stowage"), 0);
	free(data);
}

/* What is finished lies as Distribution lays it, and nothing else is left. */
static void test_layout(void **state)
{
	static const char hex[] =
		"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1], key[1024];
	struct stow_descriptor descriptor;
	struct session session;

	assert_true(text_format(digest, sizeof(digest), "sha256:%s", hex));
	begin(f, "a/b", &session);
	check_ok(f, patch(f, "a/b", &session, "he", 2));
	check_ok(f, finish(f, "a/b", &session, "llo", 3, digest, &descriptor));
	assert_true(text_format(key, sizeof(key), V2 "blobs/sha256/2c/%s/data", hex));
	check_object(f, key, "hello", 5);
	assert_true(
		text_format(key, sizeof(key), V2 "repositories/a/b/_layers/sha256/%s/link", hex));
	check_object(f, key, digest, 71);
	/* data, link, and the key that signs */
	assert_int_equal(count_objects(f, "docker"), 3);
	assert_true(exists(f, V2 "_stowage/secret"));
}

static void test_secret_is_private(void **state)
{
	struct fixture *f = *state;
	struct session session;
	char path[2048];
	struct stat st;

	begin(f, "a", &session);
	path_of(f, V2 "_stowage/secret", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, 64);
}

static void test_sha512(void **state)
{
	static const enum hash_algorithm algorithms[] = { HASH_SHA384, HASH_SHA512 };
	struct fixture *f = *state;
	struct stow_descriptor descriptor;
	char digest[STOW_DIGEST_MAX + 1];
	struct session session;

	for (size_t i = 0; i < 2; i++) {
		char *data = make_bytes(11 * MIB, (unsigned int)i);

		/* straight to the key */
		digest_by(algorithms[i], data, 100, digest);
		push_blob(f, "a", data, 100, digest);
		check_blob(f, "a", digest, data, 100);
		/* with the hint: the running hash is of the right kind */
		digest_by(algorithms[i], data, 11 * MIB, digest);
		check_ok(f, stow_upload_create(f->registry, "a", hash_name(algorithms[i]),
		                               session.token, session.uuid, &f->err));
		check_ok(f, patch(f, "a", &session, data, 6 * MIB));
		check_ok(f, finish(f, "a", &session, data + 6 * MIB, 5 * MIB, digest, &descriptor));
		check_blob(f, "a", digest, data, 11 * MIB);
		/* without: all is read again */
		digest_by(algorithms[i], data, 7 * MIB, digest);
		begin(f, "a", &session);
		check_ok(f, patch(f, "a", &session, data, 6 * MIB));
		check_ok(f, patch(f, "a", &session, data + 6 * MIB, 1 * MIB));
		check_ok(f, finish(f, "a", &session, "", 0, digest, &descriptor));
		check_blob(f, "a", digest, data, 7 * MIB);
		if (f->filesystem) {
			char key[1024];

			assert_true(text_format(key, sizeof(key),
			                        V2 "repositories/a/_layers/%s/%s/link",
			                        hash_name(algorithms[i]), strchr(digest, ':') + 1));
			check_object(f, key, digest, strlen(digest));
		}
		free(data);
	}
	assert_int_equal(
		stow_upload_create(f->registry, "a", "md5", session.token, session.uuid, &f->err),
		STOW_EINVAL);
}

static void test_mismatch_direct(void **state)
{
	struct fixture *f = *state;
	struct stow_descriptor descriptor;
	char digest[STOW_DIGEST_MAX + 1];
	struct session session;

	sha256("right", 5, digest);
	begin(f, "a", &session);
	assert_int_equal(finish(f, "a", &session, "wrong", 5, digest, &descriptor), STOW_ECORRUPT);
	assert_int_equal(finish(f, "a", &session, "", 0, digest, &descriptor), STOW_ECORRUPT);
	assert_int_equal(stat_blob(f, "a", digest), STOW_ENOTFOUND);
	/* of a kind that no store checks for us */
	digest_by(HASH_SHA512, "right", 5, digest);
	assert_int_equal(finish(f, "a", &session, "wrong", 5, digest, &descriptor), STOW_ECORRUPT);
	assert_int_equal(stat_blob(f, "a", digest), STOW_ENOTFOUND);
	sha256("right", 5, digest);
	if (f->filesystem)
		assert_int_equal(count_objects(f, V2 "blobs"), 0);
	/* nothing was stored under it: the token of offset 0 still holds */
	check_ok(f, finish(f, "a", &session, "right", 5, digest, &descriptor));
	check_blob(f, "a", digest, "right", 5);
}

static void check_gone(struct fixture *f, const char *name, const struct session *session,
                       const char *digest)
{
	struct stow_descriptor descriptor;
	struct session copy = *session;
	int64_t offset;

	assert_int_equal(stow_upload_status(f->registry, &f->op, name, session->uuid,
	                                    session->token, &offset, &f->err),
	                 STOW_ENOTFOUND);
	assert_int_equal(patch(f, name, &copy, "x", 1), STOW_ENOTFOUND);
	assert_int_equal(finish(f, name, session, "", 0, digest, &descriptor), STOW_ENOTFOUND);
	assert_int_equal(finish(f, name, session, "xyz", 3, digest, &descriptor), STOW_ENOTFOUND);
}

static void test_mismatch_segments(void **state)
{
	static const size_t sizes[] = { 5, 6 * MIB };
	struct fixture *f = *state;
	struct stow_descriptor descriptor;
	char right[STOW_DIGEST_MAX + 1], other[STOW_DIGEST_MAX + 1];
	struct session session, old;

	for (size_t i = 0; i < 2; i++) {
		char *data = make_bytes(sizes[i], 3);

		sha256(data, sizes[i], right);
		sha256("other", 5, other);
		begin(f, "a", &session);
		old = session;
		check_ok(f, patch(f, "a", &session, data, sizes[i]));
		assert_int_equal(finish(f, "a", &session, "", 0, other, &descriptor),
		                 STOW_ECORRUPT);
		check_gone(f, "a", &session, other);
		check_gone(f, "a", &session, right);
		assert_int_equal(stat_blob(f, "a", other), STOW_ENOTFOUND);
		assert_int_equal(stat_blob(f, "a", right), STOW_ENOTFOUND);
		if (f->filesystem)
			assert_int_equal(count_objects(f, V2 "repositories/a/_stowage"), 0);
		/* offset 0 has no bytes to lose */
		check_ok(f, patch(f, "a", &old, data, sizes[i]));
		/* of a sha512 that has to be read for */
		digest_by(HASH_SHA512, "other", 5, other);
		assert_int_equal(finish(f, "a", &old, "", 0, other, &descriptor), STOW_ECORRUPT);
		check_gone(f, "a", &old, other);
		free(data);
	}
}

/* Two requests with one token make two chains: only the one that is closed counts. */
static void test_two_chains(void **state)
{
	static const size_t sizes[] = { 10, 6 * MIB };
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		size_t n = sizes[i];
		char *head = make_bytes(n, 1), *one = make_bytes(2 * n, 2), *two = make_bytes(n, 3);
		char *all = malloc(4 * n), digest[STOW_DIGEST_MAX + 1];
		struct stow_descriptor descriptor;
		struct session session, other;

		assert_non_null(all);
		begin(f, "a", &session);
		check_ok(f, patch(f, "a", &session, head, n));
		other = session;
		check_ok(f, patch(f, "a", &session, one, 2 * n));
		check_ok(f, patch(f, "a", &other, two, n));
		check_ok(f, patch(f, "a", &other, one, n));
		check_ok(f, patch(f, "a", &session, two, n));
		memcpy(all, head, n);
		memcpy(all + n, one, 2 * n);
		memcpy(all + 3 * n, two, n);
		sha256(all, 4 * n, digest);
		check_ok(f, finish(f, "a", &session, "", 0, digest, &descriptor));
		check_blob(f, "a", digest, all, 4 * n);
		/* the other chain went with the upload */
		check_gone(f, "a", &other,
		           "sha256:"
		           "00000000000000000000000000000000000000000000000000000000000"
		           "00000");
		if (f->filesystem)
			assert_int_equal(count_objects(f, V2 "repositories/a/_stowage"), 0);
		free(head);
		free(one);
		free(two);
		free(all);
	}
}

/* The answer was lost, and the client asks again. */
static void test_commit_twice(void **state)
{
	static const size_t sizes[] = { 9, 6 * MIB };
	struct fixture *f = *state;
	struct stow_descriptor descriptor;
	char digest[STOW_DIGEST_MAX + 1];

	for (size_t i = 0; i < 2; i++) {
		char *data = make_bytes(2 * sizes[i], 5);
		struct session session;

		sha256(data, 2 * sizes[i], digest);
		begin(f, "a", &session);
		check_ok(f, patch(f, "a", &session, data, sizes[i]));
		check_ok(f, patch(f, "a", &session, data + sizes[i], sizes[i]));
		check_ok(f, finish(f, "a", &session, "", 0, digest, &descriptor));
		f->err.status = 77;
		check_ok(f, finish(f, "a", &session, "", 0, digest, &descriptor));
		assert_int_equal(f->err.status, 77); /* left alone on success */
		assert_int_equal(descriptor.size, 2 * sizes[i]);
		check_ok(f, stow_blob_delete(f->registry, &f->op, "a", digest, &f->err));
		assert_int_equal(finish(f, "a", &session, "", 0, digest, &descriptor),
		                 STOW_ENOTFOUND);
		/* with bytes in the closing request */
		begin(f, "a", &session);
		check_ok(f, patch(f, "a", &session, data, sizes[i]));
		check_ok(f,
		         finish(f, "a", &session, data + sizes[i], sizes[i], digest, &descriptor));
		check_ok(f,
		         finish(f, "a", &session, data + sizes[i], sizes[i], digest, &descriptor));
		assert_int_equal(descriptor.size, 2 * sizes[i]);
		assert_int_equal(finish(f, "a", &session, data, sizes[i], digest, &descriptor),
		                 STOW_ENOTFOUND);
		check_ok(f, stow_blob_delete(f->registry, &f->op, "a", digest, &f->err));
		assert_int_equal(
			finish(f, "a", &session, data + sizes[i], sizes[i], digest, &descriptor),
			STOW_ENOTFOUND);
		free(data);
	}
}

/* A segment that is there but not what it was is never mixed in. */
static void test_broken_chain(void **state)
{
	struct fixture *f = *state;
	char *data = make_bytes(12 * MIB, 5), digest[STOW_DIGEST_MAX + 1], path[2048];
	struct stow_descriptor descriptor;
	struct session session;

	sha256(data, 12 * MIB, digest);
	begin(f, "a", &session);
	check_ok(f, patch(f, "a", &session, data, 6 * MIB));
	check_ok(f, patch(f, "a", &session, data + 6 * MIB, 6 * MIB));
	path_of(f, V2 "repositories/a/_stowage/uploads", path);
	assert_true(text_format(path + strlen(path), 512, "/%s", session.uuid));
	/* the first one goes */
	{
		char command[4096];

		assert_true(text_format(command, sizeof(command), "rm %s/0-*", path));
		assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own folder */
	}
	assert_int_equal(finish(f, "a", &session, "", 0, digest, &descriptor), STOW_ENOTFOUND);
	assert_int_equal(stat_blob(f, "a", digest), STOW_ENOTFOUND);
	free(data);
}

/* Closed without seal or commit: nothing is left, and the token goes on holding. */
static void test_gone_client(void **state)
{
	struct fixture *f = *state;
	struct stow_descriptor descriptor;
	char digest[STOW_DIGEST_MAX + 1];
	struct stow_upload *upload = NULL;
	struct session session;
	size_t before = 0;

	begin(f, "a", &session);
	for (int i = 0; i < 2; i++) {
		check_ok(f, stow_upload_open(f->registry, &f->op, "a", session.uuid, session.token,
		                             -1, NULL, &upload, &f->err));
		check_ok(f, stow_upload_write(upload, &f->op, "lost", 4, &f->err));
		stow_upload_close(upload, &f->op);
		sha256("lost", 4, digest);
		check_ok(f, stow_upload_open(f->registry, &f->op, "a", session.uuid, session.token,
		                             4, digest, &upload, &f->err));
		check_ok(f, stow_upload_write(upload, &f->op, "lost", 4, &f->err));
		stow_upload_close(upload, &f->op);
		if (f->filesystem && i == 0)
			assert_int_equal(count_objects(f, V2 "repositories"), 0);
		if (f->filesystem && i == 1)
			assert_int_equal(count_objects(f, V2 "repositories"), before);
		check_ok(f, patch(f, "a", &session, "kept", 4));
		if (f->filesystem)
			before = count_objects(f, V2 "repositories");
	}
	sha256("keptkept", 8, digest);
	check_ok(f, finish(f, "a", &session, "", 0, digest, &descriptor));
	check_blob(f, "a", digest, "keptkept", 8);
	stow_upload_close(NULL, NULL);
}

/* More or fewer bytes than announced. */
static void test_lengths(void **state)
{
	struct fixture *f = *state;
	struct stow_descriptor descriptor;
	char token[STOW_TOKEN_MAX], digest[STOW_DIGEST_MAX + 1];
	struct stow_upload *upload = NULL;
	struct session session, other;
	int64_t offset;

	sha256("abc", 3, digest);
	begin(f, "a", &session);
	check_ok(f, stow_upload_open(f->registry, &f->op, "a", session.uuid, session.token, 3, NULL,
	                             &upload, &f->err));
	check_ok(f, stow_upload_write(upload, &f->op, "ab", 2, &f->err));
	assert_int_equal(stow_upload_seal(upload, &f->op, token, &offset, &f->err), STOW_ERANGE);
	stow_upload_close(upload, &f->op);
	check_ok(f, stow_upload_open(f->registry, &f->op, "a", session.uuid, session.token, 3, NULL,
	                             &upload, &f->err));
	assert_int_equal(stow_upload_write(upload, &f->op, "abcd", 4, &f->err), STOW_ERANGE);
	assert_int_equal(stow_upload_seal(upload, &f->op, token, &offset, &f->err), STOW_EINVAL);
	stow_upload_close(upload, &f->op);
	check_ok(f, stow_upload_open(f->registry, &f->op, "a", session.uuid, session.token, 4,
	                             digest, &upload, &f->err));
	check_ok(f, stow_upload_write(upload, &f->op, "abc", 3, &f->err));
	assert_int_equal(stow_upload_commit(upload, &f->op, &descriptor, &f->err), STOW_ERANGE);
	stow_upload_close(upload, &f->op);
	assert_int_equal(stat_blob(f, "a", digest), STOW_ENOTFOUND);
	assert_int_equal(stow_upload_open(f->registry, &f->op, "a", session.uuid, session.token, -2,
	                                  NULL, &upload, &f->err),
	                 STOW_EINVAL);
	/* so many that all together could not be counted */
	other = session;
	check_ok(f, patch(f, "a", &other, "x", 1));
	assert_int_equal(stow_upload_open(f->registry, &f->op, "a", other.uuid, other.token,
	                                  INT64_MAX, NULL, &upload, &f->err),
	                 STOW_ERANGE);
	/* unknown length, and a commit without a digest */
	check_ok(f, stow_upload_open(f->registry, &f->op, "a", session.uuid, session.token, -1,
	                             NULL, &upload, &f->err));
	check_ok(f, stow_upload_write(upload, &f->op, "abc", 3, &f->err));
	assert_int_equal(stow_upload_commit(upload, &f->op, &descriptor, &f->err), STOW_EINVAL);
	stow_upload_close(upload, &f->op);
}

static void test_tokens(void **state)
{
	struct fixture *f = *state;
	struct session session, other;
	int64_t offset = -1;

	begin(f, "a", &session);
	begin(f, "a", &other);
	check_ok(f, patch(f, "a", &session, "x", 1));
	check_ok(f, stow_upload_offset(f->registry, "a", session.uuid, session.token, &offset,
	                               &f->err));
	assert_int_equal(offset, 1);
	assert_int_equal(
		stow_upload_offset(f->registry, "b", session.uuid, session.token, &offset, &f->err),
		STOW_ENOTFOUND);
	assert_int_equal(
		stow_upload_offset(f->registry, "a", other.uuid, session.token, &offset, &f->err),
		STOW_ENOTFOUND);
	assert_int_equal(stow_upload_offset(f->registry, "a", session.uuid, "", &offset, &f->err),
	                 STOW_ENOTFOUND);
	assert_int_equal(
		stow_upload_offset(f->registry, "A", session.uuid, session.token, &offset, &f->err),
		STOW_EINVAL);
	/* seven days and a second later */
	f->now_ns += (7 * 86400 + 1) * INT64_C(1000000000);
	assert_int_equal(
		stow_upload_offset(f->registry, "a", session.uuid, session.token, &offset, &f->err),
		STOW_ENOTFOUND);
	assert_int_equal(patch(f, "a", &session, "x", 1), STOW_ENOTFOUND);
}

/* A list of keys: the first signs, all verify. */
static void test_secrets(void **state)
{
	struct fixture *f = *state;
	struct session session;
	int64_t offset;

	begin(f, "a", &session); /* by the stored key */
	f->secret = "one";
	fixture_reopen(f);
	assert_int_equal(
		stow_upload_offset(f->registry, "a", session.uuid, session.token, &offset, &f->err),
		STOW_ENOTFOUND);
	begin(f, "a", &session);
	f->secret = "two, one";
	fixture_reopen(f);
	check_ok(f, stow_upload_offset(f->registry, "a", session.uuid, session.token, &offset,
	                               &f->err));
	begin(f, "a", &session);
	f->secret = "one";
	fixture_reopen(f);
	assert_int_equal(
		stow_upload_offset(f->registry, "a", session.uuid, session.token, &offset, &f->err),
		STOW_ENOTFOUND);
}

static void test_cancel(void **state)
{
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1];
	struct session session, kept;

	begin(f, "a", &session);
	begin(f, "a", &kept);
	check_ok(f, stow_upload_cancel(f->registry, &f->op, "a", session.uuid, session.token,
	                               &f->err));
	check_ok(f, patch(f, "a", &session, "abc", 3));
	check_ok(f, patch(f, "a", &kept, "abc", 3));
	check_ok(f, stow_upload_cancel(f->registry, &f->op, "a", session.uuid, session.token,
	                               &f->err));
	check_gone(f, "a", &session, sha256("abc", 3, digest));
	assert_int_equal(
		stow_upload_cancel(f->registry, &f->op, "a", session.uuid, session.token, &f->err),
		STOW_ENOTFOUND);
	check_ok(f, patch(f, "a", &kept, "def", 3));
}

/* What the design allows a push to cost; the memory driver counts the opening of a write, too. */
static void test_requests(void **state)
{
	struct fixture *f = *state;
	char *data = make_bytes(20000, 9), digest[STOW_DIGEST_MAX + 1];
	struct stow_descriptor descriptor;
	struct session session;

	begin(f, "a", &session); /* the secret is made once */
	f->requests = 0;
	begin(f, "a", &session);
	assert_int_equal(f->requests, 0);
	check_ok(f, finish(f, "a", &session, data, 300, sha256(data, 300, digest), &descriptor));
	assert_int_equal(f->requests, 2 + 1);
	f->requests = 0;
	begin(f, "a", &session);
	check_ok(f, patch(f, "a", &session, data, 20000));
	check_ok(f, finish(f, "a", &session, "", 0, sha256(data, 20000, digest), &descriptor));
	/* seal, copy, the look at what was copied, link, removal */
	assert_int_equal(f->requests, 5 + 1);
	f->requests = 0;
	assert_int_equal(stat_blob(f, "b", digest), STOW_ENOTFOUND);
	assert_int_equal(f->requests, 1);
	f->requests = 0;
	assert_int_equal(stat_blob(f, "a", digest), 20000);
	assert_int_equal(f->requests, 2);
	free(data);
}

#define UPLOADS V2 "repositories/old/one/_uploads/"
#define DAY (INT64_C(86400) * 1000000000)

static void begun(struct fixture *f, const char *uuid, int days)
{
	char key[200], text[40];

	assert_true(text_format(key, sizeof(key), UPLOADS "%s/data", uuid));
	write_object(f, key, "part of it", 10);
	if (days < 0)
		return;
	text_format_rfc3339(text, (f->now_ns - days * DAY) / 1000000000);
	assert_true(text_format(key, sizeof(key), UPLOADS "%s/startedat", uuid));
	write_object(f, key, text, strlen(text));
}

/* Ours by the age of their objects, Distribution's by what it wrote down, nothing else. */
static void test_purge(void **state)
{
	struct fixture *f = *state;
	struct stow_purge purge;
	struct session session;
	char digest[STOW_DIGEST_MAX + 1];

	f->now_ns = clock_real();
	push_blob(f, "new", "kept", 4, sha256("kept", 4, digest));
	begin(f, "new", &session);
	check_ok(f, patch(f, "new", &session, "some", 4));
	check_ok(f, patch(f, "new", &session, "more", 4));
	begun(f, "11111111-0000-4000-8000-000000000000", 8);
	begun(f, "22222222-0000-4000-8000-000000000000", 3);
	begun(f, "33333333-0000-4000-8000-000000000000", -1);
	assert_int_equal(stow_uploads_purge(f->registry, &f->op, 6 * DAY, 0, &purge, &f->err),
	                 STOW_EINVAL);
	check_ok(f, stow_uploads_purge(f->registry, &f->op, 7 * DAY, STOW_PURGE_DRY_RUN, &purge,
	                               &f->err));
	assert_int_equal(purge.uploads, 0);
	assert_int_equal(purge.distribution, 1);
	assert_int_equal(purge.objects, 2);
	assert_true(exists(f, UPLOADS "11111111-0000-4000-8000-000000000000/data"));
	check_ok(f, stow_uploads_purge(f->registry, &f->op, 7 * DAY, 0, &purge, &f->err));
	assert_int_equal(purge.distribution, 1);
	assert_false(exists(f, UPLOADS "11111111-0000-4000-8000-000000000000/data"));
	assert_true(exists(f, UPLOADS "22222222-0000-4000-8000-000000000000/data"));
	f->now_ns += 8 * DAY;
	check_ok(f, stow_uploads_purge(f->registry, &f->op, 7 * DAY, 0, &purge, &f->err));
	assert_int_equal(purge.uploads, 1);
	assert_int_equal(purge.distribution, 2);
	assert_int_equal(count_objects(f, UPLOADS), 0);
	assert_int_equal(count_objects(f, V2 "repositories/new/_stowage"), 0);
	check_blob(f, "new", digest, "kept", 4);
	check_ok(f, stow_uploads_purge(f->registry, &f->op, 7 * DAY, 0, &purge, &f->err));
	assert_int_equal(purge.uploads + purge.distribution + purge.objects, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_monolithic),
		BOTH(test_chunked),
		ONDISK(test_restart),
		ONDISK(test_layout),
		ONDISK(test_secret_is_private),
		BOTH(test_sha512),
		BOTH(test_mismatch_direct),
		BOTH(test_mismatch_segments),
		BOTH(test_two_chains),
		BOTH(test_commit_twice),
		ONDISK(test_broken_chain),
		BOTH(test_gone_client),
		BOTH(test_lengths),
		BOTH(test_tokens),
		ONDISK(test_secrets),
		BOTH(test_cancel),
		ONDISK(test_purge),
		{ "test_requests", test_requests, setup_memory, teardown, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
