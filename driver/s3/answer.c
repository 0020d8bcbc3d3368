/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an S3 answer means: statuses, the store's error codes, the headers of an object.
 * It must not know how the answer was come by, nor decide about another attempt.
 */
#include <inttypes.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/text.h"
#include "driver/s3/call.h"

#define RETRY STOW_ERROR_RETRYABLE

struct meaning {
	const char *code;
	int status;
	uint32_t flags;
};

static const struct meaning meanings[] = {
	{ "NoSuchKey", STOW_ENOTFOUND, 0 },
	{ "NoSuchUpload", STOW_EIO, 0 },
	{ "NoSuchBucket", STOW_EIO, 0 },
	{ "AccessDenied", STOW_EDENIED, 0 },
	{ "AllAccessDisabled", STOW_EDENIED, 0 },
	{ "AccountProblem", STOW_EDENIED, 0 },
	{ "InvalidAccessKeyId", STOW_EDENIED, 0 },
	{ "SignatureDoesNotMatch", STOW_EDENIED, 0 },
	{ "RequestTimeTooSkewed", STOW_EDENIED, 0 },
	{ "ExpiredToken", STOW_EDENIED, 0 },
	{ "InvalidToken", STOW_EDENIED, 0 },
	{ "TokenRefreshRequired", STOW_EDENIED, 0 },
	{ "ConditionalRequestConflict", STOW_EBUSY, RETRY },
	{ "OperationAborted", STOW_EBUSY, RETRY },
	{ "SlowDown", STOW_EBUSY, RETRY },
	{ "SlowDownRead", STOW_EBUSY, RETRY },
	{ "SlowDownWrite", STOW_EBUSY, RETRY },
	{ "ServiceUnavailable", STOW_EBUSY, RETRY },
	{ "Busy", STOW_EBUSY, RETRY },
	{ "TooManyRequests", STOW_EBUSY, RETRY },
	{ "Throttling", STOW_EBUSY, RETRY },
	{ "ThrottlingException", STOW_EBUSY, RETRY },
	{ "RequestThrottled", STOW_EBUSY, RETRY },
	{ "RequestLimitExceeded", STOW_EBUSY, RETRY },
	{ "BandwidthLimitExceeded", STOW_EBUSY, RETRY },
	{ "RequestTimeout", STOW_ETIMEOUT, RETRY },
	{ "InternalError", STOW_EIO, RETRY },
	{ "ClientDisconnected", STOW_EIO, RETRY },
	{ "InvalidRange", STOW_ERANGE, 0 },
	{ "NotImplemented", STOW_ENOTSUP, 0 },
	{ "KeyTooLongError", STOW_EINVAL, 0 },
	{ "XMinioInvalidObjectName", STOW_EINVAL, 0 },
	{ "XMinioInvalidResourceName", STOW_EINVAL, 0 },
	{ "XMinioStorageFull", STOW_EIO, 0 },
	{ "XMinioAdminBucketQuotaExceeded", STOW_EIO, 0 },
	{ "QuotaExceeded", STOW_EIO, 0 },
	{ "InsufficientStorage", STOW_EIO, 0 },
	{ "InvalidObjectState", STOW_EIO, 0 },
};

/* What a listing is of, with the root; NULL for what is none, or is of all. */
static const char *prefix_of(const struct call *c)
{
	for (size_t i = 0; i < c->n_query; i++) {
		if (strcmp(c->query[i].name, "prefix") == 0)
			return c->query[i].value[0] ? c->query[i].value : NULL;
	}
	return NULL;
}

const char *answer_subject(const struct call *c, char buf[ANSWER_SUBJECT_MAX])
{
	const char *prefix = prefix_of(c), *what = c->key ? "key" : "prefix";
	char name[ANSWER_SUBJECT_MAX - 80]; /* beside a bucket's, of 63 at most */
	struct buf cleanup_buf whole = { 0 };

	if (!c->key && !prefix) {
		text_format(buf, ANSWER_SUBJECT_MAX, "bucket %s", c->s3->o.bucket);
		return buf;
	}
	buf_init(&whole, (size_t)4 * STOW_KEY_MAX);
	if (c->key)
		buf_adds(&whole, c->s3->root);
	buf_adds(&whole, c->key ? c->key : prefix);
	text_shorten(name, sizeof(name), buf_text(&whole));
	text_format(buf, ANSWER_SUBJECT_MAX, "bucket %s, %s %s", c->s3->o.bucket, what, name);
	return buf;
}

