/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of repositories that have a manifest.
 * It must not know tags or manifests: a key below _manifests/ is all it looks for.
 */
#include "common/error.h"
#include "plugin/names.h"
#include "plugin/rooms.h"

struct catalog {
	struct stow_names *names;
	const char *after;
};

static int visit(void *arg, const struct room *room, const struct stow_entry *entry,
                 enum room_want *ret_want, struct stow_error *err)
{
	const struct catalog *catalog = arg;

	(void)entry;
	/* _layers sorts before it, all others behind it */
	*ret_want = strcmp(room->room, "_manifests") < 0 ? ROOM_NEXT : ROOM_NOTHING;
	if (strcmp(room->room, "_manifests") != 0 || strcmp(room->name, catalog->after) <= 0)
		return STOW_OK;
	return names_add(catalog->names, room->name, strlen(room->name), err);
}

int stow_catalog_open(struct stow_registry *registry, const struct stow_op *op, const char *after,
                      struct stow_names **ret, struct stow_error *err)
{
	struct stow_names *names = calloc(1, sizeof(*names));
	struct catalog catalog = { names, after ? after : "" };
	int status;

	if (!names)
		return error_nomem(err, "catalog.open");
	names_init(names);
	status = rooms_each(registry, op, visit, &catalog, err);
	if (status != STOW_OK) {
		stow_names_close(names);
		return status;
	}
	names_sort(names);
	*ret = names;
	return STOW_OK;
}
