/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the client asked, copied out of the HTTP library: method, target, the headers that count.
 * It checks how the body is framed; what the rest means is the actions' business.
 */
#ifndef SERVE_REQUEST_H
#define SERVE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "host/serve/route.h"

#define REQUEST_ID_MAX 64 /* octets of a request's id, the client's own or made here */

enum method {
	METHOD_OTHER = 0,
	METHOD_GET = 1,
	METHOD_HEAD = 2,
	METHOD_POST = 4,
	METHOD_PUT = 8,
	METHOD_PATCH = 16,
	METHOD_DELETE = 32
};

enum request_header {
	HEADER_HOST,
	HEADER_CONTENT_TYPE,
	HEADER_CONTENT_LENGTH,
	HEADER_CONTENT_RANGE,
	HEADER_TRANSFER_ENCODING,
	HEADER_EXPECT,
	HEADER_RANGE,
	HEADER_IF_RANGE,
	HEADER_IF_NONE_MATCH,
	HEADER_USER_AGENT,
	HEADER_AUTHORIZATION,
	HEADER_REQUEST_ID,
	HEADER_FORWARDED,
	HEADER_X_FORWARDED_FOR,
	HEADER_X_FORWARDED_HOST,
	HEADER_X_FORWARDED_PREFIX,
	HEADER_X_FORWARDED_PROTO,
	HEADER_COUNT
};

struct request {
	int method; /* enum method */
	char method_text[16];
	char *target; /* as it came */
	char *remote; /* address of the client */
	bool tls;     /* it came over TLS */
	/* of the verified client certificate; "" where there is none */
	char client_name[256];
	struct route route;
	char *header[HEADER_COUNT]; /* joined by ", " where a list came in several lines */
	unsigned header_times[HEADER_COUNT];
	bool malformed; /* some header, of these or others, is not what a header may be */
	int64_t length; /* of the body: 0 none, -1 unknown until it ends */
};

int request_method(const char *text);
/* Looks at its form, keeps it if it is one that counts. false where memory ran out. */
bool request_header(struct request *, const char *name, const char *value);
/* Sets length. false, with a line for the client, where the framing is ambiguous or unknown: then
 * nothing more of the connection can be trusted. */
bool request_frame(struct request *, const char **ret_why);
/* The client's own id of it, where it is one to be taken over; else NULL. */
const char *request_id(const struct request *);
/* Does the client wait for leave to send the body? */
bool request_expects(const struct request *);
/* The target for a log line, signed upload state left out; to be freed; NULL without memory. */
char *request_loggable(const struct request *);
void request_done(struct request *);

#endif
