/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings: a walk down the tree in the order of whole keys, one slice of a folder a level, without
 * recursion.
 * It must not follow a symbolic link, show TEMP_FOLDER, or give up on what vanishes meanwhile.
 */
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/text.h"
#include "driver/filesystem/path.h"
#include "driver/filesystem/slice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPEN_LEVELS 32 /* folders deeper than that are opened anew when the walk returns to them */

/* One folder on the way down. */
struct level {
	struct level *up;
	struct slice slice;
	char *last;  /* the name in the folder up to which the walk is done */
	size_t at;   /* in slice */
	size_t path; /* length of list->path that names it, its '/' included */
	int fd;      /* -1 while it is closed */
	bool filled;
	bool further; /* last is a name of the slice before, and not of the caller's */
};

struct list {
	struct fs *fs;
	struct level *top;
	size_t depth;
	struct buf path; /* of the level at the top; "" is the root */
	struct buf key;  /* what the last entry lent out */
	char *prefix;
	size_t folder_len; /* of prefix, up to its last '/' */
	char *after;
	uint32_t flags;
	char etag[80];
};

/* ---- levels ---- */

static void level_free(struct level *level)
{
	if (!level)
		return;
	if (level->fd >= 0)
		close(level->fd);
	slice_done(&level->slice);
	free(level->last);
	free(level);
}

static void pop(struct list *list)
{
	struct level *level = list->top;

	list->top = level->up;
	list->depth--;
	level_free(level);
	if (list->top && list->path.data) {
		list->path.len = list->top->path;
		list->path.data[list->path.len] = '\0';
	}
}

/* Goes down into the folder that list->path names. */
static int push(struct list *list, struct stow_error *err)
{
	struct level *level = calloc(1, sizeof(*level));
	const char *path = buf_text(&list->path);

	if (!level || buf_status(&list->path) != STOW_OK) {
		free(level);
		return error_nomem(err, "filesystem.list");
	}
	level->fd = -1;
	level->path = list->path.len;
	/* where `after` lies in this folder, the walk begins there */
	level->last = strdup(text_starts(list->after, path) ? list->after + list->path.len : "");
	if (!level->last) {
		free(level);
		return error_nomem(err, "filesystem.list");
	}
	if (list->top && list->depth >= OPEN_LEVELS && list->top->fd >= 0) {
		close(list->top->fd);
		list->top->fd = -1;
	}
	level->up = list->top;
	list->top = level;
	list->depth++;
	return STOW_OK;
}

/* Opens the level's folder, if it is not open. STOW_ENOTFOUND where it has vanished. */
static int open_level(struct list *list, struct stow_error *err)
{
	struct level *level = list->top;
	struct folder folder = FOLDER_INIT;
	struct stow_error local = { 0 };
	int r;

	if (level->fd >= 0)
		return STOW_OK;
	/* the path ends with '/', so its folder is the one wanted */
	r = folder_open(list->fs, buf_text(&list->path), false, "filesystem.list", &folder, &local);
	if (r == STOW_OK)
		level->fd = take_fd(&folder.fd);
	folder_done(list->fs, &folder);
	return r == STOW_OK || r == STOW_ENOTFOUND ? r : error_copy(err, &local);
}

/* The next slice of the level at the top. */
static int fill(struct list *list, const struct stow_op *op, struct stow_error *err)
{
	struct level *level = list->top;
	bool is_root = level->path == 0;
	const char *prefix = level->path == list->folder_len ? list->prefix + level->path : "";
	int errnum;

	errnum = slice_fill(&level->slice, level->fd, prefix, level->last, level->further,
	                    is_root ? TEMP_FOLDER "/" : NULL, op);
	level->at = 0;
	level->filled = true;
	if (errnum == ECANCELED)
		return clock_op_check(op, "filesystem.list", err);
	if (errnum != 0 && errnum != ENOENT)
		return fs_error(list->fs, buf_text(&list->path), errnum, "filesystem.list", err);
	return STOW_OK;
}

