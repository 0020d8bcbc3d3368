/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes over OpenSSL's libcrypto.
 * Knows nothing of digests as text, nor of who asks.
 *
 * The running SHA-2 hashes use libcrypto's low-level contexts: they are plain structs, so that
 * a state can be saved and loaded, which EVP contexts cannot.  They are marked deprecated in
 * OpenSSL 3 but part of its ABI for the whole major, which hash_library_fits() checks.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "common/hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <string.h>

_Static_assert(sizeof(SHA512_CTX) <= sizeof(((struct hash *)0)->state), "state too small");
_Static_assert(sizeof(SHA256_CTX) <= sizeof(((struct hash *)0)->state), "state too small");

static const struct {
	const char *name;
	size_t size;
} algorithms[] = {
	[HASH_SHA256] = { "sha256", 32 },
	[HASH_SHA384] = { "sha384", 48 },
	[HASH_SHA512] = { "sha512", 64 },
};

enum hash_algorithm hash_by_name(const char *name, size_t len)
{
	for (int i = HASH_SHA256; i <= HASH_SHA512; i++)
		if (strlen(algorithms[i].name) == len && !memcmp(algorithms[i].name, name, len))
			return (enum hash_algorithm)i;
	return 0;
}

const char *hash_name(enum hash_algorithm a)
{
	return algorithms[a].name;
}

size_t hash_size(enum hash_algorithm a)
{
	return algorithms[a].size;
}

static SHA256_CTX *ctx256(struct hash *h)
{
	return (SHA256_CTX *)(void *)h->state;
}

static SHA512_CTX *ctx512(struct hash *h)
{
	return (SHA512_CTX *)(void *)h->state;
}

void hash_init(struct hash *h, enum hash_algorithm a)
{
	memset(h, 0, sizeof(*h));
	h->algorithm = a;
	if (a == HASH_SHA256)
		SHA256_Init(ctx256(h));
	else if (a == HASH_SHA384)
		SHA384_Init(ctx512(h));
	else
		SHA512_Init(ctx512(h));
}

void hash_update(struct hash *h, const void *data, size_t len)
{
	if (h->algorithm == HASH_SHA256)
		SHA256_Update(ctx256(h), data, len);
	else
		SHA512_Update(ctx512(h), data, len);
}

void hash_final(struct hash *h, uint8_t *ret)
{
	if (h->algorithm == HASH_SHA256)
		SHA256_Final(ret, ctx256(h));
	else if (h->algorithm == HASH_SHA384)
		SHA384_Final(ret, ctx512(h));
	else
		SHA512_Final(ret, ctx512(h));
}

static void put_be(uint8_t *p, uint64_t v, size_t octets)
{
	for (size_t i = 0; i < octets; i++)
		p[i] = (uint8_t)(v >> (8 * (octets - 1 - i)));
}

static uint64_t get_be(const uint8_t *p, size_t octets)
{
	uint64_t v = 0;

	for (size_t i = 0; i < octets; i++)
		v = v << 8 | p[i];
	return v;
}

uint64_t hash_length(const struct hash *h)
{
	if (h->algorithm == HASH_SHA256) {
		const SHA256_CTX *c = (const SHA256_CTX *)(const void *)h->state;

		return ((uint64_t)c->Nh << 32 | c->Nl) / 8;
	}
	const SHA512_CTX *c = (const SHA512_CTX *)(const void *)h->state;

	return c->Nl / 8 | (uint64_t)c->Nh << 61;
}

/*
 * Go's form: a magic of four octets, the chaining values big-endian, the block buffer with
 * zeros behind the pending octets, the number of octets hashed.
 */
_Static_assert(4 + 8 * 8 + 128 + 8 == HASH_STATE_MAX, "HASH_STATE_MAX");

static const uint8_t *magic(enum hash_algorithm a)
{
	static const uint8_t m[][4] = {
		[HASH_SHA256] = { 's', 'h', 'a', 3 },
		[HASH_SHA384] = { 's', 'h', 'a', 4 },
		[HASH_SHA512] = { 's', 'h', 'a', 7 },
	};

	return m[a];
}

