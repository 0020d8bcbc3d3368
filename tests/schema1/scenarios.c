/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays the sequences recorded of registry 2.1.1 and compares each result by its kind: Go's error
 * types become statuses in one table.  Where decisions of docs/design/schema1.md change a result,
 * that is listed, with the reason.
 */
#include "tests/schema1/scenarios.h"

#include <stdio.h>
#include <string.h>

#include "common/hash.h"
#include "common/text.h"
#include "plugin/digest.h"

/* What a result that was recorded means here; the call may make a difference. */
static const struct meaning {
	const char *text; /* how the result begins */
	const char *op;   /* NULL: any */
	int status;
} meanings[] = {
	{ "ok", NULL, STOW_OK },
	{ "distribution.ErrManifestUnknownRevision:", NULL, STOW_ENOTFOUND },
	{ "distribution.ErrManifestUnknown:", NULL, STOW_ENOTFOUND },
	{ "distribution.ErrRepositoryUnknown:", NULL, STOW_ENOTFOUND },
	{ "distribution.ErrManifestBlobUnknown:", NULL, STOW_ENOTFOUND },
	{ "distribution.ErrManifestUnverified:", NULL, STOW_EDENIED },
	{ "error: unknown blob", NULL, STOW_ENOTFOUND },
	/* of a link that was read; elsewhere the caller gave it */
	{ "error: invalid checksum digest format", "get_by_tag", STOW_ECORRUPT },
	{ "error: invalid checksum digest format", NULL, STOW_EINVAL },
	{ "error: unsupported digest algorithm", NULL, STOW_EINVAL },
	{ "error: operation unsupported", NULL, STOW_ENOTSUP },
	{ "driver.PathNotFoundError:", NULL, STOW_ENOTFOUND },
};

/* Results that are not those of 2.1.1. */
static const struct change {
	const char *scenario, *op;
	int nth; /* call of that op, from 1 on */
	int status;
	int signatures; /* that a get gives; -1: not looked at */
	const char *reason;
} changes[] = {
	{ "merge-x5c", "get", 2, STOW_OK, 2,
	  "2.1.1 panics: a signature without jwk is sorted by its certificate's key" },
	{ "merge-other-length", "put", 1, STOW_ECORRUPT, -1,
	  "D4: an unusual split is refused, so that what is merged can be read" },
	{ "merge-other-length", "get", 1, STOW_ENOTFOUND, -1, "D4: it was refused" },
	{ "merge-other-length", "get", 2, STOW_OK, 1, "D4: only the usual one is there" },
	{ "signatures-gone", "get", 1, STOW_ENOTSUP, -1,
	  "D5: told apart from what is not there at all" },
	{ "signature-dir-junk", "get", 1, STOW_OK, 1,
	  "D4: an entry that is no digest hides none that is" },
	{ "payload-blob-gone", "exists", 1, STOW_OK, -1,
	  "data that this process saw within the cache's age is not asked for" },
	{ "legacy-2.1.0-layout", "get", 1, STOW_ENOTSUP, -1,
	  "D2: links under _layers are not read, but told apart" },
	{ "link-junk", "tags", 1, STOW_OK, -1, "a tag is there if its current link is" },
};

/* Objects that 2.1.1 has at the end and we have not, by a part of their key. */
static const struct absent {
	const char *scenario, *part, *reason;
} absents[] = {
	{ "merge-other-length", "30c152d145ea03ddc05729db7e4d85138492016e7e0b6eda3b2fd56cccd15221",
	  "D4: it was refused" },
};

struct play {
	struct place *place;
	const json_t *vectors;
	const char *scenario, *repository;
	struct stow_manifests *manifests;
	struct { /* how often each op was called */
		const char *op;
		int n;
	} counts[32];
};

static const json_t *vector_of(const struct play *play, const char *id)
{
	const json_t *list = json_object_get(play->vectors, "vectors");

	for (size_t i = 0; i < json_array_size(list); i++) {
		if (strcmp(place_text(json_array_get(list, i), "id"), id) == 0)
			return json_array_get(list, i);
	}
	place_die("%s: no vector %s", play->scenario, id);
}

