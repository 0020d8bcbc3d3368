/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of repositories that have a manifest.
 * It must not know tags or manifests: a key below _manifests/ is all it looks for.
 *
 * One flat listing goes over everything below repositories/; where a room (_layers and the like)
 * holds many keys, the listing is opened anew behind it rather than read to its end.
 */
#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "plugin/layout.h"
#include "plugin/listing.h"
#include "plugin/name.h"
#include "plugin/names.h"
#include "plugin/registry.h"

#define WHERE "catalog.open"
#define ROOM_PATIENCE 1000 /* keys of one room that are read before it is jumped over */

struct walk {
	struct store_list *list;
	char room[STOW_NAME_MAX + 32]; /* "<name>/_<room>/", where the listing is */
	size_t in_room;                /* keys seen in it */
};

/* "<name>/_<room>/" of the key; false if there is none, or an over-long one. */
static bool room_of(const char *rest, size_t *ret_name_len, char *ret, size_t cap)
{
	const char *room, *slash;
	size_t len;

	if (!layout_is_repository(rest, ret_name_len, &room))
		return false;
	slash = strchr(room, '/');
	if (!slash)
		return false;
	len = (size_t)(slash + 1 - rest);
	if (len >= cap)
		return false;
	memcpy(ret, rest, len);
	ret[len] = '\0';
	return true;
}

static int reopen_behind(struct walk *walk, struct stow_registry *registry,
                         const struct stow_op *op, struct stow_error *err)
{
	struct layout_key after;

	/* '0' follows '/': every key of the room sorts before this. */
	(void)text_format(after.text, sizeof(after.text), LAYOUT_REPOSITORIES "%.*s0",
	                  (int)strlen(walk->room) - 1, walk->room);
	store_list_close(take(walk->list));
	walk->in_room = 0;
	return store_list_open(registry->store, op, LAYOUT_REPOSITORIES, after.text, 0, &walk->list,
	                       err);
}

static int visit(struct walk *walk, const char *rest, const char *after, struct stow_names *names,
                 struct stow_error *err)
{
	char room[sizeof(walk->room)], name[STOW_NAME_MAX + 1];
	size_t name_len;

	if (!room_of(rest, &name_len, room, sizeof(room)))
		return STOW_OK;
	if (strcmp(room, walk->room) == 0) {
		walk->in_room++;
		return STOW_OK;
	}
	(void)text_copy(walk->room, sizeof(walk->room), room);
	walk->in_room = 1;
	if (strcmp(room + name_len, "/_manifests/") != 0)
		return STOW_OK;
	memcpy(name, room, name_len);
	name[name_len] = '\0';
	return strcmp(name, after) > 0 ? names_add(names, name, name_len, err) : STOW_OK;
}

static int gather(struct walk *walk, struct stow_registry *registry, const struct stow_op *op,
                  const char *after, struct stow_names *names, struct stow_error *err)
{
	struct stow_entry entry;
	bool end = false;
	int status;

	status = store_list_open(registry->store, op, LAYOUT_REPOSITORIES, NULL, 0, &walk->list,
	                         err);
	while (status == STOW_OK) {
		status = listing_next(walk->list, op, &entry, &end, err);
		if (end)
			break;
		if (status == STOW_OK)
			status = visit(walk, entry.key + strlen(LAYOUT_REPOSITORIES), after, names,
			               err);
		if (status == STOW_OK && walk->in_room >= ROOM_PATIENCE)
			status = reopen_behind(walk, registry, op, err);
	}
	store_list_close(walk->list);
	return status;
}

int stow_catalog_open(struct stow_registry *registry, const struct stow_op *op, const char *after,
                      struct stow_names **ret, struct stow_error *err)
{
	struct walk walk = { 0 };
	struct stow_names *names = calloc(1, sizeof(*names));
	int status;

	if (!names)
		return error_nomem(err, WHERE);
	names_init(names);
	status = gather(&walk, registry, op, after ? after : "", names, err);
	if (status != STOW_OK) {
		stow_names_close(names);
		return status;
	}
	names_sort(names);
	*ret = names;
	return STOW_OK;
}
