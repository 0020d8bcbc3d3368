/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registry over a fresh store for each test, opened through the public interface alone, and
 * what several test programs do with one.
 */
#ifndef TESTS_REGISTRY_FIXTURE_H
#define TESTS_REGISTRY_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stowage/registry.h>

#include "common/buf.h"
#include "common/hash.h"
#include "common/text.h"

#define MIB (1024 * 1024)
#define V2 "docker/registry/v2/"
#define OCI_IMAGE "application/vnd.oci.image.manifest.v1+json"
#define OCI_INDEX "application/vnd.oci.image.index.v1+json"

struct fixture {
	bool filesystem; /* else memory */
	bool no_delete;
	bool no_fsync;
	const char *secret;
	const char *immutable; /* tags, [manifests] immutable_tags */
	int64_t now_ns;        /* what the host's clock says */
	char folder[64];
	struct stow_host host;
	struct stow_config *config;
	struct stow_store *store;
	struct stow_registry *registry;
	struct stow_error err;
	uint64_t requests;
	struct stow_op op;
};

static const struct stow_option fixture_http[] = {
	{ "secret", STOW_OPTION_STRING, STOW_OPTION_SECRET, NULL, "keys" },
	{ NULL, 0, 0, NULL, NULL },
};

static inline int64_t fixture_now(void *arg)
{
	const struct fixture *f = arg;

	return f->now_ns;
}

#define check_ok(f, call)                                                                          \
	do {                                                                                       \
		int status_ = (call);                                                              \
		if (status_ != STOW_OK)                                                            \
			fail_msg("%s: %d: %s: %s", #call, status_, (f)->err.where,                 \
			         (f)->err.message);                                                \
	} while (0)

static inline void fixture_open(struct fixture *f)
{
	f->host = (struct stow_host){ .size = sizeof(f->host), .arg = f, .now_ns = fixture_now };
	f->op = (struct stow_op){ .size = sizeof(f->op), .requests = &f->requests };
	check_ok(f, stow_config_new(&f->config, &f->err));
	check_ok(f, stow_config_section(f->config, "http", fixture_http, &f->err));
	check_ok(f, stow_config_set(f->config, "storage", "driver",
	                            f->filesystem ? "filesystem" : "memory", &f->err));
	if (f->filesystem)
		check_ok(f, stow_config_set(f->config, "filesystem", "rootdirectory", f->folder,
		                            &f->err));
	if (f->filesystem && f->no_fsync)
		check_ok(f, stow_config_set(f->config, "filesystem", "fsync", "no", &f->err));
	if (!f->no_delete)
		check_ok(f, stow_config_set(f->config, "delete", "enabled", "yes", &f->err));
	if (f->secret)
		check_ok(f, stow_config_set(f->config, "http", "secret", f->secret, &f->err));
	if (f->immutable)
		check_ok(f, stow_config_set(f->config, "manifests", "immutable_tags", f->immutable,
		                            &f->err));
	check_ok(f, stow_config_check(f->config, &f->err));
	check_ok(f, stow_store_open(f->config, &f->host, &f->store, &f->err));
	check_ok(f, stow_registry_open(f->store, f->config, &f->host, &f->registry, &f->err));
}

static inline void fixture_close(struct fixture *f)
{
	stow_registry_close(f->registry);
	stow_store_close(f->store);
	stow_config_free(f->config);
	f->registry = NULL;
	f->store = NULL;
	f->config = NULL;
}

/* As after a restart of the process: nothing is carried over but what the store has. */
static inline void fixture_reopen(struct fixture *f)
{
	fixture_close(f);
	fixture_open(f);
}

static inline int fixture_setup(void **state, bool filesystem)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	f->filesystem = filesystem;
	f->now_ns = INT64_C(1796000000) * 1000000000;
	(void)text_copy(f->folder, sizeof(f->folder), "/tmp/stowage-registry-XXXXXX");
	if (!mkdtemp(f->folder))
		return -1;
	fixture_open(f);
	*state = f;
	return 0;
}

static inline int setup_memory(void **state)
{
	return fixture_setup(state, false);
}

static inline int setup_filesystem(void **state)
{
	return fixture_setup(state, true);
}

