/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Immutable tags through the public interface: what is refused, what goes on, and who wins where
 * two push at once.
 */
#include "tests/registry/fixture.h"

#include <pthread.h>

#define RACES 200

static const char one[] = "{\"schemaVersion\":2,\"manifests\":[]}";
static const char two[] = "{\"schemaVersion\":2,\"manifests\":[] }";

static int setup_both(void **state, bool filesystem)
{
	struct fixture *f;

	if (fixture_setup(state, filesystem))
		return -1;
	f = *state;
	f->no_fsync = true;
	f->immutable = "v*, team/**:release-?";
	fixture_reopen(f);
	return 0;
}

static int setup_in_memory(void **state)
{
	return setup_both(state, false);
}

static int setup_on_disk(void **state)
{
	return setup_both(state, true);
}

#define EACH(test)                                                                                 \
	{ #test "/memory", test, setup_in_memory, teardown, NULL },                                \
	{                                                                                          \
#test "/filesystem", test, setup_on_disk, teardown, NULL                           \
	}

static int push(struct fixture *f, const char *name, const char *tag, const char *text)
{
	struct stow_descriptor descriptor;

	return put_manifest(f, name, tag, OCI_INDEX, text, strlen(text), &descriptor, NULL);
}

static void check_stands(struct fixture *f, const char *name, const char *tag, const char *text)
{
	char digest[STOW_DIGEST_MAX + 1], found[STOW_DIGEST_MAX + 1];

	check_ok(f, stow_tag_get(f->registry, &f->op, name, tag, found, &f->err));
	assert_string_equal(found, sha256(text, strlen(text), digest));
}

static void test_push(void **state)
{
	struct fixture *f = *state;
	struct stow_manifest *manifest = NULL;
	char digest[STOW_DIGEST_MAX + 1];

	check_ok(f, push(f, "a", "v1", one));
	assert_int_equal(push(f, "a", "v1", two), STOW_EEXIST);
	assert_non_null(strstr(f->err.message, "a:v1 is immutable"));
	check_stands(f, "a", "v1", one);
	/* nothing of it was linked */
	sha256(two, strlen(two), digest);
	assert_int_equal(stow_manifest_get(f->registry, &f->op, "a", digest, &manifest, &f->err),
	                 STOW_ENOTFOUND);
	check_ok(f, push(f, "a", "v1", one));
	/* others move, and stand beside */
	check_ok(f, push(f, "a", "latest", one));
	check_ok(f, push(f, "a", "latest", two));
	check_ok(f, push(f, "a", "v2", two));
	check_stands(f, "a", "latest", two);
	check_ok(f, push(f, "a", "release-1", one));
	check_ok(f, push(f, "a", "release-1", two));
	check_ok(f, push(f, "team", "release-1", one));
	check_ok(f, push(f, "team/b/c", "release-1", one));
	assert_int_equal(push(f, "team", "release-1", two), STOW_EEXIST);
	assert_int_equal(push(f, "team/b/c", "release-1", two), STOW_EEXIST);
	check_ok(f, push(f, "team", "release-10", one));
	check_ok(f, push(f, "team", "release-10", two));
	check_ok(f, push(f, "team", digest, two));
}

static size_t count_tags(struct fixture *f, const char *name)
{
	struct stow_names *names = NULL;
	const char *tag;
	size_t n = 0;

	check_ok(f, stow_tags_open(f->registry, &f->op, name, NULL, &names, &f->err));
	while (stow_names_next(names, &f->op, &tag, &f->err) == STOW_OK)
		n++;
	stow_names_close(names);
	return n;
}

static void test_delete(void **state)
{
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1], other[STOW_DIGEST_MAX + 1];

	sha256(one, strlen(one), digest);
	sha256(two, strlen(two), other);
	check_ok(f, push(f, "a", "latest", one));
	check_ok(f, push(f, "a", "v1", one));
	check_ok(f, push(f, "a", "next", two));
	assert_int_equal(stow_tag_delete(f->registry, &f->op, "a", "v1", &f->err), STOW_EEXIST);
	assert_int_equal(stow_tag_delete(f->registry, &f->op, "a", "v9", &f->err), STOW_ENOTFOUND);
	assert_int_equal(stow_manifest_delete_tagged(f->registry, &f->op, "a", digest, &f->err),
	                 STOW_EEXIST);
	assert_non_null(strstr(f->err.message, "a:v1 is immutable"));
	assert_int_equal(stow_manifest_delete(f->registry, &f->op, "a", digest, &f->err),
	                 STOW_EEXIST);
	/* not even the tags that may go */
	assert_int_equal(count_tags(f, "a"), 3);
	check_stands(f, "a", "latest", one);
	check_ok(f, stow_manifest_exists(f->registry, &f->op, "a", digest, &f->err));
	check_ok(f, stow_tag_delete(f->registry, &f->op, "a", "latest", &f->err));
	check_ok(f, stow_manifest_delete_tagged(f->registry, &f->op, "a", other, &f->err));
	assert_int_equal(count_tags(f, "a"), 1);
	check_stands(f, "a", "v1", one);
}

