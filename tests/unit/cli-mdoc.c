/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of host/cli/mdoc: what each kind of option becomes, and texts that a formatter would eat. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "host/cli/mdoc.h"

static const struct stow_option options[] = {
	{ "bucket", STOW_OPTION_STRING, STOW_OPTION_REQUIRED, NULL, "name of the bucket" },
	{ "chunksize", STOW_OPTION_SIZE, 0, "8M", "size, 5M to 5G" },
	{ "fsync", STOW_OPTION_BOOL, 0, "yes", "waits" },
	{ "key", STOW_OPTION_STRING, STOW_OPTION_SECRET, "", "the key" },
	{ "odd", STOW_OPTION_STRING, 0, ". \"No\" x-y", ".Sh '~/x' \\fB `a^b\"" },
	{ "old", STOW_OPTION_COUNT, STOW_OPTION_IGNORED, NULL, "as it was" },
	{ "wait", STOW_OPTION_TIME, 0, "30s", "at most" },
	{ NULL, 0, 0, NULL, NULL },
};

static const char expected[] = ".It Cm bucket No = Ar text\n"
			       "\\&name of the bucket.\n"
			       "It is required.\n"
			       ".It Cm chunksize No = Ar size\n"
			       "\\&size, 5M to 5G.\n"
			       "The default is\n"
			       ".Ql \"\\&8M\" .\n"
			       ".It Cm fsync No = Cm yes | no\n"
			       "\\&waits.\n"
			       "The default is\n"
			       ".Ql \"\\&yes\" .\n"
			       ".It Cm key No = Ar text\n"
			       "\\&the key.\n"
			       "It is a secret.\n"
			       ".It Cm odd No = Ar text\n"
			       "\\&.Sh \\(aq\\(ti/x\\(aq \\efB \\(gaa\\(hab\\(dq.\n"
			       "The default is\n"
			       ".Ql \"\\&. \\(dqNo\\(dq x\\-y\" .\n"
			       ".It Cm old No = Ar number\n"
			       "\\&as it was.\n"
			       "It is taken and ignored.\n"
			       ".It Cm wait No = Ar time\n"
			       "\\&at most.\n"
			       "The default is\n"
			       ".Ql \"\\&30s\" .\n";

static void items(void **state)
{
	struct stow_config *c = NULL;
	struct stow_error err;
	char text[4096] = "";
	FILE *to = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_non_null(to);
	assert_int_equal(stow_config_new(&c, &err), STOW_OK);
	assert_int_equal(stow_config_section(c, "test", options, &err), STOW_OK);
	/* what is in force is nobody's business here */
	assert_int_equal(stow_config_set(c, "test", "bucket", "images", &err), STOW_OK);
	assert_true(mdoc_options(to, c, "test"));
	assert_int_equal(fclose(to), 0);
	assert_string_equal(text, expected);
	stow_config_free(c);
}

static void no_section(void **state)
{
	struct stow_config *c = NULL;
	struct stow_error err;

	(void)state;
	assert_int_equal(stow_config_new(&c, &err), STOW_OK);
	assert_false(mdoc_options(stderr, c, "test"));
	stow_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items),
		cmocka_unit_test(no_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
