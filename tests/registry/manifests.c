/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests and tags through the public interface: what is stored where, what verification finds,
 * deletes and lists.
 */
#include "tests/registry/fixture.h"

static bool has_manifest(struct fixture *f, const char *name, const char *reference)
{
	struct stow_manifest *manifest = NULL;
	int status;

	status = stow_manifest_get(f->registry, &f->op, name, reference, &manifest, &f->err);
	stow_manifest_free(manifest);
	if (status != STOW_OK)
		assert_int_equal(status, STOW_ENOTFOUND);
	return status == STOW_OK;
}

static void check_manifest(struct fixture *f, const char *name, const char *reference,
                           const char *digest, const char *type, const char *text)
{
	const struct stow_descriptor *descriptor;
	struct stow_manifest *manifest = NULL;

	check_ok(f, stow_manifest_get(f->registry, &f->op, name, reference, &manifest, &f->err));
	descriptor = stow_manifest_descriptor(manifest);
	assert_string_equal(descriptor->digest, digest);
	assert_string_equal(descriptor->media_type, type);
	assert_int_equal(descriptor->size, strlen(text));
	assert_memory_equal(stow_manifest_data(manifest), text, strlen(text));
	stow_manifest_free(manifest);
}

static size_t fault_count(struct stow_faults *faults, int32_t kind)
{
	struct stow_fault fault;
	size_t n = 0;

	for (size_t i = 0; i < stow_faults_count(faults); i++) {
		assert_int_equal(stow_faults_at(faults, i, &fault), STOW_OK);
		n += fault.kind == kind;
	}
	stow_faults_free(faults);
	return n;
}

static void image_text(char ret[1024], const char *config, int64_t config_size, const char *layer,
                       int64_t layer_size)
{
	assert_true(text_format(ret, 1024,
	                        "{\"schemaVersion\":2,\"config\":{\"digest\":\"%s\","
	                        "\"size\":%lld},\"layers\":[{\"digest\":\"%s\",\"size\":%lld}]}",
	                        config, (long long)config_size, layer, (long long)layer_size));
}

/* Every object of a small image, byte for byte. */
static void test_layout(void **state)
{
	struct fixture *f = *state;
	char config[STOW_DIGEST_MAX + 1], text[1024], digest[STOW_DIGEST_MAX + 1], key[1024];
	struct stow_descriptor descriptor;
	const char *hex;

	push_blob(f, "a/b", "{}", 2, sha256("{}", 2, config));
	image_text(text, config, 2, config, 2);
	sha256(text, strlen(text), digest);
	hex = digest + 7;
	check_ok(f, put_manifest(f, "a/b", "v1", OCI_IMAGE, text, strlen(text), &descriptor, NULL));
	assert_string_equal(descriptor.digest, digest);
	assert_string_equal(descriptor.media_type, OCI_IMAGE);
	assert_int_equal(descriptor.size, strlen(text));
	assert_true(text_format(key, sizeof(key), V2 "blobs/sha256/%.2s/%s/data", hex, hex));
	check_object(f, key, text, strlen(text));
	assert_true(text_format(key, sizeof(key),
	                        V2 "repositories/a/b/_manifests/revisions/sha256/%s/link", hex));
	check_object(f, key, digest, 71);
	assert_true(text_format(key, sizeof(key),
	                        V2 "repositories/a/b/_manifests/tags/v1/index/sha256/%s/link",
	                        hex));
	check_object(f, key, digest, 71);
	check_object(f, V2 "repositories/a/b/_manifests/tags/v1/current/link", digest, 71);
	/* secret, config's data and link, and these four */
	assert_int_equal(count_objects(f, "docker"), 7);
	check_manifest(f, "a/b", "v1", digest, OCI_IMAGE, text);
	check_manifest(f, "a/b", digest, digest, OCI_IMAGE, text);
	fixture_reopen(f);
	check_manifest(f, "a/b", "v1", digest, OCI_IMAGE, text);
}

