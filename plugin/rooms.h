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

/*
 * The same walk, step by step. It begins at the first key of which "<name>/_<room>/..." sorts after
 * `after` (NULL: at the start). The registry outlives it; one thread at a time.
 */
struct rooms;
int rooms_open(struct stow_registry *, const struct stow_op *, const char *after,
               struct rooms **ret, struct stow_error *);
/* The next key that is wanted; *ret_room NULL at the end. Both are the walk's until the next call.
 * *ret_first: it is the first of its room, and rooms_want may say what of it is wanted. */
int rooms_next(struct rooms *, const struct stow_op *, const struct room **ret_room,
               const struct stow_entry **ret_entry, bool *ret_first, struct stow_error *);
void rooms_want(struct rooms *, enum room_want);
/* NULL is fine. */
void rooms_close(struct rooms *);

#endif
