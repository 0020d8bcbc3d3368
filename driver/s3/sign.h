/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AWS Signature Version 4, in the header and in the query form.
 *
 * Pure: what is given is signed as it is, nothing is normalised, no clock is read and nothing is
 * sent.  Path and query come encoded and in order from s3_query_* and text_percent_encode, and
 * go over the wire byte for byte as they were signed.
 */
#ifndef DRIVER_S3_SIGN_H
#define DRIVER_S3_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define SIGN_UNSIGNED "UNSIGNED-PAYLOAD"
#define SIGN_QUERY_MAX 12
#define SIGN_HEADERS_MAX 32

struct sign_keys {
	const char *accesskey, *secretkey;
	const char *sessiontoken; /* NULL is none; the caller puts it among headers or query */
	const char *region, *service;
	int64_t seconds; /* since 1970 */
};

struct sign_pair {
	const char *name, *value;
};

struct sign_request {
	const char *method;
	const char *path;                /* encoded, begins with '/' */
	const char *query;               /* canonical: see sign_query; "" if there is none */
	const struct sign_pair *headers; /* all that are to be signed, host among them; lower case,
	                                  * sorted by name, no name twice */
	size_t n_headers;
	const char *payload; /* hex SHA-256 of the body, or SIGN_UNSIGNED */
};

/* "20130524T000000Z" */
#define SIGN_DATE_LEN 16
void sign_date(int64_t seconds, char ret[SIGN_DATE_LEN + 1]);
/* Adds name=value&name=value, encoded once, sorted by encoded name and then by encoded value.
 * An empty value gives "name=". Returns the buf's status; STOW_ERANGE over SIGN_QUERY_MAX, or
 * where a name or value is over 64 KiB encoded. */
int sign_query(const struct sign_pair *pairs, size_t n, struct buf *to);
/* Adds the value of the Authorization header. */
int sign_authorization(const struct sign_keys *, const struct sign_request *, struct buf *to);
/* Adds the canonical query with the signature at its end: the query form (presigned URL).
 * extra are query pairs of the request; payload is SIGN_UNSIGNED and host the one header. */
int sign_presign(const struct sign_keys *, const char *method, const char *host, const char *path,
                 const struct sign_pair *extra, size_t n, int64_t expires, struct buf *to);
/* The canonical request itself; for tests and for debugging of a refused signature. */
int sign_canonical(const struct sign_request *, struct buf *to);

#endif
