/* SPDX-License-Identifier: Apache-2.0 */
/* Rules as they were written, looked at one after the other. It must not know requests. */
#include "host/serve/access.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/pattern.h"
#include "common/text.h"

#define SPACE " \t\r"
#define USER_WORD "{user}"

/* Of the key's own copy of the text. */
struct rule {
	const char *patterns, *users;
	size_t patterns_len, users_len;
};

struct rules {
	char *text; /* NULL: the key is not set */
	struct rule *rule;
	size_t n;
};

struct access {
	struct rules of[3]; /* as in keys */
	bool anonymous_pull;
};

static const struct {
	const char *name;
	unsigned action;
} keys[3] = {
	{ "pull", ACCESS_PULL },
	{ "push", ACCESS_PUSH },
	{ "delete", ACCESS_DELETE },
};

/* ---- reading ---- */

/* The next word of at most *len bytes at *text; false where there is none. */
static bool next_word(const char **text, size_t *len, const char **ret, size_t *ret_len)
{
	while (*len && strchr(SPACE, **text)) {
		(*text)++;
		(*len)--;
	}
	*ret = *text;
	for (*ret_len = 0; *len && !strchr(SPACE, **text); (*ret_len)++) {
		(*text)++;
		(*len)--;
	}
	return *ret_len > 0;
}

static bool words_hold(const char *text, size_t len)
{
	const char *word;
	size_t n, words = 0;

	while (next_word(&text, &len, &word, &n)) {
		if (!pattern_check(word, n))
			return false;
		words++;
	}
	return words > 0;
}

/* A repository's name has no braces: what is not {user} is one that somebody mistook for it. */
static bool braces_hold(const char *patterns, size_t len)
{
	const size_t word = strlen(USER_WORD);

	for (size_t i = 0; i < len; i++) {
		if (len - i >= word && memcmp(patterns + i, USER_WORD, word) == 0)
			i += word - 1;
		else if (patterns[i] == '{' || patterns[i] == '}')
			return false;
	}
	return true;
}

static int add_rule(struct rules *rules, const char *key, const char *text, size_t len,
                    struct stow_error *err)
{
	/* a name may hold a colon, a pattern of repositories none */
	const char *colon = memchr(text, ':', len);
	struct rule *r = &rules->rule[rules->n];

	if (strspn(text, SPACE) >= len)
		return STOW_OK;
	if (colon) {
		r->patterns = text;
		r->patterns_len = (size_t)(colon - text);
		r->users = colon + 1;
		r->users_len = len - r->patterns_len - 1;
	}
	if (!colon || !words_hold(r->patterns, r->patterns_len) ||
	    !words_hold(r->users, r->users_len))
		return error_set(err, STOW_EINVAL, "config",
		                 "[access] %s: \"%.*s\": expected PATTERN... : USER...", key,
		                 (int)(len < 200 ? len : 200), text);
	if (!braces_hold(r->patterns, r->patterns_len))
		return error_set(err, STOW_EINVAL, "config",
		                 "[access] %s: \"%.*s\": in a pattern there are no braces but "
		                 "those of {user}",
		                 key, (int)(len < 200 ? len : 200), text);
	rules->n++;
	return STOW_OK;
}

static int read_rules(struct rules *rules, const char *key, const char *value,
                      struct stow_error *err)
{
	size_t most = 1;
	int status = STOW_OK;

	rules->text = strdup(value);
	if (!rules->text)
		return error_nomem(err, "access.open");
	for (const char *p = value; (p = strpbrk(p, ";\n")); p++)
		most++;
	if (most > ACCESS_RULES_MAX)
		return error_set(err, STOW_EINVAL, "config", "[access] %s: more than %d rules", key,
		                 ACCESS_RULES_MAX);
	rules->rule = calloc(most, sizeof(*rules->rule));
	if (!rules->rule)
		return error_nomem(err, "access.open");
	for (const char *p = rules->text; status == STOW_OK;) {
		size_t len = strcspn(p, ";\n");

		status = add_rule(rules, key, p, len, err);
		if (!p[len])
			break;
		p += len + 1;
	}
	return status;
}

