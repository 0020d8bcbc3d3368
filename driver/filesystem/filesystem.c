/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's entry, its instance, and what all its calls share.
 * It must not know how a file is walked to, written or replaced.
 */
#include "driver/filesystem/filesystem.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/key.h"
#include "common/option.h"
#include "common/text.h"
#include "driver/filesystem/object.h"
#include "driver/filesystem/path.h"
#include "driver/filesystem/temp.h"
#include "driver/filesystem/unfinished.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILESYSTEM_CAPS                                                                            \
	(STOW_CAP_CREATE | STOW_CAP_PUT_IF_MATCH | STOW_CAP_REMOVE_IF_MATCH |                      \
	 STOW_CAP_COPY_IF_MATCH | STOW_CAP_GET_IF_MATCH | STOW_CAP_SHARED | STOW_CAP_DURABLE)

static const struct stow_option options[] = {
	{ "rootdirectory", STOW_OPTION_STRING, 0, "/var/lib/registry",
	  "folder that holds the objects; made if it is missing" },
	{ "fsync", STOW_OPTION_BOOL, 0, "yes",
	  "write through to the disk before a write is acknowledged" },
	{ "staleage", STOW_OPTION_TIME, 0, "24h",
	  "age from which the leftovers of a crash are swept at the start" },
	{ "maxthreads", STOW_OPTION_COUNT, STOW_OPTION_IGNORED, "100",
	  "of Distribution's filesystem driver: its limit on threads in system calls" },
	{ NULL, 0, 0, NULL, NULL },
};

static const struct option_slot slots[] = {
	{ "rootdirectory", offsetof(struct fs, root) },
	{ "fsync", offsetof(struct fs, sync) },
	{ "staleage", offsetof(struct fs, stale_age) },
	{ NULL, 0 },
};

/* ---- what all calls share ---- */

/* Whether the folder is there and lets us in is check's to say. */
static void begin(struct fs *fs)
{
	if (__atomic_load_n(&fs->begun, __ATOMIC_ACQUIRE))
		return;
	mutex_lock(&fs->begin_lock);
	if (!__atomic_load_n(&fs->begun, __ATOMIC_RELAXED)) {
		if (path_make_root(fs, "filesystem.begin", NULL) == STOW_OK)
			temp_sweep(fs);
		__atomic_store_n(&fs->begun, true, __ATOMIC_RELEASE);
	}
	mutex_unlock(&fs->begin_lock);
}

int fs_enter(struct fs *fs, const struct stow_op *op, uint64_t requests, const char *where,
             struct stow_error *err)
{
	int r;

	if (getpid() != fs->pid)
		return error_set(err, STOW_EINVAL, where,
		                 "filesystem: the store was opened before a fork");
	r = clock_op_check(op, where, err);
	if (r != STOW_OK)
		return r;
	clock_op_count(op, requests);
	begin(fs);
	return STOW_OK;
}

int fs_key_check(const char *key, const char *where, struct stow_error *err)
{
	size_t len = sizeof(TEMP_FOLDER) - 1;
	int r = key_check(key, where, err);

	if (r == STOW_OK && strncmp(key, TEMP_FOLDER, len) == 0 &&
	    (key[len] == '/' || key[len] == '\0'))
		r = error_set(err, STOW_EINVAL, where,
		              "filesystem: %s: %s is the store's own folder", key, TEMP_FOLDER);
	return r;
}

int fs_put_check(const struct stow_put *put, const char *where, struct stow_error *err)
{
	if (put && put->size < sizeof(*put))
		return error_set(err, STOW_EINVAL, where,
		                 "filesystem: stow_put of %u bytes is too short", put->size);
	return STOW_OK;
}

struct mutex *fs_stripe(struct fs *fs, const char *key)
{
	uint32_t hash = UINT32_C(2166136261); /* FNV-1a */

	for (const char *p = key; *p; p++)
		hash = (uint32_t)((hash ^ (uint8_t)*p) * UINT64_C(16777619));
	return &fs->stripes[hash % FS_STRIPES];
}

int fs_error(const struct fs *fs, const char *key, int errnum, const char *where,
             struct stow_error *err)
{
	return error_errno(err, errnum, where, "filesystem: %s/%s", fs->root, key);
}

int fs_goes_away(const struct fs *fs, const char *key, const char *where, struct stow_error *err)
{
	error_set(err, STOW_EBUSY, where, "filesystem: %s/%s: its folder goes away again and again",
	          fs->root, key);
	error_flag(err, STOW_ERROR_RETRYABLE);
	return STOW_EBUSY;
}

static int64_t mtime_ns(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * CLOCK_SECOND + st->st_mtim.tv_nsec;
}

static void format_etag(const struct stat *st, char *etag, size_t cap)
{
	text_format(etag, cap, "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "\"", (uint64_t)st->st_ino,
	            (uint64_t)st->st_size, (uint64_t)mtime_ns(st));
}

void fs_fill_stat(const struct stat *st, struct stow_stat *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->size = st->st_size;
	ret->mtime_ns = mtime_ns(st);
	format_etag(st, ret->etag, sizeof(ret->etag));
}

