/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One registry used by many threads at once.  What they may find is what some order of their
 * calls allows; a sanitizer looks at the rest.
 */
#include "tests/registry/fixture.h"

#include <pthread.h>

#define THREADS 8
#define ROUNDS 12

struct worker {
	struct fixture *f;
	pthread_t thread;
	int number;
	const struct session *session;
	const char *digest;
	struct session made;
	int status;
	struct stow_error err;
};

/* No assertions in threads: cmocka's jump back only on their own. */
#define TRY(w, call)                                                                               \
	do {                                                                                       \
		(w)->status = (call);                                                              \
		if ((w)->status != STOW_OK)                                                        \
			return NULL;                                                               \
	} while (0)

static void run(struct worker *workers, struct fixture *f, void *(*body)(void *))
{
	for (int i = 0; i < THREADS; i++) {
		workers[i].f = f;
		workers[i].number = i;
		assert_int_equal(pthread_create(&workers[i].thread, NULL, body, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
}

static void check_all(const struct worker *workers)
{
	for (int i = 0; i < THREADS; i++) {
		if (workers[i].status != STOW_OK)
			fail_msg("thread %d: %d: %s: %s", i, workers[i].status,
			         workers[i].err.where, workers[i].err.message);
	}
}

static int push_bytes(struct worker *w, const char *name, const void *data, size_t len,
                      const char *digest)
{
	struct stow_registry *r = w->f->registry;
	struct stow_descriptor descriptor;
	char token[STOW_TOKEN_MAX], uuid[STOW_UUID_LEN + 1];
	struct stow_upload *upload = NULL;
	int64_t offset;
	int status;

	status = stow_upload_create(r, name, NULL, token, uuid, &w->err);
	if (status == STOW_OK)
		status = stow_upload_open(r, NULL, name, uuid, token, -1, NULL, &upload, &w->err);
	if (status == STOW_OK)
		status = stow_upload_write(upload, NULL, data, len / 2, &w->err);
	if (status == STOW_OK)
		status = stow_upload_seal(upload, NULL, token, &offset, &w->err);
	stow_upload_close(upload, NULL);
	upload = NULL;
	if (status == STOW_OK)
		status = stow_upload_open(r, NULL, name, uuid, token, -1, digest, &upload, &w->err);
	if (status == STOW_OK)
		status = stow_upload_write(upload, NULL, (const char *)data + len / 2,
		                           len - len / 2, &w->err);
	if (status == STOW_OK)
		status = stow_upload_commit(upload, NULL, &descriptor, &w->err);
	stow_upload_close(upload, NULL);
	return status;
}

/* Some blobs are each thread's own, some are all threads' at once; so are tags. */
static void *push_body(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < ROUNDS; i++) {
		char data[64], digest[STOW_DIGEST_MAX + 1], text[512], tag[32];
		struct stow_descriptor descriptor;
		struct stow_manifest *manifest = NULL;

		(void)text_format(data, sizeof(data), "{\"i\":%d,\"n\":%d}", i,
		                  i % 2 ? w->number : -1);
		sha256(data, strlen(data), digest);
		TRY(w, push_bytes(w, "a", data, strlen(data), digest));
		TRY(w, stow_blob_stat(w->f->registry, NULL, "a", digest, &descriptor, &w->err));
		(void)text_format(text, sizeof(text),
		                  "{\"schemaVersion\":2,\"config\":{\"digest\":\"%s\","
		                  "\"size\":%zu}}",
		                  digest, strlen(data));
		(void)text_format(tag, sizeof(tag), "t%d", i);
		TRY(w, stow_manifest_put(w->f->registry, NULL, "a", tag, OCI_IMAGE, text,
		                         strlen(text), &descriptor, NULL, &w->err));
		TRY(w, stow_manifest_get(w->f->registry, NULL, "a", tag, &manifest, &w->err));
		stow_manifest_free(manifest);
	}
	return NULL;
}

static void test_pushes(void **state)
{
	struct worker workers[THREADS] = { 0 };
	struct fixture *f = *state;
	struct stow_names *names = NULL;
	const char *name;
	int n = 0;

	run(workers, f, push_body);
	check_all(workers);
	check_ok(f, stow_tags_open(f->registry, &f->op, "a", NULL, &names, &f->err));
	while (stow_names_next(names, &f->op, &name, &f->err) == STOW_OK)
		n++;
	stow_names_close(names);
	assert_int_equal(n, ROUNDS);
	if (f->filesystem)
		assert_int_equal(count_objects(f, V2 "repositories/a/_stowage"), 0);
}

/* One upload closed by all at once: each is told that it is done. */
static void *commit_body(void *arg)
{
	struct worker *w = arg;
	struct stow_descriptor descriptor;
	struct stow_upload *upload = NULL;

	w->status = stow_upload_open(w->f->registry, NULL, "a", w->session->uuid, w->session->token,
	                             0, w->digest, &upload, &w->err);
	if (w->status == STOW_OK)
		w->status = stow_upload_commit(upload, NULL, &descriptor, &w->err);
	stow_upload_close(upload, NULL);
	return NULL;
}

static void test_double_finish(void **state)
{
	static const size_t sizes[] = { 100, 6 * MIB };
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		char *data = make_bytes(2 * sizes[i], 1), digest[STOW_DIGEST_MAX + 1];
		struct worker workers[THREADS] = { 0 };
		struct session session;

		sha256(data, 2 * sizes[i], digest);
		begin(f, "a", &session);
		check_ok(f, patch(f, "a", &session, data, sizes[i]));
		check_ok(f, patch(f, "a", &session, data + sizes[i], sizes[i]));
		for (int k = 0; k < THREADS; k++) {
			workers[k].session = &session;
			workers[k].digest = digest;
		}
		run(workers, f, commit_body);
		check_all(workers);
		check_blob(f, "a", digest, data, 2 * sizes[i]);
		free(data);
	}
}

/* The first use of the signing key, by all at once: one key comes of it. */
static void *create_body(void *arg)
{
	struct worker *w = arg;
	char token[STOW_TOKEN_MAX], uuid[STOW_UUID_LEN + 1];
	int64_t offset;

	TRY(w, stow_upload_create(w->f->registry, "a", NULL, token, uuid, &w->err));
	TRY(w, stow_upload_offset(w->f->registry, "a", uuid, token, &offset, &w->err));
	return NULL;
}

static void test_first_secret(void **state)
{
	struct worker workers[THREADS] = { 0 };

	run(workers, *state, create_body);
	check_all(workers);
}

/* As many processes on one store: whichever makes the key, all of them end up with that one. */
static void *replica_body(void *arg)
{
	struct worker *w = arg;
	struct stow_registry *own = NULL;

	TRY(w, stow_registry_open(w->f->store, w->f->config, &w->f->host, &own, &w->err));
	w->status = stow_upload_create(own, "a", NULL, w->made.token, w->made.uuid, &w->err);
	stow_registry_close(own);
	return NULL;
}

static void test_replicas_secret(void **state)
{
	struct fixture *f = *state;
	struct worker *workers = calloc(THREADS, sizeof(*workers));
	int64_t offset;

	assert_non_null(workers);
	run(workers, f, replica_body);
	check_all(workers);
	for (int i = 0; i < THREADS; i++)
		check_ok(f, stow_upload_offset(f->registry, "a", workers[i].made.uuid,
		                               workers[i].made.token, &offset, &f->err));
	free(workers);
}

/* Tags and manifests come and go: never another answer than "there" or "not there". */
static void *churn_body(void *arg)
{
	struct worker *w = arg;
	struct stow_registry *r = w->f->registry;

	for (int i = 0; i < 4 * ROUNDS; i++) {
		char tag[32];
		struct stow_manifest *manifest = NULL;
		struct stow_names *names = NULL;
		struct stow_descriptor descriptor;

		(void)text_format(tag, sizeof(tag), "t%d", i % 3);
		if (w->number % 4 == 0)
			w->status = stow_manifest_put(r, NULL, "a", tag, OCI_INDEX,
			                              "{\"schemaVersion\":2,\"manifests\":[]}", 34,
			                              &descriptor, NULL, &w->err);
		else if (w->number % 4 == 1)
			w->status = stow_tag_delete(r, NULL, "a", tag, &w->err);
		else if (w->number % 4 == 2)
			w->status = stow_manifest_delete_tagged(r, NULL, "a", w->digest, &w->err);
		else
			w->status = stow_tags_open(r, NULL, "a", NULL, &names, &w->err);
		stow_names_close(names);
		if (w->status == STOW_OK || w->status == STOW_ENOTFOUND)
			w->status = stow_manifest_get(r, NULL, "a", tag, &manifest, &w->err);
		stow_manifest_free(manifest);
		if (w->status != STOW_OK && w->status != STOW_ENOTFOUND)
			return NULL;
		w->status = STOW_OK;
	}
	return NULL;
}

static void test_churn(void **state)
{
	struct worker workers[THREADS] = { 0 };
	char digest[STOW_DIGEST_MAX + 1];
	struct fixture *f = *state;

	sha256("{\"schemaVersion\":2,\"manifests\":[]}", 34, digest);
	for (int i = 0; i < THREADS; i++)
		workers[i].digest = digest;
	run(workers, f, churn_body);
	check_all(workers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_pushes),          BOTH(test_double_finish), BOTH(test_first_secret),
		BOTH(test_replicas_secret), BOTH(test_churn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
