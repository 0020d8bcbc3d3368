/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes plugin/name, digest, layout and link: lines with a name, a tag, a digest, a segment's
 * start, and then what a listing or a link file may hold.
 * It must not know stores.
 */
#include "plugin/layout.h"

#include "common/cleanup.h"
#include "common/key.h"
#include "common/text.h"
#include "plugin/link.h"
#include "plugin/name.h"
#include "tests/fuzz/fuzz.h"

#define UUID "0f8fad5b-d9cb-469f-a165-70867728950e"

static const char *behind(const struct layout_key *key, const struct layout_key *prefix)
{
	REQUIRE(text_starts(key->text, prefix->text));
	return key->text + strlen(prefix->text);
}

static void check_key(const struct layout_key *key)
{
	REQUIRE(strlen(key->text) < LAYOUT_KEY_MAX);
	REQUIRE(key_check(key->text, "fuzz", NULL) == STOW_OK);
}

/* Keys made from checked parts are read back to the same parts. */
static void check_tag_keys(const char *name, const char *tag, const struct digest *digest)
{
	struct layout_key key, prefix;
	struct digest back;
	size_t len = 0;

	layout_tags_prefix(&prefix, name);
	layout_tag_current(&key, name, tag);
	check_key(&key);
	REQUIRE(layout_is_current(behind(&key, &prefix), &len));
	REQUIRE(len == strlen(tag) && memcmp(behind(&key, &prefix), tag, len) == 0);
	REQUIRE(!layout_is_index(behind(&key, &prefix), &len, &back));
	layout_tag_index(&key, name, tag, digest);
	check_key(&key);
	REQUIRE(layout_is_index(behind(&key, &prefix), &len, &back));
	REQUIRE(len == strlen(tag) && digest_equal(digest, &back));
	layout_tag_prefix(&prefix, name, tag);
	(void)behind(&key, &prefix);
}

static void check_repository_keys(const char *name, const struct digest *digest, int64_t start)
{
	struct segment_id id = { start, 0, UINT64_C(0xfedcba9876543210) }, back;
	struct layout_key key, prefix;
	struct digest same;
	const char *rest, *room = NULL;
	size_t len = 0;

	layout_data(&key, digest);
	check_key(&key);
	layout_link(&key, name, LAYOUT_LAYERS, digest);
	check_key(&key);
	layout_link(&key, name, LAYOUT_REVISIONS, digest);
	check_key(&key);
	layout_manifests_prefix(&prefix, name);
	(void)behind(&key, &prefix);
	rest = key.text + strlen(LAYOUT_REPOSITORIES);
	REQUIRE(layout_is_repository(rest, &len, &room));
	REQUIRE(len == strlen(name) && memcmp(rest, name, len) == 0);
	REQUIRE(text_starts(room, "_manifests/"));
	layout_referrers_prefix(&prefix, name, digest);
	layout_referrer(&key, name, digest, digest);
	check_key(&key);
	REQUIRE(layout_is_referrer(behind(&key, &prefix), &same) && digest_equal(digest, &same));
	layout_upload_prefix(&prefix, name, UUID);
	layout_segment(&key, name, UUID, &id);
	check_key(&key);
	REQUIRE(layout_is_segment(behind(&key, &prefix), &back));
	REQUIRE(back.start == id.start && back.parent == id.parent && back.nonce == id.nonce);
}

/* What is taken apart can be put together again. */
static void check_rest(const char *rest)
{
	struct layout_key key, prefix;
	char part[STOW_NAME_MAX + 1];
	struct segment_id id;
	struct digest digest;
	const char *room = NULL;
	size_t len = 0;

	layout_tags_prefix(&prefix, "a");
	if (layout_is_current(rest, &len)) {
		REQUIRE(len <= STOW_TAG_MAX);
		(void)text_format(part, sizeof(part), "%.*s", (int)len, rest);
		REQUIRE(name_is_tag(part));
		layout_tag_current(&key, "a", part);
		REQUIRE(strcmp(behind(&key, &prefix), rest) == 0);
	}
	if (layout_is_index(rest, &len, &digest)) {
		REQUIRE(len <= STOW_TAG_MAX);
		(void)text_format(part, sizeof(part), "%.*s", (int)len, rest);
		REQUIRE(name_is_tag(part));
		layout_tag_index(&key, "a", part, &digest);
		REQUIRE(strcmp(behind(&key, &prefix), rest) == 0);
	}
	if (layout_is_segment(rest, &id)) {
		REQUIRE(id.start >= 0);
		layout_upload_prefix(&prefix, "a", UUID);
		layout_segment(&key, "a", UUID, &id);
		REQUIRE(strcmp(behind(&key, &prefix), rest) == 0);
	}
	if (layout_is_repository(rest, &len, &room)) {
		REQUIRE(len <= STOW_NAME_MAX && room == rest + len + 1 && room[0] == '_');
		(void)text_format(part, sizeof(part), "%.*s", (int)len, rest);
		REQUIRE(name_is_repository(part));
	}
}

static void check_link(const char *body, size_t len, const struct digest *path)
{
	struct stow_error err = { 0 };
	struct digest digest;

	if (link_parse(&digest, body, len, "a/link", path, &err) != STOW_OK) {
		REQUIRE(err.status == STOW_ECORRUPT && fuzz_is_line(err.message));
		return;
	}
	REQUIRE(strlen(digest.text) == len && memcmp(digest.text, body, len) == 0);
	REQUIRE(!path || digest_equal(path, &digest) ||
	        (path->algorithm != HASH_SHA256 && digest.algorithm == HASH_SHA256));
}

static void check_digest(const struct digest *digest, const char *text)
{
	uint8_t value[HASH_MAX];
	struct digest back;

	REQUIRE(strcmp(digest->text, text) == 0 && stow_digest_check(text) == STOW_OK);
	digest_value(digest, value);
	digest_from_value(&back, digest->algorithm, value);
	REQUIRE(digest_equal(digest, &back));
	REQUIRE(name_is_reference_digest(text) && !name_is_tag(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup_free char *text = fuzz_text(data, len);
	char *rest = text, *name = fuzz_line(&rest), *tag = fuzz_line(&rest);
	char *digest_text = fuzz_line(&rest), *start_text = fuzz_line(&rest);
	struct digest digest;
	bool digest_ok = digest_parse(&digest, digest_text, strlen(digest_text));
	int64_t start = 0;

	(void)text_to_int64(start_text, &start);
	if (digest_ok)
		check_digest(&digest, digest_text);
	else
		digest_of(&digest, HASH_SHA512, data, len);
	REQUIRE(!name_is_repository(name) || strlen(name) <= STOW_NAME_MAX);
	REQUIRE(!name_is_tag(tag) || strlen(tag) <= STOW_TAG_MAX);
	if (name_is_repository(name)) {
		check_repository_keys(name, &digest, start);
		if (name_is_tag(tag))
			check_tag_keys(name, tag, &digest);
	}
	check_rest(rest);
	check_link(rest, strlen(rest), &digest);
	check_link(rest, strlen(rest), NULL);
	return 0;
}
