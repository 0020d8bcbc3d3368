/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the rules of host/serve/access and common/pattern: a line with a user, one with a
 * repository, and rules.  It must not know who they are.
 */
#include "host/serve/access.h"

#include "common/cleanup.h"
#include "common/pattern.h"
#include "common/text.h"
#include "host/serve/setup.h"
#include "tests/fuzz/fuzz.h"

/* The plainest matcher there is, for short texts. */
static bool simple(const char *p, const char *n)
{
	if (p[0] == '*' && p[1] == '*') {
		for (const char *s = n;; s++) {
			if (simple(p + 2, s))
				return true;
			if (!*s)
				return false;
		}
	}
	if (*p == '*') {
		for (const char *s = n;; s++) {
			if (simple(p + 1, s))
				return true;
			if (!*s || *s == '/')
				return false;
		}
	}
	if (!*p || !*n)
		return !*p && !*n;
	return (*p == *n || (*p == '?' && *n != '/')) && simple(p + 1, n + 1);
}

/* It is that matcher, but for the places where no component is one, too. Of names with empty
 * components, which no repository has, it is enough that it ends. */
static void check_pattern(const char *pattern, const char *name)
{
	bool found = pattern_match(pattern, strlen(pattern), name);

	if (strlen(pattern) > 12 || strlen(name) > 16 || *name == '/' || strstr(name, "//"))
		return;
	if (simple(pattern, name))
		REQUIRE(found);
	else if (found)
		REQUIRE(strstr(pattern, "**/") || strstr(pattern, "/**"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup_free char *text = fuzz_text(data, len);
	char *rest = text, *user = fuzz_line(&rest), *name = fuzz_line(&rest);
	cleanup_free char *variable = malloc(len + 32);
	char *variables[2] = { variable, NULL };
	struct stow_config *config = NULL;
	struct access *a = NULL;
	struct stow_error err = { 0 };

	REQUIRE(variable && setup_tables(&config, &err) == STOW_OK);
	text_format(variable, len + 32, "STOWAGE_ACCESS_PUSH=%s", rest);
	if (stow_config_read_environment(config, variables, &err) == STOW_OK &&
	    stow_config_check(config, &err) == STOW_OK &&
	    access_open(config, &a, &err) == STOW_OK) {
		bool all = access_allows_all(a, user, ACCESS_PUSH);

		if (all)
			REQUIRE(access_allows(a, user, name, ACCESS_PUSH) || !*name);
		/* who has no name may nothing that somebody with one may not */
		if (access_allows(a, NULL, name, ACCESS_PUSH))
			REQUIRE(access_allows(a, "somebody", name, ACCESS_PUSH));
	}
	check_pattern(rest, name);
	access_free(a);
	stow_config_free(config);
	return 0;
}
