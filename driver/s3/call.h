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

#define CALL_PAIRS 12

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
	unsigned attributes;   /* ATTRIBUTES_*: what goes with it by the options */
	bool bytes;            /* its body is of an object: Content-MD5 goes with it on demand */
	bool part;             /* a part of an object: over TLS it goes without its hash */
	bool write;            /* an unknown outcome of it is STOW_ERROR_MAYBE */
	bool create;           /* 412 is STOW_EEXIST, else STOW_ECHANGED */
	bool one_attempt;      /* the caller does its own retries */
	void *answer;          /* as in struct http_exchange, like the next three */
	struct http_ring *ring;
	size_t answer_cap;
	bool progress, patient;
	/* Looks at a 2xx answer; an error that is retryable makes another attempt. */
	int (*accept)(struct call *, struct stow_error *);
	void *arg;                            /* accept's */
	void (*ended)(void *arg, int status); /* as in struct http_exchange, for each attempt */
	void *ended_arg;

	/* its course */
	struct http_waiter *waiter;
	bool own_waiter;
	struct place *place; /* of the last attempt, like the keys */
	struct keys *keys;
	char *path, *query_text, payload[72], md5[28];
	struct http_request *http; /* the last attempt; after the end its answer */
	int64_t due;               /* when the next attempt may start */
	int64_t began;             /* the first one */
	unsigned attempts;         /* which failed for want of the store, or are under way */
	unsigned paid;             /* of them, by the purse */
	unsigned corrected;        /* by what an answer taught: CORRECT_* */
	int64_t signed_at;         /* the seconds of the last attempt */
	int64_t skew_ns;           /* with skewed: tried in place of the instance's */
	bool skewed;
	bool asking;      /* by a GET, in place of the HEAD that it is */
	bool turn, fresh; /* it has its turn; it wants a new connection */
	int status;       /* after the end */
	bool finished, maybe;
	char code[64];                 /* the store's own error code, "" if none */
	char region[PLACE_REGION_MAX]; /* that it says the bucket is in, likewise */
	struct stow_error error;       /* after the end, where status is not STOW_OK */
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
/* May what has failed so often since began_ns be tried again, and after how long a pause?  It is
 * paid for then; *ret_paid is 1 or 0. */
bool call_may_retry(const struct call *, const struct stow_op *, unsigned failures,
                    int64_t began_ns, int64_t *ret_delay, unsigned *ret_paid);

/* The path of a key at the bucket's address, encoded, to be freed; key NULL is the bucket itself.
 * NULL: out of memory. */
char *call_path(const struct s3 *, const struct place *, const char *key);
/* What to sign with now, of keys that are held. */
struct sign_keys call_keys(const struct s3 *, const struct place *, const struct keys *);

/* list.c: has a call for a listing of version 2 failed since there is only version 1? */
bool list_is_first_only(const struct call *);

/* correct.c */

/* Does the failed answer teach what makes the same request succeed: the region, the clock, other
 * keys, a hash that is wanted, the host of a redirect?  Each once a call; then it is true, and the
 * request is ready to be sent again at once. */
bool correct_call(struct call *);
/* What was tried of these was right: it holds for the instance from now on. */
void correct_confirm(struct call *);

/* answer.c */

/* The status of a finished exchange; fills c->code, and err where it is not STOW_OK. */
int answer_judge(struct call *, struct stow_error *);
/* For accept functions: the body with that root. An <Error>, a cut or empty body are errors. */
int answer_xml(struct call *, const char *root, struct xml **ret, struct stow_error *);
/* Size, time and ETag from the headers. STOW_EIO if the size is missing. */
int answer_stat(struct call *, struct stow_stat *ret, struct stow_error *);
/* The ETag header; "" if it is missing or does not fit. */
void answer_etag(struct call *, char ret[80]);
/* Did the answer ask to slow down? */
bool answer_is_throttle(const struct call *);
/* Is it a refusal of a HEAD, whose answer has no words? */
bool answer_is_bare(const struct call *);
/* "bucket b, key k" for messages; of a listing "bucket b, prefix p". Of a long key the middle is left
 * out, so that the cause still fits. */
#define ANSWER_SUBJECT_MAX 384
const char *answer_subject(const struct call *, char buf[ANSWER_SUBJECT_MAX]);

#endif
