/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a writer, shared by writer.c (bytes that are pushed) and write-copy.c (ranges of
 * other objects).
 */
#ifndef DRIVER_S3_WRITER_H
#define DRIVER_S3_WRITER_H

#include "common/hash.h"
#include "driver/s3/multipart.h"

#define WRITER_WINDOW 4

struct writer_slot {
	struct multipart_job job;
	struct budget *budget;
	char *buf;
	size_t size; /* of buf, and reserved; 0 once it went back */
};

struct writer {
	struct s3 *s3;
	char *key, *content_type, *if_match;
	struct stow_put put; /* with texts of the writer's own */
	int64_t length;      /* announced; -1 unknown */
	uint8_t sha256[32];
	struct hash hash;
	bool hashed;      /* sha256 was announced and all bytes went through us */
	int64_t taken;    /* bytes so far */
	size_t part_size; /* where the length is known; else the first parts' */
	struct http_waiter *waiter;
	struct multipart upload;
	char *buf; /* the part that fills */
	size_t fill, cap;
	struct writer_slot slots[WRITER_WINDOW];
	struct stow_error failure; /* latched */
	bool committed;
};

/* Latches and returns. */
int writer_fail(struct writer *, const struct stow_error *e, struct stow_error *err);
/* STOW_ECORRUPT if so many bytes more would exceed what was announced. */
int writer_room(struct writer *, int64_t len, struct stow_error *err);
/* Sends the part that fills, whatever it holds. */
int writer_flush(struct writer *, const struct stow_op *, struct stow_error *);
/* Takes bytes, without latching. */
int writer_take(struct writer *, const struct stow_op *, const char *data, size_t len,
                struct stow_error *);
/* Begins the multipart upload if it is not begun. */
int writer_begin(struct writer *, const struct stow_op *, struct stow_error *);

#endif
