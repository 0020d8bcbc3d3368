/* SPDX-License-Identifier: Apache-2.0 */
/* place.h over the registry's own interface, and the store below it for what lies there. */
#include "tests/schema1/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/text.h"
#include "plugin/config.h"
#include "plugin/digest.h"
#include "plugin/layout.h"
#include "plugin/listing.h"
#include "plugin/names.h"
#include "plugin/removal.h"
#include "plugin/store.h"

static const struct stow_option http[] = {
	{ "secret", STOW_OPTION_STRING, STOW_OPTION_SECRET, NULL, "keys" },
	{ NULL, 0, 0, NULL, NULL },
};

void place_die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	exit(2);
}

static void must(int status, const struct stow_error *err)
{
	if (status != STOW_OK)
		place_die("%s: %s", err->where, err->message);
}

/* Drivers lie beside the program's own folder, wherever it is called from. */
static void set_driver_path(struct stow_config *config)
{
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 32);
	struct stow_error err = { 0 };

	if (len <= 0)
		place_die("/proc/self/exe cannot be read");
	path[len] = '\0';
	for (int i = 0; i < 2; i++)
		*strrchr(path, '/') = '\0';
	(void)text_format(path + strlen(path), 32, "/drivers");
	must(stow_config_driver_path(config, path, &err), &err);
}

static void open_registry(struct place *p, bool delete_enabled)
{
	struct stow_error err = { 0 };

	must(stow_config_new(&p->config, &err), &err);
	set_driver_path(p->config);
	must(stow_config_section(p->config, "http", http, &err), &err);
	must(stow_config_set(p->config, "storage", "driver", "memory", &err), &err);
	must(stow_config_set(p->config, "manifests", "schema1", "yes", &err), &err);
	must(stow_config_set(p->config, "http", "secret", "for tests", &err), &err);
	must(stow_config_set(p->config, "delete", "enabled", delete_enabled ? "yes" : "no", &err),
	     &err);
	must(stow_config_check(p->config, &err), &err);
	if (!p->store)
		must(stow_store_open(p->config, NULL, &p->store, &err), &err);
	must(stow_registry_open(p->store, p->config, NULL, &p->registry, &err), &err);
}

static void close_registry(struct place *p)
{
	stow_registry_close(p->registry);
	stow_config_free(p->config);
	p->registry = NULL;
	p->config = NULL;
}

void place_open(struct place *p)
{
	p->store = NULL;
	open_registry(p, true);
}

void place_reopen(struct place *p, bool delete_enabled)
{
	close_registry(p);
	open_registry(p, delete_enabled);
}

void place_close(struct place *p)
{
	stow_registry_close(p->registry);
	stow_store_close(p->store);
	stow_config_free(p->config);
	p->registry = NULL;
	p->store = NULL;
	p->config = NULL;
}

/* ---- results ---- */

void place_wrong(struct place *p, const char *fmt, ...)
{
	va_list ap;

	if (p->why[0])
		return;
	va_start(ap, fmt);
	(void)vsnprintf(p->why, sizeof(p->why), fmt, ap);
	va_end(ap);
}

void place_count(struct place *p, const char *kind, const char *name)
{
	bool ok = p->why[0] == '\0';

	*(ok ? &p->passed : &p->failed) += 1;
	printf("%sok %d - %s %s%s%s\n", ok ? "" : "not ", p->passed + p->failed, kind, name,
	       ok ? "" : ": ", p->why);
	p->why[0] = '\0';
}

/* ---- files ---- */

struct buf place_file(const struct place *p, const char *name)
{
	char path[4096], piece[4096];
	struct buf ret = { 0 };
	FILE *file = NULL;
	size_t n;

	buf_init(&ret, (size_t)64 << 20);
	if (text_format(path, sizeof(path), "%s/%s", p->folder, name))
		file = fopen(path, "rb");
	if (!file)
		place_die("%s/%s cannot be read", p->folder, name);
	while ((n = fread(piece, 1, sizeof(piece), file)) > 0)
		buf_add(&ret, piece, n);
	if (ferror(file) || buf_status(&ret) != STOW_OK)
		place_die("%s cannot be read whole", path);
	(void)fclose(file);
	return ret;
}