static inline int fixture_unlink(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	fixture_close(f);
	(void)nftw(f->folder, fixture_unlink, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

/* A test that runs over both drivers. */
#define BOTH(test)                                                                                 \
	{ #test "/memory", test, setup_memory, teardown, NULL },                                   \
	{                                                                                          \
#test "/filesystem", test, setup_filesystem, teardown, NULL                        \
	}
/* One that looks into the folder, or needs the store to outlive the registry. */
#define ONDISK(test)                                                                               \
	{                                                                                          \
#test, test, setup_filesystem, teardown, NULL                                      \
	}

/* ---- the folder ---- */

static inline void path_of(const struct fixture *f, const char *key, char ret[2048])
{
	assert_true(text_format(ret, 2048, "%s/%s", f->folder, key));
}

static inline bool exists(const struct fixture *f, const char *key)
{
	char path[2048];

	path_of(f, key, path);
	return access(path, F_OK) == 0;
}

/* The object byte for byte. */
static inline void check_object(const struct fixture *f, const char *key, const void *data,
                                size_t len)
{
	char path[2048], *found = malloc(len + 1);
	FILE *file;

	path_of(f, key, path);
	file = fopen(path, "rb");
	if (!file)
		fail_msg("%s is not there", key);
	assert_non_null(found);
	assert_int_equal(fread(found, 1, len + 1, file), len);
	assert_memory_equal(found, data, len);
	fclose(file);
	free(found);
}

static inline void write_object(const struct fixture *f, const char *key, const void *data,
                                size_t len)
{
	char path[2048];
	FILE *file;

	path_of(f, key, path);
	for (char *p = path + strlen(f->folder) + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		(void)mkdir(path, 0777);
		*p = '/';
	}
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static inline size_t *fixture_counter(void)
{
	static size_t n;

	return &n;
}

static inline int fixture_count_file(const char *path, const struct stat *st, int kind,
                                     struct FTW *ftw)
{
	(void)path, (void)st, (void)ftw;
	*fixture_counter() += kind == FTW_F;
	return 0;
}

/* Objects below a folder. */
static inline size_t count_objects(const struct fixture *f, const char *key)
{
	char path[2048];

	path_of(f, key, path);
	*fixture_counter() = 0;
	if (access(path, F_OK) == 0)
		assert_int_equal(nftw(path, fixture_count_file, 16, FTW_PHYS), 0);
	return *fixture_counter();
}

/* ---- blobs ---- */

/* Bytes that differ from place to place. The caller frees. */
static inline char *make_bytes(size_t len, unsigned int seed)
{
	char *data = malloc(len + 1);
	uint32_t x = seed * 2654435761u + 1;

	assert_non_null(data);
	for (size_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		data[i] = (char)(x >> 24);
	}
	return data;
}

static inline const char *digest_by(enum hash_algorithm algorithm, const void *data, size_t len,
                                    char ret[STOW_DIGEST_MAX + 1])
{
	char hex[2 * HASH_MAX + 1];
	uint8_t value[HASH_MAX];
	struct hash hash;

	hash_init(&hash, algorithm);
	hash_update(&hash, data, len);
	hash_final(&hash, value);
	text_hex(hex, value, hash_size(algorithm));
	assert_true(text_format(ret, STOW_DIGEST_MAX + 1, "%s:%s", hash_name(algorithm), hex));
	return ret;
}

static inline const char *sha256(const void *data, size_t len, char ret[STOW_DIGEST_MAX + 1])
{
	return digest_by(HASH_SHA256, data, len, ret);
}

struct session {
	char token[STOW_TOKEN_MAX], uuid[STOW_UUID_LEN + 1];
};

static inline void begin(struct fixture *f, const char *name, struct session *ret)
{
	check_ok(f, stow_upload_create(f->registry, name, NULL, ret->token, ret->uuid, &f->err));
}

/* A PATCH: the session's token becomes the new one. */
static inline int patch(struct fixture *f, const char *name, struct session *session,
                        const void *data, size_t len)
{
	struct stow_upload *upload = NULL;
	char token[STOW_TOKEN_MAX];
	int64_t offset;
	int status;

	status = stow_upload_open(f->registry, &f->op, name, session->uuid, session->token,
	                          (int64_t)len, NULL, &upload, &f->err);
	if (status == STOW_OK)
		status = stow_upload_write(upload, &f->op, data, len, &f->err);
	if (status == STOW_OK)
		status = stow_upload_seal(upload, &f->op, token, &offset, &f->err);
	stow_upload_close(upload, &f->op);
	if (status == STOW_OK)
		(void)text_copy(session->token, sizeof(session->token), token);
	return status;
}

/* The closing PUT. */
static inline int finish(struct fixture *f, const char *name, const struct session *session,
                         const void *data, size_t len, const char *digest,
                         struct stow_descriptor *ret)
{
	struct stow_upload *upload = NULL;
	int status;

	status = stow_upload_open(f->registry, &f->op, name, session->uuid, session->token,
	                          (int64_t)len, digest, &upload, &f->err);
	if (status == STOW_OK)
		status = stow_upload_write(upload, &f->op, data, len, &f->err);
	if (status == STOW_OK)
		status = stow_upload_commit(upload, &f->op, ret, &f->err);
	stow_upload_close(upload, &f->op);
	return status;
}

/* POST and PUT with the body. */
static inline void push_blob(struct fixture *f, const char *name, const void *data, size_t len,
                             const char *digest)
{
	struct stow_descriptor descriptor;
	struct session session;

	begin(f, name, &session);
	check_ok(f, finish(f, name, &session, data, len, digest, &descriptor));
	assert_int_equal(descriptor.size, len);
	assert_string_equal(descriptor.digest, digest);
}

static inline int64_t stat_blob(struct fixture *f, const char *name, const char *digest)
{
	struct stow_descriptor descriptor;
	int status;

	status = stow_blob_stat(f->registry, &f->op, name, digest, &descriptor, &f->err);
	if (status != STOW_OK)
		return status;
	assert_string_equal(descriptor.digest, digest);
	assert_string_equal(descriptor.media_type, "application/octet-stream");
	return descriptor.size;
}

/* Reads a range and compares it. */
static inline void check_range(struct fixture *f, const char *name, const char *digest,
                               int64_t offset, int64_t length, const void *data, size_t len)
{
	struct stow_descriptor descriptor;
	struct stow_reader *reader = NULL;
	char *found = malloc(len + 1);
	size_t at = 0, got = 0;

	assert_non_null(found);
	check_ok(f, stow_blob_open(f->registry, &f->op, name, digest, offset, length, &reader,
	                           &descriptor, &f->err));
	do {
		check_ok(f,
		         stow_reader_read(reader, &f->op, found + at, len + 1 - at, &got, &f->err));
		at += got;
	} while (got > 0);
	stow_reader_close(reader);
	assert_int_equal(at, len);
	assert_memory_equal(found, data, len);
	free(found);
}

static inline void check_blob(struct fixture *f, const char *name, const char *digest,
                              const void *data, size_t len)
{
	assert_int_equal(stat_blob(f, name, digest), len);
	check_range(f, name, digest, 0, -1, data, len);
}

/* ---- manifests ---- */

static inline int put_manifest(struct fixture *f, const char *name, const char *reference,
                               const char *type, const char *text, size_t len,
                               struct stow_descriptor *ret, struct stow_faults **ret_faults)
{
	return stow_manifest_put(f->registry, &f->op, name, reference, type, text, len, ret,
	                         ret_faults, &f->err);
}

/* Pushes a config and an image manifest that differ by `seed`; its digest is given out. */
static inline void push_image(struct fixture *f, const char *name, const char *tag,
                              unsigned int seed, char ret_digest[STOW_DIGEST_MAX + 1])
{
	char config[64], digest[STOW_DIGEST_MAX + 1], text[1024];
	struct stow_descriptor descriptor;

	assert_true(text_format(config, sizeof(config), "{\"seed\":%u}", seed));
	sha256(config, strlen(config), digest);
	push_blob(f, name, config, strlen(config), digest);
	assert_true(text_format(text, sizeof(text),
	                        "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"x/y\","
	                        "\"digest\":\"%s\",\"size\":%zu},\"layers\":[]}",
	                        digest, strlen(config)));
	check_ok(f, put_manifest(f, name, tag, OCI_IMAGE, text, strlen(text), &descriptor, NULL));
	(void)text_copy(ret_digest, STOW_DIGEST_MAX + 1, descriptor.digest);
}

#endif
