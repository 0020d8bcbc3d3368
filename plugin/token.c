/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes and reads upload tokens.
 * It must not know stores, clocks, or what a host puts around a token.
 *
 * The body, big-endian: version 1 | SHA-256 of the repository's name 32 | uuid 16 | started 8 |
 * offset 8 | start 8, parent 8, nonce 8 of the last segment | seals 4 | algorithm 1 |
 * hash state, to the end, empty where it is not known.
 */
#include "plugin/token.h"

#include "common/text.h"

#define VERSION 1
#define MAC_LEN 32
#define UUID_OCTETS 16
#define FIXED_LEN (1 + 32 + UUID_OCTETS + 8 + 8 + 24 + 4 + 1)
#define RAW_MAX (MAC_LEN + FIXED_LEN + HASH_STATE_MAX)

_Static_assert(TEXT_BASE64_LEN(RAW_MAX) < STOW_TOKEN_MAX, "the longest token fits");

static uint8_t *put_number(uint8_t *p, uint64_t value, size_t octets)
{
	for (size_t i = 0; i < octets; i++)
		p[i] = (uint8_t)(value >> (8 * (octets - 1 - i)));
	return p + octets;
}

static const uint8_t *get_number(const uint8_t *p, size_t octets, uint64_t *ret)
{
	uint64_t value = 0;

	for (size_t i = 0; i < octets; i++)
		value = value << 8 | p[i];
	*ret = value;
	return p + octets;
}

bool token_is_uuid(const char *uuid)
{
	if (!uuid || strnlen(uuid, STOW_UUID_LEN + 1) != STOW_UUID_LEN)
		return false;
	for (int i = 0; i < STOW_UUID_LEN; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
		bool is_hex = (uuid[i] >= '0' && uuid[i] <= '9') ||
		              (uuid[i] >= 'a' && uuid[i] <= 'f');

		if (is_dash ? uuid[i] != '-' : !is_hex)
			return false;
	}
	return true;
}

static void uuid_octets(const char *uuid, uint8_t ret[UUID_OCTETS])
{
	char hex[2 * UUID_OCTETS];
	size_t n = 0;

	for (int i = 0; i < STOW_UUID_LEN; i++) {
		if (uuid[i] != '-')
			hex[n++] = uuid[i];
	}
	(void)text_unhex(ret, hex, n);
}

bool token_make_uuid(char ret[STOW_UUID_LEN + 1])
{
	uint8_t octets[UUID_OCTETS];
	char hex[2 * UUID_OCTETS + 1];

	if (!hash_random(octets, sizeof(octets)))
		return false;
	octets[6] = (uint8_t)((octets[6] & 0x0f) | 0x40);
	octets[8] = (uint8_t)((octets[8] & 0x3f) | 0x80);
	text_hex(hex, octets, sizeof(octets));
	return text_format(ret, STOW_UUID_LEN + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8,
	                   hex + 12, hex + 16, hex + 20);
}

void token_write(const struct token *token, const char *name, const struct secret_key *key,
                 char *ret)
{
	uint8_t raw[RAW_MAX], *p = raw + MAC_LEN;

	p = put_number(p, VERSION, 1);
	hash_sha256(name, strlen(name), p);
	p += 32;
	uuid_octets(token->uuid, p);
	p += UUID_OCTETS;
	p = put_number(p, (uint64_t)token->started_ns, 8);
	p = put_number(p, (uint64_t)token->offset, 8);
	p = put_number(p, (uint64_t)token->last.start, 8);
	p = put_number(p, token->last.parent, 8);
	p = put_number(p, token->last.nonce, 8);
	p = put_number(p, token->seals, 4);
	p = put_number(p, (uint64_t)token->hash.algorithm, 1);
	if (token->hash_known)
		p += hash_save(&token->hash, p);
	hash_hmac_sha256(key->data, key->len, raw + MAC_LEN, (size_t)(p - raw) - MAC_LEN, raw);
	text_base64url(ret, raw, (size_t)(p - raw));
}

static bool is_signed(const uint8_t *raw, size_t len, const struct secret_key *keys, size_t n)
{
	bool found = false;

	for (size_t i = 0; i < n; i++) {
		uint8_t mac[MAC_LEN];

		hash_hmac_sha256(keys[i].data, keys[i].len, raw + MAC_LEN, len - MAC_LEN, mac);
		found |= hash_equal(mac, raw, MAC_LEN);
	}
	return found;
}

/* What a holder of the key never writes is refused all the same: a later bug must not become a
 * negative offset here. */
static bool is_sane(const struct token *token)
{
	if (token->started_ns < 0 || token->offset < 0 || token->last.start < 0)
		return false;
	if (token->offset == 0)
		return token->last.start == 0 && token->last.nonce == 0;
	return token->last.start < token->offset && token->last.nonce != 0 && token->seals > 0;
}

static bool read_body(struct token *ret, const uint8_t *p, const uint8_t *end, const char *name,
                      const char *uuid)
{
	uint8_t name_hash[32], octets[UUID_OCTETS];
	uint64_t number;
	struct token token = { 0 };

	p = get_number(p, 1, &number);
	if (number != VERSION)
		return false;
	hash_sha256(name, strlen(name), name_hash);
	uuid_octets(uuid, octets);
	if (!hash_equal(p, name_hash, sizeof(name_hash)) ||
	    !hash_equal(p + sizeof(name_hash), octets, sizeof(octets)))
		return false;
	p += sizeof(name_hash) + sizeof(octets);
	(void)text_copy(token.uuid, sizeof(token.uuid), uuid);
	p = get_number(p, 8, &number);
	token.started_ns = (int64_t)number;
	p = get_number(p, 8, &number);
	token.offset = (int64_t)number;
	p = get_number(p, 8, &number);
	token.last.start = (int64_t)number;
	p = get_number(p, 8, &token.last.parent);
	p = get_number(p, 8, &token.last.nonce);
	p = get_number(p, 4, &number);
	token.seals = (uint32_t)number;
	p = get_number(p, 1, &number);
	if (number < HASH_SHA256 || number > HASH_SHA512 || !is_sane(&token))
		return false;
	/* A state that another version wrote is no reason to lose the upload: its bytes are
	 * stored, and are hashed again. */
	token.hash_known = hash_load(&token.hash, (enum hash_algorithm)number, p,
	                             (size_t)(end - p)) &&
	                   hash_length(&token.hash) == (uint64_t)token.offset;
	if (!token.hash_known)
		hash_init(&token.hash, (enum hash_algorithm)number);
	*ret = token;
	return true;
}

bool token_read(struct token *ret, const char *text, const char *name, const char *uuid,
                const struct secret_key *keys, size_t n)
{
	uint8_t raw[RAW_MAX];
	ssize_t len;

	if (!text || !token_is_uuid(uuid))
		return false;
	len = text_unbase64url(raw, sizeof(raw), text, strnlen(text, STOW_TOKEN_MAX));
	if (len < MAC_LEN + FIXED_LEN || !is_signed(raw, (size_t)len, keys, n))
		return false;
	return read_body(ret, raw + MAC_LEN, raw + len, name, uuid);
}
