/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pushes each vector without its layers, then with them.  What is taken has its digest, keys,
 * signature blobs and text compared; what is refused is refused for a reason of the same kind as
 * libtrust's, and leaves nothing behind.
 */
#include "tests/schema1/vectors.h"

#include <stdio.h>
#include <string.h>

#include "common/text.h"
#include "plugin/digest.h"
#include "plugin/layout.h"

/* Unverified to others and invalid here: it lacks padding that is signed, and none is read. */
static const char *const stricter[] = { "enc-prot-padding-not-signed" };

static bool is_stricter(const char *id)
{
	for (size_t i = 0; i < sizeof(stricter) / sizeof(stricter[0]); i++) {
		if (strcmp(id, stricter[i]) == 0)
			return true;
	}
	return false;
}

/* How many faults of a kind; *ret_status is the last one's. */
static size_t count_faults(const struct stow_faults *faults, int kind, int *ret_status)
{
	struct stow_fault fault;
	size_t n = 0;

	for (size_t i = 0; stow_faults_at(faults, i, &fault) == STOW_OK; i++) {
		if (fault.kind != kind)
			continue;
		*ret_status = fault.status;
		n++;
	}
	return n;
}

static int put(struct place *p, const json_t *vector, struct stow_descriptor *ret,
               struct stow_faults **faults)
{
	struct buf file = place_file(p, place_text(vector, "file"));
	struct stow_error err = { 0 };
	int status = stow_manifest_put(p->registry, NULL, place_text(vector, "repository"), NULL,
	                               PRETTY, buf_text(&file), file.len, ret, faults, &err);

	if (status != STOW_OK && !err.message[0])
		place_wrong(p, "refused without a reason");
	buf_done(&file);
	return status;
}

/* The error type's name in front of each text of a list. */
static size_t count_texts(const json_t *list, const char *type)
{
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *text = json_string_value(json_array_get(list, i));

		n += text && text_starts(text, type);
	}
	return n;
}

/* As many unknown blobs as the registry of 2015 found, and nothing else of what will be taken. */
static void without_layers(struct place *p, const json_t *vector)
{
	const json_t *want = json_object_get(json_object_get(vector, "store_2015"),
	                                     "put_without_layers");
	struct stow_faults *faults = NULL;
	struct stow_descriptor d;
	size_t unknown = count_texts(want, "distribution.ErrManifestBlobUnknown");
	int ignored = 0, status;

	if (!want || strcmp(place_text(vector, "recommended"), "accept") != 0 || unknown == 0)
		return;
	status = put(p, vector, &d, &faults);
	if (status != STOW_ECORRUPT || stow_faults_count(faults) != unknown ||
	    count_faults(faults, STOW_FAULT_BLOB_UNKNOWN, &ignored) != unknown)
		place_wrong(p, "without layers: status %d, %zu faults, not %zu", status,
		            stow_faults_count(faults), unknown);
	stow_faults_free(faults);
}

static void check_object(struct place *p, const struct layout_key *key, const char *file)
{
	struct buf found = { 0 }, want = place_file(p, file);

	if (!place_get(p, key->text, &found))
		place_wrong(p, "%s is not in the store", key->text);
	else if (found.len != want.len || memcmp(found.data, want.data, want.len) != 0)
		place_wrong(p, "%s is not the bytes of %s", key->text, file);
	buf_done(&found);
	buf_done(&want);
}

static void parse_digest(struct digest *ret, const char *text)
{
	if (!digest_parse(ret, text, strlen(text)))
		place_die("\"%s\" is no digest", text);
}

/* Payload, signature blobs and their links, and no more of them. */
static void check_stored(struct place *p, const json_t *vector)
{
	const json_t *blobs = json_object_get(vector, "signature_blobs");
	json_t *objects = place_objects(p);
	struct layout_key key;
	struct digest revision;
	size_t distinct = 0;

	parse_digest(&revision, place_text(vector, "payload_sha256"));
	layout_data(&key, &revision);
	if (place_text(vector, "payload_file")[0])
		check_object(p, &key, place_text(vector, "payload_file"));
	for (size_t i = 0; i < json_array_size(blobs); i++) {
		const json_t *blob = json_array_get(blobs, i);
		struct digest digest;

		parse_digest(&digest, place_text(blob, "sha256"));
		layout_data(&key, &digest);
		check_object(p, &key, place_text(blob, "file"));
		layout_signature(&key, place_text(vector, "repository"), &revision, &digest);
		distinct += json_object_del(objects, key.text) == 0;
		layout_data(&key, &digest);
		(void)json_object_del(objects, key.text);
	}
	/* payload, revision link, the tag's two */
	if (json_object_size(objects) != 4 || distinct == 0)
		place_wrong(p, "%zu objects beside the signatures, not 4",
		            json_object_size(objects));
	json_decref(objects);
}

