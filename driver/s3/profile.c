/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.h: an INI file walked line by line.
 * It must not keep values.
 */
#include "driver/s3/profile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/error.h"

#define WHERE "s3.credentials"

/* ---- the file ---- */

/* All of it, or a status. */
static int read_all(int fd, struct profile_file *f, struct stow_error *err)
{
	ssize_t n = 1;

	while (n > 0 && buf_reserve(&f->text, 4096) == STOW_OK) {
		n = read(fd, f->text.data + f->text.len, 4096);
		if (n < 0)
			return error_errno(err, errno, WHERE, "%s cannot be read", f->path);
		f->text.len += (size_t)n;
	}
	if (buf_status(&f->text) == STOW_ERANGE)
		return error_set(err, STOW_EINVAL, WHERE, "%s is over 1 MiB", f->path);
	return buf_status(&f->text) == STOW_OK ? STOW_OK : error_nomem(err, WHERE);
}

int profile_open(struct profile_file *ret, const char *path, bool config, struct stow_error *err)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int status;

	memset(ret, 0, sizeof(*ret));
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return error_set(err, STOW_ENOTFOUND, WHERE, "%s is not there", path);
	if (fd < 0)
		return error_errno(err, errno, WHERE, "%s cannot be read", path);
	buf_init(&ret->text, PROFILE_FILE_MAX);
	ret->config = config;
	ret->path = strdup(path);
	status = ret->path ? read_all(fd, ret, err) : error_nomem(err, WHERE);
	if (status != STOW_OK)
		profile_close(ret);
	return status;
}

void profile_close(struct profile_file *f)
{
	if (f->text.data)
		explicit_bzero(f->text.data, f->text.cap);
	buf_done(&f->text);
	free(take(f->path));
}

/* ---- its lines ---- */

static void trim(const char **s, size_t *len)
{
	while (*len && strchr(" \t\r", (*s)[*len - 1]))
		--*len;
	while (*len && strchr(" \t", **s)) {
		++*s;
		--*len;
	}
}

static bool equals(const char *s, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(s, word, len) == 0;
}

/* "[name]", of a config file "[profile name]" or "[default]". */
static bool is_section(const struct profile_file *f, const char *s, size_t len, const char *name)
{
	static const char word[] = "profile";

	s++;
	len--;
	while (len && s[len - 1] != ']')
		len--;
	len -= len > 0;
	trim(&s, &len);
	if (f->config && len > sizeof(word) - 1 && memcmp(s, word, sizeof(word) - 1) == 0 &&
	    strchr(" \t", s[sizeof(word) - 1])) {
		s += sizeof(word) - 1;
		len -= sizeof(word) - 1;
		trim(&s, &len);
	} else if (f->config && !equals(s, len, "default")) {
		return false;
	}
	return equals(s, len, name);
}

/* Walks the lines of one profile; visit may be NULL. Returns whether there is such a profile. */
static bool walk(const struct profile_file *f, const char *name,
                 void (*visit)(void *arg, const char *line, size_t len), void *arg)
{
	const char *end = f->text.data + f->text.len;
	bool inside = false, found = false;

	if (!f->text.data)
		return false;
	for (const char *line = f->text.data; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t len = (size_t)((stop ? stop : end) - line);

		if (len && *line == '[') {
			inside = is_section(f, line, len, name);
			found = found || inside;
		} else if (inside && visit && len && !strchr("#; \t\r", *line)) {
			visit(arg, line, len); /* what is indented belongs to the line before it */
		}
		line += len + 1;
	}
	return found;
}

bool profile_exists(const struct profile_file *f, const char *name)
{
	return walk(f, name, NULL, NULL);
}

struct wanted {
	const char *key;
	struct buf *ret;
	bool found;
};

static void visit_line(void *arg, const char *line, size_t len)
{
	struct wanted *w = arg;
	const char *equals_at = memchr(line, '=', len), *value;
	size_t key_len, value_len;

	if (!equals_at)
		return;
	key_len = (size_t)(equals_at - line);
	value = equals_at + 1;
	value_len = len - key_len - 1;
	trim(&line, &key_len);
	trim(&value, &value_len);
	if (!equals(line, key_len, w->key))
		return;
	buf_reset(w->ret);
	buf_add(w->ret, value, value_len);
	w->found = true;
}

bool profile_value(const struct profile_file *f, const char *name, const char *key, struct buf *ret)
{
	struct wanted w = { .key = key, .ret = ret };

	(void)walk(f, name, visit_line, &w);
	return w.found && ret->len > 0;
}
