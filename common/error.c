/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fills struct stow_error.
 * Knows no log and no store: it only writes into the caller's memory.
 */
#define ERROR_DEFINES
#include "common/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/text.h"

/* Parts of a message may come from a store or a client: a log line stays one line. */
static void make_plain(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f)
			*s = '?';
}

int error_vset(struct stow_error *err, int status, const char *where, const char *fmt, va_list ap)
{
	if (!err)
		return status;
	memset(err, 0, sizeof(*err));
	err->status = status;
	text_copy(err->where, sizeof(err->where), where);
	if (vsnprintf(err->message, sizeof(err->message), fmt, ap) < 0)
		text_copy(err->message, sizeof(err->message), error_status_text(status));
	make_plain(err->message);
	return status;
}

int error_set(struct stow_error *err, int status, const char *where, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_vset(err, status, where, fmt, ap);
	va_end(ap);
	return status;
}

static int status_of_errno(int errnum, uint32_t *ret_flags)
{
	*ret_flags = 0;
	switch (errnum) {
	case ENOENT:
	case ENOTDIR:
		return STOW_ENOTFOUND;
	case ENOMEM:
		return STOW_ENOMEM;
	case EEXIST:
		return STOW_EEXIST;
	case ENAMETOOLONG:
	case ELOOP:
	case EISDIR:
	case EINVAL:
		return STOW_EINVAL;
	case EMFILE:
	case ENFILE:
	case EAGAIN:
		*ret_flags = STOW_ERROR_RETRYABLE;
		return STOW_EBUSY;
	default:
		return STOW_EIO;
	}
}

int error_errno(struct stow_error *err, int errnum, const char *where, const char *fmt, ...)
{
	uint32_t flags;
	int status = status_of_errno(errnum, &flags);
	char text[128];
	va_list ap;

	if (!err)
		return status;
	va_start(ap, fmt);
	error_vset(err, status, where, fmt, ap);
	va_end(ap);
	err->backend = errnum;
	err->flags = flags;
	size_t len = strlen(err->message);
	/* the GNU form: gives the text, which may or may not lie in the buffer */
	text_format(err->message + len, sizeof(err->message) - len, ": %s",
	            strerror_r(errnum, text, sizeof(text)));
	return status;
}

int error_nomem(struct stow_error *err, const char *where)
{
	return error_set(err, STOW_ENOMEM, where, "out of memory");
}

int error_prefix(struct stow_error *err, int status, const char *fmt, ...)
{
	char whole[sizeof(err->message)];
	va_list ap;

	if (!err)
		return status;
	va_start(ap, fmt);
	int n = vsnprintf(whole, sizeof(whole), fmt, ap);
	va_end(ap);
	if (n < 0)
		return err->status;
	size_t len = strlen(whole);
	text_format(whole + len, sizeof(whole) - len, ": %s", err->message);
	make_plain(whole);
	memcpy(err->message, whole, sizeof(whole));
	return err->status;
}

void error_flag(struct stow_error *err, uint32_t flags)
{
	if (err)
		err->flags |= flags;
}

int error_copy(struct stow_error *to, const struct stow_error *from)
{
	if (to && to != from)
		*to = *from;
	return from->status;
}

bool error_is_verdict(int status)
{
	return status == STOW_ECORRUPT || status == STOW_EEXIST || status == STOW_ECHANGED;
}

const char *error_status_text(int status)
{
	static const char *const text[] = {
		"ok",           "not found",     "exists already", "changed meanwhile",
		"invalid",      "out of range",  "denied",         "not supported",
		"busy",         "timed out",     "cancelled",      "corrupt",
		"input/output", "out of memory",
	};
	size_t i = (size_t)-status;

	return status <= 0 && i < sizeof(text) / sizeof(text[0]) ? text[i] : "unknown status";
}
