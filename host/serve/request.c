/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request's head.  It must not know the HTTP library that it came through, nor answer anything.
 */
#include "host/serve/request.h"

#include <stowage/types.h>

#include "common/buf.h"
#include "common/text.h"

static const char *const header_names[HEADER_COUNT] = {
	[HEADER_HOST] = "Host",
	[HEADER_CONTENT_TYPE] = "Content-Type",
	[HEADER_CONTENT_LENGTH] = "Content-Length",
	[HEADER_CONTENT_RANGE] = "Content-Range",
	[HEADER_TRANSFER_ENCODING] = "Transfer-Encoding",
	[HEADER_EXPECT] = "Expect",
	[HEADER_RANGE] = "Range",
	[HEADER_IF_RANGE] = "If-Range",
	[HEADER_IF_NONE_MATCH] = "If-None-Match",
	[HEADER_USER_AGENT] = "User-Agent",
	[HEADER_AUTHORIZATION] = "Authorization",
	[HEADER_REQUEST_ID] = "X-Request-Id",
	[HEADER_FORWARDED] = "Forwarded",
	[HEADER_X_FORWARDED_FOR] = "X-Forwarded-For",
	[HEADER_X_FORWARDED_HOST] = "X-Forwarded-Host",
	[HEADER_X_FORWARDED_PREFIX] = "X-Forwarded-Prefix",
	[HEADER_X_FORWARDED_PROTO] = "X-Forwarded-Proto",
};

int request_method(const char *text)
{
	static const struct {
		const char *name;
		int method;
	} methods[] = {
		{ "GET", METHOD_GET }, { "HEAD", METHOD_HEAD },   { "POST", METHOD_POST },
		{ "PUT", METHOD_PUT }, { "PATCH", METHOD_PATCH }, { "DELETE", METHOD_DELETE },
	};

	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		if (strcmp(methods[i].name, text) == 0)
			return methods[i].method;
	}
	return METHOD_OTHER;
}

static int find_header(const char *name)
{
	for (int i = 0; i < HEADER_COUNT; i++) {
		if (text_equal_nocase(header_names[i], name))
			return i;
	}
	return -1;
}

/* "Content-Length : 5" is a name of its own to the library and a length to others; a bare CR is the
 * end of a line to some. Who puts them there wants two servers to see two requests. */
static bool is_plain(const char *name, const char *value)
{
	static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
				    "!#$%&'*+-.^_`|~";

	return *name && !name[strspn(name, token)] && !(value && strchr(value, '\r'));
}

bool request_header(struct request *r, const char *name, const char *value)
{
	struct buf cleanup_buf joined = { 0 };
	int i = find_header(name);

	buf_init(&joined, (size_t)128 * 1024);
	if (!is_plain(name, value))
		r->malformed = true;
	if (i < 0)
		return true;
	if (r->header_times[i]++ > 0) {
		buf_adds(&joined, r->header[i]);
		buf_adds(&joined, ", ");
	}
	buf_adds(&joined, value ? value : "");
	/* an empty one still is one */
	if (buf_reserve(&joined, 1) != STOW_OK)
		return false;
	joined.data[joined.len] = '\0';
	free(r->header[i]);
	r->header[i] = buf_take(&joined);
	return r->header[i] != NULL;
}

bool request_frame(struct request *r, const char **ret_why)
{
	const char *length = r->header[HEADER_CONTENT_LENGTH];
	const char *coding = r->header[HEADER_TRANSFER_ENCODING];

	r->length = 0;
	if (r->malformed) {
		*ret_why =
			"a header over several lines, or with characters that have no place there";
		return false;
	}
	if (r->header_times[HEADER_HOST] > 1) {
		*ret_why = "more than one Host";
		return false;
	}
	if (coding && length) {
		*ret_why = "Content-Length beside Transfer-Encoding";
		return false;
	}
	if (coding) {
		if (r->header_times[HEADER_TRANSFER_ENCODING] != 1 ||
		    !text_equal_nocase(coding, "chunked")) {
			*ret_why = "a transfer coding other than chunked";
			return false;
		}
		r->length = -1;
	} else if (length) {
		if (r->header_times[HEADER_CONTENT_LENGTH] != 1 ||
		    !text_to_int64(length, &r->length)) {
			*ret_why = "Content-Length is not one decimal number";
			return false;
		}
	}
	return true;
}

const char *request_id(const struct request *r)
{
	const char *id = r->header[HEADER_REQUEST_ID];
	size_t len = id ? strlen(id) : 0;

	if (len == 0 || len > REQUEST_ID_MAX || r->header_times[HEADER_REQUEST_ID] != 1)
		return NULL;
	return strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._") ==
	                       len
	               ? id
	               : NULL;
}

bool request_expects(const struct request *r)
{
	const char *expect = r->header[HEADER_EXPECT];

	return expect && text_equal_nocase(expect, "100-continue");
}

char *request_loggable(const struct request *r)
{
	struct buf cleanup_buf b = { 0 };
	const char *target = r->target ? r->target : "";
	const char *state;

	buf_init(&b, (size_t)128 * 1024);
	while ((state = strstr(target, "_state="))) {
		state += strlen("_state=");
		buf_add(&b, target, (size_t)(state - target));
		buf_adds(&b, "***");
		target = state + strcspn(state, "&");
	}
	buf_adds(&b, target);
	return buf_take(&b);
}

void request_done(struct request *r)
{
	for (int i = 0; i < HEADER_COUNT; i++)
		free(r->header[i]);
	free(r->target);
	free(r->remote);
	route_done(&r->route);
	memset(r, 0, sizeof *r);
}
