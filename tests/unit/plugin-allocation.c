/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The n-th allocation fails, for every n, in each thing that the core does: what is there afterwards
 * is whole, and the same thing done again succeeds.  Leaks are for the address sanitizer to find.
 *
 * The linker wraps the allocators of the core for this program, and jansson gets the same ones; the
 * driver and OpenSSL keep theirs.
 */
#include "tests/unit/memory-fixture.h"

#include <jansson.h>

#include "plugin/layout.h"
#include "plugin/listing.h"
#include "plugin/names.h"
#include "plugin/registry.h"

#define BODY "hello, world"
#define VECTORS "tests/vectors/schema1/"
#define PRETTY "application/vnd.docker.distribution.manifest.v1+prettyjws"
#define MOST 2000 /* allocations of one thing */

/* ---- the allocators ---- */

static struct {
	bool armed;
	int n, fail_at;
	int failed; /* of all things */
} allocations;

static bool fails(void)
{
	return __atomic_load_n(&allocations.armed, __ATOMIC_RELAXED) &&
	       __atomic_add_fetch(&allocations.n, 1, __ATOMIC_RELAXED) == allocations.fail_at;
}

#define WRAPPED(type, name, parameters, arguments)                                                 \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		return fails() ? NULL : __real_##name arguments;                                   \
	}
WRAPPED(void *, malloc, (size_t len), (len))
WRAPPED(void *, calloc, (size_t n, size_t len), (n, len))
WRAPPED(void *, realloc, (void *old, size_t len), (old, len))
WRAPPED(void *, reallocarray, (void *old, size_t n, size_t len), (old, n, len))
WRAPPED(char *, strdup, (const char *text), (text))
WRAPPED(char *, strndup, (const char *text, size_t len), (text, len))

/* ---- what is to be there ---- */

static void check_link(struct fixture *f, const char *key)
{
	char body[STOW_DIGEST_MAX + 1];
	struct layout_key data;
	struct digest digest;
	struct stow_stat stat;
	size_t len = 0;

	check_ok(f, store_get(f->store, NULL, key, NULL, body, sizeof(body), &len, NULL, &f->err));
	if (!digest_parse(&digest, body, len))
		fail_msg("%s is no link", key);
	layout_data(&data, &digest);
	check_ok(f, store_stat(f->store, NULL, data.text, &stat, &f->err));
}

static int add_key(void *arg, const struct stow_entry *entry, struct stow_error *err)
{
	return names_add(arg, entry->key, strlen(entry->key), err);
}

/* Every link leads to data, every tag to a manifest that can be got. */
static void check_whole(struct fixture *f)
{
	struct stow_names keys;

	names_init(&keys);
	check_ok(f, listing_each(f->store, NULL, "docker/", NULL, add_key, &keys, &f->err));
	for (size_t i = 0; i < keys.n; i++) {
		const char *key = names_at(&keys, i);

		if (text_ends(key, "/link"))
			check_link(f, key);
		if (text_ends(key, "/current/link")) {
			struct stow_manifest *manifest = NULL;
			char name[STOW_NAME_MAX + 1], tag[STOW_TAG_MAX + 1];
			const char *rest = key + strlen(LAYOUT_REPOSITORIES);
			const char *room = strstr(rest, "/_manifests/tags/");
			const char *at = room + strlen("/_manifests/tags/");

			assert_true(
				text_format(name, sizeof(name), "%.*s", (int)(room - rest), rest));
			assert_true(text_format(tag, sizeof(tag), "%.*s",
			                        (int)(strchr(at, '/') - at), at));
			check_ok(f, stow_manifest_get(f->registry, NULL, name, tag, &manifest,
			                              &f->err));
			stow_manifest_free(manifest);
		}
	}
	names_done(&keys);
}

/* ---- the things ---- */

static struct {
	char blob[STOW_DIGEST_MAX + 1], image[STOW_DIGEST_MAX + 1], referrer[STOW_DIGEST_MAX + 1];
	char referrer_text[1024];
	char *signed_file;
	size_t signed_len;
} known;

static void prepare_blob(struct fixture *f)
{
	push_blob(f, "a", BODY, strlen(BODY), sha256(BODY, strlen(BODY), known.blob));
}

static void prepare_image(struct fixture *f)
{
	prepare_blob(f);
	push_image(f, "a", "v1", 1, known.image);
	push_image(f, "a", "v0", 1, known.image);
}

