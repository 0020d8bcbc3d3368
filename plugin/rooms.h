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

/* The visit of a room's first key says whether it wants the room's others; then it is called for
 * each. A status other than STOW_OK ends the walk. */
int rooms_each(struct stow_registry *, const struct stow_op *,
               int (*visit)(void *arg, const struct room *, const struct stow_entry *,
                            bool *ret_more, struct stow_error *),
               void *arg, struct stow_error *);

#endif