/* More tags than one batch reads, an immutable one last. */
static void test_delete_many(void **state)
{
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1], tag[32];

	for (int i = 0; i < 300; i++) {
		assert_true(text_format(tag, sizeof(tag), "t%d", i));
		check_ok(f, push(f, "a", tag, one));
		tag[0] = 'v';
		check_ok(f, push(f, "a", tag, i == 299 ? two : one));
	}
	sha256(two, strlen(two), digest);
	assert_int_equal(stow_manifest_delete_tagged(f->registry, &f->op, "a", digest, &f->err),
	                 STOW_EEXIST);
	sha256(one, strlen(one), digest);
	assert_int_equal(stow_manifest_delete_tagged(f->registry, &f->op, "a", digest, &f->err),
	                 STOW_EEXIST);
	assert_int_equal(count_tags(f, "a"), 600);
}

/* ---- two at once ---- */

struct racer {
	struct fixture *f;
	pthread_barrier_t *start;
	const char *text, *tag;
	int status;
};

static void *race_body(void *arg)
{
	struct racer *r = arg;
	struct stow_descriptor descriptor;

	(void)pthread_barrier_wait(r->start);
	r->status = stow_manifest_put(r->f->registry, NULL, "a", r->tag, OCI_INDEX, r->text,
	                              strlen(r->text), &descriptor, NULL, NULL);
	return NULL;
}

static void test_race(void **state)
{
	struct fixture *f = *state;
	pthread_barrier_t start;
	int won[2] = { 0 };

	assert_int_equal(pthread_barrier_init(&start, NULL, 2), 0);
	for (int i = 0; i < RACES; i++) {
		char tag[32];
		struct racer racers[2] = { { f, &start, one, tag, 0 }, { f, &start, two, tag, 0 } };
		struct stow_history *history = NULL;
		pthread_t thread;
		const char *digest;
		int64_t set_ns;
		int winner;

		assert_true(text_format(tag, sizeof(tag), "v%d", i));
		assert_int_equal(pthread_create(&thread, NULL, race_body, &racers[i % 2]), 0);
		(void)race_body(&racers[1 - i % 2]);
		assert_int_equal(pthread_join(thread, NULL), 0);
		winner = racers[0].status == STOW_OK ? 0 : 1;
		assert_int_equal(racers[winner].status, STOW_OK);
		assert_int_equal(racers[1 - winner].status, STOW_EEXIST);
		check_stands(f, "a", tag, racers[winner].text);
		/* the tag never stood on the other's */
		check_ok(f, stow_tag_history(f->registry, &f->op, "a", tag, &history, &f->err));
		assert_int_equal(stow_history_next(history, &digest, &set_ns), STOW_OK);
		assert_int_equal(stow_history_next(history, &digest, &set_ns), STOW_ENOTFOUND);
		stow_history_close(history);
		won[winner]++;
	}
	print_message("won: %d and %d\n", won[0], won[1]);
	(void)pthread_barrier_destroy(&start);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_push),
		EACH(test_delete),
		{ "test_delete_many", test_delete_many, setup_in_memory, teardown, NULL },
		EACH(test_race),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
