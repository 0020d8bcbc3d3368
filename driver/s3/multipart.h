/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One multipart upload: begun, parts by number in any order, completed or aborted.
 *
 * It promises: what is completed is whole (an answer that is empty, cut or an error is no
 * success), and an upload that the store no longer knows after a lost answer counts only if the
 * object is there.  It must not know where the bytes come from, nor wait for memory.
 */
#ifndef DRIVER_S3_MULTIPART_H
#define DRIVER_S3_MULTIPART_H

#include "driver/s3/call.h"

#define MULTIPART_ID_MAX 1024
#define MULTIPART_GONE "NoSuchUpload" /* the store's code for an upload that it does not know */

struct multipart_part {
	char etag[80]; /* "" until it is there */
};

struct multipart {
	struct s3 *s3;
	const char *key; /* borrowed */
	char *id;        /* NULL until it is begun */
	struct multipart_part *parts;
	size_t n, room; /* of parts */
};

int multipart_begin(struct multipart *, const struct stow_op *, const struct stow_put *,
                    struct stow_error *);
/* The next part's number (from 1), with its place made. STOW_ERANGE where the store takes no more. */
int multipart_number(struct multipart *, unsigned *ret, struct stow_error *);
/* *ret_gone: the store does not know the upload. */
int multipart_complete(struct multipart *, const struct stow_op *, const struct stow_put *,
                       int64_t size, struct stow_stat *ret, bool *ret_gone, struct stow_error *);
/* STOW_OK also where the store knows no such upload; ret_known, unless NULL, is whether it did. */
int multipart_abort(struct s3 *, const struct stow_op *, const char *key, const char *id,
                    bool *ret_known, struct stow_error *);
/* Frees; does not abort. */
void multipart_done(struct multipart *);

/* A part on its way. */
struct multipart_job {
	struct call call;
	unsigned number;
	char number_text[12], range[64];
	char etag[80]; /* of a copied part */
	bool active;
};
/* Describes the upload of a part from memory. */
void multipart_describe(struct multipart *, struct multipart_job *, unsigned number,
                        const void *data, size_t len);
/* Describes the copy of a range; source is of copy_source and kept as long as the job. */
void multipart_describe_copy(struct multipart *, struct multipart_job *, unsigned number,
                             const char *source, const char *if_match, int64_t offset,
                             int64_t length);
/* Notes the ETag of a job that has ended well. */
int multipart_note(struct multipart *, struct multipart_job *, struct stow_error *);

#endif
