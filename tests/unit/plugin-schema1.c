/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed schema 1 manifests against the vectors of tests/vectors/schema1: which are taken, the
 * digest of the payload, the names of the keys; and which of the refused ones are unverified.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"
#include "plugin/name.h"
#include "plugin/schema1.h"

#define FOLDER "tests/vectors/schema1/"

/* Those that are unverified to others and invalid here: one refuses padding, which is not read. */
static const char *const stricter[] = { "enc-prot-padding-not-signed" };

static char *read_file(const char *name, size_t *ret_len)
{
	char path[500], *data = malloc(STOW_MANIFEST_MAX + 1);
	FILE *file;

	assert_non_null(data);
	assert_true(text_format(path, sizeof(path), FOLDER "%s", name));
	file = fopen(path, "rb");
	if (!file)
		fail_msg("%s is not there", path);
	*ret_len = fread(data, 1, STOW_MANIFEST_MAX + 1, file);
	fclose(file);
	return data;
}

static const char *text(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value ? value : "";
}

/* What the store looks at beyond the signed form. */
static int check_place(const struct schema1 *s, const char *repository)
{
	if (strcmp(s->name, repository) != 0 || !name_is_repository(s->name) ||
	    !name_is_tag(s->tag))
		return STOW_ECORRUPT;
	return STOW_OK;
}

static void check_accepted(const json_t *vector, const struct schema1 *s)
{
	const json_t *ids = json_object_get(vector, "key_ids");
	struct digest digest;

	digest_of(&digest, HASH_SHA256, s->payload.data, s->payload.len);
	assert_string_equal(digest.text, text(vector, "payload_sha256"));
	assert_int_equal(s->n_signatures, json_array_size(ids));
	for (size_t i = 0; i < s->n_signatures; i++)
		assert_string_equal(s->key_ids[i], json_string_value(json_array_get(ids, i)));
}

static void check_refused(const json_t *vector, int status)
{
	bool unverified = strcmp(text(vector, "expected"), "unverified") == 0;

	for (size_t i = 0; i < sizeof(stricter) / sizeof(stricter[0]); i++)
		unverified = unverified && strcmp(text(vector, "id"), stricter[i]) != 0;
	if (status != STOW_EDENIED && (status != STOW_ECORRUPT || unverified))
		fail_msg("%s: %d", text(vector, "id"), status);
}

static void vectors_get_their_verdict(void **state)
{
	json_error_t error;
	json_t *root = json_load_file(FOLDER "vectors.json", JSON_ALLOW_NUL, &error);
	const json_t *list = json_object_get(root, "vectors");
	size_t taken = 0, refused = 0;

	(void)state;
	assert_true(json_array_size(list) > 200);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *vector = json_array_get(list, i);
		const char *recommended = text(vector, "recommended");
		struct stow_error err = { 0 };
		struct schema1 s;
		size_t len;
		char *data = read_file(text(vector, "file"), &len);
		int status = schema1_parse(&s, data, len, &err);

		if (status == STOW_OK)
			status = check_place(&s, text(vector, "repository"));
		else
			assert_true(err.message[0] != '\0' && err.status == status);
		if (strcmp(recommended, "accept") == 0 && status != STOW_OK)
			fail_msg("%s: %d: %s", text(vector, "id"), status, err.message);
		if (strcmp(recommended, "reject") == 0)
			check_refused(vector, status);
		if (status == STOW_OK)
			check_accepted(vector, &s);
		*(status == STOW_OK ? &taken : &refused) += 1;
		schema1_done(&s);
		free(data);
	}
	assert_true(taken >= 57 && refused >= 166);
	json_decref(root);
}

/* Every cut of a good one is refused, and so is every byte turned over in its payload. */
static void cuts_and_flips(void **state)
{
	size_t len, step;
	char *data = read_file("manifests/ok-two-ec.json", &len);
	struct schema1 s;

	(void)state;
	for (size_t cut = 0; cut + 2 < len; cut += 1 + cut % 7) {
		assert_true(schema1_parse(&s, data, cut, NULL) != STOW_OK);
		schema1_done(&s);
	}
	for (size_t i = 0; i < 1370; i += step) {
		step = 1 + i % 11;
		data[i] ^= 1;
		assert_true(schema1_parse(&s, data, len, NULL) != STOW_OK);
		schema1_done(&s);
		data[i] ^= 1;
	}
	assert_int_equal(schema1_parse(&s, data, len, NULL), STOW_OK);
	assert_int_equal(s.n_signatures, 2);
	schema1_done(&s);
	assert_true(schema1_is_signed(data, len));
	assert_false(schema1_is_signed("{\"schemaVersion\":2}", 19));
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_get_their_verdict),
		cmocka_unit_test(cuts_and_flips),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
