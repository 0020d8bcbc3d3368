/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An instance of the S3 driver and the functions of its vtable, one group a file.
 * What each function promises stands in include/stowage/driver.h.
 */
#ifndef DRIVER_S3_S3_H
#define DRIVER_S3_S3_H

#include <stdbool.h>
#include <stowage/driver.h>
#include <sys/types.h>

#include "common/http-client.h"
#include "common/thread.h"
#include "driver/s3/ability.h"
#include "driver/s3/attributes.h"
#include "driver/s3/budget.h"
#include "driver/s3/credentials.h"
#include "driver/s3/pace.h"
#include "driver/s3/place.h"

#define S3_PART_MIN (INT64_C(5) << 20) /* of every part but the last */
#define S3_PART_MAX (INT64_C(5) << 30) /* of a part, and of CopyObject */
#define S3_OBJECT_MAX (INT64_C(5) << 40)
#define S3_PARTS_MAX 10000
#define S3_ANSWER_MAX ((size_t)1 << 20) /* of small answers; more is refused */
#define S3_LIST_MAX ((size_t)16 << 20)  /* of one page of a listing */

struct s3_options {
	char *accesskey, *secretkey, *sessiontoken, *awsprofile;
	char *region, *regionendpoint, *bucket, *rootdirectory, *useragent, *cafile,
		*redirectendpoint;
	char *forcepathstyle; /* yes, no, auto */
	char *storageclass, *objectacl, *keyid, *ssecustomerkey, *contentmd5, *unsignedpayload,
		*serverprofile;
	bool encrypt;
	bool secure, skipverify, usedualstack, accelerate, usefipsendpoint;
	int64_t chunksize;
	int64_t multipartcopychunksize, multipartcopymaxconcurrency, multipartcopythresholdsize;
	int64_t maxretries, connecttimeout, readtimeout, iothreads, maxconnections, memory,
		requestrate;
};

struct s3 {
	pid_t pid; /* whose the threads and locks are */
	const struct stow_host *host;
	struct s3_options o;
	struct http_client *http;
	struct budget budget;
	struct pace pace;
	struct attributes attributes;
	struct credentials *credentials;
	char *root;  /* "" or "some/folder/" */
	bool direct; /* the store is on this machine: no proxy leads there */
	struct abilities abilities;

	/* what the store's answers have taught since */
	struct mutex lock;
	bool inited;
	struct place *place GUARDED_BY(lock);
	int64_t skew_ns;  /* atomic: what its clock is ahead of ours */
	uint32_t learned; /* atomic; S3_LEARNED_* */
};
#define S3_LEARNED_MD5 1u   /* it wants Content-MD5 */
#define S3_LEARNED_PROBE 4u /* what it can do */
#define S3_LEARNED_BARE 2u  /* a bare 400 of a HEAD means nothing that can be mended */

/* STOW_EINVAL in a forked child, whose locks may never be let go. */
int s3_process_check(const struct s3 *, const char *where, struct stow_error *);
/* A reference to where the bucket is now. */
struct place *s3_place(struct s3 *);
/* It is in that region, and not where `from` has it. STOW_OK also where that is known already. */
int s3_learn_region(struct s3 *, const struct place *from, const char *region, struct stow_error *);
/* The time by the store's clock, as far as it is known; nanoseconds since 1970. */
int64_t s3_now(const struct s3 *);
bool s3_has_learned(const struct s3 *, uint32_t what);
/* False where it was known already. */
bool s3_learn(struct s3 *, uint32_t what);

/* "some/folder/" + key, to be freed; NULL is out of memory. */
char *s3_full_key(const struct s3 *, const char *key);
/* key_check, whether it is short enough with the root before it, and not one of the driver's own. */
int s3_key_check(const struct s3 *, const char *key, const char *where, struct stow_error *);
/* object.c */
int s3_stat(void *self, const struct stow_op *, const char *key, struct stow_stat *ret,
            struct stow_error *);
int s3_get(void *self, const struct stow_op *, const char *key, const char *if_match, void *buf,
           size_t cap, size_t *ret_len, struct stow_stat *ret_stat, struct stow_error *);
int s3_put(void *self, const struct stow_op *, const char *key, const void *data, size_t len,
           const struct stow_put *, struct stow_stat *ret_stat, struct stow_error *);
int s3_remove(void *self, const struct stow_op *, const char *key, const char *if_match,
              struct stow_error *);
int s3_check(void *self, const struct stow_op *, struct stow_error *);
/* STOW_ENOTSUP where the store is not known to remove on a condition. */
int s3_may_remove_if(const struct s3 *, const char *where, const char *key, struct stow_error *);
/* copy.c */
int s3_copy(void *self, const struct stow_op *, const char *from, const char *from_if_match,
            const char *to, const struct stow_put *, struct stow_error *);
/* batch.c */
int s3_batch(void *self, const struct stow_op *, struct stow_call *calls, size_t n, size_t stride,
             struct stow_error *);
int s3_remove_many(void *self, const struct stow_op *, const char *const *keys,
                   const char *const *if_match, size_t n, int *ret_status, struct stow_error *);
/* reader.c */
int s3_read_open(void *self, const struct stow_op *, const char *key, const char *if_match,
                 int64_t offset, int64_t length, void **ret_reader, struct stow_stat *ret_stat,
                 struct stow_error *);
/* The same of any key, the driver's own too. */
int s3_read_any(void *self, const struct stow_op *, const char *key, const char *if_match,
                int64_t offset, int64_t length, void **ret_reader, struct stow_stat *ret_stat,
                struct stow_error *);
int s3_read(void *handle, const struct stow_op *, void *buf, size_t cap, size_t *ret_len,
            struct stow_error *);
void s3_read_close(void *handle);
/* write-park.c */
int s3_write_park(void *handle, const struct stow_op *, void *buf, size_t cap, size_t *ret_len,
                  struct stow_error *);
/* writer.c */
int s3_write_open(void *self, const struct stow_op *, const char *key, const struct stow_put *,
                  void **ret_writer, int64_t *ret_offset, struct stow_error *);
int s3_write(void *handle, const struct stow_op *, const void *data, size_t len,
             struct stow_error *);
int s3_write_copy(void *handle, const struct stow_op *, const char *from, const char *if_match,
                  int64_t offset, int64_t length, struct stow_error *);
int s3_write_commit(void *handle, const struct stow_op *, struct stow_stat *ret_stat,
                    struct stow_error *);
void s3_write_close(void *handle, const struct stow_op *);
/* list.c */
int s3_list_open(void *self, const struct stow_op *, const char *prefix, const char *after,
                 uint32_t flags, void **ret_list, struct stow_error *);
/* The same, with the driver's own keys. */
int s3_list_any(void *self, const struct stow_op *, const char *prefix, const char *after,
                uint32_t flags, void **ret_list, struct stow_error *);
int s3_list_next(void *handle, const struct stow_op *, struct stow_entry *ret, struct stow_error *);
void s3_list_close(void *handle);
/* presign.c */
int s3_presign(void *self, const struct stow_op *, const char *key, const char *method,
               int64_t seconds, char *buf, size_t cap, struct stow_error *);
/* purge.c */
int s3_purge_writes(void *self, const struct stow_op *, const char *prefix, int64_t older_than_ns,
                    uint64_t *ret_count, struct stow_error *);

#endif
