/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One S3 request with its retries, as a thing that the caller's thread drives.
 *
 * It promises: each attempt is signed anew and counted; what may pass is tried again with full
 * jitter within maxretries and the deadline; an answer is a success only if it is 2xx and, where
 * the call has an accept function, that found it whole.  Nothing of the caller's memory is
 * touched after call_done.  It must not know what the objects are for.
 *
 * Texts that are set (key, query, headers, body) are borrowed until call_done.
 */
#ifndef DRIVER_S3_CALL_H
#define DRIVER_S3_CALL_H

#include <stdbool.h>
#include <stowage/driver.h>

#include "common/http-client.h"
#include "driver/s3/s3.h"
#include "driver/s3/sign.h"
#include "driver/s3/xml.h"

#define CALL_PAIRS 8

struct call {
	struct s3 *s3;
	const char *where; /* "s3.put" */
	const char *method;
	const char *key; /* without the root; NULL is the bucket itself */
	struct sign_pair query[CALL_PAIRS], headers[CALL_PAIRS]; /* header names in lower case */
	size_t n_query, n_headers;
	const void *body;
	size_t body_len;
	const uint8_t *sha256; /* of the body, if the caller has it */
	bool part;             /* a part of an object: over TLS it goes without its hash */
	bool write;            /* an unknown outcome of it is STOW_ERROR_MAYBE */
	bool create;           /* 412 is STOW_EEXIST, else STOW_ECHANGED */
	bool one_attempt;      /* the caller does its own retries */
	void *answer;          /* as in struct http_exchange, like the next three */
	struct http_ring *ring;
	size_t answer_cap;
	bool progress;
	/* Looks at a 2xx answer; an error that is retryable makes another attempt. */
	int (*accept)(struct call *, struct stow_error *);
	void *arg;                            /* accept's */
	void (*ended)(void *arg, int status); /* as in struct http_exchange, for each attempt */
	void *ended_arg;

	/* its course */
	struct http_waiter *waiter;
	bool own_waiter;
	char *path, *query_text, payload[72];
	struct http_request *http; /* the last attempt; after the end its answer */
	int64_t due;               /* when the next attempt may start */
	unsigned attempts;
	int status; /* after the end */
	bool finished, maybe;
	char code[64];           /* the store's own error code, "" if none */
	struct stow_error error; /* after the end, where status is not STOW_OK */
};

/* Begins a description; the rest is set by the caller. */
void call_init(struct call *, struct s3 *, const char *where, const char *method, const char *key);
void call_query(struct call *, const char *name, const char *value);
void call_header(struct call *, const char *name, const char *value); /* NULL value adds none */
/* If-None-Match or If-Match, and the content type. put may be NULL. */
void call_put_headers(struct call *, const struct stow_put *);
void call_done(struct call *);
#define cleanup_call __attribute__((__cleanup__(call_done)))

/* Pushes it on without waiting; true when it has ended. waiter must be set. */
bool call_poll(struct call *, const struct stow_op *);
/* Runs it to its end; with a waiter of its own where none is set. */
int call_run(struct call *, const struct stow_op *, struct stow_error *);
/* Until when a waiter may sleep for it at most. */
int64_t call_wake_time(const struct call *);
/* How long to wait before attempt n + 1 after such an error. */
int64_t call_backoff(unsigned attempts, const struct stow_error *);

/* The path of a key at the bucket's address, encoded, to be freed; key NULL is the bucket itself.
 * NULL: out of memory. */
char *call_path(const struct s3 *, const char *key);
/* What to sign with now. */
struct sign_keys call_keys(const struct s3 *);

/* answer.c */

/* The status of a finished exchange; fills c->code, and err where it is not STOW_OK. */
int answer_judge(struct call *, struct stow_error *);
/* For accept functions: the body with that root. An <Error>, a cut or empty body are errors. */
int answer_xml(struct call *, const char *root, struct xml **ret, struct stow_error *);
/* Size, time and ETag from the headers. STOW_EIO if the size is missing. */
int answer_stat(struct call *, struct stow_stat *ret, struct stow_error *);
/* The ETag header; "" if it is missing or does not fit. */
void answer_etag(struct call *, char ret[80]);
/* "bucket b, key k" for messages. */
const char *answer_subject(const struct call *, char *buf, size_t cap);

#endif
