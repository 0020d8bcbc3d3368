/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small files read whole, and whether one is still what it was.  It must not know what is in them.
 */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stowage/types.h>

#include "common/buf.h"

/* What tells one state of a file from the next. */
struct file_mark {
	int64_t changed_ns; /* of its content */
	int64_t size;
	uint64_t inode, device;
};

/* false where there is none to be had. */
bool file_mark(const char *path, struct file_mark *ret);
bool file_mark_equal(const struct file_mark *, const struct file_mark *);

/* Adds all of the file to *ret, which was not begun yet, and its mark, unless NULL, as of before the
 * first byte.  STOW_ENOTFOUND, STOW_EDENIED, STOW_EIO; STOW_EINVAL where it has more than most
 * octets or is no regular file. The error names it. Waits for the disk. */
int file_read(const char *path, size_t most, const char *where, struct buf *ret,
              struct file_mark *ret_mark, struct stow_error *);

#endif
