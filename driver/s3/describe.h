/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The requests of small calls, and what comes of them: shared by object.c, that runs one, and
 * batch.c, that runs many side by side.  A describe_ function begins the call, finish_ takes one
 * that has ended; what finish_get says of its outputs is what driver.h says of get.
 */
#ifndef DRIVER_S3_DESCRIBE_H
#define DRIVER_S3_DESCRIBE_H

#include "driver/s3/call.h"

void describe_stat(struct call *, struct s3 *, const char *key);
void describe_get(struct call *, struct s3 *, const char *key, const char *if_match, void *buf,
                  size_t cap);
void describe_put(struct call *, struct s3 *, const char *key, const void *data, size_t len,
                  const struct stow_put *);
void describe_remove(struct call *, struct s3 *, const char *key, const char *if_match);

int finish_get(struct call *, size_t *ret_len, struct stow_stat *ret_stat, struct stow_error *);
int finish_put(struct call *, struct stow_stat *ret_stat, struct stow_error *);
int finish_remove(struct call *, struct stow_error *);

/* batch.c: DeleteObjects of at most 700 keys, with an ETag each where if_match has one.  STOW_ENOTSUP
 * where it must be done one by one. */
int remove_listed(struct s3 *, const struct stow_op *, const char *const *keys,
                  const char *const *if_match, size_t n, int *ret_status, struct stow_error *);

/* copy.c: CopyObject. source is kept as long as the call, 4 KiB. */
#define COPY_SOURCE_MAX 4096
int describe_copy(struct call *, struct s3 *, const char *from, const char *from_if_match,
                  const char *to, const struct stow_put *, char source[COPY_SOURCE_MAX],
                  struct stow_error *);
/* x-amz-copy-source: "/bucket/key", encoded. */
int copy_source(const struct s3 *, const char *from, const char *where, char ret[COPY_SOURCE_MAX],
                struct stow_error *);
/* The same by reading and writing through this process. */
int copy_through(struct s3 *, const struct stow_op *, const char *from, const char *from_if_match,
                 const char *to, const struct stow_put *, struct stow_error *);

#endif
