/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings the sources of the configuration together.  It must not know any key, beyond the two
 * variables that say where to look.
 */
#include "host/serve/setup.h"

#include "common/error.h"
#include "host/serve/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_FILE "/etc/stowage/plugin.conf"

void setup_complain(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	if (vsnprintf(line, sizeof(line), fmt, ap) < 0)
		line[0] = '\0';
	va_end(ap);
	fprintf(stderr, "stowage: %s\n", line);
}

int setup_bad_option(const char *command, int c, char **argv)
{
	const char *option = argv[optind - 1];

	if (c == ':')
		setup_complain("%s: %s needs a value", command, option);
	else
		setup_complain("%s: there is no option %s; see stowage %s --help", command, option,
		               command);
	return 2;
}

bool setup_flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	setup_complain("standard output: %s", strerror(errno));
	return false;
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

static int add_tables(struct stow_config *c, struct stow_error *err)
{
	int r;

	r = stow_config_driver_path(c, variable("STOWAGE_DRIVER_PATH"), err);
	if (r == STOW_OK)
		r = stow_config_section(c, "http", serve_http_options, err);
	if (r == STOW_OK)
		r = stow_config_section(c, "health", serve_health_options, err);
	if (r == STOW_OK)
		r = stow_config_section(c, "auth", serve_auth_options, err);
	if (r == STOW_OK)
		r = stow_config_section(c, "access", serve_access_options, err);
	if (r == STOW_OK)
		r = stow_config_section(c, "log", serve_log_options, err);
	return r;
}

int setup_tables(struct stow_config **ret, struct stow_error *err)
{
	struct stow_config *c;
	int r;

	r = stow_config_new(&c, err);
	if (r != STOW_OK)
		return r;
	r = add_tables(c, err);
	if (r != STOW_OK) {
		stow_config_free(c);
		return r;
	}
	*ret = c;
	return STOW_OK;
}

static int read_sources(struct stow_config *c, const char *file, struct stow_error *err)
{
	int r = STOW_OK;

	if (file) {
		r = stow_config_read_file(c, file, err);
	} else if ((file = variable("STOWAGE_CONFIG"))) {
		r = stow_config_read_file(c, file, err);
		if (r != STOW_OK)
			error_prefix(err, r, "STOWAGE_CONFIG");
	} else if (access(DEFAULT_FILE, F_OK) == 0) {
		r = stow_config_read_file(c, DEFAULT_FILE, err);
	}
	if (r != STOW_OK)
		return r;
	return stow_config_read_environment(c, environ, err);
}

int setup_read(const char *file, struct stow_config **ret, struct stow_error *err)
{
	struct stow_config *c;
	int r;

	r = setup_tables(&c, err);
	if (r != STOW_OK)
		return r;
	r = read_sources(c, file, err);
	if (r != STOW_OK) {
		stow_config_free(c);
		return r;
	}
	*ret = c;
	return STOW_OK;
}

int setup_config(const char *file, struct stow_config **ret, struct stow_error *err)
{
	struct stow_config *c;
	int r;

	r = setup_read(file, &c, err);
	if (r != STOW_OK)
		return r;
	r = stow_config_check(c, err);
	if (r != STOW_OK) {
		stow_config_free(c);
		return r;
	}
	*ret = c;
	return STOW_OK;
}
