/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects of one or more instances.  Those that give one name share them, as registries share a
 * bucket: all in this process, until the last is closed.  That list of names is the only thing
 * that the driver keeps outside of its instances, and it holds nothing where no name is given.
 */
#ifndef DRIVER_MEMORY_SHARED_H
#define DRIVER_MEMORY_SHARED_H

#include "common/thread.h"
#include "driver/memory/map.h"

#include <stdint.h>
#include <stowage/types.h>

struct parked;

struct shared {
	int64_t budget; /* bytes of all objects and unfinished writes */
	int64_t used;   /* atomic */
	uint64_t ids;   /* atomic: the last version or park id given out */
	struct mutex lock;
	struct map map GUARDED_BY(lock);
	struct parked *parked GUARDED_BY(lock); /* newest first */
	/* of the list of names */
	char *name; /* NULL: nobody else's */
	unsigned int instances;
	struct shared *next;
};

/* name may be NULL. Of one that is open already, its budget stays. */
int shared_open(const char *name, int64_t budget, struct shared **ret, struct stow_error *);
/* The last one's close frees all objects. */
void shared_close(struct shared *);

#endif