static struct meaning by_status(const struct call *c, int http)
{
	switch (http) {
	case 401:
	case 403:
		return (struct meaning){ NULL, STOW_EDENIED, 0 };
	case 404:
		return (struct meaning){ NULL, STOW_ENOTFOUND, 0 };
	case 400:
		/* without a word it is of a request that was damaged on its way */
		return (struct meaning){ NULL, STOW_EIO,
			                 c->code[0] || answer_is_bare(c) ? 0 : RETRY };
	case 499: /* it holds that we have gone, which we have not */
		return (struct meaning){ NULL, STOW_EIO, RETRY };
	case 408:
		return (struct meaning){ NULL, STOW_ETIMEOUT, RETRY };
	case 409: /* another request is at the same object, or at the folder that it lies in */
		return (struct meaning){ NULL, STOW_EIO, RETRY };
	case 412:
		return (struct meaning){ NULL, c->create ? STOW_EEXIST : STOW_ECHANGED, 0 };
	case 416:
		return (struct meaning){ NULL, STOW_ERANGE, 0 };
	case 429:
	case 503:
		return (struct meaning){ NULL, STOW_EBUSY, RETRY };
	case 500:
	case 502:
	case 504:
		return (struct meaning){ NULL, STOW_EIO, RETRY };
	case 405:
	case 501:
		return (struct meaning){ NULL, STOW_ENOTSUP, 0 };
	default:
		return (struct meaning){ NULL, STOW_EIO, 0 };
	}
}

static struct meaning meaning_of(const struct call *c, int http)
{
	static const char *const digests[] = { "BadDigest", "InvalidDigest",
		                               "XAmzContentSHA256Mismatch",
		                               "XAmzContentChecksumMismatch" };

	/* The hash that the caller gave is not the bytes'; one of our own can only mean that they
	 * were damaged on the way. */
	for (size_t i = 0; i < sizeof(digests) / sizeof(digests[0]); i++)
		if (strcmp(c->code, digests[i]) == 0)
			return c->sha256 ? (struct meaning){ NULL, STOW_ECORRUPT, 0 }
			                 : (struct meaning){ NULL, STOW_EIO, RETRY };
	if (http / 100 == 3 || http == 412)
		return by_status(c, http);
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
		if (strcmp(c->code, meanings[i].code) == 0)
			return meanings[i];
	/* An error inside a 200 that nobody knows: the work was begun and may well succeed. */
	if (http / 100 == 2)
		return (struct meaning){ NULL, STOW_EIO, RETRY };
	return by_status(c, http);
}

bool answer_is_bare(const struct call *c)
{
	return !c->code[0] && strcmp(c->method, "HEAD") == 0;
}

bool answer_is_throttle(const struct call *c)
{
	static const char *const codes[] = {
		"SlowDown",         "SlowDownRead",         "SlowDownWrite",
		"TooManyRequests",  "Throttling",           "ThrottlingException",
		"RequestThrottled", "RequestLimitExceeded", "BandwidthLimitExceeded"
	};

	if (c->error.backend == 429 || c->error.retry_after_ms)
		return c->error.status == STOW_EBUSY;
	if (c->error.backend == 503 && answer_is_bare(c))
		return true; /* it is what most stores say then */
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strcmp(c->code, codes[i]) == 0)
			return true;
	return false;
}

static uint32_t retry_after_ms(struct call *c)
{
	char text[40];
	int64_t n;

	if (!http_request_header(c->http, "Retry-After", text, sizeof(text)))
		return 0;
	if (!text_to_int64(text, &n)) { /* the other form: a date (RFC 9110 §10.2.3) */
		n = text_http_date(text);
		if (n >= 0)
			n -= s3_now(c->s3) / CLOCK_SECOND;
	}
	return n > 0 && n <= 3600 ? (uint32_t)n * 1000 : 0;
}

/* Words for an operator where the code alone does not tell what to do. */
static const char *advice(struct call *c, int http, const char *region, char *buf, size_t cap)
{
	buf[0] = '\0';
	if (region[0] && strcmp(region, c->place->region) != 0)
		text_format(buf, cap, " (the bucket is in region %s, signed was for %s)", region,
		            c->place->region);
	else if (http / 100 == 3)
		text_format(buf, cap, " (a redirect: is region %s the bucket's?)",
		            c->place->region);
	else if (strcmp(c->code, "AuthorizationHeaderMalformed") == 0)
		text_format(buf, cap, " (is region %s the bucket's?)", c->place->region);
	else if (strcmp(c->code, "NoSuchBucket") == 0)
		text_copy(buf, cap, " (the bucket does not exist)");
	else if (strcmp(c->code, "RequestTimeTooSkewed") == 0)
		text_copy(buf, cap, " (the clock of this machine is wrong)");
	return buf;
}

