/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extra headers from the configuration.  It must not know who sends them.
 */
#include "host/serve/headers.h"

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"

static const char where[] = "config";

static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
			    "!#$%&'*+-.^_`|~";
static const char blanks[] = " \t\r";

/* Framing, which is the library's, and what an answer says of itself. */
static bool is_taken(const char *name)
{
	static const char *const taken[] = {
		"Accept-Ranges",
		"Allow",
		"Connection",
		"Content-Encoding",
		"Content-Length",
		"Content-Range",
		"Content-Type",
		"Date",
		"Docker-Content-Digest",
		"Docker-Distribution-Api-Version",
		"Docker-Upload-UUID",
		"ETag",
		"Keep-Alive",
		"Link",
		"Location",
		"OCI-Chunk-Min-Length",
		"OCI-Filters-Applied",
		"OCI-Subject",
		"OCI-Tag",
		"Proxy-Connection",
		"Range",
		"Retry-After",
		"TE",
		"Trailer",
		"Transfer-Encoding",
		"Upgrade",
		"WWW-Authenticate",
		"X-Request-Id",
	};

	for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
		if (text_equal_nocase(taken[i], name))
			return true;
	}
	return false;
}

/* Does a header begin here, behind blanks? */
static bool begins(const char *text)
{
	size_t len;

	text += strspn(text, blanks);
	len = strspn(text, token);
	return len > 0 && text[len] == ':';
}

/* Cuts the first header off text; NULL where nothing is left behind it. */
static char *cut(char *text, bool lines)
{
	char *end = lines ? strchr(text, '\n') : strchr(text, ';');

	while (end && !lines && !begins(end + 1) && end[1 + strspn(end + 1, blanks)])
		end = strchr(end + 1, ';');
	if (!end)
		return NULL;
	*end = '\0';
	return end + 1;
}

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, blanks);
	len = strlen(text);
	while (len > 0 && strchr(blanks, text[len - 1]))
		text[--len] = '\0';
	return text;
}

static bool is_value(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

static int add(struct buf *to, const char *what, char *line, struct stow_error *err)
{
	char *value = strchr(line, ':');

	if (!value)
		return error_set(err, STOW_EINVAL, where,
		                 "%s: expected \"Name: value\", got \"%s\"", what, line);
	*value++ = '\0';
	value = trim(value);
	if (!*line || line[strspn(line, token)])
		return error_set(err, STOW_EINVAL, where, "%s: \"%s\" is not a header's name", what,
		                 line);
	if (is_taken(line))
		return error_set(err, STOW_EINVAL, where, "%s: %s is the server's own to say", what,
		                 line);
	if (!is_value(value))
		return error_set(err, STOW_EINVAL, where,
		                 "%s: control character in the value of %s", what, line);
	buf_add(to, line, strlen(line) + 1);
	buf_add(to, value, strlen(value) + 1);
	if (buf_status(to) == STOW_ERANGE)
		return error_set(err, STOW_EINVAL, where, "%s: more than %d bytes", what,
		                 HEADERS_EXTRA_MAX);
	return buf_status(to) == STOW_OK ? STOW_OK : error_nomem(err, where);
}

int headers_parse(struct headers *ret, const char *what, const char *text, struct stow_error *err)
{
	char *cleanup_free copy = strdup(text ? text : "");
	struct buf cleanup_buf all = { 0 };
	char *next = copy;
	bool lines;

	memset(ret, 0, sizeof *ret);
	buf_init(&all, HEADERS_EXTRA_MAX);
	if (!copy)
		return error_nomem(err, where);
	lines = strchr(copy, '\n') != NULL;
	while (next) {
		char *line = next;
		int status;

		next = cut(line, lines);
		line = trim(line);
		if (!*line)
			continue;
		status = add(&all, what, line, err);
		if (status != STOW_OK)
			return status;
	}
	if (all.len == 0)
		return STOW_OK;
	ret->len = all.len;
	ret->data = buf_take(&all);
	if (ret->data)
		return STOW_OK;
	ret->len = 0;
	return error_nomem(err, where);
}

bool headers_next(const struct headers *h, size_t *cursor, const char **ret_name,
                  const char **ret_value)
{
	if (*cursor >= h->len)
		return false;
	*ret_name = h->data + *cursor;
	*cursor += strlen(*ret_name) + 1;
	*ret_value = h->data + *cursor;
	*cursor += strlen(*ret_value) + 1;
	return true;
}

void headers_done(struct headers *h)
{
	free(h->data);
	memset(h, 0, sizeof *h);
}
