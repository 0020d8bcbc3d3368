/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An upload's state as a signed text: base64url of HMAC-SHA256 and a binary body.
 * It promises that a token which reads was made by a holder of one of the keys, whole, and for
 * that repository and uuid.  It touches no store and knows no clock: age is the caller's to judge.
 */
#ifndef PLUGIN_TOKEN_H
#define PLUGIN_TOKEN_H

#include <stdbool.h>
#include <stowage/registry.h>

#include "common/hash.h"
#include "plugin/secret.h"
#include "plugin/segment-id.h"

struct token {
	char uuid[STOW_UUID_LEN + 1];
	int64_t started_ns;     /* since 1970, by the clock of whoever created the upload */
	int64_t offset;         /* bytes that it stands for, each of them durable */
	struct segment_id last; /* the segment that ends at offset; all 0 where offset is 0 */
	uint32_t seals;         /* objects that were made on the way here */
	bool hash_known;        /* false: the stored bytes must be hashed again */
	struct hash hash;       /* running, over the bytes up to offset */
};

/* ret takes STOW_TOKEN_MAX. The uuid must be one: layout of RFC 9562, lower case. */
void token_write(const struct token *, const char *name, const struct secret_key *, char *ret);
/* false if it is none that one of the n keys signed for name and uuid. */
bool token_read(struct token *ret, const char *text, const char *name, const char *uuid,
                const struct secret_key *keys, size_t n);

/* A random uuid of version 4; false without random octets. */
bool token_make_uuid(char ret[STOW_UUID_LEN + 1]);
bool token_is_uuid(const char *uuid);

#endif
