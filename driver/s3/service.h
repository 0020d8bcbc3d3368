/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question to a service that gives keys, with a few attempts.
 * It promises that what was asked and answered is in no error but for the URL's host and the HTTP status.
 * It must not know what keys are.
 */
#ifndef DRIVER_S3_SERVICE_H
#define DRIVER_S3_SERVICE_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/http-client.h"

struct service_question {
	const char *where; /* for errors */
	const char *method, *url;
	const char *const *headers; /* lines, ends with NULL; may be NULL */
	const void *body;
	size_t len;
	bool direct;      /* past any proxy */
	int64_t limit_ns; /* of all attempts together */
};

/* The body of a 2xx answer.  Any other: STOW_EDENIED for 4xx, with *ret_http and the body kept in ret
 * for the caller to explain.  ret must be initialised, and is wiped by service_wipe. */
int service_ask(struct http_client *, const struct stow_op *, const struct service_question *,
                struct buf *ret, int *ret_http, struct stow_error *);
void service_wipe(struct buf *);

#endif
