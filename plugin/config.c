/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A configuration's life, its sections and what is asked of it.  It must not know where values
 * come from nor what makes one valid.
 */
#include "plugin/config.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "common/option.h"
#include "common/text.h"
#include "plugin/loader.h"

#include <stdlib.h>
#include <string.h>

#define SECTIONS_MAX 128
#define ITEMS_MAX 4096

static const struct stow_option storage_options[] = {
	{ "driver", STOW_OPTION_STRING, 0, "filesystem",
	  "the driver that keeps the objects; its own section has its options" },
	{ NULL, 0, 0, NULL, NULL },
};

static const struct stow_option uploads_options[] = {
	{ "age", STOW_OPTION_TIME, 0, "7d",
	  "an upload begun longer ago is refused and may be taken away" },
	{ "anonymousmount", STOW_OPTION_BOOL, 0, "no",
	  "whether a blob of any repository may be mounted without naming one" },
	{ NULL, 0, 0, NULL, NULL },
};

static const struct stow_option delete_options[] = {
	{ "enabled", STOW_OPTION_BOOL, 0, "no",
	  "whether manifests, tags and blobs may be deleted" },
	{ NULL, 0, 0, NULL, NULL },
};

static const struct stow_option manifests_options[] = {
	{ "index", STOW_OPTION_STRING, 0, "all",
	  "which manifests of an index must be there: all, none, or those for platforms" },
	{ "platforms", STOW_OPTION_STRING, 0, NULL, "OS/ARCHITECTURE, parted by commas" },
	{ "sparse", STOW_OPTION_BOOL, 0, "no",
	  "whether an image is taken whose config or layers are not all there" },
	{ "urlallow", STOW_OPTION_STRING, 0, NULL,
	  "extended regular expression that each URL of a layer must match; unset: any URL will "
	  "do" },
	{ "urldeny", STOW_OPTION_STRING, 0, NULL, "one that none may match" },
	{ "referrers_tag", STOW_OPTION_BOOL, 0, "no",
	  "whether referrers are listed under a tag, too, for clients of registries without a "
	  "list" },
	{ "immutable_tags", STOW_OPTION_STRING, 0, NULL,
	  "tags that stay where they were first set: patterns of TAG or NAME:TAG, parted by "
	  "commas" },
	{ "schema1", STOW_OPTION_BOOL, 0, "no",
	  "whether signed manifests of schema 1 are taken; stored ones are served in any case" },
	{ NULL, 0, 0, NULL, NULL },
};

static const struct stow_option cache_options[] = {
	{ "size", STOW_OPTION_SIZE, 0, "64M",
	  "memory for what was seen in the store: descriptors, manifests, small blobs; 0: none" },
	{ "entries", STOW_OPTION_COUNT, 0, "100000", "how many of them at most" },
	{ "age", STOW_OPTION_TIME, 0, "60s",
	  "how long one is good, from the start of the read that saw it" },
	{ "blob", STOW_OPTION_SIZE, 0, "64K", "the largest blob whose bytes are kept" },
	{ "verify", STOW_OPTION_BOOL, 0, "yes",
	  "whether blobs are checked against their digest as they are served" },
	{ NULL, 0, 0, NULL, NULL },
};

static void free_section(struct config_section *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; s->values && i < s->n; i++) {
		if (s->values[i].text && (s->table[i].flags & STOW_OPTION_SECRET))
			explicit_bzero(s->values[i].text, strlen(s->values[i].text));
		free(s->values[i].text);
	}
	free(s->values);
	free(s->name);
	free(s->driver);
	free(s);
}

static void free_item(struct config_item *item)
{
	/* which of them are secrets is not known for certain here */
	if (item->value)
		explicit_bzero(item->value, strlen(item->value));
	free(item->value);
	free(item->key);
	free(item->section);
	free(item->origin);
}

void stow_config_free(struct stow_config *c)
{
	size_t i;

	if (!c)
		return;
	for (i = 0; i < c->n_sections; i++)
		free_section(c->sections[i]);
	for (i = 0; i < c->n_items; i++)
		free_item(&c->items[i]);
	for (i = 0; i < c->n_warnings; i++)
		free(c->warnings[i]);
	free(c->sections);
	free(c->items);
	free(c->warnings);
	free(c->driver_path);
	free(c);
}

