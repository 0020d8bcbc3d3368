/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unfinished files and how one becomes an object.  They lie in TEMP_FOLDER: "p-<random>" of a put
 * or copy, "w-<sha256 of the key>-<random>" of a writer, found again by the key alone, and beside
 * the latter, once it was parked, the same name with ".key" that holds the key.  A writer that is
 * open holds a lock on its file.  Leftovers of a crash are swept by age; what was parked is not.
 */
#ifndef DRIVER_FILESYSTEM_TEMP_H
#define DRIVER_FILESYSTEM_TEMP_H

#include "driver/filesystem/filesystem.h"

#define TEMP_NAME_MAX 96
#define TEMP_PARKED_SUFFIX ".key"

struct temp {    /* begins as TEMP_INIT */
	int dir; /* TEMP_FOLDER */
	int fd;  /* -1 where the file was linked, not written */
	char name[TEMP_NAME_MAX];
};
#define TEMP_INIT                                                                                  \
	{                                                                                          \
		.dir = -1, .fd = -1                                                                \
	}

/* Opens TEMP_FOLDER, or makes it. Without make, STOW_ENOTFOUND where there is none. */
int temp_folder(const struct fs *, bool make, const char *where, int *ret_fd, struct stow_error *);
/* A new name "<stem>-<random>". */
int temp_name(const char *stem, char ret[TEMP_NAME_MAX], const char *where, struct stow_error *);
/* "w-<sha256 of the key>" */
void temp_stem(const char *key, char ret[TEMP_NAME_MAX]);
/* Is it the name of a writer's file, one of stem's if that is given? */
bool temp_is_writer(const char *name, const char *stem);
/* A new empty file of a name made from stem. */
int temp_create(const struct fs *, const char *stem, bool is_private, const char *where,
                struct temp *, struct stow_error *);
/* Closes, and takes the file away if it is still there. */
void temp_drop(struct temp *);
/* Closes and leaves the file where it is. */
void temp_release(struct temp *);

/* pwrite of all, in chunks; STOW_EIO with the cause where the disk is full or fails. */
int temp_write(const struct fs *, struct temp *, const struct stow_op *, int64_t offset,
               const void *data, size_t len, const char *key, const char *where,
               struct stow_error *);
/* Appends length bytes of an open file, from offset on, to the temporary file at `at`. */
int temp_copy(const struct fs *, struct temp *, const struct stow_op *, int64_t at, int from,
              int64_t offset, int64_t length, const char *key, const char *where,
              struct stow_error *);
/* sha256 of the first size bytes of an open file. */
int temp_sha256(const struct fs *, int fd, int64_t size, const struct stow_op *, const char *key,
                const char *where, uint8_t ret[32], struct stow_error *);
/* Stamps the time of its last change and, with option fsync, makes the bytes durable. */
int temp_seal(const struct fs *, struct temp *, const char *key, const char *where,
              struct stow_error *);

/*
 * The temporary file becomes the object, if put's conditions let it: renamed into the key's
 * folder, which is made where it is missing, and durable on return. On success its name is gone.
 */
int temp_publish(struct fs *, struct temp *, const struct stow_op *, const char *key,
                 const struct stow_put *, const char *where, struct stat *ret, struct stow_error *);

/* Takes away leftovers of puts and writers that are older than option staleage. */
void temp_sweep(const struct fs *);

#endif
