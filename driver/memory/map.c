/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A skip list from keys to objects.
 * It must not know what an object holds, nor who may see it.
 */
#include "driver/memory/map.h"

#include <stdlib.h>
#include <string.h>
#include <stowage/types.h>

void map_init(struct map *map)
{
	memset(map, 0, sizeof(*map));
	map->seed = UINT64_C(0x9e3779b97f4a7c15);
}

/* How many levels a new node gets: each further one with a chance of a quarter. */
static uint32_t draw_levels(struct map *map)
{
	uint32_t levels = 1;
	uint64_t x = map->seed;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	map->seed = x;
	while (levels < MAP_LEVELS && (x & 3) == 0) {
		x >>= 2;
		levels++;
	}
	return levels;
}

static struct map_node *seek(struct map_node *const *head, const char *key, int after)
{
	struct map_node *const *level = head;
	struct map_node *found = NULL;

	for (size_t i = MAP_LEVELS; i-- > 0;) {
		while (level[i]) {
			int order = strcmp(level[i]->key, key);

			if (order > 0 || (order == 0 && !after))
				break;
			level = level[i]->next;
		}
		found = level[i];
	}
	return found;
}

struct object *map_find(const struct map *map, const char *key)
{
	const struct map_node *node = seek(map->head, key, 0);

	return node && strcmp(node->key, key) == 0 ? node->object : NULL;
}

const struct map_node *map_seek(const struct map *map, const char *key, int after)
{
	return seek(map->head, key, after);
}

/* As seek, with the slots that a change writes to. */
static struct map_node *seek_slots(struct map *map, const char *key, struct map_node **slots[])
{
	struct map_node **level = map->head;
	struct map_node *found = NULL;

	for (size_t i = MAP_LEVELS; i-- > 0;) {
		while (level[i] && strcmp(level[i]->key, key) < 0)
			level = level[i]->next;
		slots[i] = &level[i];
		found = level[i];
	}
	return found && strcmp(found->key, key) == 0 ? found : NULL;
}

int map_put(struct map *map, const char *key, struct object *object, struct object **ret_old)
{
	struct map_node **slots[MAP_LEVELS];
	struct map_node *node = seek_slots(map, key, slots);
	uint32_t levels;

	if (node) {
		*ret_old = node->object;
		node->object = object;
		return STOW_OK;
	}
	levels = draw_levels(map);
	node = malloc(sizeof(*node) + levels * sizeof(node->next[0]));
	if (!node)
		return STOW_ENOMEM;
	node->key = strdup(key);
	if (!node->key) {
		free(node);
		return STOW_ENOMEM;
	}
	node->object = object;
	node->levels = levels;
	for (size_t i = 0; i < levels; i++) {
		node->next[i] = *slots[i];
		*slots[i] = node;
	}
	map->count++;
	*ret_old = NULL;
	return STOW_OK;
}

struct object *map_take(struct map *map, const char *key)
{
	struct map_node **slots[MAP_LEVELS];
	struct map_node *node = seek_slots(map, key, slots);
	struct object *object;

	if (!node)
		return NULL;
	for (size_t i = 0; i < node->levels; i++)
		*slots[i] = node->next[i];
	map->count--;
	object = node->object;
	map_node_free(node);
	return object;
}

struct map_node *map_pop(struct map *map)
{
	struct map_node *node = map->head[0];

	if (!node)
		return NULL;
	for (size_t i = 0; i < node->levels; i++)
		map->head[i] = node->next[i];
	map->count--;
	return node;
}

void map_node_free(struct map_node *node)
{
	if (!node)
		return;
	free(node->key);
	free(node);
}