static void check_keys(struct place *p, const json_t *vector, const struct buf *file)
{
	const json_t *ids = json_object_get(vector, "key_ids");
	struct stow_error err = { 0 };
	struct schema1 s;

	if (schema1_parse(&s, file->data, file->len, &err) != STOW_OK)
		place_wrong(p, "what was pushed does not parse: %s", err.message);
	else if (s.n_signatures != json_array_size(ids))
		place_wrong(p, "%zu signatures", s.n_signatures);
	for (size_t i = 0; i < s.n_signatures && !p->why[0]; i++) {
		if (strcmp(s.key_ids[i], json_string_value(json_array_get(ids, i))) != 0)
			place_wrong(p, "key %zu is %s", i, s.key_ids[i]);
	}
	schema1_done(&s);
}

/* What is got is what the registry of 2015 gave, and verifies once more. */
static void check_got(struct place *p, const json_t *vector, const char *reference)
{
	const char *file = place_text(json_object_get(vector, "store_2015"), "get_file");
	struct buf got = { 0 };
	struct stow_error err = { 0 };
	struct schema1 s;
	int status = place_get_manifest(p, place_text(vector, "repository"), reference, &got);

	if (status != STOW_OK) {
		place_wrong(p, "get %s: status %d", reference, status);
		buf_done(&got);
		return;
	}
	if (schema1_parse(&s, got.data, got.len, &err) != STOW_OK)
		place_wrong(p, "what is got does not verify: %s", err.message);
	schema1_done(&s);
	if (*file) {
		struct buf want = place_file(p, file);

		if (got.len != want.len || memcmp(got.data, want.data, want.len) != 0)
			place_wrong(p, "got %zu bytes that are not those of %s", got.len, file);
		buf_done(&want);
	}
	buf_done(&got);
}

static void check_taken(struct place *p, const json_t *vector, const struct stow_descriptor *d)
{
	const char *digest = place_text(vector, "payload_sha256");
	const char *tag = place_text(json_object_get(vector, "from_payload"), "tag");
	struct buf file = place_file(p, place_text(vector, "file"));

	if (strcmp(place_text(vector, "recommended"), "reject") == 0)
		place_wrong(p, "taken");
	if (strcmp(d->digest, digest) != 0)
		place_wrong(p, "its digest is %s", d->digest);
	check_keys(p, vector, &file);
	check_stored(p, vector);
	check_got(p, vector, digest);
	if (*tag)
		check_got(p, vector, tag);
	buf_done(&file);
}

/* The reason's kind: D3 of libtrust's two kinds of mismatch, which the status tells apart. */
static void check_refused(struct place *p, const json_t *vector, const struct stow_faults *faults)
{
	const char *expected = place_text(vector, "expected");
	const char *text = place_text(json_object_get(vector, "libtrust"), "verify_error");
	bool mismatch = text_starts(text, "invalid RS") && strstr(text, "verification error");
	int status = 0;
	size_t unverified = count_faults(faults, STOW_FAULT_UNVERIFIED, &status);
	json_t *objects = place_objects(p);

	if (strcmp(place_text(vector, "recommended"), "accept") == 0)
		place_wrong(p, "refused");
	if (stow_faults_count(faults) == 0)
		place_wrong(p, "refused without a fault");
	if (json_object_size(objects) != 0)
		place_wrong(p, "something was stored");
	json_decref(objects);
	if (strcmp(expected, "unverified") == 0 && !is_stricter(place_text(vector, "id")) &&
	    (unverified != 1 || status != STOW_EDENIED))
		place_wrong(p, "not refused as unverified");
	if (strcmp(expected, "invalid") == 0 && unverified && status == STOW_EDENIED)
		place_wrong(p, "refused as unverified, though it is invalid");
	if (mismatch && (unverified != 1 || status != STOW_ECORRUPT))
		place_wrong(p, "not refused as a mismatch of RSA");
}

static void run(struct place *p, const json_t *vector)
{
	struct stow_faults *faults = NULL;
	struct stow_descriptor d = { 0 };
	const char *digest;
	json_t *content;

	place_open(p);
	without_layers(p, vector);
	json_object_foreach(p->layers, digest, content)
	{
		place_put_layer(p, place_text(vector, "repository"), digest);
	}
	if (put(p, vector, &d, &faults) == STOW_OK)
		check_taken(p, vector, &d);
	else if (strcmp(place_text(vector, "recommended"), "either") != 0)
		check_refused(p, vector, faults);
	stow_faults_free(faults);
	place_close(p);
	place_count(p, "vector", place_text(vector, "id"));
}

void vectors_run(struct place *p, const json_t *root)
{
	const json_t *list = json_object_get(root, "vectors");

	for (size_t i = 0; i < json_array_size(list); i++)
		run(p, json_array_get(list, i));
}
