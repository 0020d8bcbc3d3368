/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of one store in byte order of their keys: a skip list of reference-counted,
 * immutable objects.  It promises logarithmic steps and no recursion; it knows nothing of calls,
 * conditions or locks: whoever uses a map holds the lock that guards it.
 */
#ifndef DRIVER_MEMORY_MAP_H
#define DRIVER_MEMORY_MAP_H

#include <stddef.h>
#include <stdint.h>

struct shared; /* shared.h */

/* One version of an object. Nothing in it changes after it is in a map. */
struct object {
	struct shared *owner; /* gets its bytes back when the last reference goes */
	uint32_t refs;        /* atomic */
	uint32_t reserved;
	uint64_t version; /* the ETag */
	int64_t mtime_ns;
	size_t len;
	size_t charged; /* bytes that count against the owner's budget */
	char *data;     /* NULL where len is 0 */
};

#define MAP_LEVELS 20

struct map_node {
	struct object *object;
	char *key;
	uint32_t levels;
	struct map_node *next[]; /* levels of them */
};

struct map {
	struct map_node *head[MAP_LEVELS];
	uint64_t seed;
	size_t count;
};

void map_init(struct map *);
/* The object under key, or NULL. No reference is taken. */
struct object *map_find(const struct map *, const char *key);
/* Puts object under key and takes over the caller's reference; *ret_old is what was there, whose
 * reference is now the caller's, or NULL. STOW_ENOMEM where a node cannot be had. */
int map_put(struct map *, const char *key, struct object *object, struct object **ret_old);
/* Takes the key out; its object's reference becomes the caller's. NULL if there was none. */
struct object *map_take(struct map *, const char *key);
/* The first node whose key is >= key (or > key, if after is set); NULL at the end. */
const struct map_node *map_seek(const struct map *, const char *key, int after);
/* Any node, out of the map and the caller's to free; NULL if it is empty. */
struct map_node *map_pop(struct map *);
void map_node_free(struct map_node *);

#endif