static int count_call(struct play *play, const char *op)
{
	size_t i = 0;

	while (play->counts[i].op && strcmp(play->counts[i].op, op) != 0) {
		if (++i == sizeof(play->counts) / sizeof(play->counts[0]))
			place_die("too many kinds of calls");
	}
	play->counts[i].op = op;
	return ++play->counts[i].n;
}

static const struct change *change_of(const struct play *play, const char *op, int nth)
{
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		if (strcmp(changes[i].scenario, play->scenario) == 0 &&
		    strcmp(changes[i].op, op) == 0 && changes[i].nth == nth)
			return &changes[i];
	}
	return NULL;
}

static int meaning_of(const struct play *play, const char *op, const char *text)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
		if (text_starts(text, meanings[i].text) &&
		    (!meanings[i].op || strcmp(meanings[i].op, op) == 0))
			return meanings[i].status;
	}
	place_die("%s: %s: \"%s\" has no meaning yet", play->scenario, op, text);
}

/* ---- the calls; each returns a status ---- */

static void open_manifests(struct play *play)
{
	struct stow_error err = { 0 };

	if (stow_manifests_open(play->place->registry, play->repository, 0, &play->manifests,
	                        &err) != STOW_OK)
		place_die("%s", err.message);
}

static void check_faults(struct play *play, const struct stow_faults *faults, const json_t *want)
{
	if (json_array_size(want) != stow_faults_count(faults))
		place_wrong(play->place, "%zu faults, not %zu", stow_faults_count(faults),
		            json_array_size(want));
	for (size_t i = 0; i < json_array_size(want) && i < stow_faults_count(faults); i++) {
		struct stow_fault fault;
		int status = meaning_of(play, "put", json_string_value(json_array_get(want, i)));

		if (stow_faults_at(faults, i, &fault) != STOW_OK || fault.status != status)
			place_wrong(play->place, "fault %zu: status %d, not %d", i, fault.status,
			            status);
	}
}

static int put(struct play *play, const char *id, const json_t *want)
{
	struct buf file = place_file(play->place, place_text(vector_of(play, id), "file"));
	struct stow_faults *faults = NULL;
	struct stow_descriptor d;
	int status = stow_manifests_put(play->manifests, NULL, NULL, PRETTY, buf_text(&file),
	                                file.len, 0, &d, &faults, NULL);

	if (json_is_array(want))
		check_faults(play, faults, want);
	stow_faults_free(faults);
	buf_done(&file);
	return status;
}

static void put_layers(struct play *play, const char *id)
{
	const json_t *layers = json_object_get(json_object_get(vector_of(play, id), "from_payload"),
	                                       "layers");

	for (size_t i = 0; i < json_array_size(layers); i++)
		place_put_layer(play->place, play->repository,
		                json_string_value(json_array_get(layers, i)));
}

/* What was got against what was recorded of it. */
static void check_bytes(struct play *play, const char *data, size_t len, const json_t *want)
{
	const json_t *ids = json_object_get(want, "key_ids");
	struct digest digest;
	struct schema1 s;

	digest_of(&digest, HASH_SHA256, data, len);
	if (strcmp(digest.text, place_text(want, "sha256")) != 0)
		place_wrong(play->place, "got %zu bytes, not the %lld of %s", len,
		            (long long)json_integer_value(json_object_get(want, "length")),
		            place_text(want, "sha256"));
	if (schema1_parse(&s, data, len, NULL) != STOW_OK)
		place_wrong(play->place, "what is got does not verify");
	for (size_t i = 0; i < s.n_signatures; i++) {
		const char *id = json_string_value(json_array_get(ids, i));

		if (!id || strcmp(id, s.key_ids[i]) != 0)
			place_wrong(play->place, "signature %zu is of %s", i, s.key_ids[i]);
	}
	schema1_done(&s);
}

static void check_signatures(struct play *play, const char *data, size_t len, int signatures)
{
	struct schema1 s;

	if (schema1_parse(&s, data, len, NULL) != STOW_OK || (int)s.n_signatures != signatures)
		place_wrong(play->place, "%zu signatures that hold, not %d", s.n_signatures,
		            signatures);
	schema1_done(&s);
}

