/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers and the table from statuses to OCI errors.  It must not know routes, and must never put
 * a store's message into a body.
 */
#include "host/serve/reply.h"

#include "common/text.h"

#include <stdarg.h>

#define HEADERS_MAX ((size_t)64 * 1024)
#define BODY_MAX ((size_t)64 * 1024 * 1024)
#define RETRY_AFTER_MAX 60u

void reply_init(struct reply *r)
{
	memset(r, 0, sizeof *r);
	buf_init(&r->headers, HEADERS_MAX);
	buf_init(&r->body, BODY_MAX);
	r->stream = -1;
}

void reply_done(struct reply *r)
{
	buf_done(&r->headers);
	buf_done(&r->body);
}

void reply_reset(struct reply *r)
{
	buf_reset(&r->headers);
	buf_reset(&r->body);
	r->status = 0;
	r->errors = 0;
	r->stream = -1;
}

void reply_header(struct reply *r, const char *name, const char *fmt, ...)
{
	va_list ap;
	size_t from;

	buf_add(&r->headers, name, strlen(name) + 1);
	from = r->headers.len;
	va_start(ap, fmt);
	buf_addv(&r->headers, fmt, ap);
	va_end(ap);
	for (size_t i = from; i < r->headers.len; i++) {
		unsigned char c = (unsigned char)r->headers.data[i];

		if (c < 0x20 || c == 0x7f)
			r->headers.data[i] = '?';
	}
	buf_addc(&r->headers, '\0');
}

bool reply_next_header(const struct reply *r, size_t *cursor, const char **ret_name,
                       const char **ret_value)
{
	if (buf_status(&r->headers) != STOW_OK || *cursor >= r->headers.len)
		return false;
	*ret_name = r->headers.data + *cursor;
	*cursor += strlen(*ret_name) + 1;
	*ret_value = r->headers.data + *cursor;
	*cursor += strlen(*ret_value) + 1;
	return true;
}

void reply_json_string(struct buf *b, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t left = strlen(text);

	buf_addc(b, '"');
	while (*s) {
		size_t len = text_utf8_length((const char *)s, left);

		if (*s == '"' || *s == '\\')
			buf_addf(b, "\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f)
			buf_addf(b, "\\u%04x", (unsigned)*s);
		else if (len == 2 && s[0] == 0xc2 && s[1] < 0xa0) /* controls, to a terminal */
			buf_addf(b, "\\u%04x", (unsigned)s[1]);
		else if (len == 0)
			buf_addc(b, '?');
		else
			buf_add(b, s, len);
		len = len ? len : 1;
		s += len;
		left -= len;
	}
	buf_addc(b, '"');
}

void reply_error(struct reply *r, int status, const char *code, const char *message,
                 const char *detail)
{
	if (r->errors == 0) {
		r->status = status;
		r->stream = -1;
		buf_reset(&r->body);
		reply_header(r, "Content-Type", "application/json");
	}
	buf_adds(&r->body, r->errors == 0 ? "{\"errors\":[" : ",");
	buf_adds(&r->body, "{\"code\":");
	reply_json_string(&r->body, code);
	buf_adds(&r->body, ",\"message\":");
	reply_json_string(&r->body, message);
	if (detail && *detail) {
		buf_adds(&r->body, ",\"detail\":");
		reply_json_string(&r->body, detail);
	}
	buf_addc(&r->body, '}');
	r->errors++;
}

static bool is_temporary(int status, const struct stow_error *err)
{
	return status == STOW_EBUSY || status == STOW_ETIMEOUT || status == STOW_ECANCELED ||
	       (err->flags & STOW_ERROR_RETRYABLE);
}

bool reply_fault(struct reply *r, int status, const struct stow_error *err,
                 const char *code_unknown, const char *code_invalid)
{
	reply_reset(r);
	if (status == STOW_ENOTFOUND) {
		reply_error(r, 404, code_unknown, "not known to this registry", NULL);
		return false;
	}
	if (status == STOW_ENOTSUP) {
		reply_error(r, 405, "UNSUPPORTED", "the operation is switched off", NULL);
		return false;
	}
	if (is_temporary(status, err)) {
		uint32_t seconds = err->retry_after_ms / 1000;

		if (seconds < 1)
			seconds = 1;
		if (seconds > RETRY_AFTER_MAX)
			seconds = RETRY_AFTER_MAX;
		reply_header(r, "Retry-After", "%u", seconds);
		reply_error(r, 503, "UNAVAILABLE", "the store is not available, try again later",
		            NULL);
		return true;
	}
	if (status == STOW_EINVAL) {
		reply_error(r, 400, code_invalid, "the request is not valid", NULL);
		return true;
	}
	reply_error(r, 500, "UNKNOWN", "internal error", NULL);
	return true;
}

void reply_finish(struct reply *r)
{
	if (r->errors)
		buf_adds(&r->body, "]}\n");
}
