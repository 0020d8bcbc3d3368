/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One flat listing goes over everything below repositories/; where a page of it ends in a room that
 * nobody wants, it is opened anew behind that room.
 * It must not know what rooms are for.
 */
#include "plugin/rooms.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "plugin/layout.h"
#include "plugin/listing.h"

/* Keys that a store lists at once. Behind so many the next request goes out in any case, and may
 * as well ask for what lies behind a room that nobody wants: so a walk costs no more than the pages
 * that all keys fill. For a visit that wants nothing behind _manifests it is no more than two
 * requests a repository, either: one ends in _layers, one begins behind that. */
#define PAGE 1000

struct rooms {
	struct stow_registry *registry;
	struct store_list *list;
	struct room room;
	struct stow_entry entry;
	char room_name[32];
	char path[STOW_NAME_MAX + 32]; /* "<name>/_<room>/", where the listing is */
	size_t seen;                   /* keys since it was opened */
	enum room_want want;           /* of the room where the listing is */
	bool inside;                   /* the last key was of that room */
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

static int reopen_behind(struct rooms *rooms, const struct stow_op *op, struct stow_error *err)
{
	int name_len = (int)(strstr(rooms->path, "/_") - rooms->path);
	struct layout_key after;

	/* '0' follows '/': every key of the room sorts before this. And '`' lies between '_', with
	 * which all rooms begin, and the letters with which repositories within this one may. */
	if (rooms->want == ROOM_NOTHING)
		(void)text_format(after.text, sizeof(after.text), LAYOUT_REPOSITORIES "%.*s/`",
		                  name_len, rooms->path);
	else
		(void)text_format(after.text, sizeof(after.text), LAYOUT_REPOSITORIES "%.*s0",
		                  (int)strlen(rooms->path) - 1, rooms->path);
	store_list_close(take(rooms->list));
	rooms->seen = 0;
	return store_list_open(rooms->registry->store, op, LAYOUT_REPOSITORIES, after.text, 0,
	                       &rooms->list, err);
}

int rooms_open(struct stow_registry *registry, const struct stow_op *op, const char *after,
               struct rooms **ret, struct stow_error *err)
{
	struct rooms *rooms;
	struct layout_key start = { "" };
	int status;

	if (after && !text_format(start.text, sizeof(start.text), LAYOUT_REPOSITORIES "%s", after))
		return error_set(err, STOW_EINVAL, "rooms.open", "a name of over %d bytes",
		                 STOW_NAME_MAX);
	rooms = calloc(1, sizeof(*rooms));
	if (!rooms)
		return error_nomem(err, "rooms.open");
	rooms->registry = registry;
	rooms->room.room = rooms->room_name;
	rooms->want = ROOM_NEXT;
	status = store_list_open(registry->store, op, LAYOUT_REPOSITORIES,
	                         after ? start.text : NULL, 0, &rooms->list, err);
	if (status != STOW_OK)
		rooms_close(take(rooms));
	*ret = rooms;
	return status;
}

/* The listing is in a room that it was not in before. */
static void enter(struct rooms *rooms, const char *path, size_t name_len)
{
	(void)text_copy(rooms->path, sizeof(rooms->path), path);
	rooms->want = ROOM_ALL;
	(void)text_format(rooms->room.name, sizeof(rooms->room.name), "%.*s", (int)name_len, path);
	(void)text_format(rooms->room_name, sizeof(rooms->room_name), "%.*s",
	                  (int)(strlen(path) - name_len - 2), path + name_len + 1);
}

int rooms_next(struct rooms *rooms, const struct stow_op *op, const struct room **ret_room,
               const struct stow_entry **ret_entry, bool *ret_first, struct stow_error *err)
{
	char path[sizeof(rooms->path)];
	size_t name_len = 0;
	bool end = false;
	int status = STOW_OK;

	*ret_room = NULL;
	*ret_first = false;
	for (;;) {
		const char *rest;

		if (!rooms->list || (rooms->inside && rooms->want != ROOM_ALL && rooms->seen > 0 &&
		                     rooms->seen % PAGE == 0))
			status = reopen_behind(rooms, op, err);
		if (status == STOW_OK)
			status = listing_next(rooms->list, op, &rooms->entry, &end, err);
		if (status != STOW_OK || end)
			return status;
		rooms->seen++;
		rest = rooms->entry.key + strlen(LAYOUT_REPOSITORIES);
		rooms->inside = room_of(rest, &name_len, path, sizeof(path));
		if (!rooms->inside)
			continue;
		if (strcmp(path, rooms->path) != 0) {
			enter(rooms, path, name_len);
			*ret_first = true;
		}
		rooms->room.rest = rest + strlen(path);
		if (rooms->want == ROOM_ALL)
			break;
	}
	*ret_room = &rooms->room;
	*ret_entry = &rooms->entry;
	return STOW_OK;
}

void rooms_want(struct rooms *rooms, enum room_want want)
{
	rooms->want = want;
}

void rooms_close(struct rooms *rooms)
{
	if (!rooms)
		return;
	store_list_close(rooms->list);
	free(rooms);
}

int rooms_each(struct stow_registry *registry, const struct stow_op *op,
               int (*visit)(void *arg, const struct room *, const struct stow_entry *,
                            enum room_want *ret_want, struct stow_error *),
               void *arg, struct stow_error *err)
{
	struct rooms *rooms = NULL;
	int status = rooms_open(registry, op, NULL, &rooms, err);

	while (status == STOW_OK) {
		const struct room *room;
		const struct stow_entry *entry;
		enum room_want want = ROOM_ALL;
		bool first;

		status = rooms_next(rooms, op, &room, &entry, &first, err);
		if (status != STOW_OK || !room)
			break;
		status = visit(arg, room, entry, &want, err);
		rooms_want(rooms, want);
	}
	rooms_close(rooms);
	return status;
}
