/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 client for many requests at once: a few threads, each with a curl multi handle,
 * that callers hand requests to and wait on.
 *
 * It promises: connections are reused and bounded; a request that is freed no longer touches the
 * caller's memory, at once and whatever the network does; redirects are not followed, paths are
 * sent as they are, no cookie or credential is kept.  It never retries by itself what reached the
 * server, and it must not know what the requests mean: no S3, no signing.
 */
#ifndef COMMON_HTTP_CLIENT_H
#define COMMON_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stowage/types.h>

#include "common/http-ring.h"

struct http_client;
struct http_waiter;
struct http_request;

struct http_client_options {
	unsigned threads;           /* 1 or more */
	unsigned max_connections;   /* over all threads; more requests wait their turn */
	int64_t connect_timeout_ns; /* name, TCP and TLS together */
	int64_t stall_timeout_ns; /* gives up when no byte moved for so long, by a second; 0: never */
	const char *ca_file;      /* PEM; NULL is the system's */
	bool ca_beside;           /* it comes beside the system's, not in their place */
	bool skip_verify;         /* takes any certificate */
	const char *user_agent;
};

int http_client_open(const struct http_client_options *, struct http_client **ret,
                     struct stow_error *);
/* Joins the threads. All requests must have been freed. Takes NULL. */
void http_client_close(struct http_client *);

/* Where one or more requests report to, so that a thread can wait for any of them. */
int http_waiter_new(struct http_waiter **ret, struct stow_error *);
void http_waiter_free(struct http_waiter *);
/* How many reports there were; taken before the requests are looked at, so none is missed. */
uint64_t http_waiter_seen(struct http_waiter *);
/* Waits until there were more reports than seen, until until_ns (CLOCK_MONOTONIC), or until the
 * op's deadline or cancel word; the caller looks which. */
void http_waiter_wait(struct http_waiter *, const struct stow_op *, uint64_t seen,
                      int64_t until_ns);

struct http_exchange {
	const char *method;         /* GET HEAD PUT POST DELETE */
	const char *url;            /* http or https, already encoded */
	const char *const *headers; /* "Name: value" lines, ends with NULL; Host may be one */
	const void *body;           /* stays in place until the request is freed */
	size_t body_len;            /* sent as Content-Length with PUT and POST, 0 too */
	void *answer;               /* where a 2xx body goes, stays likewise; NULL: the request
	                              * keeps it itself */
	struct http_ring *ring;     /* in place of answer: where it goes at the pace of
	                              * http_request_take, of the same waiter's requests */
	size_t answer_cap;          /* a longer 2xx body is STOW_ERANGE */
	bool progress;              /* report arriving bytes, not the end alone */
	bool patient;               /* of a crowd that waits for a connection, others go first,
	                              * every other time */
	bool direct;                /* never through a proxy */
	bool fresh;                 /* over a connection of its own, not a kept one */
	/* Called once at the end, on an engine's thread and under the waiter's lock: short, and
	 * it must not call back. status is 0 where no whole answer came. Never called after the
	 * request was freed. May be NULL. */
	void (*ended)(void *arg, int status);
	void *ended_arg;
};

/* Starts it and returns. url and headers are copied. */
int http_request_start(struct http_client *, struct http_waiter *, const struct http_exchange *,
                       struct http_request **ret, struct stow_error *);
/* Ends it if it is under way. Returns at once. Takes NULL. */
void http_request_free(struct http_request *);

/* Has it ended, well or not? */
bool http_request_done(struct http_request *);
/* After the end: STOW_OK if a whole answer came, of whatever status; else what went wrong.
 * STOW_EBUSY with a 2xx status: its ring was full for 5 s, or for a fifth of one where another
 * request waited for its connection; what came is good. */
int http_request_result(struct http_request *, struct stow_error *);
/* 0 until the header of the answer is there. */
int http_request_status(struct http_request *);
/* Bytes of a 2xx body so far. */
size_t http_request_arrived(struct http_request *);
/* Takes up to cap bytes out of the ring, and lets the request that fills it go on if it waited for
 * room; NULL where none does. */
size_t http_request_take(struct http_request *, struct http_waiter *, struct http_ring *, void *buf,
                         size_t cap);
/* May the server have seen any of it? */
bool http_request_sent(struct http_request *);
/* After the end: was it a kept connection that had died?  No byte of an answer came. */
bool http_request_stale(struct http_request *);
/* After the end: connections made for it, 0 where a kept one served. */
unsigned http_request_connects(struct http_request *);
/* After the end: how long it took from when it left the queue, in nanoseconds. */
int64_t http_request_took(struct http_request *);
/* A header of the answer by name, in any case, blanks cut; "" and false where it is missing or
 * does not fit. Valid once status is not 0. */
bool http_request_header(struct http_request *, const char *name, char *ret, size_t cap);
/* After the end: the body that the request keeps itself: any body that is not 2xx (cut at 64 KiB),
 * and a 2xx one where the exchange gave no answer buffer. */
const char *http_request_body(struct http_request *, size_t *ret_len);

#endif