static void test_by_digest(void **state)
{
	static const enum hash_algorithm algorithms[] = { HASH_SHA256, HASH_SHA384, HASH_SHA512 };
	struct fixture *f = *state;
	char config[STOW_DIGEST_MAX + 1], text[1024], digest[STOW_DIGEST_MAX + 1];
	struct stow_descriptor descriptor;
	struct stow_faults *faults = NULL;
	struct stow_names *names = NULL;
	const char *name;

	push_blob(f, "a", "{}", 2, sha256("{}", 2, config));
	image_text(text, config, 2, config, 2);
	for (size_t i = 0; i < 3; i++) {
		digest_by(algorithms[i], text, strlen(text), digest);
		assert_int_equal(put_manifest(f, "a", digest, NULL, text, 0, &descriptor, &faults),
		                 STOW_ECORRUPT);
		assert_int_equal(fault_count(faults, STOW_FAULT_DIGEST), 1);
		faults = NULL;
		check_ok(f, put_manifest(f, "a", digest, OCI_IMAGE, text, strlen(text), &descriptor,
		                         &faults));
		assert_null(faults);
		assert_string_equal(descriptor.digest, digest);
		check_manifest(f, "a", digest, digest, OCI_IMAGE, text);
	}
	/* no tag came of it */
	check_ok(f, stow_tags_open(f->registry, &f->op, "a", NULL, &names, &f->err));
	assert_int_equal(stow_names_next(names, &f->op, &name, &f->err), STOW_ENOTFOUND);
	stow_names_close(names);
	/* another digest than its bytes', and none */
	digest[20] = digest[20] == '0' ? '1' : '0';
	assert_int_equal(
		put_manifest(f, "a", digest, OCI_IMAGE, text, strlen(text), &descriptor, &faults),
		STOW_ECORRUPT);
	assert_int_equal(fault_count(faults, STOW_FAULT_DIGEST), 1);
	assert_false(has_manifest(f, "a", digest));
	assert_int_equal(
		put_manifest(f, "a", "sha256:zz", OCI_IMAGE, text, strlen(text), &descriptor, NULL),
		STOW_EINVAL);
	assert_int_equal(
		put_manifest(f, "a", ".bad", OCI_IMAGE, text, strlen(text), &descriptor, NULL),
		STOW_EINVAL);
	assert_int_equal(
		put_manifest(f, "A", "v1", OCI_IMAGE, text, strlen(text), &descriptor, NULL),
		STOW_EINVAL);
}

static int put_tagged(struct fixture *f, const char *digest, const char *const *tags, size_t n,
                      const char *text, struct stow_faults **ret_faults)
{
	struct stow_descriptor descriptor;
	int status = stow_manifest_put_tagged(f->registry, &f->op, "a", digest, tags, n, OCI_IMAGE,
	                                      text, strlen(text), &descriptor, ret_faults, &f->err);

	if (status == STOW_OK)
		assert_string_equal(descriptor.digest, digest);
	return status;
}

static void test_tagged(void **state)
{
	static const enum hash_algorithm algorithms[] = { HASH_SHA256, HASH_SHA384, HASH_SHA512 };
	static const char *const tags[] = { "1.2.3", "1.2", "1.2.3", "latest", "1.2" };
	static const char *const bad[] = { "good", ".bad" }, *const twice[] = { "1.2", "1.2" };
	struct fixture *f = *state;
	char config[STOW_DIGEST_MAX + 1], text[1024], digest[STOW_DIGEST_MAX + 1];
	struct stow_faults *faults = NULL;
	uint64_t once;

	push_blob(f, "a", "{}", 2, sha256("{}", 2, config));
	image_text(text, config, 2, config, 2);
	digest_by(HASH_SHA256, text, strlen(text), digest);
	/* what is no tag, no digest, or not the bytes' */
	assert_int_equal(put_tagged(f, digest, bad, 2, text, NULL), STOW_EINVAL);
	assert_int_equal(put_tagged(f, "v1", tags, 1, text, NULL), STOW_EINVAL);
	digest[20] ^= 1;
	assert_int_equal(put_tagged(f, digest, tags, 5, text, &faults), STOW_ECORRUPT);
	assert_int_equal(fault_count(faults, STOW_FAULT_DIGEST), 1);
	digest[20] ^= 1;
	assert_false(has_manifest(f, "a", digest));
	assert_false(has_manifest(f, "a", "good"));
	assert_false(has_manifest(f, "a", "1.2"));
	for (size_t i = 0; i < 3; i++) {
		digest_by(algorithms[i], text, strlen(text), digest);
		check_ok(f, put_tagged(f, digest, tags, 5, text, NULL));
		check_manifest(f, "a", digest, digest, OCI_IMAGE, text);
		check_manifest(f, "a", "1.2.3", digest, OCI_IMAGE, text);
		check_manifest(f, "a", "1.2", digest, OCI_IMAGE, text);
		check_manifest(f, "a", "latest", digest, OCI_IMAGE, text);
	}
	/* index and current link of three tags, the former for each of three digests */
	if (f->filesystem)
		assert_int_equal(count_objects(f, V2 "repositories/a/_manifests/tags"), 3 * 3 + 3);
	check_ok(f, put_tagged(f, digest, NULL, 0, text, NULL));
	/* twice the same costs as much as once: no key is written twice at a time */
	f->requests = 0;
	check_ok(f, put_tagged(f, digest, &tags[1], 1, text, NULL));
	once = f->requests;
	assert_int_not_equal(once, 0);
	f->requests = 0;
	check_ok(f, put_tagged(f, digest, twice, 2, text, NULL));
	assert_int_equal(f->requests, once);
	check_ok(f, stow_manifest_delete_tagged(f->registry, &f->op, "a", digest, &f->err));
	assert_false(has_manifest(f, "a", "latest"));
}

