/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The growable run of bytes with a ceiling.
 * Knows nothing of what the bytes mean.
 */
#include "common/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stowage/types.h>

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void buf_done(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ .max = b->max };
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->status = STOW_OK;
	if (b->data)
		b->data[0] = 0;
}

static int fail(struct buf *b, int status)
{
	if (b->status == STOW_OK)
		b->status = status;
	return b->status;
}

int buf_reserve(struct buf *b, size_t len)
{
	if (b->status != STOW_OK)
		return b->status;
	if (len > b->max || b->len > b->max - len || b->max == SIZE_MAX)
		return fail(b, STOW_ERANGE);
	size_t want = b->len + len + 1; /* and the NUL */
	if (want <= b->cap)
		return STOW_OK;
	size_t cap = b->cap ? b->cap : 64;
	while (cap < want)
		cap = cap > b->max / 2 ? b->max + 1 : cap * 2;
	char *data = realloc(b->data, cap);
	if (!data)
		return fail(b, STOW_ENOMEM);
	b->data = data;
	b->cap = cap;
	b->data[b->len] = 0;
	return STOW_OK;
}

int buf_add(struct buf *b, const void *data, size_t len)
{
	if (buf_reserve(b, len) != STOW_OK)
		return b->status;
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = 0;
	return STOW_OK;
}

int buf_adds(struct buf *b, const char *text)
{
	return buf_add(b, text, strlen(text));
}

int buf_addc(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

int buf_addv(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;

	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return fail(b, STOW_EINVAL);
	if (buf_reserve(b, (size_t)n) != STOW_OK)
		return b->status;
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
	return STOW_OK;
}

int buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int status = buf_addv(b, fmt, ap);
	va_end(ap);
	return status;
}

int buf_status(const struct buf *b)
{
	return b->status;
}

const char *buf_text(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
	if (b->status != STOW_OK || buf_reserve(b, 0) != STOW_OK)
		return NULL;
	char *data = b->data;
	*b = (struct buf){ .max = b->max };
	return data;
}