static void prepare_referrer(struct fixture *f)
{
	struct stow_descriptor d;

	prepare_image(f);
	assert_true(text_format(known.referrer_text, sizeof(known.referrer_text),
	                        "{\"schemaVersion\":2,\"mediaType\":\"" OCI_INDEX
	                        "\",\"manifests\":[],\"subject\":{\"mediaType\":\"" OCI_IMAGE
	                        "\",\"digest\":\"%s\",\"size\":10},\"artifactType\":\"a/b\","
	                        "\"annotations\":{\"a\":\"b\"}}",
	                        known.image));
	check_ok(f, put_manifest(f, "a", "about", OCI_INDEX, known.referrer_text,
	                         strlen(known.referrer_text), &d, NULL));
	(void)text_copy(known.referrer, sizeof(known.referrer), d.digest);
}

static void put_raw(struct fixture *f, const char *key, const char *text)
{
	check_ok(f, store_put(f->store, NULL, key, text, strlen(text), NULL, NULL, &f->err));
}

static void prepare_layers(struct fixture *f)
{
	json_error_t error;
	json_t *all = json_load_file(VECTORS "layers.json", 0, &error), *content;
	const char *text;

	json_object_foreach(all, text, content)
	{
		struct layout_key key;
		struct digest digest;

		assert_true(digest_parse(&digest, text, strlen(text)));
		layout_data(&key, &digest);
		put_raw(f, key.text, json_string_value(content));
		layout_link(&key, "foo/multi", LAYOUT_LAYERS, &digest);
		put_raw(f, key.text, text);
	}
	json_decref(all);
}

static int act_signed(struct fixture *f)
{
	struct stow_descriptor d;

	return stow_manifest_put(f->registry, NULL, "foo/multi", NULL, PRETTY, known.signed_file,
	                         known.signed_len, &d, NULL, &f->err);
}

static void prepare_signed(struct fixture *f)
{
	prepare_layers(f);
	check_ok(f, act_signed(f));
}

static int act_open(struct fixture *f)
{
	struct stow_registry *registry = NULL;
	int status = stow_registry_open(f->store, f->config, &f->host, &registry, &f->err);

	stow_registry_close(registry);
	return status;
}

static int act_config(struct fixture *f)
{
	struct stow_config *config = NULL;
	int status = stow_config_new(&config, &f->err);

	if (status == STOW_OK)
		status = stow_config_section(config, "http", fixture_http, &f->err);
	if (status == STOW_OK)
		status = stow_config_set(config, "storage", "driver", "memory", &f->err);
	if (status == STOW_OK)
		status = stow_config_set(config, "cache", "size", "1M", &f->err);
	stow_config_free(config);
	return status;
}

/* POST, two PATCHes, a PUT; begun anew after a failure. */
static int act_push(struct fixture *f)
{
	struct stow_descriptor d;
	struct session s;
	int status = stow_upload_create(f->registry, "a", NULL, s.token, s.uuid, &f->err);

	if (status == STOW_OK)
		status = patch(f, "a", &s, BODY, 5);
	if (status == STOW_OK)
		status = patch(f, "a", &s, &BODY[5], 3);
	return status == STOW_OK ? finish(f, "a", &s, &BODY[8], strlen(BODY) - 8,
	                                  sha256(BODY, strlen(BODY), known.blob), &d)
	                         : status;
}

static int act_direct(struct fixture *f)
{
	struct stow_descriptor d;
	struct session s;
	char digest[STOW_DIGEST_MAX + 1];
	int status = stow_upload_create(f->registry, "a", "sha512", s.token, s.uuid, &f->err);

	return status == STOW_OK ? finish(f, "a", &s, BODY, strlen(BODY),
	                                  digest_by(HASH_SHA512, BODY, strlen(BODY), digest), &d)
	                         : status;
}

static int act_cancel(struct fixture *f)
{
	struct session s;
	int64_t offset;
	int status = stow_upload_create(f->registry, "a", NULL, s.token, s.uuid, &f->err);

	if (status == STOW_OK)
		status = patch(f, "a", &s, BODY, 5);
	if (status == STOW_OK)
		status = stow_upload_status(f->registry, NULL, "a", s.uuid, s.token, &offset,
		                            &f->err);
	return status == STOW_OK
	               ? stow_upload_cancel(f->registry, NULL, "a", s.uuid, s.token, &f->err)
	               : status;
}

static int act_mount(struct fixture *f)
{
	struct stow_descriptor d;
	int status = stow_blob_mount(f->registry, NULL, "b", "a", known.blob, &d, &f->err);

	return status == STOW_OK
	               ? stow_blob_mount(f->registry, NULL, "c", NULL, known.blob, &d, &f->err)
	               : status;
}

static int act_read(struct fixture *f)
{
	struct stow_reader *reader = NULL;
	struct stow_descriptor d;
	char text[64];
	size_t len = 1;
	int status = stow_blob_stat(f->registry, NULL, "a", known.blob, &d, &f->err);

	if (status == STOW_OK)
		status = stow_blob_open(f->registry, NULL, "a", known.blob, 0, -1, &reader, &d,
		                        &f->err);
	while (status == STOW_OK && len > 0)
		status = stow_reader_read(reader, NULL, text, sizeof(text), &len, &f->err);
	stow_reader_close(reader);
	return status;
}

