/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens and closes what instances share.
 * It must not know calls.
 */
#include "driver/memory/shared.h"

#include "common/error.h"
#include "driver/memory/memory.h"

#include <stdlib.h>
#include <string.h>

static struct {
	pthread_mutex_t lock;
	struct shared *first;
} names = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct shared *new_shared(const char *name, int64_t budget)
{
	struct shared *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->budget = budget;
	s->instances = 1;
	s->name = name ? strdup(name) : NULL;
	if ((name && !s->name) || mutex_init(&s->lock) != 0) {
		free(s->name);
		free(s);
		return NULL;
	}
	mutex_lock(&s->lock);
	map_init(&s->map);
	mutex_unlock(&s->lock);
	return s;
}

int shared_open(const char *name, int64_t budget, struct shared **ret, struct stow_error *err)
{
	struct shared *s = NULL;

	(void)pthread_mutex_lock(&names.lock);
	for (s = name ? names.first : NULL; s; s = s->next) {
		if (strcmp(s->name, name) == 0)
			break;
	}
	if (s) {
		s->instances++;
	} else {
		s = new_shared(name, budget);
		if (s && name) {
			s->next = names.first;
			names.first = s;
		}
	}
	(void)pthread_mutex_unlock(&names.lock);
	*ret = s;
	return s ? STOW_OK : error_nomem(err, "memory.open");
}

static void free_all(struct shared *s)
{
	struct map_node *node;
	struct parked *parked;

	mutex_lock(&s->lock);
	while ((node = map_pop(&s->map))) {
		object_unref(node->object);
		map_node_free(node);
	}
	while ((parked = s->parked)) {
		s->parked = parked->next;
		memory_parked_free(parked);
	}
	mutex_unlock(&s->lock);
	mutex_done(&s->lock);
	free(s->name);
	free(s);
}

void shared_close(struct shared *s)
{
	bool last;

	(void)pthread_mutex_lock(&names.lock);
	last = --s->instances == 0;
	for (struct shared **at = &names.first; last && *at; at = &(*at)->next) {
		if (*at == s) {
			*at = s->next;
			break;
		}
	}
	(void)pthread_mutex_unlock(&names.lock);
	if (last)
		free_all(s);
}
