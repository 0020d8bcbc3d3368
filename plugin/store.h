/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core's way to a store: one function a driver call, with what the driver leaves out made up
 * for, and what it answers checked.  Nothing else in the core touches a driver's table.
 *
 * Contracts are those of driver.h, call by call, and beyond them:
 *
 *   Left out     batch, copy, write_copy, remove_many and check are emulated.  write_park,
 *                purge_writes and presign, where the driver has none, are STOW_ENOTSUP.
 *   Conditions   if_match of a get, read_open or copy's source is emulated where the driver does
 *                not honour it.  STOW_PUT_CREATE, if_match of a put and of a remove cannot be:
 *                they are STOW_ENOTSUP before the store is asked; look at store_caps first.
 *   Answers      a status that is not one of enum stow_status, more bytes than the buffer holds,
 *                a negative size, a listing out of order: STOW_EIO with a line that names the
 *                driver.  A failure always comes with its error filled and ended.
 *   Handles      belong to one thread at a time, and are closed before the store is.
 *
 * It knows nothing of keys' meaning: repositories, links and digests are the callers'.  store.c,
 * store-list.c, store-many.c and loader.c know nothing of configurations either and need common/
 * alone: a host that has no use for the core compiles these in.
 */
#ifndef PLUGIN_STORE_H
#define PLUGIN_STORE_H

#include <stdbool.h>
#include <stowage/driver.h>
#include <stowage/store.h>

struct store_reader;
struct store_writer;
struct store_list;

/* A store over a driver that is already open; close_self: stow_store_close closes it, too. For
 * tests and wrapping drivers. The driver's table is checked as the loader does. */
int store_wrap(const struct stow_driver *, void *self, bool close_self, const struct stow_host *,
               struct stow_store **ret, struct stow_error *);

/* Opens an instance of a driver with these options. The host must outlive the store; it may be
 * NULL. */
int store_open(const struct stow_driver *, const struct stow_kv *, size_t n,
               const struct stow_host *, struct stow_store **ret, struct stow_error *);

/* What the instance honours as known now (STOW_CAP_*). */
uint64_t store_caps(const struct stow_store *);
/* May be NULL. */
const struct stow_host *store_host(const struct stow_store *);
/* A key that every replica on the same store has, from the driver's options flagged
 * STOW_OPTION_DERIVE; false, and ret untouched, where none of those that are secrets is set. */
bool store_derive_key(const struct stow_store *, uint8_t ret[32]);

int store_stat(struct stow_store *, const struct stow_op *, const char *key, struct stow_stat *ret,
               struct stow_error *);
/* STOW_ERANGE, and *ret_len is the size, where the object is larger than cap. ret_stat may be
 * NULL. */
int store_get(struct stow_store *, const struct stow_op *, const char *key, const char *if_match,
              void *buf, size_t cap, size_t *ret_len, struct stow_stat *ret_stat,
              struct stow_error *);
int store_put(struct stow_store *, const struct stow_op *, const char *key, const void *data,
              size_t len, const struct stow_put *, struct stow_stat *ret_stat, struct stow_error *);
int store_remove(struct stow_store *, const struct stow_op *, const char *key, const char *if_match,
                 struct stow_error *);

/* ret_stat may be NULL. */
int store_read_open(struct stow_store *, const struct stow_op *, const char *key,
                    const char *if_match, int64_t offset, int64_t length, struct store_reader **ret,
                    struct stow_stat *ret_stat, struct stow_error *);
int store_read(struct store_reader *, const struct stow_op *, void *buf, size_t cap,
               size_t *ret_len, struct stow_error *);
/* The same, heeding STOW_OP_NOWAIT, which store_read does not. */
int store_try_read(struct store_reader *, const struct stow_op *, void *buf, size_t cap,
                   size_t *ret_len, struct stow_error *);
void store_read_close(struct store_reader *);

/* ret_offset may be NULL. */
int store_write_open(struct stow_store *, const struct stow_op *, const char *key,
                     const struct stow_put *, struct store_writer **ret, int64_t *ret_offset,
                     struct stow_error *);
/* After any call on the writer failed, only store_write_close does anything: the others are
 * STOW_EINVAL. */
int store_write(struct store_writer *, const struct stow_op *, const void *data, size_t len,
                struct stow_error *);
/* The same, heeding STOW_OP_NOWAIT, which store_write does not. */
int store_try_write(struct store_writer *, const struct stow_op *, const void *data, size_t len,
                    struct stow_error *);
/* Did it answer that the same write is to be made again, and the writer is whole? */
bool store_asks_again(int status, const struct stow_error *);
int store_write_copy(struct store_writer *, const struct stow_op *, const char *from,
                     const char *if_match, int64_t offset, int64_t length, struct stow_error *);
/* ret_stat may be NULL. */
int store_write_commit(struct store_writer *, const struct stow_op *, struct stow_stat *ret_stat,
                       struct stow_error *);
int store_write_park(struct store_writer *, const struct stow_op *, void *buf, size_t cap,
                     size_t *ret_len, struct stow_error *);
void store_write_close(struct store_writer *, const struct stow_op *);

int store_list_open(struct stow_store *, const struct stow_op *, const char *prefix,
                    const char *after, uint32_t flags, struct store_list **ret,
                    struct stow_error *);
/* STOW_ENOTFOUND at the end. */
int store_list_next(struct store_list *, const struct stow_op *, struct stow_entry *ret,
                    struct stow_error *);
void store_list_close(struct store_list *);

/* STOW_OK when each item has its status; anything else: no item was begun. An item's err, where
 * it has one, is filled where its status is not STOW_OK. n 0 is STOW_OK. */
int store_batch(struct stow_store *, const struct stow_op *, struct stow_call *calls, size_t n,
                size_t stride, struct stow_error *);
int store_copy(struct stow_store *, const struct stow_op *, const char *from,
               const char *from_if_match, const char *to, const struct stow_put *,
               struct stow_error *);
/* STOW_OK if every key is gone. Else the status of the first that is not, with its error;
 * ret_status then tells key by key. */
int store_remove_many(struct stow_store *, const struct stow_op *, const char *const *keys,
                      const char *const *if_match, size_t n, int *ret_status, struct stow_error *);
int store_purge_writes(struct stow_store *, const struct stow_op *, const char *prefix,
                       int64_t older_than_ns, uint64_t *ret_count, struct stow_error *);
/* A URL of a URL's grammar, ended, of one line; STOW_ERANGE where it does not fit into buf. */
int store_presign(struct stow_store *, const struct stow_op *, const char *key, const char *method,
                  int64_t seconds, char *buf, size_t cap, struct stow_error *);

#endif
