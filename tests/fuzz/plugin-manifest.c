/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes plugin/manifest and plugin/json-scan: a line with the media type, then the manifest.
 * It must not know stores.
 */
#include "plugin/manifest.h"

#include <jansson.h>

#include "common/cleanup.h"
#include "common/json-scan.h"
#include "tests/fuzz/fuzz.h"

static bool is_plain(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
			return false;
	}
	return true;
}

static void check_faults(const struct stow_faults *faults)
{
	struct stow_fault fault;
	size_t n = stow_faults_count(faults);

	REQUIRE(n <= FAULTS_MAX);
	for (size_t i = 0; i < n; i++) {
		REQUIRE(stow_faults_at(faults, i, &fault) == STOW_OK);
		REQUIRE(fault.kind >= STOW_FAULT_INVALID && fault.kind <= STOW_FAULT_TOO_LARGE);
		REQUIRE(!fault.digest[0] || stow_digest_check(fault.digest) == STOW_OK);
		REQUIRE(fault.message[0] && is_plain(fault.message));
	}
	REQUIRE(stow_faults_at(faults, n, &fault) != STOW_OK);
}

static void check_references(const struct manifest *manifest)
{
	for (size_t i = 0; i < manifest->n; i++) {
		const struct manifest_reference *reference = &manifest->references[i];

		REQUIRE(stow_digest_check(reference->digest.text) == STOW_OK);
		REQUIRE(strlen(digest_hex(&reference->digest)) ==
		        2 * hash_size(reference->digest.algorithm));
		REQUIRE(reference->size >= 0);
		/* each once; of long lists the neighbours will do */
		for (size_t j = i + 1; j < manifest->n && j < i + 32; j++)
			REQUIRE(!digest_equal(&reference->digest, &manifest->references[j].digest));
	}
}

/* What a push takes is, once stored, read as the same kind. */
static void check_stored(const struct manifest *manifest, const void *data, size_t len)
{
	enum manifest_kind kind = 0;

	REQUIRE(manifest->kind >= MANIFEST_DOCKER_IMAGE && manifest->kind <= MANIFEST_OCI_INDEX);
	REQUIRE(manifest_media_type(manifest->kind));
	REQUIRE(manifest_recognise(&kind, data, len, NULL) == STOW_OK);
	REQUIRE(kind == manifest->kind);
}

/* The values of parsed JSON; it is no deeper than the scan has let pass. */
static size_t count_values(const json_t *value, size_t depth_left)
{
	size_t n = 1, i;
	const json_t *item;
	const char *key;

	if (json_is_array(value) || json_is_object(value))
		REQUIRE(depth_left > 0);
	if (json_is_array(value)) {
		json_array_foreach(value, i, item)
		{
			n += count_values(item, depth_left - 1);
		}
	} else if (json_is_object(value)) {
		void *iter = json_object_iter((json_t *)(uintptr_t)value);

		while (iter) {
			key = json_object_iter_key(iter);
			REQUIRE(key);
			n += count_values(json_object_iter_value(iter), depth_left - 1);
			iter = json_object_iter_next((json_t *)(uintptr_t)value, iter);
		}
	}
	return n;
}

static void check_scan(const void *data, size_t len)
{
	json_error_t error;
	json_t *root;
	size_t n;

	if (json_scan(data, len, 8, 64))
		return;
	root = json_loadb(data, len, JSON_REJECT_DUPLICATES, &error);
	if (!root)
		return;
	n = count_values(root, 8);
	/* brackets and commas are counted: each value has one of its own, but for the first of a
	 * list and what is within an object's braces */
	REQUIRE(n <= 2 * 64 + 1);
	json_decref(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *end = len > 0 ? memchr(data, '\n', len) : NULL;
	cleanup_free char *type = fuzz_text(data, end ? (size_t)(end - data) : 0);
	const uint8_t *body = end ? end + 1 : data;
	size_t body_len = len - (size_t)(body - data);
	struct stow_faults *faults = NULL;
	struct manifest manifest;
	struct stow_error err = { 0 };
	int status;

	REQUIRE(faults_new(&faults, NULL) == STOW_OK);
	status = manifest_parse(&manifest, NULL, type, body, body_len, faults, &err);
	REQUIRE(status == STOW_OK);
	check_faults(faults);
	check_references(&manifest);
	if (stow_faults_count(faults) == 0)
		check_stored(&manifest, body, body_len);
	else
		REQUIRE(faults_error(faults, "fuzz", "manifest", &err) == STOW_ECORRUPT &&
		        fuzz_is_line(err.message));
	manifest_done(&manifest);
	stow_faults_free(faults);
	check_scan(body, body_len);
	return 0;
}
