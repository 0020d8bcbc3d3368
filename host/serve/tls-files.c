/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the files of TLS.  It must not know their form, nor keep anything of them.
 */
#include "host/serve/tls-files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/hash.h"

/* A bundle of all public authorities has a quarter of it. */
#define FILE_MAX ((size_t)1024 * 1024)

static int read_file(const char *option, const char *path, struct buf *ret, mode_t *ret_mode,
                     struct stow_error *err)
{
	int cleanup_fd fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) != 0)
		return error_errno(err, errno, "config", "[http] %s = %s", option, path);
	if (!S_ISREG(st.st_mode))
		return error_set(err, STOW_EINVAL, "config", "[http] %s = %s: not a file", option,
		                 path);
	if (st.st_size > (off_t)FILE_MAX)
		return error_set(err, STOW_EINVAL, "config", "[http] %s = %s: over 1 MiB", option,
		                 path);
	*ret_mode = st.st_mode;
	/* at once: memory that grew would leave copies of a key behind */
	buf_init(ret, FILE_MAX + 1);
	if (buf_reserve(ret, (size_t)st.st_size + 1) != STOW_OK)
		return error_nomem(err, "config");
	do {
		n = read(fd, ret->data + ret->len, (size_t)st.st_size - ret->len);
		if (n < 0 && errno != EINTR)
			return error_errno(err, errno, "config", "[http] %s = %s", option, path);
		if (n > 0)
			ret->len += (size_t)n;
	} while (n != 0 && ret->len < (size_t)st.st_size);
	ret->data[ret->len] = '\0';
	if (ret->len == 0)
		return error_set(err, STOW_EINVAL, "config", "[http] %s = %s: empty", option, path);
	return STOW_OK;
}

static void hash_file(struct hash *h, const struct buf *b)
{
	uint64_t len = b->len;

	hash_update(h, &len, sizeof len);
	if (len > 0)
		hash_update(h, b->data, b->len);
}

int tls_files_read(struct tls_files *ret, const char *certificate, const char *key,
                   const char *authority, struct stow_error *err)
{
	struct hash h;
	mode_t mode;
	int status = read_file("certificate", certificate, &ret->certificate, &mode, err);

	if (status == STOW_OK)
		status = read_file("key", key, &ret->key, &ret->key_mode, err);
	if (status == STOW_OK && authority)
		status = read_file("clientca", authority, &ret->authority, &mode, err);
	if (status != STOW_OK)
		return status;
	hash_init(&h, HASH_SHA256);
	hash_file(&h, &ret->certificate);
	hash_file(&h, &ret->key);
	hash_file(&h, &ret->authority);
	hash_final(&h, ret->hash);
	return STOW_OK;
}

void tls_files_done(struct tls_files *f)
{
	if (f->key.data)
		explicit_bzero(f->key.data, f->key.len);
	buf_done(&f->certificate);
	buf_done(&f->key);
	buf_done(&f->authority);
}