static void test_tagged_by_many(void **state)
{
	struct fixture *f = *state;
	char config[STOW_DIGEST_MAX + 1], text[1024], digest[STOW_DIGEST_MAX + 1];
	char names[STOW_MANIFEST_TAGS_MAX + 1][8];
	const char *tags[STOW_MANIFEST_TAGS_MAX + 1];

	push_blob(f, "a", "{}", 2, sha256("{}", 2, config));
	image_text(text, config, 2, config, 2);
	sha256(text, strlen(text), digest);
	for (size_t i = 0; i <= STOW_MANIFEST_TAGS_MAX; i++) {
		assert_true(text_format(names[i], sizeof(names[i]), "v%zu", i));
		tags[i] = names[i];
	}
	assert_int_equal(put_tagged(f, digest, tags, STOW_MANIFEST_TAGS_MAX + 1, text, NULL),
	                 STOW_ERANGE);
	assert_false(has_manifest(f, "a", digest));
	check_ok(f, put_tagged(f, digest, tags, STOW_MANIFEST_TAGS_MAX, text, NULL));
	for (size_t i = 0; i < STOW_MANIFEST_TAGS_MAX; i++)
		check_manifest(f, "a", tags[i], digest, OCI_IMAGE, text);
}

static void test_references(void **state)
{
	struct fixture *f = *state;
	char config[STOW_DIGEST_MAX + 1], missing[STOW_DIGEST_MAX + 1], text[1024];
	struct stow_descriptor descriptor;
	struct stow_faults *faults = NULL;
	struct stow_fault fault;
	size_t before = 0;

	push_blob(f, "a", "{}", 2, sha256("{}", 2, config));
	push_blob(f, "other", "elsewhere", 9, sha256("elsewhere", 9, missing));
	/* the bytes may go out beside the questions, but no link */
	if (f->filesystem)
		before = count_objects(f, V2 "repositories");
	/* a layer that only another repository links */
	image_text(text, config, 2, missing, 9);
	assert_int_equal(
		put_manifest(f, "a", "v1", OCI_IMAGE, text, strlen(text), &descriptor, &faults),
		STOW_ECORRUPT);
	assert_int_equal(stow_faults_count(faults), 1);
	assert_int_equal(stow_faults_at(faults, 0, &fault), STOW_OK);
	assert_int_equal(fault.kind, STOW_FAULT_BLOB_UNKNOWN);
	assert_string_equal(fault.digest, missing);
	stow_faults_free(faults);
	/* the size is not that of the blob, and the layer is missing: both are told */
	image_text(text, config, 3, missing, 9);
	assert_int_equal(
		put_manifest(f, "a", "v1", OCI_IMAGE, text, strlen(text), &descriptor, &faults),
		STOW_ECORRUPT);
	assert_int_equal(stow_faults_at(faults, 0, &fault), STOW_OK);
	assert_string_equal(fault.digest, config);
	assert_non_null(strstr(fault.message, "size differs"));
	assert_int_equal(fault_count(faults, STOW_FAULT_BLOB_UNKNOWN), 2);
	/* without a place for the faults, too */
	assert_int_equal(
		put_manifest(f, "a", "v1", OCI_IMAGE, text, strlen(text), &descriptor, NULL),
		STOW_ECORRUPT);
	assert_false(has_manifest(f, "a", "v1"));
	if (f->filesystem)
		assert_int_equal(count_objects(f, V2 "repositories"), before);
}

