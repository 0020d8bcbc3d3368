/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STOWAGE_<SECTION>_<KEY>: which variables are ours and what they name.  It must not know what a
 * value means.
 */
#include "plugin/config.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"

#include <string.h>

#define PREFIX "STOWAGE_"

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c == '-' ? '_' : c;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool config_environment_name(const char *section, const char *key, char *ret, size_t cap)
{
	char *p;

	if (!text_format(ret, cap, PREFIX "%s_%s", section, key))
		return false;
	for (p = ret; *p; p++)
		*p = upper(*p);
	return true;
}

/* If name goes on with the section and '_', what comes behind it. */
static const char *key_in_section(const char *name, const char *section)
{
	for (; *section; section++, name++) {
		if (*name != upper(*section))
			return NULL;
	}
	return *name == '_' && name[1] ? name + 1 : NULL;
}

struct config_section *config_environment_section(const struct stow_config *c, const char *name,
                                                  char *ret_key, size_t cap)
{
	struct config_section *best = NULL;
	const char *key, *best_key = NULL;
	size_t i;

	if (!text_starts(name, PREFIX))
		return NULL;
	for (i = 0; i < c->n_sections; i++) {
		key = key_in_section(name + strlen(PREFIX), c->sections[i]->name);
		/* of [s3] and [s3-cold] the longer one is meant by STOWAGE_S3_COLD_X */
		if (key && (!best_key || key > best_key)) {
			best = c->sections[i];
			best_key = key;
		}
	}
	if (best) {
		text_copy(ret_key, cap, best_key);
		for (; *ret_key; ret_key++)
			*ret_key = lower(*ret_key);
	}
	return best;
}

static const char *skip_digits(const char *s)
{
	while (*s >= '0' && *s <= '9')
		s++;
	return s;
}

/* "5000_TCP" and what may follow it */
static bool is_port_form(const char *s)
{
	static const char *const protocols[] = { "_TCP", "_UDP", "_SCTP" };
	static const char *const tails[] = { "", "_PROTO", "_PORT", "_ADDR" };
	const char *end = skip_digits(s);
	size_t i, j;

	if (end == s)
		return false;
	for (i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		if (!text_starts(end, protocols[i]))
			continue;
		for (j = 0; j < sizeof(tails) / sizeof(tails[0]); j++) {
			if (strcmp(end + strlen(protocols[i]), tails[j]) == 0)
				return true;
		}
	}
	return false;
}

bool config_environment_foreign(const char *name)
{
	const char *p;

	/* a service may be called stowage, stowage-http, ...: the form is looked for anywhere */
	for (p = strchr(name, '_'); p; p = strchr(p + 1, '_')) {
		if (strcmp(p, "_SERVICE_HOST") == 0 || strcmp(p, "_SERVICE_PORT") == 0 ||
		    text_starts(p, "_SERVICE_PORT_") || strcmp(p, "_PORT") == 0)
			return true;
		if (text_starts(p, "_PORT_") && is_port_form(p + strlen("_PORT_")))
			return true;
	}
	return false;
}

int stow_config_read_environment(struct stow_config *c, char *const *variables,
                                 struct stow_error *err)
{
	cleanup_free char *name = NULL;
	const char *equals;
	size_t i;
	int r;

	for (i = 0; variables && variables[i]; i++) {
		equals = strchr(variables[i], '=');
		if (!equals || !text_starts(variables[i], PREFIX))
			continue;
		free(name);
		name = strndup(variables[i], (size_t)(equals - variables[i]));
		if (!name)
			return error_nomem(err, "config.read");
		r = config_add_item(c, CONFIG_ENVIRONMENT, 0, name, NULL, NULL, equals + 1, err);
		if (r != STOW_OK)
			return r;
	}
	return STOW_OK;
}
