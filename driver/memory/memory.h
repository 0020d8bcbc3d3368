/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store in memory: what its files share.  Objects are immutable and counted, so a reader or a
 * copy keeps the version it began with while the key moves on.  The lock (shared.h) guards the map
 * and the parked writes and is held for lookups and pointer swaps only, never while bytes are copied.
 * It promises nothing beyond the process.
 */
#ifndef DRIVER_MEMORY_MEMORY_H
#define DRIVER_MEMORY_MEMORY_H

#include "common/thread.h"
#include "driver/memory/map.h"
#include "driver/memory/shared.h"

#include <stowage/driver.h>

#include <stdbool.h>
#include <sys/types.h>

/* An unfinished write that nobody has open. */
struct parked {
	struct parked *next;
	struct object *object; /* the bytes so far; mtime_ns is when it was parked */
	char *key;
	uint64_t id;
};

struct memory {
	const struct stow_host *host;
	pid_t pid;
	int64_t budget; /* option memory */
	char *name;     /* option name, NULL */
	struct shared *shared;
};

/* Every call's beginning: a forked child, a passed deadline, a set cancel word; counts requests. */
int memory_enter(struct memory *, const struct stow_op *, uint64_t requests, const char *where,
                 struct stow_error *);
/* Takes bytes from the budget; STOW_EIO where it is exhausted. */
int memory_charge(struct memory *, size_t bytes, const char *where, struct stow_error *);
void memory_refund(struct shared *, size_t bytes);

/* A new object of its own version; takes over data, which was charged with `charged` bytes, on
 * success. NULL if memory is short. */
struct object *object_new(struct memory *, char *data, size_t len, size_t charged);
struct object *object_ref(struct object *);
void object_unref(struct object *);
bool object_matches(const struct object *, const char *etag);
void object_stat(const struct object *, struct stow_stat *ret);

/* A reference to what lies under key, if if_match (or NULL) lets it. */
int memory_find(struct memory *m, const char *key, const char *if_match, const char *where,
                struct object **ret, struct stow_error *) EXCLUDES(m->shared->lock);
/* Makes object what lies under key, if put's conditions let it; its reference stays the caller's.*/
int memory_publish(struct memory *m, const char *key, struct object *, const struct stow_put *,
                   const char *where, struct stow_error *) EXCLUDES(m->shared->lock);
/* STOW_EINVAL where the caller's stow_put is shorter than this major's. */
int memory_put_check(const struct stow_put *, const char *where, struct stow_error *);

/* stream.c: see driver.h */
int memory_read_open(void *, const struct stow_op *, const char *key, const char *if_match,
                     int64_t offset, int64_t length, void **ret_reader, struct stow_stat *ret_stat,
                     struct stow_error *);
int memory_read(void *, const struct stow_op *, void *buf, size_t cap, size_t *ret_len,
                struct stow_error *);
void memory_read_close(void *);
int memory_write_open(void *, const struct stow_op *, const char *key, const struct stow_put *,
                      void **ret_writer, int64_t *ret_offset, struct stow_error *);
int memory_write(void *, const struct stow_op *, const void *data, size_t len, struct stow_error *);
int memory_write_copy(void *, const struct stow_op *, const char *from, const char *if_match,
                      int64_t offset, int64_t length, struct stow_error *);
int memory_write_commit(void *, const struct stow_op *, struct stow_stat *ret_stat,
                        struct stow_error *);
void memory_write_close(void *, const struct stow_op *);
int memory_write_park(void *, const struct stow_op *, void *buf, size_t cap, size_t *ret_len,
                      struct stow_error *);
int memory_purge_writes(void *, const struct stow_op *, const char *prefix, int64_t older_than_ns,
                        uint64_t *ret_count, struct stow_error *);
void memory_parked_free(struct parked *);

/* list.c: see driver.h */
int memory_list_open(void *, const struct stow_op *, const char *prefix, const char *after,
                     uint32_t flags, void **ret_list, struct stow_error *);
int memory_list_next(void *, const struct stow_op *, struct stow_entry *ret, struct stow_error *);
void memory_list_close(void *);

#endif
