/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a waiter of http-client.h, for http-request.c alone.  Its lock guards the state of
 * all requests that report to it.  It must not know what a request is.
 */
#ifndef COMMON_HTTP_WAITER_H
#define COMMON_HTTP_WAITER_H

#include <stdatomic.h>

#include "common/http-client.h"
#include "common/thread.h"

struct http_waiter {
	struct mutex lock;
	struct cond changed;
	uint64_t reports;
	atomic_uint refs; /* http_waiter_free lets go of one */
};

void http_waiter_ref(struct http_waiter *);
void http_waiter_report(struct http_waiter *w) REQUIRES(&w->lock);

#endif