int stow_config_new(struct stow_config **ret, struct stow_error *err)
{
	struct stow_config *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return error_nomem(err, "config.new");
	r = stow_config_section(c, "storage", storage_options, err);
	if (r == STOW_OK)
		r = stow_config_section(c, "uploads", uploads_options, err);
	if (r == STOW_OK)
		r = stow_config_section(c, "delete", delete_options, err);
	if (r == STOW_OK)
		r = stow_config_section(c, "manifests", manifests_options, err);
	if (r == STOW_OK)
		r = stow_config_section(c, "cache", cache_options, err);
	if (r != STOW_OK) {
		stow_config_free(c);
		return r;
	}
	*ret = c;
	return STOW_OK;
}

int stow_config_driver_path(struct stow_config *c, const char *folder, struct stow_error *err)
{
	char *copy = NULL;

	if (folder) {
		copy = strdup(folder);
		if (!copy)
			return error_nomem(err, "config.driver_path");
	}
	free(c->driver_path);
	c->driver_path = copy;
	return STOW_OK;
}

/* ---- sections ---- */

struct config_section *config_find_section(const struct stow_config *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->n_sections; i++) {
		if (strcmp(c->sections[i]->name, name) == 0)
			return c->sections[i];
	}
	return NULL;
}

static int fill_defaults(struct config_section *s, struct stow_error *err)
{
	struct config_value *v;
	size_t i;

	s->values = calloc(s->n ? s->n : 1, sizeof(*s->values));
	if (!s->values)
		return error_nomem(err, "config.section");
	for (i = 0; i < s->n; i++) {
		v = &s->values[i];
		v->origin = "default";
		if (!s->table[i].fallback)
			continue;
		v->text = strdup(s->table[i].fallback);
		if (!v->text)
			return error_nomem(err, "config.section");
		if (!option_parse(&s->table[i], v->text, &v->number))
			return error_set(err, STOW_EINVAL, "config.section",
			                 "[%s] %s: its default is not %s", s->name,
			                 s->table[i].name, option_expected(s->table[i].type));
	}
	return STOW_OK;
}

static int insert_section(struct stow_config *c, struct config_section *s, struct stow_error *err)
{
	struct config_section **grown;

	if (c->n_sections == SECTIONS_MAX)
		return error_set(err, STOW_ERANGE, "config.section", "more than %d sections",
		                 SECTIONS_MAX);
	grown = reallocarray(c->sections, c->n_sections + 1, sizeof(*grown));
	if (!grown)
		return error_nomem(err, "config.section");
	c->sections = grown;
	c->sections[c->n_sections++] = s;
	return STOW_OK;
}

int config_add_section(struct stow_config *c, const char *name, const struct stow_option *table,
                       struct stow_driver *driver, struct config_section **ret,
                       struct stow_error *err)
{
	struct config_section *s;
	int r;

	if (config_find_section(c, name))
		return error_set(err, STOW_EEXIST, "config.section", "[%s] is there already", name);
	s = calloc(1, sizeof(*s));
	if (!s)
		return error_nomem(err, "config.section");
	s->table = table;
	while (table[s->n].name)
		s->n++;
	s->name = strdup(name);
	r = s->name ? fill_defaults(s, err) : error_nomem(err, "config.section");
	if (r == STOW_OK)
		r = insert_section(c, s, err);
	if (r != STOW_OK) {
		free_section(s);
		return r;
	}
	s->driver = driver;
	if (ret)
		*ret = s;
	return STOW_OK;
}

int stow_config_section(struct stow_config *c, const char *name, const struct stow_option *table,
                        struct stow_error *err)
{
	int r;

	if (!loader_name_ok(name))
		return error_set(err, STOW_EINVAL, "config.section",
		                 "\"%s\" is no section's name: lower-case letters, digits and '-'",
		                 name);
	r = loader_check_options(table, true, name, err);
	if (r != STOW_OK)
		return r;
	return config_add_section(c, name, table, NULL, NULL, err);
}

int config_load_driver(struct stow_config *c, const char *name, struct config_section **ret,
                       struct stow_error *err)
{
	cleanup_free struct stow_driver *driver = NULL;
	struct config_section *s;
	int r;

	s = config_find_section(c, name);
	if (s && !s->driver)
		return error_set(err, STOW_EINVAL, "driver.load",
		                 "\"%s\" is a section of its own, no driver", name);
	if (!s) {
		driver = malloc(sizeof(*driver));
		if (!driver)
			return error_nomem(err, "driver.load");
		r = loader_load(c->driver_path, name, driver, err);
		if (r != STOW_OK)
			return r;
		r = config_add_section(c, name, driver->options, driver, &s, err);
		if (r != STOW_OK)
			return r;
		(void)take(driver); /* the section's now */
	}
	*ret = s;
	return STOW_OK;
}

int stow_config_driver(struct stow_config *c, const char *name, const struct stow_driver **ret,
                       struct stow_error *err)
{
	struct config_section *s = NULL;
	int r;