/* The next name of the level at the top, NULL at its end. The slice keeps it until the next. */
static int next_name(struct list *list, const struct stow_op *op, const char **ret,
                     struct stow_error *err)
{
	struct level *level = list->top;
	int r;

	*ret = NULL;
	if (level->filled && level->at == level->slice.len) {
		char *last;

		if (!level->slice.more)
			return STOW_OK;
		last = strdup(level->slice.names[level->slice.len - 1]);
		if (!last)
			return error_nomem(err, "filesystem.list");
		free(level->last);
		level->last = last;
		level->further = true;
		level->filled = false;
	}
	if (!level->filled) {
		r = open_level(list, err);
		if (r != STOW_OK)
			return r == STOW_ENOTFOUND ? STOW_OK : r;
		r = fill(list, op, err);
		if (r != STOW_OK)
			return r;
		if (level->slice.len == 0)
			return STOW_OK;
	}
	*ret = level->slice.names[level->at++];
	return STOW_OK;
}

/* ---- the walk ---- */

/*
 * Walks on to the next file, or folder if it is to be shown as one; list->key is its key.
 * STOW_ENOTFOUND at the end, with err left alone.
 */
static int step(struct list *list, const struct stow_op *op, bool *ret_is_folder,
                struct stow_error *err)
{
	while (list->top) {
		const char *name;
		bool is_folder;
		int r = next_name(list, op, &name, err);

		if (r == STOW_OK)
			r = clock_op_check(op, "filesystem.list", err);
		if (r != STOW_OK)
			return r;
		if (!name) {
			pop(list);
			continue;
		}
		is_folder = text_ends(name, "/");
		buf_reset(&list->key);
		buf_adds(&list->key, buf_text(&list->path));
		if (buf_adds(&list->key, name) != STOW_OK)
			return error_nomem(err, "filesystem.list");
		if (list->key.len > STOW_KEY_MAX) /* nobody could ask for it */
			continue;
		if (!is_folder || (list->flags & STOW_LIST_FOLDERS)) {
			*ret_is_folder = is_folder;
			return STOW_OK;
		}
		buf_adds(&list->path, name);
		r = push(list, err);
		if (r != STOW_OK)
			return r;
	}
	return STOW_ENOTFOUND;
}

static int new_list(struct fs *fs, const char *prefix, const char *after, uint32_t flags,
                    struct list **ret, struct stow_error *err);

/* Is there an object in the folder that list->key names? */
static int has_object(struct list *list, const struct stow_op *op, bool *ret,
                      struct stow_error *err)
{
	struct list *inner = NULL;
	bool is_folder;
	int r = new_list(list->fs, buf_text(&list->key), "", 0, &inner, err);

	if (r == STOW_OK)
		r = step(inner, op, &is_folder, err);
	fs_list_close(inner);
	*ret = r == STOW_OK;
	return r == STOW_ENOTFOUND ? STOW_OK : r;
}

/* The size and time of the file that list->key names; false where it has vanished. */
static int look(struct list *list, struct stow_entry *entry, bool *ret_there,
                struct stow_error *err)
{
	const char *name = buf_text(&list->key) + list->top->path;
	struct stow_stat stat;
	struct stat st;
	int r = open_level(list, err);

