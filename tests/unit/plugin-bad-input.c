/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bucket that is not as it should be: what is wrong has a defined answer and hides nothing of
 * what is right.  Objects are put into the store behind the registry's back.
 */
#include "tests/unit/memory-fixture.h"

#define TAGS V2 "repositories/a/_manifests/tags/"
#define REVISIONS V2 "repositories/a/_manifests/revisions/sha256/"
#define MANY 100000

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	memory_fixture_open(f, NULL);
	*state = f;
	return 0;
}

static int end(void **state)
{
	fixture_close(*state);
	free(*state);
	return 0;
}

static void put(struct fixture *f, const char *key, const char *text)
{
	check_ok(f, store_put(f->store, NULL, key, text, strlen(text), NULL, NULL, &f->err));
}

static int get(struct fixture *f, const char *reference)
{
	struct stow_manifest *manifest = NULL;
	int status = stow_manifest_get(f->registry, &f->op, "a", reference, &manifest, &f->err);

	stow_manifest_free(manifest);
	return status;
}

/* The tags from `after` on, at most n of them, joined by blanks. */
static void list_tags(struct fixture *f, const char *after, size_t n, char ret[2000])
{
	struct stow_names *names = NULL;
	const char *name;
	size_t len = 0;

	check_ok(f, stow_tags_open(f->registry, &f->op, "a", after, &names, &f->err));
	ret[0] = '\0';
	while (n-- && stow_names_next(names, &f->op, &name, &f->err) == STOW_OK)
		len += (size_t)snprintf(ret + len, 2000 - len, "%s%s", len ? " " : "", name);
	stow_names_close(names);
}

/* Foreign keys between, and keys in the wrong place. */
static void foreign_keys(void **state)
{
	static const char *const keys[] = {
		TAGS "v1/current/other",
		TAGS "v1/index/sha256/junk/link",
		TAGS "v1/index/link",
		TAGS "-bad/current/link",
		TAGS "a b/current/link",
		TAGS "v2/current/link/more",
		TAGS "current/link",
		TAGS "only-index/index/sha256/"
		     "1111111111111111111111111111111111111111111111111111111111111111/link",
		V2 "repositories/a/_manifests/junk",
		V2 "repositories/a/_other/junk",
		V2 "repositories/UPPER/_manifests/tags/v1/current/link",
		V2 "repositories/_manifests/tags/v1/current/link",
		V2 "repositories/a/_layers/sha256/junk/link",
		V2 "other/junk",
	};
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1], found[2000];
	struct stow_names *names = NULL;
	const char *name;

	push_image(f, "a", "v1", 1, digest);
	push_image(f, "a", "v1.0", 2, digest);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		put(f, keys[i], "junk");
	list_tags(f, NULL, 10, found);
	assert_string_equal(found, "v1 v1.0");
	check_ok(f, stow_catalog_open(f->registry, &f->op, NULL, &names, &f->err));
	check_ok(f, stow_names_next(names, &f->op, &name, &f->err));
	assert_string_equal(name, "a");
	assert_int_equal(stow_names_next(names, &f->op, &name, &f->err), STOW_ENOTFOUND);
	stow_names_close(names);
	check_ok(f, stow_manifest_delete_tagged(f->registry, &f->op, "a", digest, &f->err));
	list_tags(f, NULL, 10, found);
	assert_string_equal(found, "v1");
	check_ok(f, get(f, "v1"));
}

/* A tag whose link is junk is a corrupt one; it is listed, and the others are as they were. */
static void junk_tags(void **state)
{
	static const char *const bodies[] = {
		"",
		"\n",
		"junk",
		"sha256:",
		"sha256:abc",
		"sha256:1111111111111111111111111111111111111111111111111111111111111111\n",
		"sha256:11111111111111111111111111111111111111111111111111111111111111111",
		"md5:11111111111111111111111111111111",
	};
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1], found[2000], longest[600];

	push_image(f, "a", "good", 1, digest);
	for (size_t i = 0; i <= sizeof(bodies) / sizeof(bodies[0]); i++) {
		memset(longest, 'x', sizeof(longest) - 1);
		longest[sizeof(longest) - 1] = '\0';
		put(f, TAGS "bad/current/link",
		    i < sizeof(bodies) / sizeof(bodies[0]) ? bodies[i] : longest);
		assert_int_equal(get(f, "bad"), STOW_ECORRUPT);
		assert_non_null(strstr(f->err.message, TAGS "bad/current/link"));
		list_tags(f, NULL, 10, found);
		assert_string_equal(found, "bad good");
		check_ok(f, get(f, "good"));
	}
	/* a digest delete passes it over, a tag delete takes it away */
	check_ok(f, stow_manifest_delete_tagged(f->registry, &f->op, "a", digest, &f->err));
	list_tags(f, NULL, 10, found);
	assert_string_equal(found, "bad");
	check_ok(f, stow_tag_delete(f->registry, &f->op, "a", "bad", &f->err));
}