/* More references than one batch takes. */
static void test_many_references(void **state)
{
	struct fixture *f = *state;
	char config[STOW_DIGEST_MAX + 1], layer[STOW_DIGEST_MAX + 1];
	struct stow_descriptor descriptor;
	struct stow_faults *faults = NULL;
	cleanup_buf struct buf text = { 0 };

	buf_init(&text, MIB);
	push_blob(f, "a", "{}", 2, sha256("{}", 2, config));
	(void)buf_addf(&text, "{\"schemaVersion\":2,\"config\":{\"digest\":\"%s\",\"size\":2}",
	               config);
	(void)buf_adds(&text, ",\"layers\":[");
	for (int i = 0; i < 700; i++) {
		char data[16];

		assert_true(text_format(data, sizeof(data), "layer %d", i));
		sha256(data, strlen(data), layer);
		if (i % 100 != 0)
			push_blob(f, "a", data, strlen(data), layer);
		(void)buf_addf(&text, "%s{\"digest\":\"%s\",\"size\":%zu}", i ? "," : "", layer,
		               strlen(data));
	}
	(void)buf_adds(&text, "]}");
	assert_int_equal(buf_status(&text), STOW_OK);
	assert_int_equal(
		put_manifest(f, "a", "v1", OCI_IMAGE, text.data, text.len, &descriptor, &faults),
		STOW_ECORRUPT);
	assert_int_equal(fault_count(faults, STOW_FAULT_BLOB_UNKNOWN), 7);
	for (int i = 0; i < 700; i += 100) {
		char data[16];

		assert_true(text_format(data, sizeof(data), "layer %d", i));
		push_blob(f, "a", data, strlen(data), sha256(data, strlen(data), layer));
	}
	check_ok(f, put_manifest(f, "a", "v1", OCI_IMAGE, text.data, text.len, &descriptor, NULL));
}

static void test_index(void **state)
{
	struct fixture *f = *state;
	char child[STOW_DIGEST_MAX + 1], blob[STOW_DIGEST_MAX + 1], text[1024];
	char digest[STOW_DIGEST_MAX + 1];
	struct stow_descriptor descriptor;
	struct stow_manifest *manifest = NULL;
	struct stow_faults *faults = NULL;
	int64_t size;

	push_image(f, "a", "one", 1, child);
	check_ok(f, stow_manifest_get(f->registry, &f->op, "a", "one", &manifest, &f->err));
	size = stow_manifest_descriptor(manifest)->size;
	stow_manifest_free(manifest);
	assert_true(text_format(text, sizeof(text),
	                        "{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"%s\","
	                        "\"size\":%lld}]}",
	                        child, (long long)size));
	sha256(text, strlen(text), digest);
	check_ok(f, put_manifest(f, "a", "all", OCI_INDEX, text, strlen(text), &descriptor, NULL));
	check_manifest(f, "a", "all", digest, OCI_INDEX, text);
	assert_int_equal(
		put_manifest(f, "b", "all", OCI_INDEX, text, strlen(text), &descriptor, &faults),
		STOW_ECORRUPT);
	assert_int_equal(fault_count(faults, STOW_FAULT_BLOB_UNKNOWN), 1);
	/* a blob is not a manifest */
	push_blob(f, "a", "blob", 4, sha256("blob", 4, blob));
	assert_true(text_format(text, sizeof(text),
	                        "{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"%s\","
	                        "\"size\":4}]}",
	                        blob));
	assert_int_equal(
		put_manifest(f, "a", "all", OCI_INDEX, text, strlen(text), &descriptor, &faults),
		STOW_ECORRUPT);
	assert_int_equal(fault_count(faults, STOW_FAULT_BLOB_UNKNOWN), 1);
	assert_true(has_manifest(f, "a", "all"));
}

