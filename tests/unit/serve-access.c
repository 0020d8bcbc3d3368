/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of host/serve/access and common/pattern: who is let where by which rule. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/pattern.h"
#include "common/text.h"
#include "host/serve/access.h"
#include "host/serve/setup.h"

/* ---- patterns ---- */

static bool match(const char *pattern, const char *name)
{
	return pattern_match(pattern, strlen(pattern), name);
}

static void patterns_match(void **state)
{
	static const char *const pairs[][2] = {
		{ "a", "a" },
		{ "a/b", "a/b" },
		{ "*", "a" },
		{ "**", "a" },
		{ "**", "a/b/c" },
		{ "a/*", "a/b" },
		{ "a/**", "a/b/c" },
		{ "a/**", "a" },
		{ "**/c", "c" },
		{ "**/c", "a/b/c" },
		{ "a/**/c", "a/c" },
		{ "a/**/c", "a/b/b/c" },
		{ "a*c", "abbc" },
		{ "a*c", "ac" },
		{ "?", "a" },
		{ "a?c/*", "abc/x" },
		{ "*-*-*", "a-b-c" },
		{ "a**c", "a/b/c" },
		{ "**/a/**", "a" },
		{ "**/a/**", "x/a/y" },
		{ "*a*/b", "xay/b" },
		{ "**/*b/c", "ab/c" },
		{ "*/**", "a/b/c" },
		{ "**a", "b/ca" },
		{ "**/x*/**/y", "a/xx/b/y" },
		{ "***", "a/b" },
		{ "a/***", "a/b" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		assert_true(match(pairs[i][0], pairs[i][1]));
}

static void patterns_do_not_match(void **state)
{
	static const char *const pairs[][2] = {
		{ "a", "b" },       { "a", "A" },       { "a", "a/b" },   { "*", "a/b" },
		{ "a/*", "a" },     { "a/*", "a/b/c" }, { "a/**", "ab" }, { "a/**", "ab/c" },
		{ "**/c", "bc" },   { "**/c", "a/bc" }, { "a?c", "a/c" }, { "a*c", "a/c" },
		{ "?", "" },        { "", "a" },        { "*/*", "a" },   { "a/**/c", "a/bc" },
		{ "a/**/c", "ac" }, { "**/a", "ab" },   { "*b", "a/b" },  { "a/b", "a/b/" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		assert_false(match(pairs[i][0], pairs[i][1]));
}

/* Stars that could stand in a great many ways are decided soon all the same. */
static void many_stars_take_no_time(void **state)
{
	char name[256], pattern[256];
	int64_t began = clock_monotonic();

	(void)state;
	memset(name, 'a', 255);
	name[255] = '\0';
	for (size_t i = 0; i < 254; i += 2)
		memcpy(pattern + i, "*a", 2);
	memcpy(pattern + 252, "*b", 3);
	assert_false(match(pattern, name));
	for (size_t i = 0; i < 250; i += 5)
		memcpy(pattern + i, "**a*a", 5);
	memcpy(pattern + 250, "**b", 4);
	assert_false(match(pattern, name));
	assert_true(clock_monotonic() - began < 10 * CLOCK_SECOND);
}

/* ---- rules ---- */

static int open_with(char *const *variables, struct access **ret, struct stow_error *err)
{
	struct stow_config *config = NULL;
	int status = setup_tables(&config, err);

	if (status == STOW_OK)
		status = stow_config_read_environment(config, variables, err);
	if (status == STOW_OK)
		status = stow_config_check(config, err);
	if (status == STOW_OK)
		status = access_open(config, ret, err);
	stow_config_free(config);
	return status;
}

static struct access *rules(const char *pull, const char *push, const char *more)
{
	char texts[3][1024];
	char *variables[4] = { NULL };
	struct access *a = NULL;
	struct stow_error err = { 0 };
	size_t n = 0;

	if (pull && text_format(texts[n], 1024, "STOWAGE_ACCESS_PULL=%s", pull))
		variables[n] = texts[n], n++;
	if (push && text_format(texts[n], 1024, "STOWAGE_ACCESS_PUSH=%s", push))
		variables[n] = texts[n], n++;
	if (more && text_format(texts[n], 1024, "STOWAGE_ACCESS_%s", more))
		variables[n] = texts[n], n++;
	assert_int_equal(open_with(variables, &a, &err), STOW_OK);
	return a;
}

static void without_rules_users_may_all(void **state)
{
	struct access *a = rules(NULL, NULL, NULL);

	(void)state;
	assert_true(access_is_default(a));
	assert_true(access_allows(a, "u", "a/b", ACCESS_PULL | ACCESS_PUSH | ACCESS_DELETE));
	assert_false(access_allows(a, NULL, "a/b", ACCESS_PULL));
	assert_true(access_allows(a, "", "a/b", ACCESS_PULL));
	assert_true(access_allows_all(a, "u", ACCESS_PULL));
	assert_false(access_allows_all(a, NULL, ACCESS_PULL));
	assert_true(access_sees_catalog(a, "u"));
	assert_false(access_sees_catalog(a, NULL));
	access_free(a);
}

static void everybody_may_pull(void **state)
{
	struct access *a = rules("x : u", NULL, "ANONYMOUSPULL=yes");

	(void)state;
	assert_false(access_is_default(a));
	assert_true(access_allows(a, NULL, "a", ACCESS_PULL));
	assert_false(access_allows(a, NULL, "a", ACCESS_PUSH));
	assert_false(access_allows(a, NULL, "a", ACCESS_PULL | ACCESS_PUSH));
	assert_true(access_allows_all(a, NULL, ACCESS_PULL));
	assert_true(access_sees_catalog(a, NULL));
	access_free(a);
}

static void rules_are_for_their_users(void **state)
{
	struct access *a = rules(" a/* b : u  v ;c/** : * ; d : anonymous;; ", "** : u", NULL);

	(void)state;
	assert_true(access_allows(a, "u", "a/x", ACCESS_PULL));
	assert_true(access_allows(a, "v", "b", ACCESS_PULL));
	assert_false(access_allows(a, "w", "b", ACCESS_PULL));
	assert_false(access_allows(a, "u ", "b", ACCESS_PULL));
	assert_true(access_allows(a, "w", "c/x/y", ACCESS_PULL));
	assert_false(access_allows(a, NULL, "c/x/y", ACCESS_PULL));
	assert_true(access_allows(a, NULL, "d", ACCESS_PULL));
	assert_true(access_allows(a, "", "d", ACCESS_PULL));
	assert_false(access_allows(a, "", "c/x", ACCESS_PULL));
	assert_true(access_allows(a, "", "x", ACCESS_DELETE));
	assert_true(access_allows(a, "w", "d", ACCESS_PULL));
	assert_false(access_allows(a, "u", "e", ACCESS_PULL));
	assert_true(access_allows(a, "u", "e", ACCESS_PUSH));
	assert_true(access_allows(a, "u", "e", ACCESS_DELETE));
	assert_false(access_allows_all(a, "u", ACCESS_PULL));
	assert_true(access_allows_all(a, "u", ACCESS_PUSH));
	assert_false(access_allows_all(a, "v", ACCESS_PUSH));
	assert_true(access_sees_catalog(a, NULL));
	access_free(a);
}

/* A name that has a meaning in patterns or rules means no more than itself. */
static void names_are_no_patterns(void **state)
{
	struct access *a = rules("home/{user}/** : *; x : *", NULL, NULL);

	(void)state;
	assert_true(access_allows(a, "u", "home/u/x", ACCESS_PULL));
	assert_false(access_allows(a, "u", "home/v/x", ACCESS_PULL));
	assert_false(access_allows(a, "*", "home/v/x", ACCESS_PULL));
	assert_false(access_allows(a, "**", "home/v/x", ACCESS_PULL));
	assert_false(access_allows(a, "?", "home/v/x", ACCESS_PULL));
	assert_false(access_allows(a, "v/x", "home/v/x/y", ACCESS_PULL));
	assert_false(access_allows(a, "{user}", "home/{user}/x", ACCESS_PULL));
	assert_false(access_allows(a, NULL, "home//x", ACCESS_PULL));
	access_free(a);
	/* who calls himself so is one that has a name, not everybody nor all */
	a = rules("a : anonymous2; b : u", NULL, NULL);
	assert_false(access_allows(a, "anonymous", "b", ACCESS_PULL));
	assert_false(access_allows(a, "*", "b", ACCESS_PULL));
	access_free(a);
}

/* Wherever it stands, and as often as it does. */
static void a_name_stands_for_itself_each_time(void **state)
{
	struct access *a = rules("home/{user}/{user}-* {user}{user} {user} x/{user} : *", NULL,
	                         NULL);
	char rule[PATTERN_MAX + 8] = "", name[PATTERN_MAX + 1] = "";
	size_t n;

	(void)state;
	assert_true(access_allows(a, "u", "home/u/u-x", ACCESS_PULL));
	assert_false(access_allows(a, "u", "home/u/v-x", ACCESS_PULL));
	assert_false(access_allows(a, "u", "home/v/u-x", ACCESS_PULL));
	assert_false(access_allows(a, "u", "home/u/{user}-x", ACCESS_PULL));
	assert_true(access_allows(a, "ab", "abab", ACCESS_PULL));
	assert_true(access_allows(a, "ab", "ab", ACCESS_PULL));
	assert_true(access_allows(a, "ab", "x/ab", ACCESS_PULL));
	assert_false(access_allows(a, "ab", "ababab", ACCESS_PULL));
	assert_false(access_allows(a, NULL, "home//-x", ACCESS_PULL));
	access_free(a);
	/* a name that makes it longer than a pattern can be lets nobody in, one that just fits does */
	for (n = 0; n + strlen("{user}") <= PATTERN_MAX; n += strlen("{user}"))
		memcpy(rule + n, "{user}", strlen("{user}"));
	memcpy(rule + n, " : *", 5);
	a = rules(rule, NULL, NULL);
	memset(name, 'u', sizeof(name) - 1);
	name[n] = '\0';
	assert_true(access_allows(a, "uuuuuu", name, ACCESS_PULL));
	name[n] = 'u';
	assert_false(access_allows(a, "uuuuuuu", name, ACCESS_PULL));
	access_free(a);
}

static void mistakes_are_named(void **state)
{
	static const char *const bad[] = {
		"a", "a :", ": u", " : ", "a b", "a : u; b", "a : u;b :"
	};
	char text[1024];
	char *variables[2] = { text, NULL };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct access *a = NULL;
		struct stow_error err = { 0 };

		assert_true(text_format(text, sizeof(text), "STOWAGE_ACCESS_DELETE=%s", bad[i]));
		assert_int_equal(open_with(variables, &a, &err), STOW_EINVAL);
		assert_non_null(strstr(err.message, "[access] delete"));
		assert_null(a);
	}
}

/* They look like {user}, and would let nobody in, or somebody else. Users may be called so. */
static void other_braces_are_refused(void **state)
{
	static const char *const bad[] = {
		"home/{group}/** : *", "home/{USER}/** : *",  "{User} : u",
		"{user}{ : u",         "}{user} : u",         "{} : u",
		"{{user}} : u",        "{us{user}er} : u",    "a : u; {user : u",
		"{user}/a user} : u",  "{user} {x} : *",      "a/{*}/b : u",
		"{ user } : u",        "** {user}/{tag} : u",
	};
	char text[1024];
	char *variables[2] = { text, NULL };
	struct access *good = rules("{user} home/{user}/{user}{user}-* : {group} }{ *", NULL, NULL);

	(void)state;
	access_free(good);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct access *a = NULL;
		struct stow_error err = { 0 };

		assert_true(text_format(text, sizeof(text), "STOWAGE_ACCESS_PULL=%s", bad[i]));
		assert_int_equal(open_with(variables, &a, &err), STOW_EINVAL);
		assert_non_null(strstr(err.message, "[access] pull"));
		assert_non_null(strstr(err.message, "no braces but those of {user}"));
		assert_null(a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match),
		cmocka_unit_test(patterns_do_not_match),
		cmocka_unit_test(many_stars_take_no_time),
		cmocka_unit_test(without_rules_users_may_all),
		cmocka_unit_test(everybody_may_pull),
		cmocka_unit_test(rules_are_for_their_users),
		cmocka_unit_test(names_are_no_patterns),
		cmocka_unit_test(a_name_stands_for_itself_each_time),
		cmocka_unit_test(mistakes_are_named),
		cmocka_unit_test(other_braces_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