	*ret_there = false;
	if (r != STOW_OK)
		return r == STOW_ENOTFOUND ? STOW_OK : r;
	if (fstatat(list->top->fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT ? STOW_OK
		                       : fs_error(list->fs, buf_text(&list->key), errno,
		                                  "filesystem.list", err);
	if (!S_ISREG(st.st_mode))
		return STOW_OK;
	fs_fill_stat(&st, &stat);
	entry->size = stat.size;
	entry->mtime_ns = stat.mtime_ns;
	text_copy(list->etag, sizeof(list->etag), stat.etag);
	*ret_there = true;
	return STOW_OK;
}

int fs_list_next(void *handle, const struct stow_op *op, struct stow_entry *ret,
                 struct stow_error *err)
{
	struct list *list = handle;
	struct stow_entry entry = { 0 };
	bool is_folder = false;
	bool there = false;
	int r = fs_enter(list->fs, op, 0, "filesystem.list", err);

	while (r == STOW_OK && !there) {
		r = step(list, op, &is_folder, err);
		if (r == STOW_ENOTFOUND)
			return error_set(err, STOW_ENOTFOUND, "filesystem.list",
			                 "filesystem: end of the list");
		if (r != STOW_OK)
			break;
		if (strcmp(buf_text(&list->key), list->after) <= 0)
			continue;
		list->etag[0] = '\0';
		r = is_folder ? has_object(list, op, &there, err) : look(list, &entry, &there, err);
	}
	if (r != STOW_OK)
		return r;
	entry.is_folder = is_folder;
	entry.key = buf_text(&list->key);
	entry.etag = list->etag;
	*ret = entry;
	return STOW_OK;
}

/* ---- open and close ---- */

/* Can a key begin with the prefix's folder? If not, the listing is empty. */
static bool is_possible(const char *prefix, size_t folder_len)
{
	const char *p = prefix;

	while (p < prefix + folder_len) {
		const char *slash = strchr(p, '/');
		size_t len = (size_t)(slash - p);

		if (len == 0 || len > STOW_KEY_COMPONENT_MAX || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p = slash + 1;
	}
	return folder_len < STOW_KEY_MAX && !text_starts(prefix, TEMP_FOLDER "/");
}

static int new_list(struct fs *fs, const char *prefix, const char *after, uint32_t flags,
                    struct list **ret, struct stow_error *err)
{
	struct list *list = calloc(1, sizeof(*list));
	const char *slash;
	int r = STOW_OK;

	if (!list)
		return error_nomem(err, "filesystem.list");
	list->fs = fs;
	list->flags = flags;
	list->prefix = strdup(prefix);
	list->after = strdup(after);
	buf_init(&list->path, 2 * STOW_KEY_MAX);
	buf_init(&list->key, 2 * STOW_KEY_MAX);
	if (!list->prefix || !list->after) {
		fs_list_close(list);
		return error_nomem(err, "filesystem.list");
	}
	slash = strrchr(prefix, '/');
	list->folder_len = slash ? (size_t)(slash - prefix) + 1 : 0;
	/* nothing below the folder sorts after `after`, unless this is in it or before it */
	if (is_possible(prefix, list->folder_len) &&
	    (strcmp(after, prefix) <= 0 || strncmp(after, prefix, list->folder_len) == 0)) {
		buf_add(&list->path, prefix, list->folder_len);
		r = push(list, err);
	}
	if (r != STOW_OK) {
		fs_list_close(list);
		return r;
	}
	*ret = list;
	return STOW_OK;
}

int fs_list_open(void *self, const struct stow_op *op, const char *prefix, const char *after,
                 uint32_t flags, void **ret_list, struct stow_error *err)
{
	struct fs *fs = self;
	struct list *list = NULL;
	int root = -1;
	int r = fs_enter(fs, op, 1, "filesystem.list", err);

	/* a folder that is not there is an empty listing, a root that is not there is a fault */
	if (r == STOW_OK)
		r = path_open_root(fs, "filesystem.list", &root, err);
	if (r == STOW_OK) {
		close(root);
		r = new_list(fs, prefix ? prefix : "", after ? after : "", flags, &list, err);
	}
	if (r == STOW_OK)
		*ret_list = list;
	return r;
}

void fs_list_close(void *handle)
{
	struct list *list = handle;

	if (!list)
		return;
	while (list->top)
		pop(list);
	buf_done(&list->path);
	buf_done(&list->key);
	free(list->prefix);
	free(list->after);
	free(list);
}
