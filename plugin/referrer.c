/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes, reads and writes descriptors of referrers.
 * It must not know how they are listed.
 */
#include "plugin/referrer.h"

#include <jansson.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "common/json-scan.h"
#include "plugin/layout.h"

static void release(json_t **json)
{
	json_decref(*json);
}

static json_t *load(const void *data, size_t len)
{
	json_error_t error;

	if (json_scan(data, len, MANIFEST_DEPTH_MAX, MANIFEST_VALUES_MAX))
		return NULL;
	return json_loadb(data, len, JSON_ALLOW_NUL, &error);
}

static bool is_text(const json_t *value)
{
	return json_is_string(value) && json_string_length(value) > 0 &&
	       strlen(json_string_value(value)) == json_string_length(value);
}

/* OCI distribution-spec, "Listing Referrers": the artifactType, else the type of the config. */
static json_t *artifact_type(enum manifest_kind kind, const json_t *root)
{
	json_t *type = json_object_get(root, "artifactType");

	if (!is_text(type) && !manifest_is_index(kind))
		type = json_object_get(json_object_get(root, "config"), "mediaType");
	return is_text(type) ? type : NULL;
}

static char *dump(const json_t *descriptor)
{
	return json_dumps(descriptor, JSON_COMPACT | JSON_PRESERVE_ORDER);
}

char *referrer_descriptor(enum manifest_kind kind, const struct digest *digest, const void *data,
                          size_t len)
{
	cleanup(release) json_t *root = load(data, len);
	cleanup(release) json_t *descriptor = json_object();
	json_t *type = artifact_type(kind, root);
	json_t *annotations = json_object_get(root, "annotations");
	char *text;

	if (!descriptor ||
	    json_object_set_new(descriptor, "mediaType", json_string(manifest_media_type(kind))) ||
	    json_object_set_new(descriptor, "digest", json_string(digest->text)) ||
	    json_object_set_new(descriptor, "size", json_integer((json_int_t)len)))
		return NULL;
	if (type && json_string_length(type) <= STOW_MEDIA_TYPE_MAX &&
	    json_object_set(descriptor, "artifactType", type))
		return NULL;
	if (json_is_object(annotations) && json_object_size(annotations) > 0 &&
	    json_object_set(descriptor, "annotations", annotations))
		return NULL;
	text = dump(descriptor);
	if (text && strlen(text) > REFERRER_MAX) {
		free(text);
		json_object_del(descriptor, "annotations");
		text = dump(descriptor);
	}
	return text;
}

static bool read_descriptor(const json_t *value, struct digest *ret, char *ret_type)
{
	const json_t *digest = json_object_get(value, "digest");
	const json_t *type = json_object_get(value, "artifactType");

	if (!is_text(digest) || !is_text(json_object_get(value, "mediaType")) ||
	    !json_is_integer(json_object_get(value, "size")) ||
	    !digest_parse(ret, json_string_value(digest), json_string_length(digest)))
		return false;
	return text_copy(ret_type, STOW_MEDIA_TYPE_MAX + 1,
	                 is_text(type) ? json_string_value(type) : "");
}

bool referrer_parse(const char *json, size_t len, struct digest *ret, char *ret_type)
{
	cleanup(release) json_t *value = len <= REFERRER_MAX ? load(json, len) : NULL;

	return value && read_descriptor(value, ret, ret_type);
}

int referrer_each_listed(const void *data, size_t len,
                         int (*visit)(void *arg, const char *json, struct stow_error *), void *arg,
                         struct stow_error *err)
{
	cleanup(release) json_t *root = load(data, len);
	const json_t *list = json_object_get(root, "manifests");
	int status = STOW_OK;

	for (size_t i = 0; i < json_array_size(list) && status == STOW_OK; i++) {
		cleanup_free char *text = dump(json_array_get(list, i));

		if (!text)
			return error_nomem(err, "referrers");
		status = visit(arg, text, err);
	}
	return status;
}

/* "sha256-<hex>", cut as the specification says. */
void referrer_tag(char ret[STOW_TAG_MAX + 1], const struct digest *subject)
{
	(void)text_format(ret, STOW_TAG_MAX + 1, "%s-%.64s", hash_name(subject->algorithm),
	                  digest_hex(subject));
}

int referrer_write(struct stow_registry *registry, const struct stow_op *op, const char *name,
                   const struct digest *subject, const struct digest *referrer,
                   const char *descriptor, struct stow_error *err)
{
	struct layout_key key;

	layout_referrer(&key, name, subject, referrer);
	return store_put(registry->store, op, key.text, descriptor, strlen(descriptor), NULL, NULL,
	                 err);
}
