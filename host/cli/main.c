/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The program: picks a command and leaves the rest to it.  It must not know what commands do.
 */
#include "common/text.h"
#include "host/cli/config.h"
#include "host/cli/probe.h"
#include "host/cli/purge.h"
#include "host/cli/referrers.h"
#include "host/serve/setup.h"
#include "host/serve/serve.h"

#include <stdio.h>
#include <string.h>

struct command {
	const char *name, *help;
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
	{ "serve", "serve the registry over HTTP", serve_main },
	{ "config", "show the configuration, or a sample of it", config_main },
	{ "probe", "ask the store what it can do", probe_main },
	{ "purge", "take away what abandoned uploads have left", purge_main },
	{ "referrers", "list referrers under tags, for other registries", referrers_main },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *to)
{
	size_t i;

	fputs("usage: stowage COMMAND [options]\n\n", to);
	for (i = 0; i < COMMANDS; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
	fputs("\n"
	      "  stowage COMMAND --help   options of a command\n"
	      "  stowage --version        version of the program\n"
	      "\n"
	      "Exit status: 0 done, 1 failed, 2 a mistake on the command line.\n",
	      to);
}

static int unknown(const char *name)
{
	const char *nearest = NULL;
	size_t i, distance, best = 3;

	for (i = 0; i < COMMANDS; i++) {
		distance = text_distance(commands[i].name, name);
		if (distance < best) {
			best = distance;
			nearest = commands[i].name;
		}
	}
	if (nearest)
		setup_complain("there is no command \"%s\", did you mean \"%s\"?", name, nearest);
	else
		setup_complain("there is no command \"%s\"; see stowage --help", name);
	return 2;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 2) {
		print_help(stderr);
		return 2;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("stowage " STOW_VERSION);
		return setup_flush() ? 0 : 1;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		print_help(stdout);
		return setup_flush() ? 0 : 1;
	}
	for (i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, argv[1]) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	return unknown(argv[1]);
}