static int act_image(struct fixture *f)
{
	char text[1024], digest[STOW_DIGEST_MAX + 1];
	struct stow_descriptor d;

	assert_true(text_format(text, sizeof(text),
	                        "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"x/y\","
	                        "\"digest\":\"%s\",\"size\":12},\"layers\":[{\"mediaType\":\"x/z\","
	                        "\"digest\":\"%s\",\"size\":12}]}",
	                        known.blob, known.blob));
	sha256(text, strlen(text), digest);
	return put_manifest(f, "a", "new", OCI_IMAGE, text, strlen(text), &d, NULL);
}

static int act_tagged(struct fixture *f)
{
	static const char *const tags[] = { "one", "two", "three" };
	char text[1024], digest[STOW_DIGEST_MAX + 1];
	struct stow_descriptor d;

	assert_true(text_format(text, sizeof(text),
	                        "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"x/y\","
	                        "\"digest\":\"%s\",\"size\":12},\"layers\":[]}",
	                        known.blob));
	sha256(text, strlen(text), digest);
	return stow_manifest_put_tagged(f->registry, NULL, "a", digest, tags, 3, OCI_IMAGE, text,
	                                strlen(text), &d, NULL, &f->err);
}

static int act_refused(struct fixture *f)
{
	static const char text[] =
		"{\"schemaVersion\":3,\"config\":{},\"layers\":[1,2,3,4,5,6,7,8,9]}";
	struct stow_faults *faults = NULL;
	struct stow_descriptor d;
	int status = put_manifest(f, "a", "bad", OCI_IMAGE, text, strlen(text), &d, &faults);

	stow_faults_free(faults);
	return status;
}

static int act_referrer(struct fixture *f)
{
	struct stow_descriptor d;

	return put_manifest(f, "a", "again", OCI_INDEX, known.referrer_text,
	                    strlen(known.referrer_text), &d, NULL);
}

static int act_get(struct fixture *f)
{
	struct stow_manifest *manifest = NULL;
	int status = stow_manifest_exists(f->registry, NULL, "a", known.image, &f->err);

	if (status == STOW_OK)
		status = stow_manifest_get(f->registry, NULL, "a", "v1", &manifest, &f->err);
	stow_manifest_free(manifest);
	return status;
}

static int act_get_signed(struct fixture *f)
{
	struct stow_manifest *manifest = NULL;
	int status = stow_manifest_get(f->registry, NULL, "foo/multi", "ecec", &manifest, &f->err);

	stow_manifest_free(manifest);
	return status;
}

static int drain(struct fixture *f, int status, struct stow_names *names)
{
	const char *name;

	while (status == STOW_OK)
		status = stow_names_next(names, NULL, &name, &f->err);
	stow_names_close(names);
	return status == STOW_ENOTFOUND ? STOW_OK : status;
}

static int act_lists(struct fixture *f)
{
	struct stow_names *names = NULL;
	struct stow_history *history = NULL;
	int status = stow_tags_open(f->registry, NULL, "a", "", &names, &f->err);

	status = drain(f, status, names);
	names = NULL;
	if (status == STOW_OK) {
		status = stow_catalog_open(f->registry, NULL, NULL, &names, &f->err);
		status = drain(f, status, names);
	}
	if (status == STOW_OK)
		status = stow_tag_history(f->registry, NULL, "a", "v1", &history, &f->err);
	stow_history_close(history);
	return status;
}

static int act_referrers(struct fixture *f)
{
	struct stow_referrers *list = NULL;
	size_t n = 0;
	int status = stow_referrers_open(f->registry, NULL, "a", known.image, "a/b", NULL, &list,
	                                 &f->err);

	stow_referrers_close(list);
	return status == STOW_OK ? stow_referrers_write_tags(f->registry, NULL, "a", &n, &f->err)
	                         : status;
}

static int act_delete_blob(struct fixture *f)
{
	return stow_blob_delete(f->registry, NULL, "a", known.blob, &f->err);
}

static int act_delete(struct fixture *f)
{
	return stow_manifest_delete_tagged(f->registry, NULL, "a", known.image, &f->err);
}

static int act_delete_referrer(struct fixture *f)
{
	int status = stow_manifest_delete_tagged(f->registry, NULL, "a", known.referrer, &f->err);

	return status == STOW_OK ? stow_tag_delete(f->registry, NULL, "a", "v0", &f->err) : status;
}

static int act_purge(struct fixture *f)
{
	struct stow_purge purge;

	return stow_uploads_purge(f->registry, NULL, INT64_C(1000000000) * 86400 * 30, 0, &purge,
	                          &f->err);
}