static int get(struct play *play, bool by_tag, const char *arg, const json_t *want,
               const struct change *change)
{
	static const char skip[] = " with SkipLayerVerification";
	char reference[STOW_DIGEST_MAX + sizeof(skip)];
	struct stow_manifest *manifest = NULL;
	uint32_t flags = 0;
	int status;

	if (!text_copy(reference, sizeof(reference), arg))
		place_die("%s is too long", arg);
	if (text_ends(reference, skip)) {
		reference[strlen(reference) - strlen(skip)] = '\0';
		flags = STOW_MANIFESTS_SKIP_LAYERS;
	}
	if (by_tag)
		status = stow_manifests_get_by_tag(play->manifests, NULL, reference, flags,
		                                   &manifest, NULL);
	else
		status = stow_manifest_get_by_digest(play->place->registry, NULL, play->repository,
		                                     reference, &manifest, NULL);
	if (status != STOW_OK)
		return status;
	if (change && change->signatures >= 0)
		check_signatures(play, stow_manifest_data(manifest),
		                 (size_t)stow_manifest_descriptor(manifest)->size,
		                 change->signatures);
	else
		check_bytes(play, stow_manifest_data(manifest),
		            (size_t)stow_manifest_descriptor(manifest)->size, want);
	stow_manifest_free(manifest);
	return STOW_OK;
}

static int tags(struct play *play, const json_t *want, bool compare)
{
	struct stow_names *names = NULL;
	const char *tag;
	size_t n = 0;
	int status = stow_tags_open(play->place->registry, NULL, play->repository, NULL, &names,
	                            NULL);

	while (status == STOW_OK && stow_names_next(names, NULL, &tag, NULL) == STOW_OK) {
		const char *expected = json_string_value(json_array_get(want, n++));

		if (compare && (!expected || strcmp(expected, tag) != 0))
			place_wrong(play->place, "tag %s", tag);
	}
	if (status == STOW_OK && compare && n != json_array_size(want))
		place_wrong(play->place, "%zu tags", n);
	stow_names_close(names);
	return status;
}

/* "KEY <- CONTENT as a Go string", or the key alone of what is deleted. */
static void change_store(struct play *play, const char *arg)
{
	const char *arrow = strstr(arg, " <- ");
	char key[2048];
	json_t *content;

	if (arg[0] != '/' || !text_copy(key, sizeof(key), arg + 1))
		place_die("%s is no key", arg);
	if (!arrow) {
		place_remove_below(play->place, key);
		return;
	}
	key[arrow - arg - 1] = '\0';
	content = json_loads(arrow + strlen(" <- "), JSON_DECODE_ANY, NULL);
	if (!json_is_string(content))
		place_die("%s is no text", arrow);
	place_put(play->place, key, json_string_value(content), json_string_length(content));
	json_decref(content);
}

static void reopen(struct play *play, const char *arg)
{
	stow_manifests_close(play->manifests);
	place_reopen(play->place, strcmp(arg, "with delete disabled") != 0);
	open_manifests(play);
}

/* The one call; *ret_status where it has one. false: there is no such call. */
static bool call(struct play *play, const char *op, const char *arg, const json_t *want,
                 const struct change *change, int *ret_status)
{
	struct stow_registry *registry = play->place->registry;
	struct stow_descriptor d;
	const char *name = play->repository;

	*ret_status = STOW_OK;
	if (strcmp(op, "put") == 0)
		*ret_status = put(play, arg, change ? NULL : want);
	else if (strcmp(op, "put_layers_of") == 0)
		put_layers(play, arg);
	else if (strcmp(op, "get") == 0 || strcmp(op, "get_by_tag") == 0)
		*ret_status = get(play, strcmp(op, "get") != 0, arg, want, change);
	else if (strcmp(op, "exists") == 0)
		*ret_status = stow_manifest_exists(registry, NULL, name, arg, NULL);
	else if (strcmp(op, "exists_by_tag") == 0)
		*ret_status = stow_tag_exists(registry, NULL, name, arg, NULL);
	else if (strcmp(op, "delete") == 0)
		*ret_status = stow_manifest_delete(registry, NULL, name, arg, NULL);
	else if (strcmp(op, "tags") == 0)
		*ret_status = tags(play, want, !change);
	else if (strcmp(op, "layer_exists") == 0)
		*ret_status = stow_blob_stat(registry, NULL, name, arg, &d, NULL);
	else if (strcmp(op, "layer_delete") == 0)
		*ret_status = stow_blob_delete(registry, NULL, name, arg, NULL);
	else if (strcmp(op, "reopen") == 0)
		reopen(play, arg);
	else if (strcmp(op, "driver_put") == 0 || strcmp(op, "driver_delete") == 0)
		change_store(play, arg);
	else
		return false;
	return true;
}