static void test_size_limit(void **state)
{
	struct fixture *f = *state;
	char config[STOW_DIGEST_MAX + 1], digest[STOW_DIGEST_MAX + 1];
	char *text = malloc(STOW_MANIFEST_MAX + 2);
	struct stow_descriptor descriptor;
	struct stow_faults *faults = NULL;
	size_t len;

	assert_non_null(text);
	push_blob(f, "a", "{}", 2, sha256("{}", 2, config));
	image_text(text, config, 2, config, 2);
	len = strlen(text);
	memset(text + len, ' ', STOW_MANIFEST_MAX + 1 - len);
	text[STOW_MANIFEST_MAX + 1] = '\0';
	assert_int_equal(put_manifest(f, "a", "v1", OCI_IMAGE, text, STOW_MANIFEST_MAX + 1,
	                              &descriptor, &faults),
	                 STOW_ECORRUPT);
	assert_int_equal(stow_faults_count(faults), 1);
	assert_int_equal(fault_count(faults, STOW_FAULT_TOO_LARGE), 1);
	assert_false(has_manifest(f, "a", "v1"));
	check_ok(f,
	         put_manifest(f, "a", "v1", OCI_IMAGE, text, STOW_MANIFEST_MAX, &descriptor, NULL));
	text[STOW_MANIFEST_MAX] = '\0';
	check_manifest(f, "a", "v1", sha256(text, STOW_MANIFEST_MAX, digest), OCI_IMAGE, text);
	free(text);
}

/* What the bucket has under a digest is looked at before it is served. */
static void test_corrupt_data(void **state)
{
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1], key[1024], path[2048];
	struct stow_manifest *manifest = NULL;

	push_image(f, "a", "v1", 1, digest);
	assert_true(text_format(key, sizeof(key), V2 "blobs/sha256/%.2s/%s/data", digest + 7,
	                        digest + 7));
	write_object(f, key, "{\"schemaVersion\":2}", 19);
	assert_int_equal(stow_manifest_get(f->registry, &f->op, "a", "v1", &manifest, &f->err),
	                 STOW_ECORRUPT);
	path_of(f, key, path);
	assert_int_equal(unlink(path), 0);
	assert_false(has_manifest(f, "a", "v1"));
	assert_false(has_manifest(f, "a", digest));
	/* the same push again mends it */
	push_image(f, "a", "v1", 1, digest);
	assert_true(has_manifest(f, "a", "v1"));
	write_object(f, V2 "repositories/a/_manifests/tags/v1/current/link", "junk", 4);
	assert_int_equal(stow_manifest_get(f->registry, &f->op, "a", "v1", &manifest, &f->err),
	                 STOW_ECORRUPT);
}

/* ---- deletes ---- */

static void test_delete_tagged(void **state)
{
	struct fixture *f = *state;
	char one[STOW_DIGEST_MAX + 1], two[STOW_DIGEST_MAX + 1], config[STOW_DIGEST_MAX + 1];
	char key[1024];

	push_image(f, "a", "moved", 1, one);
	push_image(f, "a", "v1", 2, two);
	push_image(f, "a", "v1", 1, one);
	push_image(f, "a", "v1.0", 1, one);
	push_image(f, "a", "v1-rc", 2, two);
	push_image(f, "a", "moved", 2, two);
	push_image(f, "b", "v1", 1, one);
	/* a blob is not a manifest */
	sha256("{\"seed\":1}", 10, config);
	assert_int_equal(stow_manifest_delete_tagged(f->registry, &f->op, "a", config, &f->err),
	                 STOW_ENOTFOUND);
	assert_true(has_manifest(f, "a", "v1"));
	check_ok(f, stow_manifest_delete_tagged(f->registry, &f->op, "a", one, &f->err));
	assert_false(has_manifest(f, "a", one));
	assert_false(has_manifest(f, "a", "v1"));
	assert_false(has_manifest(f, "a", "v1.0"));
	assert_true(has_manifest(f, "a", "v1-rc"));
	assert_true(has_manifest(f, "a", "moved"));
	assert_true(has_manifest(f, "b", "v1"));
	assert_int_equal(stow_manifest_delete_tagged(f->registry, &f->op, "a", one, &f->err),
	                 STOW_ENOTFOUND);
	if (f->filesystem) {
		/* its entry in the history of the tag that moved on is gone, the other's stays */
		assert_true(text_format(
			key, sizeof(key),
			V2 "repositories/a/_manifests/tags/moved/index/sha256/%s/link", one + 7));
		assert_false(exists(f, key));
		assert_true(text_format(
			key, sizeof(key),
			V2 "repositories/a/_manifests/tags/moved/index/sha256/%s/link", two + 7));
		assert_true(exists(f, key));
		assert_int_equal(count_objects(f, V2 "repositories/a/_manifests/tags/v1"), 0);
		assert_int_equal(count_objects(f, V2 "repositories/a/_manifests/tags/v1.0"), 0);
		assert_int_equal(count_objects(f, V2 "repositories/a/_manifests"), 5);
	}
	push_image(f, "a", "v1", 1, one);
	assert_true(has_manifest(f, "a", "v1"));
}

