/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows the configuration in force, key by key, and prints the sample file.  Every word of it
 * comes from the option tables; it must not know any key.
 */
#include "host/cli/config.h"

#include "host/cli/mdoc.h"
#include "host/serve/serve.h"
#include "host/serve/setup.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* What ships: the sample has their sections in any case, explain where they are installed. */
static const char *const drivers[] = { "filesystem", "memory", "s3" };

static const char usage[] =
	"usage: stowage config [-c FILE] [--explain [KEY] | --json | --check]\n"
	"       stowage config --sample | --mdoc SECTION\n"
	"\n"
	"  -c, --config FILE  read FILE instead of $STOWAGE_CONFIG or /etc/stowage/plugin.conf\n"
	"      --explain      every key: value in force, where it comes from, meaning (default);\n"
	"                     or those that KEY names: a section, a key, or SECTION.KEY\n"
	"      --json         the same as JSON\n"
	"      --check        only check, the files that it names too; exit status 0 where it "
	"holds\n"
	"      --sample       a plugin.conf with every key at its default\n"
	"      --mdoc SECTION every key of a section as an item of a manual page's list\n"
	"  -h, --help         this text\n"
	"\n"
	"Secrets are shown as ***.\n";

static const char *type_text(int32_t type)
{
	switch (type) {
	case STOW_OPTION_SIZE:
		return "size";
	case STOW_OPTION_TIME:
		return "time";
	case STOW_OPTION_BOOL:
		return "yes or no";
	case STOW_OPTION_COUNT:
		return "whole number";
	default:
		return "text";
	}
}

static const char *required_text(const struct stow_option *option)
{
	if (option->flags & STOW_OPTION_REQUIRED)
		return ", required";
	return option->flags & STOW_OPTION_IGNORED ? ", taken and ignored" : "";
}

static const char *secret_text(const struct stow_option *option)
{
	return option->flags & STOW_OPTION_SECRET ? ", secret" : "";
}

/* ---- the forms ---- */

static void print_explain(const struct stow_config_entry *e)
{
	const struct stow_option *o = e->option;

	printf("%s =%s%s\n", o->name, e->value && *e->value ? " " : "", e->value ? e->value : "");
	printf("\t%s\n", o->help);
	printf("\t%s%s%s; ", type_text(o->type), required_text(o), secret_text(o));
	if (o->fallback && strcmp(e->origin, "default") != 0)
		printf("default %s; ", o->fallback);
	if (e->value && strcmp(e->origin, "default") != 0)
		printf("from %s\n", e->origin);
	else
		printf("%s\n", e->value ? "default" : "unset");
}

static void print_sample(const struct stow_config_entry *e)
{
	const struct stow_option *o = e->option;

	printf("# %s (%s%s%s)\n", o->help, type_text(o->type), required_text(o), secret_text(o));
	printf("#%s =%s%s\n", o->name, o->fallback && *o->fallback ? " " : "",
	       o->fallback ? o->fallback : "");
}

static const char sample_head[] =
	"# SPDX-License-Identifier: Apache-2.0\n"
	"# Stowage's configuration: every key at its default. A line takes effect without the '#'\n"
	"# in front of its key.\n"
	"#\n"
	"# Sizes are 8388608, 8M, 1.5G; times 500ms, 30s, 5m, 1h, 7d; switches yes or no. A value\n"
	"# runs to the end of its line; '#' and quotes in it are part of it. A value @/path is "
	"what\n"
	"# stands in that file, so that secrets need not stand here.\n"
	"#\n"
	"# The variable STOWAGE_<SECTION>_<KEY> is stronger: STOWAGE_STORAGE_DRIVER=s3.\n"
	"# `stowage config --explain` shows what is in force and where it comes from.\n";

/* "http", "listen" and "http.listen" all name [http] listen; NULL names all. */
static bool is_named(const struct stow_config_entry *e, const char *name)
{
	size_t len = strlen(e->section);

	if (!name || strcmp(name, e->section) == 0 || strcmp(name, e->option->name) == 0)
		return true;
	return strncmp(name, e->section, len) == 0 && name[len] == '.' &&
	       strcmp(name + len + 1, e->option->name) == 0;
}

/* How many keys were printed. */
static size_t print_sections(const struct stow_config *c, const char *name,
                             void (*print)(const struct stow_config_entry *))
{
	struct stow_config_entry e;
	const char *section = "";
	size_t cursor = 0, n = 0;

	while (stow_config_next(c, &cursor, &e) == STOW_OK) {
		if (!is_named(&e, name))
			continue;
		n++;
		if (strcmp(section, e.section) != 0)
			printf("%s[%s]\n", print == print_sample || *section ? "\n" : "",
			       e.section);
		section = e.section;
		print(&e);
	}
	return n;
}

