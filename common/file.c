/* SPDX-License-Identifier: Apache-2.0 */
/* open, fstat, read. */
#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"

#define STEP ((size_t)16 * 1024)

static void mark_of(const struct stat *st, struct file_mark *ret)
{
	*ret = (struct file_mark){
		.changed_ns = (int64_t)st->st_mtim.tv_sec * CLOCK_SECOND + st->st_mtim.tv_nsec,
		.size = (int64_t)st->st_size,
		.inode = (uint64_t)st->st_ino,
		.device = (uint64_t)st->st_dev,
	};
}

bool file_mark(const char *path, struct file_mark *ret)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return false;
	mark_of(&st, ret);
	return true;
}

bool file_mark_equal(const struct file_mark *a, const struct file_mark *b)
{
	return a->changed_ns == b->changed_ns && a->size == b->size && a->inode == b->inode &&
	       a->device == b->device;
}

static int read_on(int fd, const char *path, const char *where, struct buf *ret,
                   struct stow_error *err)
{
	ssize_t n = 1;

	while (n > 0 && buf_reserve(ret, STEP) == STOW_OK) {
		n = read(fd, ret->data + ret->len, STEP);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			return error_errno(err, errno, where, "%s cannot be read", path);
		else
			ret->len += (size_t)n;
	}
	return buf_status(ret);
}

int file_read(const char *path, size_t most, const char *where, struct buf *ret,
              struct file_mark *ret_mark, struct stow_error *err)
{
	/* a pipe without a writer must not hold us up */
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int status;

	buf_init(ret, most + STEP);
	if (fd < 0 || fstat(fd, &st) != 0)
		return error_errno(err, errno, where, "%s cannot be read", path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, STOW_EINVAL, where, "%s is no file", path);
	status = read_on(fd, path, where, ret, err);
	if (status == STOW_ENOMEM)
		return error_nomem(err, where);
	if (status == STOW_ERANGE || (status == STOW_OK && ret->len > most))
		return error_set(err, STOW_EINVAL, where, "%s has more than %zu bytes", path, most);
	if (status != STOW_OK)
		return status;
	ret->data[ret->len] = '\0';
	if (ret_mark)
		mark_of(&st, ret_mark);
	return STOW_OK;
}