static int describe(struct call *c, int http, const char *message, const char *region,
                    const char *id, struct stow_error *err)
{
	struct meaning m = meaning_of(c, http);
	char subject[ANSWER_SUBJECT_MAX], hint[160];

	error_set(err, m.status, c->where, "%s: HTTP %d%s%s%s%s%s", answer_subject(c, subject),
	          http, c->code[0] ? " " : "", c->code, message[0] ? ": " : "", message,
	          advice(c, http, region, hint, sizeof(hint)));
	error_flag(err, m.flags);
	if (err) {
		err->backend = http;
		err->retry_after_ms = retry_after_ms(c);
		text_copy(err->request, sizeof(err->request), id);
	}
	return m.status;
}

/* Takes code and words from an <Error>, then describes. */
static int describe_error(struct call *c, int http, const struct xml_node *e,
                          struct stow_error *err)
{
	char message[200] = "", region[64] = "", id[64] = "", header[64];

	c->code[0] = '\0';
	if (e) {
		xml_text(e, "Code", c->code, sizeof(c->code));
		xml_text(e, "Message", message, sizeof(message));
		xml_text(e, "Region", region, sizeof(region));
		xml_text(e, "RequestId", id, sizeof(id));
	}
	/* some stores have it in the one place alone, some in the other */
	if (http_request_header(c->http, "x-amz-request-id", header, sizeof(header)))
		text_copy(id, sizeof(id), header);
	/* a HEAD has no body: some stores say the code in a header */
	if (!c->code[0] &&
	    !http_request_header(c->http, "x-minio-error-code", c->code, sizeof(c->code)))
		c->code[0] = '\0';
	if (!region[0] &&
	    !http_request_header(c->http, "x-amz-bucket-region", region, sizeof(region)))
		region[0] = '\0';
	text_copy(c->region, sizeof(c->region), region);
	return describe(c, http, message, region, id, err);
}

int answer_judge(struct call *c, struct stow_error *err)
{
	int http = http_request_status(c->http);
	cleanup_xml struct xml *x = NULL;
	const char *body;
	size_t len;

	c->code[0] = '\0';
	if (http / 100 == 2)
		return c->accept ? c->accept(c, err) : STOW_OK;
	body = http_request_body(c->http, &len);
	if (len)
		x = xml_parse(body, len);
	return describe_error(c, http, x ? xml_root(x, "Error") : NULL, err);
}

int answer_xml(struct call *c, const char *root, struct xml **ret, struct stow_error *err)
{
	cleanup_xml struct xml *x = NULL;
	int http = http_request_status(c->http);
	char subject[ANSWER_SUBJECT_MAX];
	const char *body;
	size_t len;

	body = http_request_body(c->http, &len);
	x = xml_parse(body, len);
	if (x && xml_root(x, root)) {
		*ret = take(x);
		return STOW_OK;
	}
	if (x && xml_root(x, "Error"))
		return describe_error(c, http, xml_root(x, "Error"), err);
	error_set(err, STOW_EIO, c->where, "%s: HTTP %d with an answer that is %s, not a %s",
	          answer_subject(c, subject), http,
	          len == 0 ? "empty" : (x ? "something else" : "cut or malformed"), root);
	error_flag(err, RETRY);
	if (err)
		err->backend = http;
	return STOW_EIO;
}

void answer_etag(struct call *c, char ret[80])
{
	if (!http_request_header(c->http, "ETag", ret, 80))
		ret[0] = '\0';
}

int answer_stat(struct call *c, struct stow_stat *ret, struct stow_error *err)
{
	struct stow_stat st = { 0 };
	char text[64], subject[ANSWER_SUBJECT_MAX];
	int64_t seconds;

	if (!http_request_header(c->http, "Content-Length", text, sizeof(text)) ||
	    !text_to_int64(text, &st.size))
		return error_set(err, STOW_EIO, c->where, "%s: the answer has no Content-Length",
		                 answer_subject(c, subject));
	if (http_request_header(c->http, "Last-Modified", text, sizeof(text))) {
		seconds = text_http_date(text);
		if (seconds > 0 && seconds < INT64_MAX / CLOCK_SECOND)
			st.mtime_ns = seconds * CLOCK_SECOND;
	}
	answer_etag(c, st.etag);
	*ret = st;
	return STOW_OK;
}
