/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A walk over everything below repositories/ in the order of its keys, room by room (_layers,
 * _manifests, ...): rooms that nobody looks into are jumped over where they hold many keys.
 * It knows nothing of what is in a room.
 */
#ifndef PLUGIN_ROOMS_H
#define PLUGIN_ROOMS_H

#include "plugin/registry.h"

struct room {
	char name[STOW_NAME_MAX + 1]; /* of the repository */
	const char *room;             /* "_layers" and the like */
	const char *rest;             /* of the key, behind "<name>/_<room>/" */
};

enum room_want {
	ROOM_ALL = 1,     /* the room's other keys, too */
	ROOM_NEXT = 2,    /* nothing more of this room */
	ROOM_NOTHING = 3, /* nor of the repository's others */
};

/* The visit of a room's first key says what it wants of the rest; then it is called for each key that
 * is wanted. A status other than STOW_OK ends the walk. */
int rooms_each(struct stow_registry *, const struct stow_op *,
               int (*visit)(void *arg, const struct room *, const struct stow_entry *,
                            enum room_want *ret_want, struct stow_error *),
               void *arg, struct stow_error *);

#endif