static void test_delete_many_tags(void **state)
{
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1], tag[32];
	struct stow_names *names = NULL;
	const char *name;

	for (int i = 0; i < 300; i++) {
		assert_true(text_format(tag, sizeof(tag), "t%d", i));
		push_image(f, "a", tag, 1, digest);
	}
	f->requests = 0;
	check_ok(f, stow_manifest_delete_tagged(f->registry, &f->op, "a", digest, &f->err));
	/* its only manifest: nothing is known of the repository any more */
	assert_int_equal(stow_tags_open(f->registry, &f->op, "a", NULL, &names, &f->err),
	                 STOW_ENOTFOUND);
	push_image(f, "a", "v1", 2, digest);
	check_ok(f, stow_tags_open(f->registry, &f->op, "a", NULL, &names, &f->err));
	check_ok(f, stow_names_next(names, &f->op, &name, &f->err));
	assert_string_equal(name, "v1");
	assert_int_equal(stow_names_next(names, &f->op, &name, &f->err), STOW_ENOTFOUND);
	stow_names_close(names);
}

static void test_delete_tag(void **state)
{
	struct fixture *f = *state;
	char one[STOW_DIGEST_MAX + 1], two[STOW_DIGEST_MAX + 1];

	push_image(f, "a", "v1", 1, one);
	push_image(f, "a", "v1", 2, two);
	push_image(f, "a", "v10", 1, one);
	assert_int_equal(stow_tag_delete(f->registry, &f->op, "a", "v", &f->err), STOW_ENOTFOUND);
	check_ok(f, stow_tag_delete(f->registry, &f->op, "a", "v1", &f->err));
	assert_int_equal(stow_tag_delete(f->registry, &f->op, "a", "v1", &f->err), STOW_ENOTFOUND);
	assert_false(has_manifest(f, "a", "v1"));
	assert_true(has_manifest(f, "a", "v10"));
	assert_true(has_manifest(f, "a", one));
	assert_true(has_manifest(f, "a", two));
	if (f->filesystem)
		assert_false(exists(f, V2 "repositories/a/_manifests/tags/v1"));
}

/* A tag is there if and only if its current link is: history alone is none. */
static void test_history_alone(void **state)
{
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1], path[2048];
	struct stow_names *names = NULL;
	const char *name;

	push_image(f, "a", "v1", 1, digest);
	path_of(f, V2 "repositories/a/_manifests/tags/v1/current/link", path);
	assert_int_equal(unlink(path), 0);
	assert_false(has_manifest(f, "a", "v1"));
	assert_int_equal(stow_tag_delete(f->registry, &f->op, "a", "v1", &f->err), STOW_ENOTFOUND);
	check_ok(f, stow_tags_open(f->registry, &f->op, "a", NULL, &names, &f->err));
	assert_int_equal(stow_names_next(names, &f->op, &name, &f->err), STOW_ENOTFOUND);
	stow_names_close(names);
}

/* ---- lists ---- */

static void check_names(struct fixture *f, struct stow_names *names, const char *const *wanted)
{
	const char *name;

	for (; *wanted; wanted++) {
		check_ok(f, stow_names_next(names, &f->op, &name, &f->err));
		assert_string_equal(name, *wanted);
	}
	assert_int_equal(stow_names_next(names, &f->op, &name, &f->err), STOW_ENOTFOUND);
	stow_names_close(names);
}

