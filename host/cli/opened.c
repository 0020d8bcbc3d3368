/* SPDX-License-Identifier: Apache-2.0 */
/* Opens and closes. It must not know commands. */
#include "host/cli/opened.h"

#include <stdio.h>
#include <string.h>

#include "host/serve/setup.h"

static void print_line(void *arg, int32_t level, const char *component, const char *line)
{
	(void)arg;
	(void)component;
	if (level != STOW_LOG_DEBUG)
		fprintf(stderr, "stowage: %s\n", line);
}

int opened_store(struct opened *o, const char *file, struct stow_error *err)
{
	int status;

	memset(o, 0, sizeof(*o));
	o->host = (struct stow_host){ .size = sizeof(o->host), .log = print_line };
	status = setup_config(file, &o->config, err);
	if (status == STOW_OK)
		status = stow_store_open(o->config, &o->host, &o->store, err);
	return status;
}

int opened_open(struct opened *o, const char *file, struct stow_error *err)
{
	int status = opened_store(o, file, err);

	if (status == STOW_OK)
		status = stow_registry_open(o->store, o->config, &o->host, &o->registry, err);
	return status;
}

void opened_close(struct opened *o)
{
	stow_registry_close(o->registry);
	stow_store_close(o->store);
	stow_config_free(o->config);
	memset(o, 0, sizeof(*o));
}
