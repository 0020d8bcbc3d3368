/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's entry, its instance and the small objects of the store in memory.
 * It must not know of files, networks, or what a key means.
 */
#include "driver/memory/memory.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/key.h"
#include "common/option.h"
#include "common/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define MEMORY_CAPS                                                                                \
	(STOW_CAP_CREATE | STOW_CAP_PUT_IF_MATCH | STOW_CAP_REMOVE_IF_MATCH |                      \
	 STOW_CAP_COPY_IF_MATCH | STOW_CAP_GET_IF_MATCH)

static const struct stow_option options[] = {
	{ "memory", STOW_OPTION_SIZE, 0, "1G", "ceiling on the bytes of all objects together" },
	{ "name", STOW_OPTION_STRING, 0, NULL,
	  "instances of one name in a process share their objects; unset: nobody's but its own" },
	{ NULL, 0, 0, NULL, NULL },
};

static const struct option_slot slots[] = {
	{ "memory", offsetof(struct memory, budget) },
	{ "name", offsetof(struct memory, name) },
	{ NULL, 0 },
};

/* ---- budget and objects ---- */

int memory_charge(struct memory *m, size_t bytes, const char *where, struct stow_error *err)
{
	int64_t used = __atomic_load_n(&m->shared->used, __ATOMIC_RELAXED);

	do {
		if (bytes > INT64_MAX || (int64_t)bytes > m->shared->budget - used)
			return error_set(err, STOW_EIO, where,
			                 "memory: option memory (%" PRId64
			                 " bytes) is used up, %zu more wanted",
			                 m->shared->budget, bytes);
	} while (!__atomic_compare_exchange_n(&m->shared->used, &used, used + (int64_t)bytes, true,
	                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return STOW_OK;
}

void memory_refund(struct shared *shared, size_t bytes)
{
	__atomic_sub_fetch(&shared->used, (int64_t)bytes, __ATOMIC_RELAXED);
}

struct object *object_new(struct memory *m, char *data, size_t len, size_t charged)
{
	struct object *object = calloc(1, sizeof(*object));

	if (!object)
		return NULL;
	object->owner = m->shared;
	object->refs = 1;
	object->version = __atomic_add_fetch(&m->shared->ids, 1, __ATOMIC_RELAXED);
	object->mtime_ns = clock_host_now(m->host);
	object->data = data;
	object->len = len;
	object->charged = charged;
	return object;
}

struct object *object_ref(struct object *object)
{
	__atomic_add_fetch(&object->refs, 1, __ATOMIC_RELAXED);
	return object;
}

void object_unref(struct object *object)
{
	if (!object || __atomic_sub_fetch(&object->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	memory_refund(object->owner, object->charged);
	free(object->data);
	free(object);
}

static void format_etag(const struct object *object, char *etag, size_t cap)
{
	text_format(etag, cap, "\"%016" PRIx64 "\"", object->version);
}

bool object_matches(const struct object *object, const char *etag)
{
	char own[32];

	format_etag(object, own, sizeof(own));
	return strcmp(own, etag) == 0;
}

void object_stat(const struct object *object, struct stow_stat *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->size = (int64_t)object->len;
	ret->mtime_ns = object->mtime_ns;
	format_etag(object, ret->etag, sizeof(ret->etag));
}

/* ---- what every call does ---- */

int memory_enter(struct memory *m, const struct stow_op *op, uint64_t requests, const char *where,
                 struct stow_error *err)
{
	int r;

	if (getpid() != m->pid)
		return error_set(err, STOW_EINVAL, where,
		                 "memory: the store was opened before a fork");
	r = clock_op_check(op, where, err);
	if (r == STOW_OK)
		clock_op_count(op, requests);
	return r;
}

int memory_put_check(const struct stow_put *put, const char *where, struct stow_error *err)
{
	if (put && put->size < sizeof(*put))
		return error_set(err, STOW_EINVAL, where,
		                 "memory: stow_put of %u bytes is too short", put->size);
	return STOW_OK;
}

int memory_find(struct memory *m, const char *key, const char *if_match, const char *where,
                struct object **ret, struct stow_error *err)
{
	struct object *object;

	mutex_lock(&m->shared->lock);
	object = map_find(&m->shared->map, key);
	if (object)
		object_ref(object);
	mutex_unlock(&m->shared->lock);
	if (!object)
		return error_set(err, STOW_ENOTFOUND, where, "memory: %s: no such object", key);
	if (if_match && !object_matches(object, if_match)) {
		object_unref(object);
		return error_set(err, STOW_ECHANGED, where, "memory: %s: is another version", key);
	}
	*ret = object;
	return STOW_OK;
}

int memory_publish(struct memory *m, const char *key, struct object *object,
                   const struct stow_put *put, const char *where, struct stow_error *err)
{
	struct object *old = NULL;
	const struct object *there;
	int r = STOW_OK;

	mutex_lock(&m->shared->lock);
	there = map_find(&m->shared->map, key);
	if (there && put && (put->flags & STOW_PUT_CREATE))
		r = error_set(err, STOW_EEXIST, where, "memory: %s: exists", key);
	else if (!there && put && put->if_match)
		r = error_set(err, STOW_ENOTFOUND, where, "memory: %s: no such object", key);
	else if (there && put && put->if_match && !object_matches(there, put->if_match))
		r = error_set(err, STOW_ECHANGED, where, "memory: %s: is another version", key);
	else if (map_put(&m->shared->map, key, object_ref(object), &old) != STOW_OK) {
		object_unref(object);
		r = error_nomem(err, where);
	}
	mutex_unlock(&m->shared->lock);
	object_unref(old);
	return r;
}

/* ---- small objects ---- */

static int memory_stat(void *self, const struct stow_op *op, const char *key, struct stow_stat *ret,
                       struct stow_error *err)
{
	struct memory *m = self;
	struct object *object = NULL;
	int r = key_check(key, "memory.stat", err);

	if (r == STOW_OK)
		r = memory_enter(m, op, 1, "memory.stat", err);
	if (r == STOW_OK)
		r = memory_find(m, key, NULL, "memory.stat", &object, err);
	if (r != STOW_OK)
		return r;
	object_stat(object, ret);
	object_unref(object);
	return STOW_OK;
}

static int memory_get(void *self, const struct stow_op *op, const char *key, const char *if_match,
                      void *buf, size_t cap, size_t *ret_len, struct stow_stat *ret_stat,
                      struct stow_error *err)
{
	struct memory *m = self;
	struct object *object = NULL;
	int r = key_check(key, "memory.get", err);

	if (r == STOW_OK)
		r = memory_enter(m, op, 1, "memory.get", err);
	if (r == STOW_OK)
		r = memory_find(m, key, if_match, "memory.get", &object, err);
	if (r != STOW_OK)
		return r;
	*ret_len = object->len;
	if (object->len > cap) {
		r = error_set(err, STOW_ERANGE, "memory.get",
		              "memory: %s: %zu bytes do not fit into %zu", key, object->len, cap);
	} else {
		if (object->len > 0)
			memcpy(buf, object->data, object->len);
		if (ret_stat)
			object_stat(object, ret_stat);
	}
	object_unref(object);
	return r;
}

static int check_sha256(const char *key, const void *data, size_t len, const uint8_t *want,
                        const char *where, struct stow_error *err)
{
	uint8_t sum[32];

	hash_sha256(data, len, sum);
	if (memcmp(sum, want, sizeof(sum)) != 0)
		return error_set(err, STOW_ECORRUPT, where,
		                 "memory: %s: the bytes do not have the announced sha256", key);
	return STOW_OK;
}

/* An object of a copy of the bytes. */
static int object_copy(struct memory *m, const void *data, size_t len, const char *where,
                       struct object **ret, struct stow_error *err)
{
	cleanup_free char *copy = NULL;
	struct object *object;
	int r = memory_charge(m, len, where, err);

	if (r != STOW_OK)
		return r;
	if (len > 0) {
		copy = malloc(len);
		if (copy)
			memcpy(copy, data, len);
	}
	object = len > 0 && !copy ? NULL : object_new(m, copy, len, len);
	if (!object) {
		memory_refund(m->shared, len);
		return error_nomem(err, where);
	}
	copy = NULL;
	*ret = object;
	return STOW_OK;
}

static int memory_put(void *self, const struct stow_op *op, const char *key, const void *data,
                      size_t len, const struct stow_put *put, struct stow_stat *ret_stat,
                      struct stow_error *err)
{
	struct memory *m = self;
	struct object *object = NULL;
	int r = key_check(key, "memory.put", err);

	if (r == STOW_OK)
		r = memory_put_check(put, "memory.put", err);
	if (r == STOW_OK)
		r = memory_enter(m, op, 1, "memory.put", err);
	if (r == STOW_OK && put && put->sha256)
		r = check_sha256(key, data, len, put->sha256, "memory.put", err);
	if (r == STOW_OK)
		r = object_copy(m, data, len, "memory.put", &object, err);
	if (r != STOW_OK)
		return r;
	r = memory_publish(m, key, object, put, "memory.put", err);
	if (r == STOW_OK && ret_stat)
		object_stat(object, ret_stat);
	object_unref(object);
	return r;
}

static int memory_remove(void *self, const struct stow_op *op, const char *key,
                         const char *if_match, struct stow_error *err)
{
	struct memory *m = self;
	struct object *object = NULL;
	int r = key_check(key, "memory.remove", err);

	if (r == STOW_OK)
		r = memory_enter(m, op, 1, "memory.remove", err);
	if (r != STOW_OK)
		return r;
	mutex_lock(&m->shared->lock);
	object = map_find(&m->shared->map, key);
	if (object && if_match && !object_matches(object, if_match)) {
		object = NULL;
		r = error_set(err, STOW_ECHANGED, "memory.remove", "memory: %s: is another version",
		              key);
	} else {
		object = map_take(&m->shared->map, key);
	}
	mutex_unlock(&m->shared->lock);
	object_unref(object);
	return r;
}

static int memory_copy(void *self, const struct stow_op *op, const char *from,
                       const char *from_if_match, const char *to, const struct stow_put *put,
                       struct stow_error *err)
{
	struct memory *m = self;
	struct object *source = NULL;
	struct object *target = NULL;
	int r = key_check(from, "memory.copy", err);

	if (r == STOW_OK)
		r = key_check(to, "memory.copy", err);
	if (r == STOW_OK)
		r = memory_put_check(put, "memory.copy", err);
	if (r == STOW_OK)
		r = memory_enter(m, op, 1, "memory.copy", err);
	if (r == STOW_OK)
		r = memory_find(m, from, from_if_match, "memory.copy", &source, err);
	if (r == STOW_OK && put && put->sha256)
		r = check_sha256(from, source->data, source->len, put->sha256, "memory.copy", err);
	if (r == STOW_OK)
		r = object_copy(m, source->data, source->len, "memory.copy", &target, err);
	if (r == STOW_OK)
		r = memory_publish(m, to, target, put, "memory.copy", err);
	object_unref(target);
	object_unref(source);
	return r;
}

static int memory_check(void *self, const struct stow_op *op, struct stow_error *err)
{
	return memory_enter(self, op, 1, "memory.check", err);
}

/* ---- the instance ---- */

static void memory_close(void *self)
{
	struct memory *m = self;

	if (!m)
		return;
	shared_close(m->shared);
	option_free(options, slots, m);
	free(m);
}

static int memory_open(const struct stow_host *host, const struct stow_kv *kv, size_t n,
                       void **ret_self, struct stow_error *err)
{
	struct memory *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return error_nomem(err, "memory.open");
	m->host = host;
	m->pid = getpid();
	r = option_load(options, slots, kv, n, m, "memory.open", err);
	if (r == STOW_OK)
		r = shared_open(m->name, m->budget, &m->shared, err);
	if (r != STOW_OK) {
		option_free(options, slots, m);
		free(m);
		return r;
	}
	*ret_self = m;
	return STOW_OK;
}

static const struct stow_driver driver = {
	.size = sizeof(struct stow_driver),
	.major = STOW_DRIVER_MAJOR,
	.minor = STOW_DRIVER_MINOR,
	.caps = MEMORY_CAPS,
	.name = "memory",
	.version = STOW_VERSION,
	.summary = "objects in the memory of the process, for tests and trials",
	.options = options,
	.open = memory_open,
	.close = memory_close,
	.stat = memory_stat,
	.get = memory_get,
	.put = memory_put,
	.remove = memory_remove,
	.read_open = memory_read_open,
	.read = memory_read,
	.read_close = memory_read_close,
	.write_open = memory_write_open,
	.write = memory_write,
	.write_copy = memory_write_copy,
	.write_commit = memory_write_commit,
	.write_close = memory_write_close,
	.list_open = memory_list_open,
	.list_next = memory_list_next,
	.list_close = memory_list_close,
	.copy = memory_copy,
	.write_park = memory_write_park,
	.purge_writes = memory_purge_writes,
	.check = memory_check,
};

STOW_EXPORT const struct stow_driver *stow_driver_v1(void);

const struct stow_driver *stow_driver_v1(void)
{
	return &driver;
}
