/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was read against what there is: sections, keys, types, files of secrets, required keys.
 * It must not know the form of a file nor where drivers lie.
 */
#include "plugin/config.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "common/option.h"
#include "common/text.h"
#include "plugin/loader.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WARNINGS_MAX 64

#define refuse(err, ...) error_set(err, STOW_EINVAL, "config.check", __VA_ARGS__)

static int add_warning(struct stow_config *c, struct stow_error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int add_warning(struct stow_config *c, struct stow_error *err, const char *fmt, ...)
{
	cleanup_buf struct buf line = { 0 };
	char **grown;
	va_list ap;

	if (c->n_warnings == WARNINGS_MAX)
		return STOW_OK;
	buf_init(&line, 2048);
	va_start(ap, fmt);
	buf_addv(&line, fmt, ap);
	va_end(ap);
	if (buf_status(&line) == STOW_ERANGE)
		return STOW_OK;
	grown = reallocarray(c->warnings, c->n_warnings + 1, sizeof(*grown));
	if (!grown)
		return error_nomem(err, "config.check");
	c->warnings = grown;
	c->warnings[c->n_warnings] = buf_take(&line);
	if (!c->warnings[c->n_warnings])
		return error_nomem(err, "config.check");
	c->n_warnings++;
	return STOW_OK;
}

/* ---- one assignment ---- */

/* The value itself, or what is in the file that "@/path" names. */
static int resolve_value(const struct config_item *item, const char *section, const char *key,
                         struct buf *ret, struct stow_error *err)
{
	cleanup_buf struct buf what = { 0 };
	const char *path = item->value + 1;
	int r;

	if (item->source == CONFIG_SET || !text_starts(item->value, "@/")) {
		if (buf_adds(ret, item->value) != STOW_OK)
			return error_nomem(err, "config.check");
		return STOW_OK;
	}
	buf_init(&what, CONFIG_FILE_MAX * 2);
	if (buf_addf(&what, "%s: [%s] %s: %s", item->origin, section, key, path) != STOW_OK)
		return error_nomem(err, "config.check");
	r = config_read_whole(path, buf_text(&what), ret, err);
	if (r != STOW_OK)
		return r;
	if (ret->len > 0 && memchr(ret->data, '\0', ret->len))
		return refuse(err, "%s: holds a NUL byte", buf_text(&what));
	if (ret->len > 0 && ret->data[ret->len - 1] == '\n')
		ret->data[--ret->len] = '\0';
	if (ret->len > 0 && ret->data[ret->len - 1] == '\r')
		ret->data[--ret->len] = '\0';
	return STOW_OK;
}

/* A line that shows the value only where it can be no secret. */
static int refuse_value(const struct config_item *item, const char *section,
                        const struct stow_option *row, struct stow_error *err)
{
	const char *expected = option_expected(row->type);

	if ((row->flags & STOW_OPTION_SECRET) || text_starts(item->value, "@/"))
		return refuse(err, "%s: [%s] %s: expected %s", item->origin, section, row->name,
		              expected);
	return refuse(err, "%s: [%s] %s: expected %s, got \"%s\"", item->origin, section, row->name,
	              expected, item->value);
}

static bool has_control(const char *s)
{
	for (; *s; s++) {
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return true;
	}
	return false;
}

static int assign(struct stow_config *c, const struct config_item *item, struct config_section *s,
                  const struct stow_option *row, struct stow_error *err)
{
	struct config_value *v = &s->values[row - s->table];
	cleanup_buf struct buf text = { 0 };
	int64_t number;
	int r;

	if (item->source < v->source)
		return STOW_OK;
	if (has_control(item->value))
		return refuse(err, "%s: [%s] %s: control byte in the value", item->origin, s->name,
		              row->name);
	buf_init(&text, CONFIG_FILE_MAX);
	if (text_starts(item->value, "@/"))
		text.max = CONFIG_VALUE_MAX;
	r = resolve_value(item, s->name, row->name, &text, err);
	if (r == STOW_OK && !option_parse(row, buf_text(&text), &number))
		r = refuse_value(item, s->name, row, err);
	/* an empty text is a value, too, but buf_take gives none where nothing was added */
	if (r == STOW_OK && buf_adds(&text, "") != STOW_OK)
		r = error_nomem(err, "config.check");
	if (r != STOW_OK) {
		if (text.data)
			explicit_bzero(text.data, text.len);
		return r;
	}
	if (v->text)
		explicit_bzero(v->text, strlen(v->text));
	free(v->text);
	v->text = text.len > 0 ? buf_take(&text) : strdup("");
	if (!v->text)
		return error_nomem(err, "config.check");
	v->number = number;
	v->source = item->source;
	v->origin = item->origin;
	if (row->flags & STOW_OPTION_IGNORED)
		return add_warning(c, err, "%s: [%s] %s has no effect here", item->origin, s->name,
		                   row->name);
	return STOW_OK;
}

/* ---- names that nobody knows ---- */

static void consider(const char *candidate, const char *name, size_t *best, const char **ret)
{
	size_t distance = text_distance(candidate, name);

	if (distance < *best) {
		*best = distance;
		*ret = candidate;
	}
}

static int unknown_section(const struct stow_config *c, const struct config_item *item,
                           struct stow_error *err)
{
	char names[LOADER_NAMES_MAX][LOADER_NAME_MAX + 1];
	size_t best = strlen(item->section) / 2 + 1;
	const char *nearest = NULL;
	size_t i, n;

	for (i = 0; i < c->n_sections; i++)
		consider(c->sections[i]->name, item->section, &best, &nearest);
	n = loader_names(c->driver_path, names);
	for (i = 0; i < n; i++)
		consider(names[i], item->section, &best, &nearest);
	if (nearest)
		return refuse(err, "%s: there is no section [%s], did you mean [%s]?", item->origin,
		              item->section, nearest);
	return refuse(err, "%s: there is no section [%s] and no driver of that name", item->origin,
	              item->section);
}

static int unknown_key(const struct config_item *item, const struct config_section *s,
                       const char *key, struct stow_error *err)
{
	const char *nearest = option_nearest(s->table, key);
	char name[256];

	if (!nearest)
		return refuse(err, "%s: [%s] has no key \"%s\"", item->origin, s->name, key);
	if (item->source == CONFIG_ENVIRONMENT &&
	    config_environment_name(s->name, nearest, name, sizeof(name)))
		return refuse(err, "%s: [%s] has no key \"%s\", did you mean %s?", item->origin,
		              s->name, key, name);
	return refuse(err, "%s: [%s] has no key \"%s\", did you mean \"%s\"?", item->origin,
	              s->name, key, nearest);
}

static bool is_driver_name(const struct stow_config *c, const char *name)
{
	char names[LOADER_NAMES_MAX][LOADER_NAME_MAX + 1];
	size_t i, n = loader_names(c->driver_path, names);

	for (i = 0; i < n; i++) {
		if (strcmp(names[i], name) == 0)
			return true;
	}
	return false;
}

/* Is it the first key given in its section? */
static bool is_first_key(const struct stow_config *c, const struct config_item *item)
{
	const struct config_item *i;

	for (i = c->items; i < item; i++) {
		if (i->key && i->section && strcmp(i->section, item->section) == 0)
			return false;
	}
	return true;
}

/* The section of an item that names it; a driver's is loaded where it has a key. *ret is NULL
 * where there is nothing to look at: a section without a key, or one whose driver is broken but
 * not in use, which is no reason not to start. */
static int find_section(struct stow_config *c, const struct config_item *item,
                        struct config_section **ret, struct stow_error *err)
{
	struct stow_error why = { 0 };
	int r;

	*ret = config_find_section(c, item->section);
	if (*ret)
		return STOW_OK;
	if (!is_driver_name(c, item->section))
		return unknown_section(c, item, err);
	if (!item->key)
		return STOW_OK;
	r = config_load_driver(c, item->section, ret, &why);
	if (r == STOW_ENOMEM)
		return error_copy(err, &why);
	if (r != STOW_OK && is_first_key(c, item))
		return add_warning(c, err, "%s: [%s] is not checked: %s", item->origin,
		                   item->section, why.message);
	return STOW_OK;
}

static int apply(struct stow_config *c, const struct config_item *item, struct stow_error *err)
{
	const struct stow_option *row;
	struct config_section *s = NULL;
	char lower[64];
	const char *key = item->key;
	int r;

	if (item->source == CONFIG_ENVIRONMENT) {
		s = config_environment_section(c, item->origin, lower, sizeof(lower));
		key = lower;
	} else {
		r = find_section(c, item, &s, err);
		if (r != STOW_OK)
			return r;
	}
	if (!s || !key)
		return STOW_OK;
	row = option_find(s->table, key);
	if (row)
		return assign(c, item, s, row, err);
	if (item->source == CONFIG_ENVIRONMENT && config_environment_foreign(item->origin))
		return STOW_OK;
	return unknown_key(item, s, key, err);
}

/* ---- the whole ---- */

/* Is the item one of [storage] driver? It decides which tables there are, so it comes first. */
static bool is_driver_choice(const struct stow_config *c, const struct config_item *item)
{
	const struct config_section *s;
	char key[64];

	if (item->source == CONFIG_ENVIRONMENT) {
		s = config_environment_section(c, item->origin, key, sizeof(key));
		return s && strcmp(s->name, "storage") == 0 && strcmp(key, "driver") == 0;
	}
	return item->key && strcmp(item->section, "storage") == 0 &&
	       strcmp(item->key, "driver") == 0;
}

static int choose_driver(struct stow_config *c, struct stow_error *err)
{
	const struct config_section *storage = config_find_section(c, "storage");
	const struct config_value *v;
	size_t i;
	int r;

	for (i = 0; i < c->n_items; i++) {
		if (!is_driver_choice(c, &c->items[i]))
			continue;
		r = apply(c, &c->items[i], err);
		if (r != STOW_OK)
			return r;
	}
	v = &storage->values[option_find(storage->table, "driver") - storage->table];
	r = config_load_driver(c, v->text, &c->in_use, err);
	if (r != STOW_OK && v->source != CONFIG_DEFAULT)
		return error_prefix(err, r, "%s: [storage] driver", v->origin);
	return r;
}

static int check_required(const struct stow_config *c, struct stow_error *err)
{
	const struct config_section *s;
	char name[256];
	size_t i, j;

	for (i = 0; i < c->n_sections; i++) {
		s = c->sections[i];
		if (s->driver && s != c->in_use)
			continue;
		for (j = 0; j < s->n; j++) {
			if (!(s->table[j].flags & STOW_OPTION_REQUIRED) ||
			    (s->values[j].text && s->values[j].text[0]))
				continue;
			config_environment_name(s->name, s->table[j].name, name, sizeof(name));
			return refuse(err, "[%s] %s must be set (%s), in the file or by %s",
			              s->name, s->table[j].name, s->table[j].help, name);
		}
	}
	return STOW_OK;
}

int stow_config_check(struct stow_config *c, struct stow_error *err)
{
	size_t i;
	int r;

	if (c->checked)
		return error_set(err, STOW_EINVAL, "config.check", "checked already");
	r = choose_driver(c, err);
	for (i = 0; r == STOW_OK && i < c->n_items; i++) {
		if (!is_driver_choice(c, &c->items[i]))
			r = apply(c, &c->items[i], err);
	}
	if (r == STOW_OK)
		r = check_required(c, err);
	if (r == STOW_OK)
		c->checked = true;
	else
		c->in_use = NULL;
	return r;
}