static json_t *entry_json(const struct stow_config_entry *e)
{
	const struct stow_option *o = e->option;

	return json_pack("{ss ss ss ss? ss? ss ss sb sb sb}", "section", e->section, "key", o->name,
	                 "type", type_text(o->type), "default", o->fallback, "value", e->value,
	                 "origin", e->origin, "help", o->help, "required",
	                 (int)((o->flags & STOW_OPTION_REQUIRED) != 0), "secret",
	                 (int)((o->flags & STOW_OPTION_SECRET) != 0), "ignored",
	                 (int)((o->flags & STOW_OPTION_IGNORED) != 0));
}

static int print_json(const struct stow_config *c)
{
	json_t *all = json_array();
	struct stow_config_entry e;
	size_t cursor = 0;
	int bad = 0;

	while (!bad && stow_config_next(c, &cursor, &e) == STOW_OK)
		bad = json_array_append_new(all, entry_json(&e)); /* fails where either is NULL */
	if (!bad)
		bad = json_dumpf(all, stdout, JSON_INDENT(2));
	json_decref(all);
	putchar('\n');
	if (bad)
		setup_complain("the configuration cannot be written as JSON");
	return bad ? 1 : 0;
}

/* ---- the command ---- */

enum mode { EXPLAIN = 1, JSON = 2, CHECK = 3, SAMPLE = 4, MDOC = 5 };

/* Adds the sections of the drivers that ship; they come after the one in use. */
static int add_drivers(struct stow_config *c, bool all, struct stow_error *err)
{
	const struct stow_driver *driver;
	size_t i;
	int r;

	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		r = stow_config_driver(c, drivers[i], &driver, err);
		if (r != STOW_OK && (all || r != STOW_ENOTFOUND))
			return r;
	}
	return STOW_OK;
}

/* What shows the tables alone: the sample, or of one section the items of a manual page. */
static int run_tables(const char *section)
{
	struct stow_config *c = NULL;
	struct stow_error err = { 0 };
	bool ok;
	int r;

	r = setup_tables(&c, &err);
	if (r == STOW_OK)
		r = add_drivers(c, true, &err);
	ok = r == STOW_OK;
	if (!ok) {
		setup_complain("%s", err.message);
	} else if (section) {
		ok = mdoc_options(stdout, c, section);
		if (!ok)
			setup_complain("config: there is no section [%s]", section);
	} else {
		fputs(sample_head, stdout);
		print_sections(c, NULL, print_sample);
	}
	stow_config_free(c);
	return ok && setup_flush() ? 0 : 1;
}

static int run(enum mode mode, const char *file, const char *key)
{
	struct stow_config *c = NULL;
	struct stow_error err = { 0 };
	const char *warning;
	int r, status = 0;
	size_t i;

	r = setup_read(file, &c, &err);
	if (r == STOW_OK && mode != CHECK)
		r = add_drivers(c, false, &err);
	if (r == STOW_OK)
		r = stow_config_check(c, &err);
	if (r == STOW_OK && mode == CHECK)
		r = serve_check(c, &err);
	if (r != STOW_OK) {
		setup_complain("%s", err.message);
		stow_config_free(c);
		return 1;
	}
	for (i = 0; (warning = stow_config_warning(c, i)); i++)
		setup_complain("%s", warning);
	if (mode == EXPLAIN && print_sections(c, key, print_explain) == 0) {
		setup_complain("config: there is no key %s", key);
		status = 2;
	} else if (mode == JSON)
		status = print_json(c);
	stow_config_free(c);
	return setup_flush() ? status : 1;
}

int config_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "explain", no_argument, NULL, 'e' },
		{ "json", no_argument, NULL, 'j' },
		{ "check", no_argument, NULL, 'k' },
		{ "sample", no_argument, NULL, 's' },
		{ "mdoc", required_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	enum mode mode = EXPLAIN, wanted;
	const char *file = NULL, *section = NULL, *key = NULL;
	bool chosen = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			file = optarg;
			continue;
		case 'h':
			fputs(usage, stdout);
			return setup_flush() ? 0 : 1;
		case 'e':
			wanted = EXPLAIN;
			break;
		case 'j':
			wanted = JSON;
			break;
		case 'k':
			wanted = CHECK;
			break;
		case 's':
			wanted = SAMPLE;
			break;
		case 'm':
			wanted = MDOC;
			section = optarg;
			break;
		default:
			return setup_bad_option("config", c, argv);
		}
		if (chosen && wanted != mode) {
			setup_complain("config: only one of --explain, --json, --check, --sample, "
			               "--mdoc");
			return 2;
		}
		mode = wanted;
		chosen = true;
	}
	if (mode == EXPLAIN && optind < argc)
		key = argv[optind++];
	if (optind < argc) {
		setup_complain("config: unexpected \"%s\"; see stowage config --help",
		               argv[optind]);
		return 2;
	}
	return mode == SAMPLE || mode == MDOC ? run_tables(section) : run(mode, file, key);
}