static void test_tags(void **state)
{
	static const char *const tags[] = { "1.20", "b", "1.2-rc", "a", "1.2.1", "A", "1.2", NULL };
	static const char *const sorted[] = {
		"1.2", "1.2-rc", "1.2.1", "1.20", "A", "a", "b", NULL
	};
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1];
	struct stow_names *names = NULL;

	assert_int_equal(stow_tags_open(f->registry, &f->op, "r", NULL, &names, &f->err),
	                 STOW_ENOTFOUND);
	for (size_t i = 0; tags[i]; i++)
		push_image(f, "r", tags[i], (unsigned int)(i % 2), digest);
	push_image(f, "r/nested", "x", 1, digest);
	check_ok(f, stow_tags_open(f->registry, &f->op, "r", NULL, &names, &f->err));
	check_names(f, names, sorted);
	for (size_t i = 0; sorted[i]; i++) {
		check_ok(f, stow_tags_open(f->registry, &f->op, "r", sorted[i], &names, &f->err));
		check_names(f, names, sorted + i + 1);
	}
	for (size_t i = 0; tags[i]; i++)
		check_ok(f, stow_tag_delete(f->registry, &f->op, "r", tags[i], &f->err));
	/* the manifests are still there: known, and without tags */
	check_ok(f, stow_tags_open(f->registry, &f->op, "r", NULL, &names, &f->err));
	check_names(f, names, sorted + 7);
	stow_names_close(NULL);
}

static void test_catalog(void **state)
{
	static const char *const sorted[] = { "other",        "team/app",   "team/app-extra",
		                              "team/app.x",   "team/app/0", "team/app/0-1",
		                              "team/app/sub", "team/app0",  "zone",
		                              "zone/0",       NULL };
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1];
	struct stow_names *names = NULL;

	check_ok(f, stow_catalog_open(f->registry, &f->op, NULL, &names, &f->err));
	check_names(f, names, sorted + 10);
	for (size_t i = 0; sorted[i]; i++)
		push_image(f, sorted[i], "x", (unsigned int)i, digest);
	/* only layers: not in the catalog, and no list of tags */
	push_blob(f, "layers/only", "x", 1, sha256("x", 1, digest));
	assert_int_equal(stow_tags_open(f->registry, &f->op, "layers/only", NULL, &names, &f->err),
	                 STOW_ENOTFOUND);
	check_ok(f, stow_catalog_open(f->registry, &f->op, NULL, &names, &f->err));
	check_names(f, names, sorted);
	for (size_t i = 0; sorted[i]; i++) {
		check_ok(f, stow_catalog_open(f->registry, &f->op, sorted[i], &names, &f->err));
		check_names(f, names, sorted + i + 1);
	}
}

/* Rooms with many keys are jumped over, and nothing is lost by it. */
static void test_catalog_jumps(void **state)
{
	static const char *const sorted[] = { "a", "a/b", "b", NULL };
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1];
	struct stow_names *names = NULL;

	for (size_t i = 0; sorted[i]; i++)
		push_image(f, sorted[i], "x", (unsigned int)i, digest);
	for (int i = 0; i < 1500; i++) {
		char data[16];

		assert_true(text_format(data, sizeof(data), "%d", i));
		push_blob(f, "a", data, strlen(data), sha256(data, strlen(data), digest));
	}
	f->requests = 0;
	check_ok(f, stow_catalog_open(f->registry, &f->op, NULL, &names, &f->err));
	check_names(f, names, sorted);
	assert_int_equal(f->requests, 2); /* the listing, and one anew behind a/_layers/ */
	/* whoever goes on behind it does not walk through it again */
	f->requests = 0;
	check_ok(f, stow_catalog_open(f->registry, &f->op, "a/b", &names, &f->err));
	check_names(f, names, sorted + 2);
	assert_int_equal(f->requests, 1);
}

/* Who takes the first names and no more has no more of the store listed than they need. */
static void test_catalog_stops(void **state)
{
	static const char *const sorted[] = { "a", "a-b", "a-b/c", "a.b", "a/1", "b" };
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1];
	struct stow_names *names = NULL;
	const char *name;

	for (size_t i = 0; i < sizeof(sorted) / sizeof(*sorted); i++)
		push_image(f, sorted[i], "x", (unsigned int)i, digest);
	for (int i = 0; i < 1500; i++) {
		char data[16];

		assert_true(text_format(data, sizeof(data), "%d", i));
		push_blob(f, "b", data, strlen(data), sha256(data, strlen(data), digest));
	}
	f->requests = 0;
	check_ok(f, stow_catalog_open(f->registry, &f->op, NULL, &names, &f->err));
	for (size_t i = 0; i < 5; i++) {
		check_ok(f, stow_names_next(names, &f->op, &name, &f->err));
		assert_string_equal(name, sorted[i]);
	}
	assert_int_equal(f->requests, 1);
	stow_names_close(names);
}