int access_open(const struct stow_config *config, struct access **ret, struct stow_error *err)
{
	struct access *a = calloc(1, sizeof(*a));
	int status = STOW_OK;

	if (!a)
		return error_nomem(err, "access.open");
	a->anonymous_pull = stow_config_number(config, "access", "anonymouspull") != 0;
	for (size_t i = 0; i < 3 && status == STOW_OK; i++) {
		const char *value = stow_config_string(config, "access", keys[i].name);

		if (value && *value)
			status = read_rules(&a->of[i], keys[i].name, value, err);
	}
	if (status != STOW_OK) {
		access_free(a);
		return status;
	}
	*ret = a;
	return STOW_OK;
}

void access_free(struct access *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < 3; i++) {
		free(a->of[i].text);
		free(a->of[i].rule);
	}
	free(a);
}

/* ---- asking ---- */

static bool is_word(const char *word, size_t len, const char *text)
{
	return strlen(text) == len && memcmp(word, text, len) == 0;
}

static bool is_for(const struct rule *r, const char *user)
{
	const char *text = r->users, *word;
	size_t left = r->users_len, len;
	bool named = user && *user;

	while (next_word(&text, &left, &word, &len)) {
		if (is_word(word, len, "anonymous") ||
		    (named && (is_word(word, len, "*") || is_word(word, len, user))))
			return true;
	}
	return false;
}

/* A name that could be mistaken for a pattern stands for nothing. */
static bool can_stand(const char *user)
{
	return user && *user && !user[strcspn(user, "*?{}/")];
}

/* The user's name in the place of each {user}; 0 where it does not fit. */
static size_t fill_in(const char *pattern, size_t len, const char *user, char ret[PATTERN_MAX + 1])
{
	const size_t word = strlen(USER_WORD), name = strlen(user);
	size_t filled = 0;

	while (len) {
		const char *mark = memmem(pattern, len, USER_WORD, word);
		size_t before = mark ? (size_t)(mark - pattern) : len;

		if (before > PATTERN_MAX - filled)
			return 0;
		memcpy(ret + filled, pattern, before);
		filled += before;
		if (!mark)
			break;
		if (name > PATTERN_MAX - filled)
			return 0;
		memcpy(ret + filled, user, name);
		filled += name;
		pattern += before + word;
		len -= before + word;
	}
	ret[filled] = '\0';
	return filled;
}

static bool is_of(const struct rule *r, const char *user, const char *repository)
{
	const char *text = r->patterns, *word;
	size_t left = r->patterns_len, len;
	char filled[PATTERN_MAX + 1];

	while (next_word(&text, &left, &word, &len)) {
		if (memmem(word, len, USER_WORD, strlen(USER_WORD))) {
			if (!can_stand(user) || !(len = fill_in(word, len, user, filled)))
				continue;
			word = filled;
		}
		if (pattern_match(word, len, repository))
			return true;
	}
	return false;
}

static bool is_of_all(const struct rule *r)
{
	const char *text = r->patterns, *word;
	size_t left = r->patterns_len, len;

	while (next_word(&text, &left, &word, &len)) {
		if (is_word(word, len, "**"))
			return true;
	}
	return false;
}

/* repository NULL: in all of them. */
static bool allows_one(const struct access *a, size_t i, const char *user, const char *repository)
{
	const struct rules *rules = &a->of[i];

	if (keys[i].action == ACCESS_PULL && a->anonymous_pull)
		return true;
	if (!rules->text)
		return user != NULL;
	for (size_t n = 0; n < rules->n; n++) {
		const struct rule *r = &rules->rule[n];

		if (is_for(r, user) && (repository ? is_of(r, user, repository) : is_of_all(r)))
			return true;
	}
	return false;
}

static bool allows(const struct access *a, const char *user, const char *repository,
                   unsigned actions)
{
	for (size_t i = 0; i < 3; i++) {
		if ((actions & keys[i].action) && !allows_one(a, i, user, repository))
			return false;
	}
	return true;
}

bool access_allows(const struct access *a, const char *user, const char *repository,
                   unsigned actions)
{
	return allows(a, user, repository, actions);
}

bool access_allows_all(const struct access *a, const char *user, unsigned actions)
{
	return allows(a, user, NULL, actions);
}

bool access_sees_catalog(const struct access *a, const char *user)
{
	const struct rules *pull = &a->of[0];

	if (a->anonymous_pull || !pull->text)
		return a->anonymous_pull || user;
	for (size_t n = 0; n < pull->n; n++) {
		if (is_for(&pull->rule[n], user))
			return true;
	}
	return false;
}

bool access_is_default(const struct access *a)
{
	for (size_t i = 0; i < 3; i++) {
		if (a->of[i].text)
			return false;
	}
	return !a->anonymous_pull;
}
