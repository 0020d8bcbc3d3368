/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens what the configuration names, and has the tags of repositories written.  It must not know
 * how referrers are kept.
 */
#include "host/cli/referrers.h"

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>

#include "host/cli/opened.h"
#include "host/serve/setup.h"

static const char usage[] =
	"usage: stowage referrers [-c FILE] --write-tags REPOSITORY...\n"
	"\n"
	"Lists the referrers of each manifest of the repositories under the tag schema, for a\n"
	"registry without the referrers API: before one goes back to CNCF Distribution.\n"
	"\n"
	"  -c, --config FILE  read FILE instead of $STOWAGE_CONFIG or /etc/stowage/plugin.conf\n"
	"      --write-tags   write an index under the tag ALGORITHM-HEX of each subject\n"
	"  -h, --help         this text\n";

static int write_tags(struct stow_registry *registry, char **names, struct stow_error *err)
{
	int r = STOW_OK;

	for (; *names && r == STOW_OK; names++) {
		size_t n = 0;

		r = stow_referrers_write_tags(registry, NULL, *names, &n, err);
		if (r == STOW_OK)
			printf("%s: %zu subjects have their tag\n", *names, n);
	}
	return r;
}

static int run(const char *file, char **names)
{
	struct stow_error err = { 0 };
	struct opened o;
	int r = opened_open(&o, file, &err);

	if (r == STOW_OK)
		r = write_tags(o.registry, names, &err);
	if (r != STOW_OK)
		setup_complain("%s", err.message);
	opened_close(&o);
	return r == STOW_OK && setup_flush() ? 0 : 1;
}

int referrers_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "write-tags", no_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	const char *file = NULL;
	bool write = false;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			file = optarg;
			break;
		case 'w':
			write = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return setup_flush() ? 0 : 1;
		default:
			return setup_bad_option("referrers", c, argv);
		}
	}
	if (!write || optind == argc) {
		setup_complain("referrers: %s; see stowage referrers --help",
		               write ? "which repository?" : "--write-tags is all it does");
		return 2;
	}
	return run(file, argv + optind);
}