static const struct thing {
	const char *name;
	void (*prepare)(struct fixture *);
	int (*act)(struct fixture *);
	int again; /* another status that doing it again may have: it was done */
	int want;
} things[] = {
	{ "registry_open", NULL, act_open, 0, STOW_OK },
	{ "config", NULL, act_config, 0, STOW_OK },
	{ "push", NULL, act_push, 0, STOW_OK },
	{ "direct", NULL, act_direct, 0, STOW_OK },
	{ "cancel", NULL, act_cancel, 0, STOW_OK },
	{ "mount", prepare_blob, act_mount, 0, STOW_OK },
	{ "read", prepare_blob, act_read, 0, STOW_OK },
	{ "image", prepare_blob, act_image, 0, STOW_OK },
	{ "tagged", prepare_blob, act_tagged, 0, STOW_OK },
	{ "refused", prepare_blob, act_refused, 0, STOW_ECORRUPT },
	{ "referrer", prepare_referrer, act_referrer, 0, STOW_OK },
	{ "signed", prepare_layers, act_signed, 0, STOW_OK },
	{ "get", prepare_image, act_get, 0, STOW_OK },
	{ "get_signed", prepare_signed, act_get_signed, 0, STOW_OK },
	{ "lists", prepare_image, act_lists, 0, STOW_OK },
	{ "referrers", prepare_referrer, act_referrers, 0, STOW_OK },
	{ "delete_blob", prepare_blob, act_delete_blob, STOW_ENOTFOUND, STOW_OK },
	{ "delete", prepare_image, act_delete, STOW_ENOTFOUND, STOW_OK },
	{ "delete_referrer", prepare_referrer, act_delete_referrer, STOW_ENOTFOUND, STOW_OK },
	{ "purge", prepare_blob, act_purge, 0, STOW_OK },
};

#define THINGS (sizeof(things) / sizeof(things[0]))

static void open_fixture(struct fixture *f, const struct thing *thing)
{
	static const char *const more[][3] = { { "manifests", "schema1", "yes" },
		                               { "manifests", "referrers_tag", "yes" },
		                               { "uploads", "anonymousmount", "yes" },
		                               { NULL, NULL, NULL } };

	memset(f, 0, sizeof(*f));
	memory_fixture_open(f, more);
	if (thing->prepare)
		thing->prepare(f);
	/* as after a restart: nothing is cached */
	stow_registry_close(f->registry);
	check_ok(f, stow_registry_open(f->store, f->config, &f->host, &f->registry, &f->err));
}

/* true while there are more to fail. */
static bool fail_one(const struct thing *thing, int n)
{
	struct fixture f;
	bool hit;
	int status;

	open_fixture(&f, thing);
	allocations.n = 0;
	allocations.fail_at = n;
	__atomic_store_n(&allocations.armed, true, __ATOMIC_RELAXED);
	status = thing->act(&f);
	__atomic_store_n(&allocations.armed, false, __ATOMIC_RELAXED);
	hit = allocations.n >= n;
	if (!hit && status != thing->want)
		fail_msg("%s: status %d without a failure: %s", thing->name, status, f.err.message);
	if (status != STOW_OK && !f.err.message[0])
		fail_msg("%s: allocation %d: status %d without a line", thing->name, n, status);
	check_whole(&f);
	if (status != thing->want) {
		status = thing->act(&f);
		if (status != thing->want && (thing->again == 0 || status != thing->again))
			fail_msg("%s: after allocation %d: status %d: %s", thing->name, n, status,
			         f.err.message);
		check_whole(&f);
	}
	fixture_close(&f);
	return hit;
}

static void each_allocation_fails(void **state)
{
	const struct thing *thing = *state;
	int n = 1;

	while (n < MOST && fail_one(thing, n))
		n++;
	assert_in_range(n, 1, MOST - 1);
	allocations.failed += n - 1;
}

/* The allocators are wrapped indeed. */
static void many_failed(void **state)
{
	(void)state;
	print_message("%d allocations failed\n", allocations.failed);
	assert_true(allocations.failed > 300);
}

int main(void)
{
	struct CMUnitTest tests[THINGS + 1];
	FILE *file = fopen(VECTORS "manifests/ok-two-ec.json", "rb");
	int failed;

	known.signed_file = malloc(STOW_MANIFEST_MAX);
	if (!file || !known.signed_file)
		return 1;
	known.signed_len = fread(known.signed_file, 1, STOW_MANIFEST_MAX, file);
	(void)fclose(file);
	json_set_alloc_funcs(malloc, free);
	for (size_t i = 0; i < THINGS; i++)
		tests[i] = (struct CMUnitTest){
			things[i].name, each_allocation_fails,         NULL,
			NULL,           (void *)(uintptr_t)&things[i],
		};
	tests[THINGS] = (struct CMUnitTest)cmocka_unit_test(many_failed);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(known.signed_file);
	return failed;
}
