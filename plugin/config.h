/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a configuration: what was read, the tables, and the values in force.
 *
 * Sources only collect assignments; whether a section or key exists is decided by config-check.c,
 * when the driver is known.  Parts of the core other than config*.c use stowage/config.h and the
 * last three functions.  It knows nothing of stores.
 */
#ifndef PLUGIN_CONFIG_H
#define PLUGIN_CONFIG_H

#include "common/buf.h"

#include <stdbool.h>
#include <stowage/config.h>

#define CONFIG_FILE_MAX ((size_t)1 << 20)   /* bytes of plugin.conf */
#define CONFIG_VALUE_MAX ((size_t)64 << 10) /* bytes of a file that holds a value */

/* Of two assignments of one key the higher source wins, of equal ones the later. */
enum config_source { CONFIG_DEFAULT = 0, CONFIG_FILE = 1, CONFIG_ENVIRONMENT = 2, CONFIG_SET = 3 };

/* One assignment as it was read. */
struct config_item {
	int32_t source;
	uint32_t line; /* of a file */
	uint32_t file; /* which file it was, counted from 1: duplicates are of one file */
	char *origin;  /* "plugin.conf:12", "STOWAGE_S3_BUCKET", "set" */
	char *section; /* NULL: of the environment, where the name alone does not tell */
	char *key;     /* NULL: a section's own line */
	char *value;
};

struct config_value {
	int32_t source;
	char *text;         /* NULL is unset */
	int64_t number;     /* of text; 0 for a string */
	const char *origin; /* an item's, or "default" */
};

struct config_section {
	char *name;
	const struct stow_option *table;
	size_t n; /* rows */
	struct config_value *values;
	struct stow_driver *driver; /* of a driver's section, else NULL */
};

struct stow_config {
	char *driver_path;
	struct config_section **sections;
	size_t n_sections;
	struct config_item *items;
	size_t n_items, cap_items;
	char **warnings;
	size_t n_warnings;
	uint32_t files;
	bool checked;
	struct config_section *in_use; /* the driver's section, after the check */
};

/* Copies all it keeps. section, key and value may be NULL as in struct config_item. */
int config_add_item(struct stow_config *, int32_t source, uint32_t line, const char *origin,
                    const char *section, const char *key, const char *value, struct stow_error *);
int config_add_section(struct stow_config *, const char *name, const struct stow_option *table,
                       struct stow_driver *driver, struct config_section **ret,
                       struct stow_error *);
struct config_section *config_find_section(const struct stow_config *, const char *name);
/* The section of that name, or the driver's of that name, loaded now. */
int config_load_driver(struct stow_config *, const char *name, struct config_section **ret,
                       struct stow_error *);

/* The text of a configuration file; name is what error lines call it. */
int config_parse(struct stow_config *, const char *name, const char *text, size_t len,
                 struct stow_error *);
/* A whole file of at most ret->max bytes; `what` begins the error line. */
int config_read_whole(const char *path, const char *what, struct buf *ret, struct stow_error *);

/* From "STOWAGE_S3_BUCKET" to a known section and the key in lower case (64 bytes suffice; a
 * longer one is cut and so unknown); NULL where no section is known. */
struct config_section *config_environment_section(const struct stow_config *, const char *name,
                                                  char *ret_key, size_t cap);
/* Is it one of those that Kubernetes makes for a service? */
bool config_environment_foreign(const char *name);
/* "STOWAGE_S3_BUCKET" */
bool config_environment_name(const char *section, const char *key, char *ret, size_t cap);

/* ---- for the store ---- */

/* The driver that [storage] driver names; NULL before the check. */
const struct stow_driver *config_driver(const struct stow_config *);
/* What was given for it beyond the defaults; *ret is the caller's (free), the strings are not. */
int config_driver_pairs(const struct stow_config *, struct stow_kv **ret, size_t *ret_n,
                        struct stow_error *);

#endif
