/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration: sections of typed options, filled from plugin.conf and the environment.
 *
 * Order of strength: default < file < environment < stow_config_set.  Every key is a row of an
 * option table; parsing, defaults, explain, the sample file and "did you mean" come from it.
 * The core brings its own sections ([storage], [uploads], [delete], ...), a host adds its own by
 * stow_config_section, and a section named like a driver ([s3]) is that driver's table, which is
 * loaded when it is needed.
 *
 * A configuration is filled by one thread, checked, and from then on only read, by any thread.
 * Strings that it returns are its own and live as long as it does.
 */
#ifndef STOWAGE_CONFIG_H
#define STOWAGE_CONFIG_H

#include <stowage/driver.h>
#include <stowage/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct stow_config;

STOW_EXPORT int stow_config_new(struct stow_config **ret, struct stow_error *);
STOW_EXPORT void stow_config_free(struct stow_config *);

/* Where drivers are looked for before the built-in places; NULL takes it back. */
STOW_EXPORT int stow_config_driver_path(struct stow_config *, const char *folder,
                                        struct stow_error *);
/* Adds a section; the table must outlive the configuration. */
STOW_EXPORT int stow_config_section(struct stow_config *, const char *section,
                                    const struct stow_option *table, struct stow_error *);

/*
 * The sources.  Errors name file and line, or the variable, the key and what was expected.
 * A file is UTF-8 text of at most 1 MiB: "[section]", "key = value", "#" or ";" comments on lines
 * of their own, blank lines.  A value "@/path" is read from that file, one line end cut.
 * The environment is STOWAGE_<SECTION>_<KEY>; a section that nobody knows is passed over.
 */
STOW_EXPORT int stow_config_read_file(struct stow_config *, const char *path, struct stow_error *);
STOW_EXPORT int stow_config_read_environment(struct stow_config *, char *const *environ,
                                             struct stow_error *);
STOW_EXPORT int stow_config_set(struct stow_config *, const char *section, const char *key,
                                const char *value, struct stow_error *);
/* Loads the driver that [storage] driver names, checks all that was read against the tables. To
 * be called once, after the sources and before the getters. */
STOW_EXPORT int stow_config_check(struct stow_config *, struct stow_error *);

/* The value or its default; a section or key that no table has is NULL, 0 or false. */
STOW_EXPORT const char *stow_config_string(const struct stow_config *, const char *section,
                                           const char *key);
/* _SIZE in bytes, _TIME in nanoseconds, _COUNT, _BOOL as 0 or 1 */
STOW_EXPORT int64_t stow_config_number(const struct stow_config *, const char *section,
                                       const char *key);

struct stow_config_entry {
	const char *section;
	const struct stow_option *option;
	const char *value;  /* as text, *** for a secret; NULL is unset */
	const char *origin; /* "default", "plugin.conf:12", "STOWAGE_S3_BUCKET" */
};
/* Walks all keys of all sections in order; *cursor starts at 0. STOW_ENOTFOUND at the end. */
STOW_EXPORT int stow_config_next(const struct stow_config *, size_t *cursor,
                                 struct stow_config_entry *ret);
/* Warnings of stow_config_check, one line each (ignored keys); NULL at the end. */
STOW_EXPORT const char *stow_config_warning(const struct stow_config *, size_t i);

/* A driver's table as it lies on disk, without opening it: loads it from the driver path. */
STOW_EXPORT int stow_config_driver(struct stow_config *, const char *name,
                                   const struct stow_driver **ret, struct stow_error *);

#ifdef __cplusplus
}
#endif
#endif
