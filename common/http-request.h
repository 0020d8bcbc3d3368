/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a request of http-client.h: its description for curl, what curl's callbacks do
 * with it, and what its caller asks of it.
 *
 * It promises: once detached is set the caller's memory is left alone.  It must not know the
 * threads and queues that requests wait in: those are http-client.c's, which alone includes this.
 */
#ifndef COMMON_HTTP_REQUEST_H
#define COMMON_HTTP_REQUEST_H

#include <curl/curl.h>
#include <stdatomic.h>

#include "common/buf.h"
#include "common/http-client.h"

struct http_engine;

enum http_request_place {
	HTTP_REQUEST_QUEUED = 1,
	HTTP_REQUEST_RUNNING = 2,
	HTTP_REQUEST_ENDED = 3
};

struct http_request {
	atomic_uint refs; /* the caller's and the engine's */
	struct http_engine *engine;
	struct http_waiter *waiter;
	CURL *easy;
	struct curl_slist *headers;
	bool progress, patient, is_head;

	/* the engine's thread's own */
	char failure[CURL_ERROR_SIZE]; /* curl's own words; the caller's to read when done */
	int64_t held_since;            /* it paused then (CLOCK_MONOTONIC); 0: it runs */
	int64_t stall_ns;              /* given up when no byte moved for so long */
	int64_t moved_at;              /* when one did last */
	curl_off_t moved;              /* how many there were by then, both ways */

	/* under the engine's lock */
	int place;
	bool dropped; /* the caller has gone: take it off */
	bool resumed; /* the caller has made room: let it run */
	struct http_request *next, *prev;

	/* under the waiter's lock */
	bool detached; /* the caller's memory is out of bounds */
	bool done, sent;
	bool paused; /* curl holds bytes that found no room in the ring */
	const char *body;
	size_t body_len, body_at;
	char *answer;
	struct http_ring *ring;
	size_t answer_cap, arrived;
	int status;
	int refusal; /* why a callback stopped the transfer */
	CURLcode code;
	long os_errno;
	long connects;
	curl_off_t took_us;
	struct buf head, kept;
	void (*ended)(void *arg, int status);
	void *ended_arg;
};

/* One option of a handle, unless one before it was refused. */
#define HTTP_REQUEST_SET(handle, bad, option, value)                                               \
	do {                                                                                       \
		if ((bad) == CURLE_OK)                                                             \
			(bad) = curl_easy_setopt((handle), (option), (value));                     \
	} while (0)

/* With one reference, and a handle that knows the exchange but not the transport; NULL: out of
 * memory. */
struct http_request *http_request_new(struct http_waiter *, const struct http_exchange *);
void http_request_ref(struct http_request *);
void http_request_unref(struct http_request *); /* takes NULL */
/* From now on the caller's memory is left alone. */
void http_request_detach(struct http_request *);
/* On the engine's thread: it has ended so. */
void http_request_finish(struct http_request *, CURLcode);
/* On the engine's thread, in place of a result: it has paused too long. */
void http_request_yield(struct http_request *);

/* http-client.c: a paused one goes on. */
void http_client_resume(struct http_request *);

#endif
