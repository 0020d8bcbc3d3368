/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer in the making: status, headers, a body of bytes or the length of a stream; and the
 * OCI error JSON.  A failed allocation sticks and turns the answer into a bare 500 when it is
 * sent.  It knows no connection and no store; the cause of a fault never enters a body.
 */
#ifndef SERVE_REPLY_H
#define SERVE_REPLY_H

#include <stdbool.h>
#include <stdint.h>
#include <stowage/types.h>

#include "common/buf.h"

struct reply {
	int status;     /* of HTTP; 0: none yet */
	bool close;     /* the connection ends after it */
	int64_t stream; /* length of a streamed body (HEAD, 304: that it would have); -1: body is it */
	unsigned errors;    /* entries in body */
	struct buf headers; /* name NUL value NUL ... */
	struct buf body;
};

void reply_init(struct reply *);
void reply_done(struct reply *);
/* Takes back what was said, headers too. */
void reply_reset(struct reply *);
/* Line ends and other control characters in the value become '?'. */
void reply_header(struct reply *, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Walks the headers; *cursor starts at 0. */
bool reply_next_header(const struct reply *, size_t *cursor, const char **ret_name,
                       const char **ret_value);

/*
 * Adds one entry of the error JSON; the first one's status is that of the answer.  detail may be
 * NULL; it is the digest or the like that the entry is about.
 */
void reply_error(struct reply *, int status, const char *code, const char *message,
                 const char *detail);
/*
 * The answer to a failed call: not found is 404 with the route's code, and so on.  Tells the
 * client no more than it can use; true where the operator should hear of it.
 */
bool reply_fault(struct reply *, int status, const struct stow_error *, const char *code_unknown,
                 const char *code_invalid);
/* Closes the JSON after the last entry. To be called once before it is sent. */
void reply_finish(struct reply *);

/* text as a JSON string with its quotes; bytes that are not UTF-8 become '?'. */
void reply_json_string(struct buf *, const char *text);

#endif
