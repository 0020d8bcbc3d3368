/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a folder into a bounded, sorted slice of names.
 * It must not know of keys beyond one component, nor open what it finds.
 */
#include "driver/filesystem/slice.h"

#include "common/clock.h"
#include "common/text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_EVERY 1024 /* entries between two looks at the deadline */

void slice_done(struct slice *slice)
{
	for (size_t i = 0; i < slice->len; i++)
		free(slice->names[i]);
	free(slice->names);
	memset(slice, 0, sizeof(*slice));
}

/* ---- a heap whose first name is the greatest, so that a smaller one can take its place ---- */

static void sift_down(char **names, size_t len)
{
	size_t i = 0;

	for (;;) {
		size_t child = 2 * i + 1;
		char *name;

		if (child >= len)
			return;
		if (child + 1 < len && strcmp(names[child + 1], names[child]) > 0)
			child++;
		if (strcmp(names[i], names[child]) >= 0)
			return;
		name = names[i];
		names[i] = names[child];
		names[child] = name;
		i = child;
	}
}

static void sift_up(char **names, size_t i)
{
	while (i > 0) {
		size_t parent = (i - 1) / 2;
		char *name = names[i];

		if (strcmp(names[parent], name) >= 0)
			return;
		names[i] = names[parent];
		names[parent] = name;
		i = parent;
	}
}

/* 0 or ENOMEM. */
static int add(struct slice *slice, const char *name)
{
	char *copy;

	if (slice->len == SLICE_MAX) {
		slice->more = true;
		if (strcmp(name, slice->names[0]) >= 0)
			return 0;
		copy = strdup(name);
		if (!copy)
			return ENOMEM;
		free(slice->names[0]);
		slice->names[0] = copy;
		sift_down(slice->names, slice->len);
		return 0;
	}
	if (slice->len == slice->cap) {
		size_t cap = slice->cap > 0 ? 2 * slice->cap : 16;
		char **names = realloc(slice->names, cap * sizeof(*names));

		if (!names)
			return ENOMEM;
		slice->names = names;
		slice->cap = cap;
	}
	copy = strdup(name);
	if (!copy)
		return ENOMEM;
	slice->names[slice->len] = copy;
	sift_up(slice->names, slice->len++);
	return 0;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* ---- the folder ---- */

/* The entry's name as it sorts; false for what is neither a regular file nor a folder. */
static bool sort_name(int folder, const struct dirent *entry, char *ret, size_t cap)
{
	unsigned type = entry->d_type;
	struct stat st;

	if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
		return false;
	if (type == DT_UNKNOWN) {
		if (fstatat(folder, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			return false;
		type = S_ISDIR(st.st_mode) ? DT_DIR : S_ISREG(st.st_mode) ? DT_REG : DT_UNKNOWN;
	}
	if (type != DT_DIR && type != DT_REG)
		return false;
	return text_format(ret, cap, "%s%s", entry->d_name, type == DT_DIR ? "/" : "");
}

static bool is_wanted(const char *name, const char *prefix, const char *after, bool further,
                      const char *hide)
{
	if (hide && strcmp(name, hide) == 0)
		return false;
	if (!text_starts(name, prefix))
		return false;
	return strcmp(name, after) > 0 ||
	       (!further && text_ends(name, "/") && text_starts(after, name));
}

static int read_entries(struct slice *slice, DIR *dir, const char *prefix, const char *after,
                        bool further, const char *hide, const struct stow_op *op)
{
	for (size_t seen = 1;; seen++) {
		const struct dirent *entry;
		char name[sizeof(entry->d_name) + 1];
		int errnum;

		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return errno;
		if (!sort_name(dirfd(dir), entry, name, sizeof(name)) ||
		    !is_wanted(name, prefix, after, further, hide))
			continue;
		errnum = add(slice, name);
		if (errnum != 0)
			return errnum;
		if (seen % LOOK_EVERY == 0 && clock_op_check(op, "slice", NULL) != STOW_OK)
			return ECANCELED;
	}
}

int slice_fill(struct slice *slice, int folder, const char *prefix, const char *after, bool further,
               const char *hide, const struct stow_op *op)
{
	int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir;
	int errnum;

	slice_done(slice);
	if (fd < 0)
		return errno;
	dir = fdopendir(fd);
	if (!dir) {
		errnum = errno;
		close(fd);
		return errnum;
	}
	errnum = read_entries(slice, dir, prefix, after, further, hide, op);
	closedir(dir);
	if (errnum != 0)
		slice_done(slice);
	else if (slice->len > 1)
		qsort(slice->names, slice->len, sizeof(*slice->names), compare);
	return errnum;
}