static int wanted_status(const struct play *play, const char *op, const json_t *want)
{
	if (json_is_boolean(want))
		return json_is_true(want) ? STOW_OK : STOW_ENOTFOUND;
	if (json_is_string(want))
		return meaning_of(play, op, json_string_value(want));
	/* faults of a put, bytes of a get, tags */
	return json_is_array(want) && strcmp(op, "put") == 0 ? STOW_ECORRUPT : STOW_OK;
}

static void step(struct play *play, size_t i, const json_t *json)
{
	const char *op = place_text(json, "op"), *arg = place_text(json, "arg");
	const json_t *want = json_object_get(json, "result");
	const struct change *change = change_of(play, op, count_call(play, op));
	int status, wanted = change ? change->status : wanted_status(play, op, want);

	if (!call(play, op, arg, want, change, &status))
		place_die("%s: there is no call %s", play->scenario, op);
	if (status != wanted)
		place_wrong(play->place, "step %zu, %s %.80s: status %d, not %d", i + 1, op, arg,
		            status, wanted);
}

/* ---- what lies there at the end ---- */

static bool is_absent(const struct play *play, const char *key)
{
	for (size_t i = 0; i < sizeof(absents) / sizeof(absents[0]); i++) {
		if (strcmp(absents[i].scenario, play->scenario) == 0 &&
		    strstr(key, absents[i].part))
			return true;
	}
	return false;
}

/* Either the text itself, or "<LENGTH bytes, DIGEST>". */
static bool is_content(const json_t *found, const char *want)
{
	char text[STOW_DIGEST_MAX + 64];
	struct digest digest;

	if (strcmp(json_string_value(found), want) == 0)
		return true;
	digest_of(&digest, HASH_SHA256, json_string_value(found), json_string_length(found));
	return text_format(text, sizeof(text), "<%zu bytes, %s>", json_string_length(found),
	                   digest.text) &&
	       strcmp(text, want) == 0;
}

static void check_objects(struct play *play, json_t *want)
{
	json_t *found = place_objects(play->place);
	const char *key;
	json_t *content;

	if (!json_is_object(want)) {
		json_decref(found);
		return;
	}
	json_object_foreach(want, key, content)
	{
		const json_t *object = json_object_get(found, key + 1); /* '/' */

		if (is_absent(play, key))
			continue;
		if (!object || !is_content(object, json_string_value(content)))
			place_wrong(play->place, "%s is not as it should be", key);
		(void)json_object_del(found, key + 1);
	}
	json_object_foreach(found, key, content)
	{
		place_wrong(play->place, "%s is left over", key);
	}
	json_decref(found);
}

static void run(struct place *p, const json_t *vectors, const json_t *scenario)
{
	struct play play = {
		.place = p,
		.vectors = vectors,
		.scenario = place_text(scenario, "name"),
		.repository = place_text(scenario, "repo"),
	};
	const json_t *steps = json_object_get(scenario, "steps");

	place_open(p);
	open_manifests(&play);
	for (size_t i = 0; i < json_array_size(steps); i++)
		step(&play, i, json_array_get(steps, i));
	check_objects(&play, json_object_get(scenario, "files_after"));
	stow_manifests_close(play.manifests);
	place_close(p);
	place_count(p, "scenario", play.scenario);
}

void scenarios_run(struct place *p, const json_t *vectors, const json_t *root)
{
	const json_t *list = json_object_get(root, "v2_1_1");

	for (size_t i = 0; i < json_array_size(list); i++)
		run(p, vectors, json_array_get(list, i));
}
