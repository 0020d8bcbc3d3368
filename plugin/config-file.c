/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plugin.conf, from bytes to assignments.  It must not know which sections and keys there are.
 */
#include "plugin/config.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "plugin/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int config_read_whole(const char *path, const char *what, struct buf *ret, struct stow_error *err)
{
	cleanup_fd int fd = -1;
	char chunk[4096];
	ssize_t n;
	int r;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return error_errno(err, errno, "config.read", "%s: cannot be opened", what);
	for (;;) {
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, "config.read", "%s: cannot be read", what);
		if (n == 0)
			break;
		r = buf_add(ret, chunk, (size_t)n);
		explicit_bzero(chunk, (size_t)n);
		if (r == STOW_ERANGE)
			return error_set(err, STOW_EINVAL, "config.read",
			                 "%s: is larger than %zu KiB", what, ret->max / 1024);
		if (r != STOW_OK)
			return error_nomem(err, "config.read");
	}
	return STOW_OK;
}

/* One line at work, and where it stands. */
struct parser {
	struct stow_config *config;
	const char *name;
	uint32_t line;
	char section[LOADER_NAME_MAX + 1];
	struct stow_error *err;
};

#define fail(p, ...) error_set((p)->err, STOW_EINVAL, "config.read", __VA_ARGS__)

static int check_bytes(struct parser *p, const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t i, n;

	for (i = 0; i < len; i += n) {
		if ((u[i] < 0x20 && u[i] != '\t') || u[i] == 0x7f)
			return fail(p, "%s:%u: control byte 0x%02x in column %zu", p->name, p->line,
			            (unsigned)u[i], i + 1);
		n = text_utf8_length(s + i, len - i);
		if (n == 0)
			return fail(p, "%s:%u: byte 0x%02x in column %zu is not UTF-8", p->name,
			            p->line, (unsigned)u[i], i + 1);
	}
	return STOW_OK;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cuts blanks off both ends. */
static void trim(const char **s, size_t *len)
{
	while (*len > 0 && is_blank((*s)[0])) {
		(*s)++;
		(*len)--;
	}
	while (*len > 0 && is_blank((*s)[*len - 1]))
		(*len)--;
}

static int parse_section(struct parser *p, const char *origin, const char *s, size_t len)
{
	char name[LOADER_NAME_MAX + 1];
	const char *end = memchr(s, ']', len);

	if (!end)
		return fail(p, "%s: \"%.*s\" has no ']'", origin, (int)len, s);
	if ((size_t)(end - s) + 1 != len)
		return fail(p, "%s: there is more behind the ']' of \"%.*s\"", origin, (int)len, s);
	if (!text_format(name, sizeof(name), "%.*s", (int)(len - 2), s + 1) ||
	    !loader_name_ok(name))
		return fail(p,
		            "%s: \"%.*s\": a section is named in lower-case letters, digits and "
		            "'-'",
		            origin, (int)len, s);
	memcpy(p->section, name, sizeof(name));
	return config_add_item(p->config, CONFIG_FILE, p->line, origin, name, NULL, NULL, p->err);
}

/* The line where this file has the key already, 0 if it has not. */
static uint32_t line_of(const struct stow_config *c, const char *section, const char *key)
{
	const struct config_item *item;
	size_t i;

	for (i = c->n_items; i > 0; i--) {
		item = &c->items[i - 1];
		if (item->source == CONFIG_FILE && item->file == c->files && item->key &&
		    strcmp(item->key, key) == 0 && strcmp(item->section, section) == 0)
			return item->line;
	}
	return 0;
}

static int parse_pair(struct parser *p, const char *origin, const char *s, size_t len)
{
	cleanup_free char *key = NULL, *value = NULL;
	const char *equals = memchr(s, '=', len);
	const char *value_at;
	size_t key_len, value_len;
	uint32_t before;
	int r;

	/* what stands there may be a secret whose line was broken: it is not shown */
	if (!equals)
		return fail(p, "%s: expected \"key = value\", there is no '='", origin);
	key_len = (size_t)(equals - s);
	value_at = equals + 1;
	value_len = len - key_len - 1;
	trim(&s, &key_len);
	trim(&value_at, &value_len);
	if (key_len == 0)
		return fail(p, "%s: expected \"key = value\", the key is missing", origin);
	key = strndup(s, key_len);
	value = strndup(value_at, value_len);
	if (!key || !value)
		return error_nomem(p->err, "config.read");
	if (!p->section[0]) {
		r = fail(p, "%s: \"%s\" stands before any [section]", origin, key);
	} else if ((before = line_of(p->config, p->section, key)) > 0) {
		r = fail(p, "%s: [%s] %s is in line %u already", origin, p->section, key, before);
	} else {
		r = config_add_item(p->config, CONFIG_FILE, p->line, origin, p->section, key, value,
		                    p->err);
	}
	explicit_bzero(value, value_len);
	return r;
}

static int parse_line(struct parser *p, const char *s, size_t len)
{
	cleanup_buf struct buf origin = { 0 };
	int r;

	if (len > 0 && s[len - 1] == '\r')
		len--;
	r = check_bytes(p, s, len);
	if (r != STOW_OK)
		return r;
	trim(&s, &len);
	if (len == 0 || s[0] == '#' || s[0] == ';')
		return STOW_OK;
	buf_init(&origin, strlen(p->name) + 16);
	if (buf_addf(&origin, "%s:%u", p->name, p->line) != STOW_OK)
		return error_nomem(p->err, "config.read");
	if (s[0] == '[')
		return parse_section(p, buf_text(&origin), s, len);
	return parse_pair(p, buf_text(&origin), s, len);
}

int config_parse(struct stow_config *c, const char *name, const char *text, size_t len,
                 struct stow_error *err)
{
	struct parser p = { .config = c, .name = name, .err = err };
	const char *end;
	size_t n;
	int r;

	if (len > CONFIG_FILE_MAX)
		return fail(&p, "%s: is larger than %zu KiB", name, CONFIG_FILE_MAX / 1024);
	c->files++;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* some editors begin so */
		text += 3;
		len -= 3;
	}
	while (len > 0) {
		end = memchr(text, '\n', len);
		n = end ? (size_t)(end - text) : len;
		p.line++;
		r = parse_line(&p, text, n);
		if (r != STOW_OK)
			return r;
		n += end ? 1 : 0;
		text += n;
		len -= n;
	}
	return STOW_OK;
}

int stow_config_read_file(struct stow_config *c, const char *path, struct stow_error *err)
{
	cleanup_buf struct buf text = { 0 };
	int r;

	buf_init(&text, CONFIG_FILE_MAX);
	r = config_read_whole(path, path, &text, err);
	if (r == STOW_OK)
		r = config_parse(c, path, buf_text(&text), text.len, err);
	if (text.data)
		explicit_bzero(text.data, text.len);
	return r;
}