/* A tag on a revision that is not there, is not JSON, or has other bytes than its digest says. */
static void junk_manifests(void **state)
{
	static const char text[] = "this is no JSON";
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1], key[400], good[STOW_DIGEST_MAX + 1];

	push_image(f, "a", "good", 1, good);
	sha256(text, strlen(text), digest);
	put(f, TAGS "bad/current/link", digest);
	assert_int_equal(get(f, "bad"), STOW_ENOTFOUND);
	assert_true(text_format(key, sizeof(key), REVISIONS "%s/link", digest + 7));
	put(f, key, digest);
	assert_int_equal(get(f, "bad"), STOW_ENOTFOUND);
	assert_true(text_format(key, sizeof(key), V2 "blobs/sha256/%.2s/%s/data", digest + 7,
	                        digest + 7));
	put(f, key, text);
	assert_int_equal(get(f, "bad"), STOW_ECORRUPT);
	put(f, key, "other bytes");
	assert_int_equal(get(f, "bad"), STOW_ECORRUPT);
	check_ok(f, get(f, "good"));
	check_ok(f, stow_manifest_delete_tagged(f->registry, &f->op, "a", digest, &f->err));
	assert_int_equal(get(f, "bad"), STOW_ENOTFOUND);
	check_ok(f, get(f, "good"));
}

static void many_tags(void **state)
{
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1], other[STOW_DIGEST_MAX + 1], key[400], found[2000];
	struct stow_names *names = NULL;
	const char *name;
	size_t n = 0;

	push_image(f, "a", "t0000000", 1, digest);
	push_image(f, "a", "other", 2, other);
	for (unsigned i = 1; i < MANY; i++) {
		assert_true(text_format(key, sizeof(key), TAGS "t%07u/current/link", i));
		put(f, key, i % 1000 ? digest : other);
		assert_true(text_format(key, sizeof(key), TAGS "t%07u/index/sha256/%s/link", i,
		                        (i % 1000 ? digest : other) + 7));
		put(f, key, i % 1000 ? digest : other);
	}
	check_ok(f, stow_tags_open(f->registry, &f->op, "a", NULL, &names, &f->err));
	while (stow_names_next(names, &f->op, &name, &f->err) == STOW_OK)
		n++;
	stow_names_close(names);
	assert_int_equal(n, MANY + 1);
	list_tags(f, "t0099998", 10, found);
	assert_string_equal(found, "t0099999");
	list_tags(f, "t00499995", 2, found);
	assert_string_equal(found, "t0050000 t0050001");
	check_ok(f, stow_manifest_delete_tagged(f->registry, &f->op, "a", other, &f->err));
	list_tags(f, "t0050000", 1, found);
	assert_string_equal(found, "t0050001");
	assert_int_equal(get(f, "t0050000"), STOW_ENOTFOUND);
	assert_int_equal(get(f, "other"), STOW_ENOTFOUND);
	check_ok(f, get(f, "t0050001"));
}

/* The longest name, with the longest tag. */
static void longest_names(void **state)
{
	struct fixture *f = *state;
	char name[STOW_NAME_MAX + 2], tag[STOW_TAG_MAX + 1], digest[STOW_DIGEST_MAX + 1];
	struct stow_manifest *manifest = NULL;

	memset(name, 'n', STOW_NAME_MAX + 1);
	name[STOW_NAME_MAX + 1] = '\0';
	memset(tag, 't', STOW_TAG_MAX);
	tag[STOW_TAG_MAX] = '\0';
	assert_int_equal(stow_name_check(name), STOW_EINVAL);
	assert_int_equal(stow_manifest_get(f->registry, &f->op, name, tag, &manifest, &f->err),
	                 STOW_EINVAL);
	name[STOW_NAME_MAX] = '\0';
	name[100] = name[200] = '/';
	push_image(f, name, tag, 1, digest);
	check_ok(f, stow_manifest_get(f->registry, &f->op, name, tag, &manifest, &f->err));
	stow_manifest_free(manifest);
	check_ok(f, stow_manifest_delete_tagged(f->registry, &f->op, name, digest, &f->err));
}

#define TEST(test)                                                                                 \
	{                                                                                          \
#test, test, setup, end, NULL                                                      \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(foreign_keys), TEST(junk_tags),     TEST(junk_manifests),
		TEST(many_tags),    TEST(longest_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
