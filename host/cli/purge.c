/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens what the configuration names, purges once, and says what went.  It must not know where
 * uploads lie.
 */
#include "host/cli/purge.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/option.h"
#include "host/cli/opened.h"
#include "host/serve/setup.h"

static const char usage[] =
	"usage: stowage purge [-c FILE] [--age TIME] [--dry-run] [--json]\n"
	"\n"
	"Takes away what uploads have left that nobody goes on with: segments of our own, what\n"
	"Distribution keeps under _uploads, and open multipart uploads; the last two never "
	"younger\n"
	"than 168 hours.\n"
	"\n"
	"  -c, --config FILE  read FILE instead of $STOWAGE_CONFIG or /etc/stowage/plugin.conf\n"
	"      --age TIME     older than that, such as 14d; [uploads] age at least, which is the\n"
	"                     default\n"
	"      --dry-run      only say what would go, one line an upload\n"
	"      --json         the counts as JSON\n"
	"  -h, --help         this text\n";

struct purge_options {
	const char *file;
	int64_t age_ns; /* -1: [uploads] age */
	bool dry_run, json;
};

static void print_counts(const struct purge_options *o, const struct stow_purge *p)
{
	if (o->json)
		printf("{\"dryRun\": %s, \"uploads\": %" PRIu64 ", \"distribution\": %" PRIu64
		       ", \"objects\": %" PRIu64 ", \"writes\": %" PRIu64 "}\n",
		       o->dry_run ? "true" : "false", p->uploads, p->distribution, p->objects,
		       p->writes);
	else
		printf("%s%" PRIu64 " uploads, %" PRIu64 " of Distribution, %" PRIu64
		       " objects, %" PRIu64 " unfinished writes\n",
		       o->dry_run ? "would take away " : "took away ", p->uploads, p->distribution,
		       p->objects, p->writes);
}

static int run(const struct purge_options *o)
{
	struct stow_purge purge = { 0 };
	struct stow_error err = { 0 };
	struct opened on;
	int r = opened_open(&on, o->file, &err);

	if (r == STOW_OK) {
		int64_t age = o->age_ns >= 0 ? o->age_ns
		                             : stow_config_number(on.config, "uploads", "age");

		r = stow_uploads_purge(on.registry, NULL, age, o->dry_run ? STOW_PURGE_DRY_RUN : 0,
		                       &purge, &err);
		print_counts(o, &purge);
	}
	if (r != STOW_OK)
		setup_complain("%s", err.message);
	opened_close(&on);
	return r == STOW_OK && setup_flush() ? 0 : 1;
}

int purge_main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' }, { "age", required_argument, NULL, 'a' },
		{ "dry-run", no_argument, NULL, 'n' },      { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },         { NULL, 0, NULL, 0 },
	};
	struct purge_options o = { .age_ns = -1 };
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			o.file = optarg;
			break;
		case 'a':
			if (option_time(optarg, &o.age_ns) && o.age_ns > 0)
				break;
			setup_complain("purge: --age is a time such as 14d, not \"%s\"", optarg);
			return 2;
		case 'n':
			o.dry_run = true;
			break;
		case 'j':
			o.json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return setup_flush() ? 0 : 1;
		default:
			return setup_bad_option("purge", c, argv);
		}
	}
	if (optind < argc) {
		setup_complain("purge: unexpected \"%s\"; see stowage purge --help", argv[optind]);
		return 2;
	}
	return run(&o);
}
