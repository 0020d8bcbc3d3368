/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes plugin/token: texts that nobody signed, bodies that a holder of the key signed, and
 * states that make a token and come back.
 * It must not know stores.
 */
#include "plugin/token.h"

#include "common/cleanup.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"

#define NAME "library/app"
#define UUID "0f8fad5b-d9cb-469f-a165-70867728950e"
#define OTHER "7c9e6679-7425-40de-944b-e07fc1f90ae7"

static const struct secret_key keys[2] = {
	{ 16, "0123456789abcdef" },
	{ 20, "an older one, retired" },
};

static uint64_t take_number(const uint8_t **p, const uint8_t *end)
{
	uint64_t value = 0;

	for (int i = 0; i < 8 && *p < end; i++)
		value = value << 8 | *(*p)++;
	return value;
}

static bool same(const struct token *a, const struct token *b)
{
	uint8_t x[HASH_STATE_MAX], y[HASH_STATE_MAX];

	if (strcmp(a->uuid, b->uuid) != 0 || a->started_ns != b->started_ns ||
	    a->offset != b->offset || a->last.start != b->last.start ||
	    a->last.parent != b->last.parent || a->last.nonce != b->last.nonce ||
	    a->seals != b->seals || a->hash.algorithm != b->hash.algorithm ||
	    a->hash_known != b->hash_known)
		return false;
	return !a->hash_known || (hash_save(&a->hash, x) == hash_save(&b->hash, y) &&
	                          memcmp(x, y, hash_save(&a->hash, x)) == 0);
}

static void check_sane(const struct token *t)
{
	REQUIRE(token_is_uuid(t->uuid));
	REQUIRE(t->started_ns >= 0 && t->offset >= 0 && t->last.start >= 0);
	REQUIRE(t->offset == 0 ? t->last.start == 0 : t->last.start < t->offset);
	REQUIRE(t->hash.algorithm >= HASH_SHA256 && t->hash.algorithm <= HASH_SHA512);
	REQUIRE(!t->hash_known || hash_length(&t->hash) == (uint64_t)t->offset);
}

/* Read by its own name, uuid and key, and by no other. */
static void check_round(const struct token *t, size_t spoil)
{
	char text[STOW_TOKEN_MAX];
	struct token back;

	token_write(t, NAME, &keys[0], text);
	REQUIRE(strlen(text) < STOW_TOKEN_MAX);
	REQUIRE(token_read(&back, text, NAME, UUID, keys, 2));
	REQUIRE(same(t, &back));
	check_sane(&back);
	REQUIRE(!token_read(&back, text, NAME "2", UUID, keys, 2));
	REQUIRE(!token_read(&back, text, NAME, OTHER, keys, 2));
	REQUIRE(!token_read(&back, text, NAME, UUID, &keys[1], 1));
	REQUIRE(!token_read(&back, text, NAME, UUID, keys, 0));
	spoil %= strlen(text);
	text[spoil] = text[spoil] == 'A' ? 'B' : 'A';
	REQUIRE(!token_read(&back, text, NAME, UUID, keys, 2));
	text[spoil] = '\0';
	REQUIRE(!token_read(&back, text, NAME, UUID, keys, 2));
}

/* A state from the input, as the core would make it. */
static void check_made(const uint8_t *data, size_t len)
{
	const uint8_t *p = data, *end = data + len;
	struct token t = { .uuid = UUID };
	uint64_t flags = take_number(&p, end);
	enum hash_algorithm algorithm = (enum hash_algorithm)(flags % 3 + 1);

	t.started_ns = (int64_t)(take_number(&p, end) & INT64_MAX);
	t.last.parent = take_number(&p, end);
	t.last.nonce = take_number(&p, end) | 1;
	t.seals = (uint32_t)take_number(&p, end) | 1;
	hash_init(&t.hash, algorithm);
	t.offset = end - p;
	t.hash_known = flags & 8;
	if (t.hash_known)
		hash_update(&t.hash, p, (size_t)t.offset);
	if (t.offset == 0)
		t.last = (struct segment_id){ 0, 0, 0 };
	else
		t.last.start = (int64_t)(flags >> 4) % t.offset;
	if (t.last.start < 0)
		t.last.start = 0;
	check_round(&t, (size_t)(flags >> 8));
}

/* A body as a holder of the key may have signed it: another version, or a bug. */
static void check_signed(const uint8_t *data, size_t len)
{
	uint8_t raw[512], *body = raw + 32;
	char text[TEXT_BASE64_LEN(sizeof(raw)) + 1];
	struct token t, back;
	const uint8_t fixed[16] = { 0x0f, 0x8f, 0xad, 0x5b, 0xd9, 0xcb, 0x46, 0x9f,
		                    0xa1, 0x65, 0x70, 0x86, 0x77, 0x28, 0x95, 0x0e };

	if (len > sizeof(raw) - 32 - 49)
		return;
	body[0] = 1;
	hash_sha256(NAME, strlen(NAME), body + 1);
	memcpy(body + 33, fixed, sizeof(fixed));
	if (len > 0)
		memcpy(body + 49, data, len);
	hash_hmac_sha256(keys[1].data, keys[1].len, body, 49 + len, raw);
	text_base64url(text, raw, 32 + 49 + len);
	if (!token_read(&t, text, NAME, UUID, keys, 2))
		return;
	check_sane(&t);
	token_write(&t, NAME, &keys[0], text);
	REQUIRE(token_read(&back, text, NAME, UUID, keys, 1));
	REQUIRE(same(&t, &back));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup_free char *text = fuzz_text(data, len);
	struct token t;

	REQUIRE(!token_read(&t, text, NAME, UUID, keys, 2));
	(void)token_is_uuid(text);
	check_made(data, len);
	check_signed(data, len);
	return 0;
}
