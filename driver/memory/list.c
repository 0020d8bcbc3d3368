/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings of the store in memory: a cursor that seeks anew for each entry, so that keys may come
 * and go between two of them.
 * It must not know how objects are written or read.
 */
#include "common/buf.h"
#include "common/error.h"
#include "common/text.h"
#include "driver/memory/memory.h"

#include <stdlib.h>
#include <string.h>

struct list {
	struct memory *memory;
	char *prefix;
	size_t prefix_len;
	char *after;
	uint32_t flags;
	int past;          /* the next key is behind cursor, not at it */
	struct buf cursor; /* where to go on */
	struct buf key;    /* what the last entry lent out */
	char etag[80];
};

int memory_list_open(void *self, const struct stow_op *op, const char *prefix, const char *after,
                     uint32_t flags, void **ret_list, struct stow_error *err)
{
	struct list *list;
	int r = memory_enter(self, op, 1, "memory.list", err);

	if (r != STOW_OK)
		return r;
	list = calloc(1, sizeof(*list));
	if (!list)
		return error_nomem(err, "memory.list");
	list->memory = self;
	list->flags = flags;
	list->prefix = strdup(prefix ? prefix : "");
	list->prefix_len = prefix ? strlen(prefix) : 0;
	list->after = strdup(after ? after : "");
	buf_init(&list->cursor, SIZE_MAX / 2);
	buf_init(&list->key, SIZE_MAX / 2);
	if (after && *after && strcmp(after, prefix ? prefix : "") >= 0) {
		buf_adds(&list->cursor, after);
		list->past = 1;
	} else {
		buf_adds(&list->cursor, prefix ? prefix : "");
	}
	if (!list->prefix || !list->after || buf_status(&list->cursor) != STOW_OK) {
		memory_list_close(list);
		return error_nomem(err, "memory.list");
	}
	*ret_list = list;
	return STOW_OK;
}

void memory_list_close(void *handle)
{
	struct list *list = handle;

	if (!list)
		return;
	buf_done(&list->cursor);
	buf_done(&list->key);
	free(list->prefix);
	free(list->after);
	free(list);
}

/* The next key of the map and its object, in list->key; NULL at the end of the prefix. */
static struct object *step(struct list *list)
{
	struct memory *m = list->memory;
	const struct map_node *node;
	struct object *object = NULL;

	mutex_lock(&m->shared->lock);
	node = map_seek(&m->shared->map, buf_text(&list->cursor), list->past);
	if (node && strncmp(node->key, list->prefix, list->prefix_len) == 0) {
		object = object_ref(node->object);
		buf_reset(&list->key);
		buf_adds(&list->key, node->key);
	}
	mutex_unlock(&m->shared->lock);
	return object;
}

/* Cuts list->key behind its folder's slash and sends the cursor behind all that is in it. */
static void pass_folder(struct list *list, size_t len)
{
	list->key.len = len;
	list->key.data[len] = '\0';
	buf_reset(&list->cursor);
	/* the first text that is greater than all that begin with the folder */
	buf_add(&list->cursor, list->key.data, len - 1);
	buf_addc(&list->cursor, '/' + 1);
	list->past = 0;
}

static void pass_object(struct list *list)
{
	buf_reset(&list->cursor);
	buf_add(&list->cursor, list->key.data, list->key.len);
	list->past = 1;
}

int memory_list_next(void *handle, const struct stow_op *op, struct stow_entry *ret,
                     struct stow_error *err)
{
	struct list *list = handle;
	struct stow_entry entry = { 0 };
	struct stow_stat stat = { 0 };
	int r = memory_enter(list->memory, op, 0, "memory.list", err);

	while (r == STOW_OK) {
		struct object *object = step(list);
		const char *slash = NULL;

		if (buf_status(&list->key) != STOW_OK || buf_status(&list->cursor) != STOW_OK) {
			object_unref(object);
			return error_nomem(err, "memory.list");
		}
		if (!object)
			return error_set(err, STOW_ENOTFOUND, "memory.list",
			                 "memory: end of the list");
		object_stat(object, &stat);
		object_unref(object);
		if ((list->flags & STOW_LIST_FOLDERS) && list->key.len > list->prefix_len)
			slash = strchr(list->key.data + list->prefix_len, '/');
		if (!slash) {
			pass_object(list);
			entry.is_folder = 0;
			entry.size = stat.size;
			entry.mtime_ns = stat.mtime_ns;
			text_copy(list->etag, sizeof(list->etag), stat.etag);
			break;
		}
		pass_folder(list, (size_t)(slash - list->key.data) + 1);
		list->etag[0] = '\0';
		entry.is_folder = 1;
		if (strcmp(list->key.data, list->after) > 0)
			break;
	}
	if (r != STOW_OK)
		return r;
	if (buf_status(&list->cursor) != STOW_OK)
		return error_nomem(err, "memory.list");
	entry.key = buf_text(&list->key);
	entry.etag = list->etag;
	*ret = entry;
	return STOW_OK;
}
