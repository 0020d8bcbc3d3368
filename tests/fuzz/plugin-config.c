/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes plugin/config*: the text of a file, then, behind a line "--", variables of the
 * environment, one a line.
 * It must not read other files: values that name one are left out.
 */
#include "plugin/config.h"

#include "common/cleanup.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"

#define VARIABLES_MAX 16

static const struct stow_option store_table[] = {
	{ "bucket", STOW_OPTION_STRING, STOW_OPTION_REQUIRED, NULL, "the bucket's name" },
	{ "secretkey", STOW_OPTION_STRING, STOW_OPTION_SECRET, NULL, "the secret key" },
	{ "chunksize", STOW_OPTION_SIZE, 0, "8M", "bytes of a part" },
	{ "readtimeout", STOW_OPTION_TIME, 0, "30s", "how long to wait" },
	{ "secure", STOW_OPTION_BOOL, 0, "yes", "whether by TLS" },
	{ "maxretries", STOW_OPTION_COUNT, 0, "5", "how often" },
	{ "v4auth", STOW_OPTION_BOOL, STOW_OPTION_IGNORED, NULL, "nothing" },
	{ NULL, 0, 0, NULL, NULL },
};
static const struct stow_option files_table[] = {
	{ "rootdirectory", STOW_OPTION_STRING, 0, "/var/lib/registry", "the folder" },
	{ NULL, 0, 0, NULL, NULL },
};
static const struct stow_option http_table[] = {
	{ "listen", STOW_OPTION_STRING, 0, "127.0.0.1:5000", "the address" },
	{ "secret", STOW_OPTION_STRING, STOW_OPTION_SECRET, NULL, "keys" },
	{ NULL, 0, 0, NULL, NULL },
};

/* Drivers that are there already, so that none is looked for on disk. */
static void add_driver(struct stow_config *c, const char *name, const struct stow_option *table)
{
	struct stow_driver *driver = calloc(1, sizeof(*driver));

	REQUIRE(driver);
	driver->name = name;
	driver->options = table;
	REQUIRE(config_add_section(c, name, table, driver, NULL, NULL) == STOW_OK);
}

static struct stow_config *make_config(void)
{
	struct stow_config *c = NULL;

	REQUIRE(stow_config_new(&c, NULL) == STOW_OK);
	REQUIRE(stow_config_driver_path(c, "/nonexistent", NULL) == STOW_OK);
	REQUIRE(stow_config_section(c, "http", http_table, NULL) == STOW_OK);
	add_driver(c, "s3", store_table);
	add_driver(c, "filesystem", files_table);
	return c;
}

static void check_refused(int status, const struct stow_error *err)
{
	REQUIRE(status == STOW_EINVAL || status == STOW_ENOTFOUND || status == STOW_ERANGE);
	REQUIRE(err->status == status && err->where[0] && err->message[0]);
	REQUIRE(fuzz_is_line(err->message));
}

/* A value is of its option's type, and a secret is never shown. */
static void check_values(const struct stow_config *c)
{
	struct stow_config_entry entry;
	size_t cursor = 0, n = 0;
	const char *section, *text;

	while (stow_config_next(c, &cursor, &entry) == STOW_OK) {
		section = entry.section;
		text = stow_config_string(c, section, entry.option->name);
		REQUIRE(entry.origin && entry.origin[0]);
		REQUIRE(!(entry.option->flags & STOW_OPTION_SECRET) || !entry.value ||
		        !entry.value[0] || strcmp(entry.value, "***") == 0);
		REQUIRE(stow_config_number(c, section, entry.option->name) >= 0);
		REQUIRE(!text || fuzz_is_line(text) || strchr(text, '\t'));
		n++;
	}
	REQUIRE(n >= 10);
	for (size_t i = 0; stow_config_warning(c, i); i++)
		REQUIRE(fuzz_is_line(stow_config_warning(c, i)));
}

static void check_driver(const struct stow_config *c)
{
	cleanup_free struct stow_kv *pairs = NULL;
	size_t n = 0;

	REQUIRE(config_driver(c));
	REQUIRE(config_driver_pairs(c, &pairs, &n, NULL) == STOW_OK);
	for (size_t i = 0; i < n; i++)
		REQUIRE(pairs[i].key && pairs[i].value);
}

static int read_environment(struct stow_config *c, char *text, struct stow_error *err)
{
	char *variables[VARIABLES_MAX + 1] = { NULL };
	size_t n = 0;

	while (*text && n < VARIABLES_MAX)
		variables[n++] = fuzz_line(&text);
	return stow_config_read_environment(c, variables, err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup_free char *text = fuzz_text(data, len);
	char *split = strstr(text, "\n--\n");
	size_t file_len = split ? (size_t)(split - text) : len;
	struct stow_config *c = make_config();
	struct stow_error err = { 0 };
	int status;

	/* the bytes themselves, a NUL among them too */
	status = config_parse(c, "plugin.conf", (const char *)data, file_len, &err);
	if (status != STOW_OK) {
		check_refused(status, &err);
		REQUIRE(text_starts(err.message, "plugin.conf:"));
	}
	if (status == STOW_OK && split) {
		status = read_environment(c, split + strlen("\n--\n"), &err);
		if (status != STOW_OK)
			check_refused(status, &err);
	}
	if (status == STOW_OK && !memchr(data, '@', len)) {
		status = stow_config_check(c, &err);
		if (status != STOW_OK) {
			check_refused(status, &err);
		} else {
			check_values(c);
			check_driver(c);
		}
	}
	stow_config_free(c);
	return 0;
}
