/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of repositories that have a manifest, gathered while it is given out: a page costs what
 * lies behind its beginning and before its end, not what the store holds.
 * It must not know tags or manifests: a key below _manifests/ is all it looks for.
 *
 * Names are in the order of their bytes, and keys have "/_" behind the name. So "a-b", "a.b" and
 * "a/0" have their keys before those of "a", and a name is held back as long as one that it begins
 * with may still come.
 */
#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "plugin/names.h"
#include "plugin/rooms.h"

#define ROOM "_manifests"
#define NAME_BYTES "abcdefghijklmnopqrstuvwxyz0123456789._-/"

struct catalog {
	struct rooms *rooms;
	bool end;
	char after[STOW_NAME_MAX + 1];
	char at[STOW_NAME_MAX + 32]; /* "<name>/_<room>/", where the walk is */
};

/* Of the shortest name that the name begins with and whose keys come behind its own; all of it
 * where there is none. */
static size_t length_held(const char *name)
{
	size_t len = 1;

	while (name[len] && (unsigned char)name[len] >= '/' &&
	       (name[len] != '/' || (unsigned char)name[len + 1] > '_'))
		len++;
	return len;
}

/*
 * Does nothing that sorts before it come any more?  Of all that it begins with, the shortest one's
 * keys are the last: behind what they have in common it goes on with "/_", the others with less.
 */
static bool is_next(const struct catalog *catalog, const char *name)
{
	char key[sizeof(catalog->at)];
	size_t len = length_held(name);

	if (catalog->end || !name[len])
		return true;
	(void)text_format(key, sizeof(key), "%.*s/" ROOM "/", (int)len, name);
	return strcmp(catalog->at, key) >= 0;
}

/* One step of the walk; a name that is new to it becomes one of those that are held back. */
static int step(struct stow_names *names, struct catalog *catalog, const struct stow_op *op,
                struct stow_error *err)
{
	const struct room *room;
	const struct stow_entry *entry;
	bool first;
	int order, status = rooms_next(catalog->rooms, op, &room, &entry, &first, err);

	if (status != STOW_OK)
		return status;
	if (!room) {
		catalog->end = true;
		return STOW_OK;
	}
	(void)text_format(catalog->at, sizeof(catalog->at), "%s/%s/", room->name, room->room);
	order = strcmp(room->room, ROOM);
	/* _layers sorts before it, all others behind it */
	rooms_want(catalog->rooms, order < 0 ? ROOM_NEXT : ROOM_NOTHING);
	if (order != 0 || !first || strcmp(room->name, catalog->after) <= 0)
		return STOW_OK;
	return names_insert(names, room->name, strlen(room->name), err);
}

static int gather(struct stow_names *names, const struct stow_op *op, struct stow_error *err)
{
	struct catalog *catalog = names->source;
	int status = STOW_OK;

	while (status == STOW_OK && !catalog->end &&
	       (names->cursor == names->n || !is_next(catalog, names_at(names, names->cursor))))
		status = step(names, catalog, op, err);
	return status;
}

static void catalog_close(void *source)
{
	struct catalog *catalog = source;

	rooms_close(catalog->rooms);
	free(catalog);
}

int stow_catalog_open(struct stow_registry *registry, const struct stow_op *op, const char *after,
                      struct stow_names **ret, struct stow_error *err)
{
	struct stow_names *names = calloc(1, sizeof(*names));
	struct catalog *catalog = calloc(1, sizeof(*catalog));
	char start[STOW_NAME_MAX + 1] = "";
	int status = names && catalog ? STOW_OK : error_nomem(err, "catalog.open");

	/* whatever sorts after a name has its keys after it, too */
	if (status == STOW_OK && after)
		(void)text_format(catalog->after, sizeof(catalog->after), "%.*s", STOW_NAME_MAX,
		                  after);
	/* the client's word: the store is asked for what a name may be alone */
	if (status == STOW_OK)
		(void)text_format(start, sizeof(start), "%.*s",
		                  (int)strspn(catalog->after, NAME_BYTES), catalog->after);
	if (status == STOW_OK)
		status = rooms_open(registry, op, *start ? start : NULL, &catalog->rooms, err);
	if (status != STOW_OK) {
		free(catalog);
		free(names);
		return status;
	}
	names_init(names);
	names->gather = gather;
	names->source = catalog;
	names->source_close = catalog_close;
	*ret = names;
	return STOW_OK;
}
