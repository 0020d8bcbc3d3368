/* SPDX-License-Identifier: Apache-2.0 */
/* metrics.h over the host's count. It must not keep a number. */
#include "driver/s3/metrics.h"

#include <string.h>

#include "common/text.h"

static void count(const struct call *c, const char *metric, int64_t add)
{
	const struct stow_host *host = c->s3->host;

	if (host && host->count && add)
		host->count(host->arg, metric, add);
}

static bool asks_for(const struct call *c, const char *name)
{
	for (size_t i = 0; i < c->n_query; i++)
		if (strcmp(c->query[i].name, name) == 0)
			return true;
	return false;
}

static bool copies(const struct call *c)
{
	for (size_t i = 0; i < c->n_headers; i++)
		if (strcmp(c->headers[i].name, "x-amz-copy-source") == 0)
			return true;
	return false;
}

static const char *of_bucket(const struct call *c)
{
	if (asks_for(c, "delete"))
		return "DeleteObjects";
	if (asks_for(c, "uploads"))
		return "ListMultipartUploads";
	return asks_for(c, "list-type") ? "ListObjectsV2" : "ListObjects";
}

const char *metrics_operation(const struct call *c)
{
	bool upload = asks_for(c, "uploadId");

	if (!c->key)
		return of_bucket(c);
	switch (c->method[0]) {
	case 'G':
		return upload ? "ListParts" : "GetObject";
	case 'H':
		return "HeadObject";
	case 'D':
		return upload ? "AbortMultipartUpload" : "DeleteObject";
	default:
		break;
	}
	if (strcmp(c->method, "POST") == 0)
		return upload ? "CompleteMultipartUpload" : "CreateMultipartUpload";
	if (copies(c))
		return upload ? "UploadPartCopy" : "CopyObject";
	return upload ? "UploadPart" : "PutObject";
}

void metrics_request(const struct call *c, bool ended)
{
	const char *operation = metrics_operation(c);
	char name[80];

	if (!c->s3->host || !c->s3->host->count)
		return;
	text_format(name, sizeof(name), "s3.requests.%s.%d", operation,
	            ended ? http_request_status(c->http) : 0);
	count(c, name, 1);
	if (!ended)
		return;
	text_format(name, sizeof(name), "s3.nanoseconds.%s", operation);
	count(c, name, http_request_took(c->http));
	count(c, "s3.bytes.sent", (int64_t)c->body_len);
	count(c, "s3.bytes.received", (int64_t)http_request_arrived(c->http));
	count(c, "s3.connections", http_request_connects(c->http));
}

void metrics_retry(const struct call *c)
{
	count(c, "s3.retries", 1);
}

void metrics_throttle(const struct call *c)
{
	count(c, "s3.throttles", 1);
}
