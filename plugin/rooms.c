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

struct walk {
	struct store_list *list;
	char path[STOW_NAME_MAX + 32]; /* "<name>/_<room>/", where the listing is */
	size_t seen;                   /* keys since it was opened */
	enum room_want want;           /* of the room where the listing is */
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
	int name_len = (int)(strstr(walk->path, "/_") - walk->path);
	struct layout_key after;

	/* '0' follows '/': every key of the room sorts before this. And '`' lies between '_', with
	 * which all rooms begin, and the letters with which repositories within this one may. */
	if (walk->want == ROOM_NOTHING)
		(void)text_format(after.text, sizeof(after.text), LAYOUT_REPOSITORIES "%.*s/`",
		                  name_len, walk->path);
	else
		(void)text_format(after.text, sizeof(after.text), LAYOUT_REPOSITORIES "%.*s0",
		                  (int)strlen(walk->path) - 1, walk->path);
	store_list_close(take(walk->list));
	walk->seen = 0;
	return store_list_open(registry->store, op, LAYOUT_REPOSITORIES, after.text, 0, &walk->list,
	                       err);
}

int rooms_each(struct stow_registry *registry, const struct stow_op *op,
               int (*visit)(void *arg, const struct room *, const struct stow_entry *,
                            enum room_want *ret_want, struct stow_error *),
               void *arg, struct stow_error *err)
{
	struct walk walk = { .want = ROOM_NEXT };
	char path[sizeof(walk.path)], room_name[32];
	struct room room = { .room = room_name };
	struct stow_entry entry;
	size_t name_len = 0;
	bool end = false;
	int status;

	status = store_list_open(registry->store, op, LAYOUT_REPOSITORIES, NULL, 0, &walk.list,
	                         err);
	while (status == STOW_OK) {
		const char *rest;

		status = listing_next(walk.list, op, &entry, &end, err);
		if (status != STOW_OK || end)
			break;
		walk.seen++;
		rest = entry.key + strlen(LAYOUT_REPOSITORIES);
		if (!room_of(rest, &name_len, path, sizeof(path)))
			continue;
		if (strcmp(path, walk.path) != 0) {
			(void)text_copy(walk.path, sizeof(walk.path), path);
			walk.want = ROOM_ALL;
			(void)text_format(room.name, sizeof(room.name), "%.*s", (int)name_len,
			                  path);
			(void)text_format(room_name, sizeof(room_name), "%.*s",
			                  (int)(strlen(path) - name_len - 2), path + name_len + 1);
		}
		room.rest = rest + strlen(path);
		if (walk.want == ROOM_ALL)
			status = visit(arg, &room, &entry, &walk.want, err);
		if (status == STOW_OK && walk.want != ROOM_ALL && walk.seen % PAGE == 0)
			status = reopen_behind(&walk, registry, op, err);
	}
	store_list_close(walk.list);
	return status;
}