json_t *place_json(const struct place *p, const char *name)
{
	struct buf text = place_file(p, name);
	json_error_t error;
	json_t *root = json_loadb(buf_text(&text), text.len, JSON_ALLOW_NUL, &error);

	if (!root)
		place_die("%s: line %d: %s", name, error.line, error.text);
	buf_done(&text);
	return root;
}

const char *place_text(const json_t *object, const char *name)
{
	const char *value = json_string_value(json_object_get(object, name));

	return value ? value : "";
}

/* ---- objects ---- */

void place_put(struct place *p, const char *key, const void *data, size_t len)
{
	struct stow_error err = { 0 };

	must(store_put(p->store, NULL, key, data, len, NULL, NULL, &err), &err);
}

bool place_get(struct place *p, const char *key, struct buf *ret)
{
	struct stow_error err = { 0 };
	size_t len = 0;
	int status;

	buf_init(ret, STOW_MANIFEST_MAX);
	if (buf_reserve(ret, STOW_MANIFEST_MAX) != STOW_OK)
		place_die("no memory");
	status = store_get(p->store, NULL, key, NULL, ret->data, STOW_MANIFEST_MAX, &len, NULL,
	                   &err);
	if (status == STOW_ENOTFOUND)
		return false;
	must(status, &err);
	ret->len = len;
	return true;
}

void place_remove_below(struct place *p, const char *key)
{
	struct stow_error err = { 0 };
	char prefix[2048];
	size_t n = 0;

	if (!text_format(prefix, sizeof(prefix), "%s/", key))
		place_die("%s is too long", key);
	(void)store_remove(p->store, NULL, key, NULL, NULL);
	must(removal_prefix(p->store, NULL, prefix, &n, &err), &err);
}

static int add_key(void *arg, const struct stow_entry *entry, struct stow_error *err)
{
	return names_add(arg, entry->key, strlen(entry->key), err);
}

/* Data and link of a layer have its hex in their keys, and nothing else has. */
static bool is_layer(const struct place *p, const char *key)
{
	const char *digest;
	json_t *value;

	json_object_foreach(p->layers, digest, value)
	{
		const char *colon = strchr(digest, ':');

		if (!colon)
			place_die("%s among the layers is no digest", digest);
		if (strstr(key, colon + 1))
			return true;
	}
	return false;
}

json_t *place_objects(struct place *p)
{
	struct stow_error err = { 0 };
	struct stow_names keys;
	json_t *ret = json_object();

	names_init(&keys);
	must(listing_each(p->store, NULL, "", NULL, add_key, &keys, &err), &err);
	for (size_t i = 0; i < keys.n; i++) {
		const char *key = names_at(&keys, i);
		struct buf body = { 0 };

		if (!is_layer(p, key) && place_get(p, key, &body))
			json_object_set_new(ret, key, json_stringn_nocheck(body.data, body.len));
		buf_done(&body);
	}
	names_done(&keys);
	return ret;
}

/* ---- layers and manifests ---- */

void place_put_layer(struct place *p, const char *repository, const char *text)
{
	const json_t *content = json_object_get(p->layers, text);
	struct layout_key key;
	struct digest digest;

	if (!json_is_string(content) || !digest_parse(&digest, text, strlen(text)))
		return; /* a layer that nobody has */
	layout_data(&key, &digest);
	place_put(p, key.text, json_string_value(content), json_string_length(content));
	layout_link(&key, repository, LAYOUT_LAYERS, &digest);
	place_put(p, key.text, text, strlen(text));
}

int place_get_manifest(struct place *p, const char *repository, const char *reference,
                       struct buf *ret)
{
	struct stow_manifest *manifest = NULL;
	struct stow_error err = { 0 };
	int status = stow_manifest_get(p->registry, NULL, repository, reference, &manifest, &err);

	buf_init(ret, STOW_MANIFEST_MAX);
	if (status != STOW_OK)
		return status;
	buf_add(ret, stow_manifest_data(manifest),
	        (size_t)stow_manifest_descriptor(manifest)->size);
	if (strcmp(stow_manifest_descriptor(manifest)->media_type, PRETTY) != 0)
		place_wrong(p, "%s has the media type %s", reference,
		            stow_manifest_descriptor(manifest)->media_type);
	stow_manifest_free(manifest);
	return STOW_OK;
}
