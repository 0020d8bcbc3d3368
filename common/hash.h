/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hashes over OpenSSL: running ones whose state can be saved and carried to another process,
 * and one-shot ones.  It knows nothing of digests as text beyond the algorithms' names.
 */
#ifndef COMMON_HASH_H
#define COMMON_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hash_algorithm { HASH_SHA256 = 1, HASH_SHA384 = 2, HASH_SHA512 = 3 };
#define HASH_MAX 64        /* octets of the longest value */
#define HASH_STATE_MAX 204 /* octets of the longest saved state */

/* "sha256" -> HASH_SHA256; 0 if unknown. */
enum hash_algorithm hash_by_name(const char *name, size_t len);
const char *hash_name(enum hash_algorithm);
size_t hash_size(enum hash_algorithm); /* octets */

struct hash {
	enum hash_algorithm algorithm;
	uint64_t state[32]; /* the library's own context */
};
void hash_init(struct hash *, enum hash_algorithm);
void hash_update(struct hash *, const void *data, size_t len);
/* Writes hash_size octets; the state is used up. */
void hash_final(struct hash *, uint8_t *ret);
/* The state in the form of Go's crypto/sha256 and crypto/sha512 (what Distribution stores):
 * 108 or 204 octets. Returns the length. */
size_t hash_save(const struct hash *, uint8_t *ret);
/* false if it is not a state of that algorithm. */
bool hash_load(struct hash *, enum hash_algorithm, const uint8_t *state, size_t len);
/* Bytes hashed so far. */
uint64_t hash_length(const struct hash *);

void hash_sha256(const void *data, size_t len, uint8_t ret[32]);
void hash_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len,
                      uint8_t ret[32]);
/* false where the library refuses it (FIPS). */
bool hash_md5(const void *data, size_t len, uint8_t ret[16]);
/* Random octets fit for keys; false if there are none to be had. */
bool hash_random(void *ret, size_t len);
/* In constant time. */
bool hash_equal(const void *a, const void *b, size_t len);
/* Is the OpenSSL bound at run time of the major built against? If not, *ret_text names both. */
bool hash_library_fits(const char **ret_text);

#endif
