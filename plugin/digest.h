/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A digest: algorithm and lower-case hex, parsed strictly, made from a hash, compared.
 * It promises that a struct digest which parsed is of its grammar for ever after; it knows
 * nothing of keys, links or stores.
 */
#ifndef PLUGIN_DIGEST_H
#define PLUGIN_DIGEST_H

#include <stdbool.h>
#include <stowage/registry.h>

#include "common/hash.h"

struct digest {
	enum hash_algorithm algorithm;
	char text[STOW_DIGEST_MAX + 1]; /* "sha256:" and hex */
};

/* The first len bytes, whole; false if they are anything else than a digest. */
bool digest_parse(struct digest *ret, const char *text, size_t len);
/* The hex digits behind the colon. */
const char *digest_hex(const struct digest *);
bool digest_equal(const struct digest *, const struct digest *);
/* From the octets that hash_final gave. */
void digest_from_value(struct digest *ret, enum hash_algorithm, const uint8_t *value);
void digest_of(struct digest *ret, enum hash_algorithm, const void *data, size_t len);
bool digest_matches(const struct digest *, const void *data, size_t len);
/* Is it the digest of no bytes at all? */
bool digest_is_of_nothing(const struct digest *);
/* The octets, hash_size of them. */
void digest_value(const struct digest *, uint8_t *ret);

/* STOW_OK, or STOW_EINVAL with a line for `where`. text may be NULL. */
int digest_require(struct digest *ret, const char *text, const char *where, struct stow_error *err);

#endif