/* Of 2015: the revision's link goes, tags stay and lead nowhere until it is pushed again. */
static void test_soft_delete(void **state)
{
	static const char nobody[] =
		"sha256:1111111111111111111111111111111111111111111111111111111111111111";
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1], again[STOW_DIGEST_MAX + 1];

	push_image(f, "a", "v1", 1, digest);
	for (int warm = 0; warm < 2; warm++) {
		check_ok(f, stow_manifest_exists(f->registry, &f->op, "a", digest, &f->err));
		assert_true(has_manifest(f, "a", digest));
	}
	check_ok(f, stow_tag_exists(f->registry, &f->op, "a", "v1", &f->err));
	assert_int_equal(stow_tag_exists(f->registry, &f->op, "a", "v2", &f->err), STOW_ENOTFOUND);
	assert_int_equal(stow_manifest_exists(f->registry, &f->op, "b", digest, &f->err),
	                 STOW_ENOTFOUND);
	assert_int_equal(stow_manifest_exists(f->registry, &f->op, "a", "v1", &f->err),
	                 STOW_EINVAL);
	assert_int_equal(stow_manifest_delete(f->registry, &f->op, "a", nobody, &f->err),
	                 STOW_ENOTFOUND);
	check_ok(f, stow_manifest_delete(f->registry, &f->op, "a", digest, &f->err));
	assert_int_equal(stow_manifest_exists(f->registry, &f->op, "a", digest, &f->err),
	                 STOW_ENOTFOUND);
	assert_false(has_manifest(f, "a", digest) || has_manifest(f, "a", "v1"));
	check_ok(f, stow_tag_exists(f->registry, &f->op, "a", "v1", &f->err));
	assert_int_equal(stow_manifest_delete(f->registry, &f->op, "a", digest, &f->err),
	                 STOW_ENOTFOUND);
	push_image(f, "a", "v2", 1, again);
	assert_string_equal(digest, again);
	assert_true(has_manifest(f, "a", "v1"));
}

/* Newest first, a digest once however often it was set; gone with the tag. */
static void test_history(void **state)
{
	struct fixture *f = *state;
	char digests[3][STOW_DIGEST_MAX + 1];
	struct stow_history *history = NULL;
	static const unsigned order[] = { 0, 1, 2, 0 };
	static const unsigned want[] = { 0, 2, 1 };
	const char *digest;
	int64_t set_ns, before = INT64_MAX;

	for (size_t i = 0; i < 4; i++) {
		f->now_ns += 1000000000;
		push_image(f, "a", "v1", order[i], digests[order[i]]);
		push_image(f, "a", "v1.0", 7, (char[STOW_DIGEST_MAX + 1]){ 0 });
		if (f->filesystem)
			usleep(20000);
	}
	check_ok(f, stow_tag_history(f->registry, &f->op, "a", "v1", &history, &f->err));
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(stow_history_next(history, &digest, &set_ns), STOW_OK);
		assert_string_equal(digest, digests[want[i]]);
		assert_true(set_ns < before);
		before = set_ns;
	}
	assert_int_equal(stow_history_next(history, &digest, &set_ns), STOW_ENOTFOUND);
	stow_history_close(history);
	assert_int_equal(stow_tag_history(f->registry, &f->op, "a", "v2", &history, &f->err),
	                 STOW_ENOTFOUND);
	check_ok(f, stow_tag_delete(f->registry, &f->op, "a", "v1", &f->err));
	assert_int_equal(stow_tag_history(f->registry, &f->op, "a", "v1", &history, &f->err),
	                 STOW_ENOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_history),
		BOTH(test_soft_delete),
		ONDISK(test_layout),
		BOTH(test_by_digest),
		BOTH(test_tagged),
		{ "test_tagged_by_many", test_tagged_by_many, setup_memory, teardown, NULL },
		BOTH(test_references),
		{ "test_many_references", test_many_references, setup_memory, teardown, NULL },
		BOTH(test_index),
		BOTH(test_size_limit),
		ONDISK(test_corrupt_data),
		BOTH(test_delete_tagged),
		{ "test_delete_many_tags", test_delete_many_tags, setup_memory, teardown, NULL },
		BOTH(test_delete_tag),
		ONDISK(test_history_alone),
		BOTH(test_tags),
		BOTH(test_catalog),
		{ "test_catalog_jumps", test_catalog_jumps, setup_memory, teardown, NULL },
		{ "test_catalog_stops", test_catalog_stops, setup_memory, teardown, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