	r = config_load_driver(c, name, &s, err);
	if (r == STOW_OK)
		*ret = s->driver;
	return r;
}

/* ---- assignments ---- */

static bool copy_or_null(char **ret, const char *text)
{
	*ret = text ? strdup(text) : NULL;
	return *ret || !text;
}

int config_add_item(struct stow_config *c, int32_t source, uint32_t line, const char *origin,
                    const char *section, const char *key, const char *value, struct stow_error *err)
{
	struct config_item item = { .source = source, .line = line };
	struct config_item *grown;
	size_t cap;
	bool ok;

	if (c->checked)
		return error_set(err, STOW_EINVAL, "config.set",
		                 "%s: the configuration was checked already", origin);
	if (c->n_items == ITEMS_MAX)
		return error_set(err, STOW_ERANGE, "config.set", "%s: more than %d keys", origin,
		                 ITEMS_MAX);
	if (c->n_items == c->cap_items) {
		cap = c->cap_items ? c->cap_items * 2 : 32;
		grown = reallocarray(c->items, cap, sizeof(*grown));
		if (!grown)
			return error_nomem(err, "config.set");
		c->items = grown;
		c->cap_items = cap;
	}
	item.file = source == CONFIG_FILE ? c->files : 0;
	ok = copy_or_null(&item.origin, origin);
	ok = copy_or_null(&item.section, section) && ok;
	ok = copy_or_null(&item.key, key) && ok;
	ok = copy_or_null(&item.value, value) && ok;
	if (!ok) {
		free_item(&item);
		return error_nomem(err, "config.set");
	}
	c->items[c->n_items++] = item;
	return STOW_OK;
}

int stow_config_set(struct stow_config *c, const char *section, const char *key, const char *value,
                    struct stow_error *err)
{
	if (!section || !key || !value)
		return error_set(err, STOW_EINVAL, "config.set",
		                 "section, key and value must be given");
	return config_add_item(c, CONFIG_SET, 0, "set", section, key, value, err);
}

/* ---- what is asked ---- */

static const struct config_value *find_value(const struct stow_config *c, const char *section,
                                             const char *key)
{
	const struct config_section *s = config_find_section(c, section);
	const struct stow_option *row = s ? option_find(s->table, key) : NULL;

	return row ? &s->values[row - s->table] : NULL;
}

const char *stow_config_string(const struct stow_config *c, const char *section, const char *key)
{
	const struct config_value *v = find_value(c, section, key);

	return v ? v->text : NULL;
}

int64_t stow_config_number(const struct stow_config *c, const char *section, const char *key)
{
	const struct config_value *v = find_value(c, section, key);

	return v ? v->number : 0;
}

int stow_config_next(const struct stow_config *c, size_t *cursor, struct stow_config_entry *ret)
{
	const struct config_section *s;
	const struct config_value *v;
	size_t i, at = *cursor;

	for (i = 0; i < c->n_sections; i++) {
		s = c->sections[i];
		if (at < s->n) {
			v = &s->values[at];
			ret->section = s->name;
			ret->option = &s->table[at];
			ret->value = v->text;
			if (v->text && (s->table[at].flags & STOW_OPTION_SECRET))
				ret->value = "***";
			ret->origin = v->origin;
			(*cursor)++;
			return STOW_OK;
		}
		at -= s->n;
	}
	return STOW_ENOTFOUND;
}

const char *stow_config_warning(const struct stow_config *c, size_t i)
{
	return i < c->n_warnings ? c->warnings[i] : NULL;
}

const struct stow_driver *config_driver(const struct stow_config *c)
{
	return c->in_use ? c->in_use->driver : NULL;
}

int config_driver_pairs(const struct stow_config *c, struct stow_kv **ret, size_t *ret_n,
                        struct stow_error *err)
{
	const struct config_section *s = c->in_use;
	struct stow_kv *pairs;
	size_t i, n = 0;

	if (!s)
		return error_set(err, STOW_EINVAL, "config.driver",
		                 "the configuration was not checked");
	pairs = calloc(s->n ? s->n : 1, sizeof(*pairs));
	if (!pairs)
		return error_nomem(err, "config.driver");
	for (i = 0; i < s->n; i++) {
		/* defaults are the driver's own affair, and of what it ignores we have warned */
		if (s->values[i].source == CONFIG_DEFAULT || !s->values[i].text ||
		    (s->table[i].flags & STOW_OPTION_IGNORED))
			continue;
		pairs[n++] = (struct stow_kv){ s->table[i].name, s->values[i].text };
	}
	*ret = pairs;
	*ret_n = n;
	return STOW_OK;
}
