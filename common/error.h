/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Filling in struct stow_error.  Set where the fault happens; on the way up a caller may put
 * words in front but never replace.  Every function takes a NULL error and returns the status, so
 * that `return error_set(...)` is the usual form.
 */
#ifndef COMMON_ERROR_H
#define COMMON_ERROR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stowage/types.h>

/* status must not be STOW_OK. where is like "s3.put"; the message is cut to fit, and control
 * characters in it become '?', since parts of it may come from the store. */
int error_set(struct stow_error *err, int status, const char *where, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int error_vset(struct stow_error *err, int status, const char *where, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));
/* As error_set, with ": " and the text of errno behind the message and backend = errnum. The
 * status is chosen from errnum: ENOENT, ENOTDIR -> STOW_ENOTFOUND; ENOMEM -> STOW_ENOMEM;
 * EEXIST -> STOW_EEXIST; ENAMETOOLONG, ELOOP, EISDIR, EINVAL -> STOW_EINVAL; EMFILE, ENFILE,
 * EAGAIN -> STOW_EBUSY, retryable; else STOW_EIO. */
int error_errno(struct stow_error *err, int errnum, const char *where, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
int error_nomem(struct stow_error *err, const char *where);
/* Puts "prefix: " in front of the message; returns err's status, or `status` if err is NULL. */
int error_prefix(struct stow_error *err, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Adds STOW_ERROR_* flags. */
void error_flag(struct stow_error *err, uint32_t flags);
/* Copies *from into *to where both are given. Returns from's status. */
int error_copy(struct stow_error *to, const struct stow_error *from);
/* Does it say of an object that is written that it cannot come to be, however often it is tried?
 * STOW_ECORRUPT, STOW_EEXIST, STOW_ECHANGED. */
bool error_is_verdict(int status);
/* "not found", "denied", ... */
const char *error_status_text(int status);

/*
 * An analyser that looks at one file at a time must be told that a failure is never STOW_OK.
 * common/error.c, which defines these, says ERROR_DEFINES.
 */
#if !defined(ERROR_DEFINES) && defined(__clang_analyzer__)
static inline int error_failed(int status)
{
	if (status == STOW_OK)
		__builtin_unreachable();
	return status;
}
#define error_set(...) error_failed(error_set(__VA_ARGS__))
#define error_errno(...) error_failed(error_errno(__VA_ARGS__))
#define error_nomem(...) error_failed(error_nomem(__VA_ARGS__))
#endif

#endif
