/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammars of repository names and tags, one pass over the bytes each.
 * It must not know keys, nor what a name stands for.
 */
#include "plugin/name.h"

#include "common/error.h"

static bool is_lower_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_tag_first(char c)
{
	return is_lower_alnum(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

/* Steps over one separator between two runs of a component; NULL if there is none. */
static const char *skip_separator(const char *p)
{
	switch (*p) {
	case '.':
		return p + 1;
	case '_':
		return p[1] == '_' ? p + 2 : p + 1;
	case '-':
		while (*p == '-')
			p++;
		return p;
	default:
		return NULL;
	}
}

bool name_is_repository(const char *name)
{
	const char *p = name;

	if (!name || strnlen(name, STOW_NAME_MAX + 1) > STOW_NAME_MAX)
		return false;
	for (;;) {
		if (!is_lower_alnum(*p))
			return false;
		while (is_lower_alnum(*p))
			p++;
		if (*p == '\0')
			return true;
		if (*p == '/') {
			p++;
			continue;
		}
		p = skip_separator(p);
		if (!p)
			return false;
	}
}

bool name_is_tag(const char *tag)
{
	const char *p = tag;

	if (!tag || !is_tag_first(*p))
		return false;
	for (p++; *p != '\0'; p++) {
		if (!is_tag_first(*p) && *p != '.' && *p != '-')
			return false;
		if (p - tag >= STOW_TAG_MAX)
			return false;
	}
	return true;
}

bool name_is_reference_digest(const char *reference)
{
	return reference && strchr(reference, ':');
}

int name_require(const char *name, const char *where, struct stow_error *err)
{
	if (name_is_repository(name))
		return STOW_OK;
	return error_set(err, STOW_EINVAL, where, "\"%.255s\" is not a repository name",
	                 name ? name : "");
}

int name_require_tag(const char *tag, const char *where, struct stow_error *err)
{
	if (name_is_tag(tag))
		return STOW_OK;
	return error_set(err, STOW_EINVAL, where, "\"%.128s\" is not a tag", tag ? tag : "");
}

int stow_name_check(const char *name)
{
	return name_is_repository(name) ? STOW_OK : STOW_EINVAL;
}

int stow_tag_check(const char *tag)
{
	return name_is_tag(tag) ? STOW_OK : STOW_EINVAL;
}

int name_require_with_digest(const char *name, const char *text, struct digest *ret,
                             const char *where, struct stow_error *err)
{
	int status = name_require(name, where, err);

	return status == STOW_OK ? digest_require(ret, text, where, err) : status;
}
