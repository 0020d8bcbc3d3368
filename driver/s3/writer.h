/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a writer, shared by writer.c (bytes that are pushed), write-copy.c (ranges of
 * other objects) and write-park.c (ending for now, and going on).
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
	struct budget_part part; /* the one that fills, as far as there is memory for it */
	size_t fill, cap;        /* what it holds, and is to hold; cap 0: there is none */
	struct writer_slot slots[WRITER_WINDOW];
	bool nowait;               /* this write */
	bool owed;                 /* the last write is to be made again, */
	size_t skip;               /* of which so many bytes were taken already */
	struct stow_error failure; /* latched */
	bool committed, parked;
	bool recorded; /* there is a park record of it, or may be, which goes with it */
	bool resumed;  /* it went on from one, which stays if the write fails */
	/* what that holds: parking again with nothing new leaves it as it is */
	uint8_t nonce[16];
	int64_t recorded_at;
	size_t recorded_parts;
	bool recorded_upload; /* the record names the upload, or may */
	char record_etag[80];
	bool unrecorded;  /* there was no record to go on from */
	bool last_part;   /* the last part is too small for another to follow */
	bool upload_gone; /* the store does not know the upload */
	bool keep;        /* write_close leaves the upload alone */
};

/* s3_write_open; by_store: the store is to copy all of it, so that no memory bounds its parts. */
int writer_open(struct s3 *, const struct stow_op *, const char *key, const struct stow_put *,
                bool by_store, void **ret_writer, int64_t *ret_offset, struct stow_error *);
/* May it go on?  Not where it failed or has ended, nor before a write that is owed. */
int writer_check(const struct writer *, const char *where, struct stow_error *err);
/* Latches and returns. */
int writer_fail(struct writer *, const struct stow_error *e, struct stow_error *err);
/* STOW_ECORRUPT if so many bytes more would exceed what was announced. */
int writer_room(struct writer *, int64_t len, struct stow_error *err);
/* Sends the part that fills, whatever it holds. */
int writer_flush(struct writer *, const struct stow_op *, struct stow_error *);
/* Takes bytes, without latching; the part that fills is the caller's (budget_enter). */
int writer_take(struct writer *, const struct stow_op *, const char *data, size_t len,
                struct stow_error *);
/* Waits until no part is on its way. */
int writer_wait(struct writer *, const struct stow_op *, struct stow_error *);
/* Begins the multipart upload if it is not begun. */
int writer_begin(struct writer *, const struct stow_op *, struct stow_error *);

/* write-park.c: fills a new writer from the record of its key. */
int writer_resume(struct writer *, const struct stow_op *, const struct stow_put *,
                  int64_t *ret_offset, struct stow_error *);
/* Takes the record away that the writer went on from; a failure is a line in the log. */
void writer_forget(struct writer *, const struct stow_op *);

#endif