bool fs_matches(const struct stat *st, const char *etag)
{
	char own[80];

	format_etag(st, own, sizeof(own));
	return strcmp(own, etag) == 0;
}

/* ---- the instance ---- */

static void fs_close(void *self)
{
	struct fs *fs = self;

	if (!fs)
		return;
	for (size_t i = 0; i < fs->stripes_ready; i++)
		mutex_done(&fs->stripes[i]);
	mutex_done(&fs->begin_lock);
	mutex_done(&fs->making_lock);
	cond_done(&fs->making_done);
	option_free(options, slots, fs);
	free(fs);
}

/* The root without a slash at its end and, since a host may change its folder, absolute. */
static int settle_root(struct fs *fs, struct stow_error *err)
{
	cleanup_free char *here = NULL;
	char *root = NULL;
	size_t len;

	if (!fs->root || fs->root[0] == '\0')
		return error_set(err, STOW_EINVAL, "filesystem.open",
		                 "filesystem: option rootdirectory is empty");
	for (len = strlen(fs->root); len > 1 && fs->root[len - 1] == '/'; len--)
		fs->root[len - 1] = '\0';
	if (fs->root[0] == '/')
		return STOW_OK;
	here = getcwd(NULL, 0);
	if (!here)
		return error_errno(err, errno, "filesystem.open",
		                   "filesystem: rootdirectory %s: no current folder", fs->root);
	len += strlen(here) + 2;
	root = malloc(len);
	if (!root)
		return error_nomem(err, "filesystem.open");
	text_format(root, len, "%s/%s", here, fs->root);
	free(fs->root);
	fs->root = root;
	return STOW_OK;
}

/* All of them or none. */
static int init_waits(struct fs *fs, struct stow_error *err)
{
	if (mutex_init(&fs->begin_lock) != 0)
		return error_nomem(err, "filesystem.open");
	if (mutex_init(&fs->making_lock) != 0) {
		mutex_done(&fs->begin_lock);
		return error_nomem(err, "filesystem.open");
	}
	if (cond_init(&fs->making_done) != 0) {
		mutex_done(&fs->making_lock);
		mutex_done(&fs->begin_lock);
		return error_nomem(err, "filesystem.open");
	}
	return STOW_OK;
}

static int init_locks(struct fs *fs, struct stow_error *err)
{
	while (fs->stripes_ready < FS_STRIPES) {
		if (mutex_init(&fs->stripes[fs->stripes_ready]) != 0)
			return error_nomem(err, "filesystem.open");
		fs->stripes_ready++;
	}
	return STOW_OK;
}

static int fs_open(const struct stow_host *host, const struct stow_kv *kv, size_t n,
                   void **ret_self, struct stow_error *err)
{
	struct fs *fs = calloc(1, sizeof(*fs));
	int r;

	if (!fs)
		return error_nomem(err, "filesystem.open");
	r = init_waits(fs, err);
	if (r != STOW_OK) {
		free(fs);
		return r;
	}
	fs->host = host;
	fs->pid = getpid();
	r = init_locks(fs, err);
	if (r == STOW_OK)
		r = option_load(options, slots, kv, n, fs, "filesystem.open", err);
	if (r == STOW_OK)
		r = settle_root(fs, err);
	if (r != STOW_OK) {
		fs_close(fs);
		return r;
	}
	*ret_self = fs;
	return STOW_OK;
}

static int fs_check(void *self, const struct stow_op *op, struct stow_error *err)
{
	struct fs *fs = self;
	struct temp temp = TEMP_INIT;
	int r = fs_enter(fs, op, 1, "filesystem.check", err);

	if (r == STOW_OK)
		r = path_make_root(fs, "filesystem.check", err);
	if (r == STOW_OK)
		r = temp_create(fs, "p", false, "filesystem.check", &temp, err);
	if (r == STOW_OK)
		temp_drop(&temp);
	/* a full disk is no mistake of configuration: reads go on */
	else if (err && (err->backend == ENOSPC || err->backend == EDQUOT))
		error_flag(err, STOW_ERROR_RETRYABLE);
	return r;
}

static const struct stow_driver driver = {
	.size = sizeof(struct stow_driver),
	.major = STOW_DRIVER_MAJOR,
	.minor = STOW_DRIVER_MINOR,
	.caps = FILESYSTEM_CAPS,
	.name = "filesystem",
	.version = STOW_VERSION,
	.summary = "objects as files under a folder, as Distribution lays them",
	.options = options,
	.open = fs_open,
	.close = fs_close,
	.stat = fs_stat,
	.get = fs_get,
	.put = fs_put,
	.remove = fs_remove,
	.read_open = fs_read_open,
	.read = fs_read,
	.read_close = fs_read_close,
	.write_open = fs_write_open,
	.write = fs_write,
	.write_copy = fs_write_copy,
	.write_commit = fs_write_commit,
	.write_close = fs_write_close,
	.list_open = fs_list_open,
	.list_next = fs_list_next,
	.list_close = fs_list_close,
	.copy = fs_copy,
	.write_park = fs_write_park,
	.purge_writes = fs_purge_writes,
	.check = fs_check,
};

STOW_EXPORT const struct stow_driver *stow_driver_v1(void);

const struct stow_driver *stow_driver_v1(void)
{
	return &driver;
}