size_t hash_save(const struct hash *h, uint8_t *ret)
{
	uint64_t length = hash_length(h);

	memcpy(ret, magic(h->algorithm), 4);
	uint8_t *p = ret + 4;
	if (h->algorithm == HASH_SHA256) {
		const SHA256_CTX *c = (const SHA256_CTX *)(const void *)h->state;

		for (int i = 0; i < 8; i++, p += 4)
			put_be(p, c->h[i], 4);
		memset(p, 0, 64);
		memcpy(p, c->data, length % 64);
		p += 64;
	} else {
		const SHA512_CTX *c = (const SHA512_CTX *)(const void *)h->state;

		for (int i = 0; i < 8; i++, p += 8)
			put_be(p, c->h[i], 8);
		memset(p, 0, 128);
		memcpy(p, c->u.p, length % 128);
		p += 128;
	}
	put_be(p, length, 8);
	return (size_t)(p + 8 - ret);
}

bool hash_load(struct hash *h, enum hash_algorithm a, const uint8_t *state, size_t len)
{
	size_t word = a == HASH_SHA256 ? 4 : 8, block = a == HASH_SHA256 ? 64 : 128;

	if (len != 4 + 8 * word + block + 8 || memcmp(state, magic(a), 4) != 0)
		return false;
	const uint8_t *values = state + 4, *pending = values + 8 * word;
	uint64_t length = get_be(pending + block, 8);
	if (length > INT64_MAX)
		return false;
	hash_init(h, a);
	if (a == HASH_SHA256) {
		SHA256_CTX *c = ctx256(h);

		for (size_t i = 0; i < 8; i++)
			c->h[i] = (SHA_LONG)get_be(values + 4 * i, 4);
		c->Nl = (SHA_LONG)(length * 8);
		c->Nh = (SHA_LONG)(length * 8 >> 32);
		c->num = (unsigned int)(length % 64);
		memcpy(c->data, pending, c->num);
	} else {
		SHA512_CTX *c = ctx512(h);

		for (size_t i = 0; i < 8; i++)
			c->h[i] = get_be(values + 8 * i, 8);
		c->Nl = length * 8;
		c->Nh = length >> 61;
		c->num = (unsigned int)(length % 128);
		memcpy(c->u.p, pending, c->num);
	}
	return true;
}

void hash_sha256(const void *data, size_t len, uint8_t ret[32])
{
	struct hash h;

	hash_init(&h, HASH_SHA256);
	hash_update(&h, data, len);
	hash_final(&h, ret);
}

/* RFC 2104, over the hash above: no allocation, so nothing that could fail. */
void hash_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                      uint8_t ret[32])
{
	uint8_t pad[64] = { 0 }, inner[32];
	struct hash h;

	if (key_len > sizeof(pad))
		hash_sha256(key, key_len, pad);
	else if (key_len)
		memcpy(pad, key, key_len);
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36;
	hash_init(&h, HASH_SHA256);
	hash_update(&h, pad, sizeof(pad));
	hash_update(&h, data, len);
	hash_final(&h, inner);
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	hash_init(&h, HASH_SHA256);
	hash_update(&h, pad, sizeof(pad));
	hash_update(&h, inner, sizeof(inner));
	hash_final(&h, ret);
	OPENSSL_cleanse(pad, sizeof(pad));
	OPENSSL_cleanse(&h, sizeof(h));
}

bool hash_md5(const void *data, size_t len, uint8_t ret[16])
{
	unsigned int n = 0;

	return EVP_Digest(data, len, ret, &n, EVP_md5(), NULL) == 1 && n == 16;
}

bool hash_random(void *ret, size_t len)
{
	return len <= 1024 && RAND_bytes(ret, (int)len) == 1;
}

bool hash_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

bool hash_library_fits(const char **ret_text)
{
	*ret_text = OpenSSL_version(OPENSSL_VERSION);
	return OPENSSL_version_major() == OPENSSL_VERSION_MAJOR;
}
