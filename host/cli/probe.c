/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens the store that the configuration names, has its driver probe it, and prints the report as a
 * table or as JSON.  It must not know which questions there are.
 */
#include "host/cli/probe.h"

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "host/cli/opened.h"
#include "host/serve/setup.h"

#define REPORT_MAX ((size_t)64 << 10)

static const char usage[] =
	"usage: stowage probe [-c FILE] [--json]\n"
	"\n"
	"Asks the store what it can do, by some small requests on objects of its own, which it\n"
	"takes away again, and prints what it found.\n"
	"\n"
	"  -c, --config FILE  read FILE instead of $STOWAGE_CONFIG or /etc/stowage/plugin.conf\n"
	"      --json         the answers as JSON: true, false, null where it is not known\n"
	"  -h, --help         this text\n";

struct finding {
	char *name, *value, *words;
};

/* The next line of the report, taken apart in place; false at its end. */
static bool next_finding(char **report, struct finding *ret)
{
	char *line = strsep(report, "\n");

	ret->name = line ? strsep(&line, "\t") : NULL;
	ret->value = line ? strsep(&line, "\t") : NULL;
	ret->words = line;
	return ret->name && ret->value && ret->words;
}

static void print_table(char *report)
{
	struct finding f;

	while (next_finding(&report, &f))
		printf("%-22s %-10s %s\n", f.name, f.value, f.words);
}

static json_t *json_of(const char *value)
{
	int64_t number;

	if (strcmp(value, "yes") == 0 || strcmp(value, "assumed") == 0)
		return json_true();
	if (strcmp(value, "no") == 0)
		return json_false();
	if (strcmp(value, "unknown") == 0)
		return json_null();
	if (text_to_int64(value, &number))
		return json_integer(number);
	if (*value == '-' && text_to_int64(value + 1, &number))
		return json_integer(-number);
	return json_string(value);
}

static bool print_json(char *report)
{
	json_t *root = json_object();
	struct finding f;
	bool ok = root != NULL;

	while (ok && next_finding(&report, &f))
		ok = json_object_set_new(root, f.name, json_of(f.value)) == 0;
	ok = ok && json_dumpf(root, stdout, JSON_INDENT(2)) == 0 && putchar('\n') != EOF;
	json_decref(root);
	return ok;
}

static int run(const char *file, bool json)
{
	cleanup_free char *report = malloc(REPORT_MAX + 1);
	struct stow_error err = { 0 };
	struct opened on;
	size_t len = 0;
	bool printed = true;
	int status = opened_store(&on, file, &err);

	if (!report)
		status = error_nomem(&err, "probe");
	if (status == STOW_OK)
		status = stow_store_probe(on.store, NULL, report, REPORT_MAX, &len, &err);
	if (status == STOW_OK) {
		report[len] = '\0';
		if (json)
			printed = print_json(report);
		else
			print_table(report);
	} else {
		setup_complain("%s", err.message);
	}
	opened_close(&on);
	return status == STOW_OK && printed && setup_flush() ? 0 : 1;
}

int probe_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *file = NULL;
	bool json = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			file = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return setup_flush() ? 0 : 1;
		default:
			return setup_bad_option("probe", c, argv);
		}
	}
	if (optind < argc) {
		setup_complain("probe: unexpected \"%s\"; see stowage probe --help", argv[optind]);
		return 2;
	}
	return run(file, json);
}
