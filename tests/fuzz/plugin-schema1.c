/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes plugin/schema1, and through it the keys and signatures of common/jws: what is taken is
 * signed, its fields are those of a payload that is parsed by itself, and put together again it
 * holds.  What is refused says why.
 * It must not know stores.
 */
#include "plugin/schema1.h"

#include <jansson.h>

#include "plugin/referrer.h"
#include "plugin/schema1-text.h"
#include "tests/fuzz/fuzz.h"

static void check_taken(const struct schema1 *s)
{
	json_t *root = json_loadb(s->payload.data, s->payload.len, JSON_ALLOW_NUL, NULL);

	REQUIRE(json_is_object(root));
	REQUIRE(s->n_signatures > 0 && s->n_signatures <= SCHEMA1_SIGNATURES_MAX);
	REQUIRE(strcmp(json_string_value(json_object_get(root, "name")), s->name) == 0);
	REQUIRE(strcmp(json_string_value(json_object_get(root, "tag")), s->tag) == 0);
	for (size_t i = 0; i < s->n_layers; i++)
		REQUIRE(stow_digest_check(s->layers[i].text) == STOW_OK);
	for (size_t i = 0; i < s->n_signatures; i++)
		REQUIRE(strlen(s->key_ids[i]) == JWS_KEY_ID_LEN);
	json_decref(root);
}

/* Put together again it holds as well, whatever the order of its signatures was. */
static void check_joined(const struct schema1 *s)
{
	struct schema1 again;
	struct buf text;

	REQUIRE(schema1_join(s->payload.data, s->payload.len, s->signatures, s->n_signatures, &text,
	                     NULL) == STOW_OK);
	REQUIRE(schema1_parse(&again, text.data, text.len, NULL) == STOW_OK);
	REQUIRE(again.n_signatures == s->n_signatures && again.payload.len == s->payload.len &&
	        memcmp(again.payload.data, s->payload.data, s->payload.len) == 0);
	schema1_done(&again);
	buf_done(&text);
}

/* The same bytes as a stored signature. */
static void check_stored(char *text, size_t len)
{
	static const char payload[] = "{\n \"a\": 1\n}";
	const struct buf stored = { .data = text, .len = len };
	struct buf ret = { 0 };
	int status = schema1_join(payload, strlen(payload), &stored, 1, &ret, NULL);

	REQUIRE(status == STOW_OK || status == STOW_ENOTFOUND);
	if (status == STOW_OK)
		REQUIRE(ret.len > strlen(payload));
	buf_done(&ret);
}

/* The same bytes as a descriptor in the index of referrers. */
static void check_descriptor(const char *text, size_t len)
{
	char type[STOW_MEDIA_TYPE_MAX + 1];
	struct digest digest;

	if (referrer_parse(text, len, &digest, type))
		REQUIRE(stow_digest_check(digest.text) == STOW_OK && strlen(type) < sizeof(type));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct stow_error err = { 0 };
	char *text = fuzz_text(data, len);
	struct schema1 s;
	int status = schema1_parse(&s, text, len, &err);

	if (status == STOW_OK) {
		check_taken(&s);
		check_joined(&s);
	} else {
		REQUIRE((status == STOW_EDENIED || status == STOW_ECORRUPT) &&
		        err.status == status && err.message[0]);
	}
	check_stored(text, len);
	schema1_done(&s);
	(void)schema1_is_signed(text, len);
	check_descriptor(text, len);
	free(text);
	return 0;
}
