/* SPDX-License-Identifier: Apache-2.0 */
/* immutable.h by patterns looked at one after the other. It must not know tags beyond their names. */
#include "plugin/immutable.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/pattern.h"

#define PARTS " ,\t\r\n"
#define LOWER "abcdefghijklmnopqrstuvwxyz0123456789._-*?"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* What no name has would match none: then the pattern protects nothing, and nobody is told. */
static bool is_of(const char *text, size_t len, const char *letters)
{
	return pattern_check(text, len) && strspn(text, letters) >= len;
}

static bool read_rule(struct immutable_rule *rule, const char *text, size_t len)
{
	const char *colon = memchr(text, ':', len);

	*rule = (struct immutable_rule){ .tag = text, .tag_len = len };
	if (colon) {
		rule->name = text;
		rule->name_len = (size_t)(colon - text);
		rule->tag = colon + 1;
		rule->tag_len = len - rule->name_len - 1;
		if (!is_of(rule->name, rule->name_len, LOWER "/"))
			return false;
	}
	return is_of(rule->tag, rule->tag_len, LOWER UPPER);
}

int immutable_init(struct immutable *ret, const char *list, struct stow_error *err)
{
	static const char where[] = "registry.open";
	struct immutable made = { 0 };

	made.text = strdup(list ? list : "");
	made.rules = made.text ? calloc(IMMUTABLE_MAX, sizeof(*made.rules)) : NULL;
	if (!made.rules) {
		immutable_done(&made);
		return error_nomem(err, where);
	}
	for (const char *p = made.text; *(p += strspn(p, PARTS));) {
		size_t len = strcspn(p, PARTS);

		if (made.n == IMMUTABLE_MAX || !read_rule(&made.rules[made.n], p, len)) {
			int status = error_set(err, STOW_EINVAL, where,
			                       "[manifests] immutable_tags: \"%.*s\": expected at "
			                       "most %d patterns, "
			                       "each TAG or NAME:TAG, such as v* or team/**:v*",
			                       (int)(len < 100 ? len : 100), p, IMMUTABLE_MAX);

			immutable_done(&made);
			return status;
		}
		made.n++;
		p += len;
	}
	*ret = made;
	return STOW_OK;
}

void immutable_done(struct immutable *immutable)
{
	free(immutable->text);
	free(immutable->rules);
	*immutable = (struct immutable){ 0 };
}

static bool is_for(const struct immutable_rule *rule, const char *name)
{
	return rule->name_len == 0 || pattern_match(rule->name, rule->name_len, name);
}

bool immutable_tag(const struct immutable *immutable, const char *name, const char *tag)
{
	for (size_t i = 0; i < immutable->n; i++) {
		const struct immutable_rule *rule = &immutable->rules[i];

		if (pattern_match(rule->tag, rule->tag_len, tag) && is_for(rule, name))
			return true;
	}
	return false;
}

bool immutable_any(const struct immutable *immutable, const char *name)
{
	for (size_t i = 0; i < immutable->n; i++) {
		if (is_for(&immutable->rules[i], name))
			return true;
	}
	return false;
}
