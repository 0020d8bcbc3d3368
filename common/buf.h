/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growable run of bytes that cannot be made without a ceiling.  Errors stick: add as often as
 * you like and look at buf_status() once.  data always ends with a NUL that len does not count.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdarg.h>
#include <stddef.h>

struct buf {
	char *data; /* NULL until something was added */
	size_t len;
	size_t cap;
	size_t max; /* len never exceeds it */
	int status; /* STOW_OK, STOW_ENOMEM, or STOW_ERANGE: over max */
};

void buf_init(struct buf *b, size_t max);
/* Frees; the buf may be used again with the same ceiling. Takes one that was zeroed. */
void buf_done(struct buf *b);
/* len = 0, status = STOW_OK; keeps the memory. */
void buf_reset(struct buf *b);
/* Each returns the status. */
int buf_add(struct buf *b, const void *data, size_t len);
int buf_adds(struct buf *b, const char *text);
int buf_addc(struct buf *b, char c);
int buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int buf_addv(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Room for len more bytes; the caller writes to data + len and raises len itself. */
int buf_reserve(struct buf *b, size_t len);
int buf_status(const struct buf *b);
/* The text, never NULL ("" if nothing was added). */
const char *buf_text(const struct buf *b);
/* The memory becomes the caller's (free); NULL if status is not STOW_OK. */
char *buf_take(struct buf *b);

#define cleanup_buf __attribute__((__cleanup__(buf_done)))

#endif
