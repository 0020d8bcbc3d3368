/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this process has seen in the store a short while ago: descriptors, manifests and small
 * blobs, least recently used first out, bounded by bytes and entries.
 *
 * It promises: an entry is given out for its age only, counted from the start of the read that
 * confirmed it and not renewed by hits; misses are not kept; a fill whose key was cleared since its
 * read began is dropped, so that who clears after a removal is sure of it.  An entry belongs to one
 * repository and one kind: a layer is never given out as a manifest.  Bytes are checked against
 * their digest by who fills.
 *
 * It must not ask the store.  Threads: any.
 */
#ifndef PLUGIN_CACHE_H
#define PLUGIN_CACHE_H

#include "plugin/digest.h"

enum cache_kind {
	CACHE_BLOB = 1,     /* the repository links the blob, and its data is there */
	CACHE_MANIFEST = 2, /* the same of a manifest */
	CACHE_DATA = 3      /* the data is there; of no repository, name "" */
};

struct cache;

/* Bytes that many may hold at once. */
struct cache_bytes {
	uint32_t refs;
	size_t len;
	char data[];
};
/* A copy of data with one reference, or where data is NULL room for len bytes; NULL: out of
 * memory. */
struct cache_bytes *cache_bytes_new(const void *data, size_t len);
struct cache_bytes *cache_bytes_ref(struct cache_bytes *);
void cache_bytes_unref(struct cache_bytes *); /* takes NULL */

/* When a read of the store began. */
struct cache_read {
	int64_t began_ns;
	uint64_t cleared; /* how many clears there were */
};

struct cache_entry {
	int64_t size;         /* of the data */
	struct digest target; /* where the data lies; else than the digest for an alias */
	struct cache_bytes
		*bytes;         /* with a reference for the caller; NULL where they are not kept */
	struct cache_read read; /* out: that which confirmed it, for who fills in the bytes */
};

struct cache_limits {
	size_t bytes; /* of all entries with their keys; 0: nothing is kept */
	size_t entries;
	int64_t age_ns;
};

struct cache_statistics {
	uint64_t hits, misses, fills, drops, evictions;
	size_t bytes, entries; /* now */
};

int cache_open(const struct cache_limits *, struct cache **ret, struct stow_error *);
void cache_close(struct cache *); /* takes NULL */
/* For tests: another clock than CLOCK_BOOTTIME. Before the first use. */
void cache_set_clock(struct cache *, int64_t (*now_ns)(void *arg), void *arg);

/* A read that may fill begins. */
struct cache_read cache_read_begin(struct cache *);

/* false where there is none, or it is too old. */
bool cache_get(struct cache *, enum cache_kind, const char *name, const struct digest *,
               struct cache_entry *ret);
/* The entry's reference to its bytes is taken over. Does nothing where memory is short. */
void cache_fill(struct cache *, struct cache_read, enum cache_kind, const char *name,
                const struct digest *, struct cache_entry);
/* Before and after a removal; and where an entry proves wrong. */
void cache_clear(struct cache *, enum cache_kind, const char *name, const struct digest *);
void cache_statistics(struct cache *, struct cache_statistics *ret);

#endif
