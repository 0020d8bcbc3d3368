/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Park records: what a write that is to be gone on with keeps in the bucket.
 *
 * Parts of an open multipart upload cannot be read back, and a part below 5 MiB can be the last
 * one only.  So the tail that does not fill a part is kept, with the upload's id and the ETags of
 * its parts, as an object of its own under PARK_FOLDER: one a key, so that going on costs one
 * request and needs neither ListParts nor a listing of uploads (adopt.h is for what has none).
 *
 * It promises that a record is taken only whole, as it was written, for that key.  It must not
 * know when a write is parked, nor send parts.
 */
#ifndef DRIVER_S3_PARK_H
#define DRIVER_S3_PARK_H

#include "common/buf.h"
#include "common/hash.h"
#include "driver/s3/multipart.h"

#define PARK_FOLDER ".stowage-tmp/" /* below the root; never listed, no key of a caller's */
/* What the probe writes: no record has such a name, since no key of a caller's begins so. */
#define PARK_PROBES PARK_FOLDER PARK_FOLDER
#define PARK_NONCE 16
#define PARK_STATE 52            /* octets of the state that write_park gives */
#define PARK_HEAD_MAX (4u << 20) /* 10,000 ETags of 80 octets, escaped, fit */
#define PARK_HEAD_FIRST 8192     /* octets of a head that have all but the parts */
#define PARK_MARK_LEN 32         /* "stowage parked write 1 " and the head's length */
#define PARK_SUM 32              /* SHA-256 of all before it, at the end */

struct park {
	uint8_t nonce[PARK_NONCE];
	char upload[MULTIPART_ID_MAX]; /* "" if none has begun */
	int64_t part_size;             /* of the write's schedule */
	int64_t in_parts;              /* bytes in parts */
	int64_t tail;                  /* bytes behind the head */
	size_t n_parts;
	uint8_t hash[HASH_STATE_MAX]; /* of all bytes so far */
	size_t hash_len;              /* 0: not hashed */
};

/* Is it, or is it below, the folder of records? */
bool park_is_hidden(const char *key);
/* The record's key, to be freed; STOW_EINVAL where it would be too long. */
int park_key(const struct s3 *, const char *key, char **ret, struct stow_error *);

/* The head: everything but the tail and the sum. */
int park_head(const struct park *, const char *key, const struct multipart_part *parts,
              struct buf *to);
/* How long the head is, from its first PARK_MARK_LEN octets; 0 if it is none. */
size_t park_head_len(const char *mark);
/*
 * Reads a head.  parts, where it is not NULL, gets the upload's id and the ETags, and the head must
 * be whole; else it may be cut anywhere behind the count of parts.  false if it makes no sense or
 * is of another key.
 */
bool park_parse(const char *head, size_t len, const char *key, struct park *ret,
                struct multipart *parts);

/* The state of a parked write, and the check of one: its nonce, or STOW_EINVAL. */
void park_state(const struct park *, const char *key, uint8_t ret[PARK_STATE]);
int park_state_check(const void *state, size_t len, const char *key, uint8_t ret_nonce[PARK_NONCE],
                     struct stow_error *);

/* Is the record of the key the one with that nonce? */
bool park_is(struct s3 *, const struct stow_op *, const char *record, const char *key,
             const uint8_t nonce[PARK_NONCE]);

/* Takes the record of a key away; STOW_OK also where there is none. */
int park_remove(struct s3 *, const struct stow_op *, const char *key, struct stow_error *);

/* Goes over the records below a prefix. Those changed at before_ns or earlier are taken away with
 * their uploads, and counted; ids of all uploads that records name are added to *ids, each with a
 * NUL, so that nobody aborts or counts one again. */
int park_purge(struct s3 *, const struct stow_op *, const char *prefix, int64_t before_ns,
               struct buf *ids, uint64_t *count, struct stow_error *);

#endif
