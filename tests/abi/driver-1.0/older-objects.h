/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of the driver of ABI 1.0, and how they are found and published. */
#ifndef TESTS_ABI_OLDER_OBJECTS_H
#define TESTS_ABI_OLDER_OBJECTS_H

#include <stowage/driver.h>

#include <errno.h>
#include <limits.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifndef NAME
#define NAME "older"
#endif
#define STEP ((size_t)1 << 20) /* bytes copied between two looks at the deadline */

/* Fills the error, if there is one, and returns its status. */
__attribute__((format(printf, 3, 4))) static int fail(struct stow_error *err, int status,
                                                      const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return status;
	memset(err, 0, sizeof(*err));
	err->status = status;
	if (status == STOW_EBUSY || status == STOW_ENOMEM)
		err->flags = STOW_ERROR_RETRYABLE;
	snprintf(err->where, sizeof(err->where), NAME);
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	return status;
}

static int no_memory(struct stow_error *err)
{
	return fail(err, STOW_ENOMEM, NAME ": out of memory");
}

struct object {
	unsigned refs; /* atomic */
	uint64_t version;
	int64_t mtime_ns;
	size_t len;
	char *data;
};

struct slot {
	char *key;
	struct object *object;
};

struct older {
	const struct stow_host *host;
	pid_t pid;
	size_t limit;          /* objects */
	pthread_rwlock_t lock; /* of all below; never held while bytes are copied */
	uint64_t versions;
	struct slot *slots; /* sorted by key */
	size_t n, cap;
};

static struct object *keep(struct object *object)
{
	__atomic_add_fetch(&object->refs, 1, __ATOMIC_RELAXED);
	return object;
}

static void drop(struct object *object)
{
	if (!object || __atomic_sub_fetch(&object->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	free(object->data);
	free(object);
}

/* The store's clock: the host's, where it has one. */
static int64_t now(const struct older *s)
{
	struct timespec t;

	if (s->host && s->host->now_ns)
		return s->host->now_ns(s->host->arg);
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Takes over data, which malloc gave, on success. Its version comes with its place. */
static struct object *object_new(const struct older *s, char *data, size_t len)
{
	struct object *object = calloc(1, sizeof(*object));

	if (!object)
		return NULL;
	object->refs = 1;
	object->mtime_ns = now(s);
	object->len = len;
	object->data = data;
	return object;
}

static void tell_stat(const struct object *object, struct stow_stat *ret)
{
	if (!ret)
		return;
	memset(ret, 0, sizeof(*ret));
	ret->size = (int64_t)object->len;
	ret->mtime_ns = object->mtime_ns;
	snprintf(ret->etag, sizeof(ret->etag), "\"%llu\"", (unsigned long long)object->version);
}

static bool has_etag(const struct object *object, const char *etag)
{
	struct stow_stat stat;

	tell_stat(object, &stat);
	return strcmp(stat.etag, etag) == 0;
}

/* The first slot whose key is not less than key. */
static size_t seek(const struct older *s, const char *key)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(s->slots[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(const struct older *s, size_t i, const char *key)
{
	return i < s->n && strcmp(s->slots[i].key, key) == 0;
}

/* Has the caller given up? */
static int in_time(const struct stow_op *op, struct stow_error *err)
{
	struct timespec t;

	if (!op)
		return STOW_OK;
	if (op->cancel && __atomic_load_n(op->cancel, __ATOMIC_ACQUIRE))
		return fail(err, STOW_ECANCELED, NAME ": cancelled");
	if (op->deadline_ns == 0)
		return STOW_OK;
	clock_gettime(CLOCK_MONOTONIC, &t);
	if ((int64_t)t.tv_sec * 1000000000 + t.tv_nsec >= op->deadline_ns)
		return fail(err, STOW_ETIMEOUT, NAME ": the deadline has passed");
	return STOW_OK;
}

static int check_key(const char *key, struct stow_error *err)
{
	const char *part = key;

	if (strlen(key) > STOW_KEY_MAX)
		return fail(err, STOW_EINVAL, NAME ": a key of more than %d bytes", STOW_KEY_MAX);
	for (;;) {
		size_t len = strcspn(part, "/");

		if (len == 0 || len > STOW_KEY_COMPONENT_MAX || (len == 1 && part[0] == '.') ||
		    (len == 2 && part[0] == '.' && part[1] == '.'))
			return fail(err, STOW_EINVAL, NAME ": \"%.200s\" is no key", key);
		if (!part[len])
			return STOW_OK;
		part += len + 1;
	}
}

/* Every call's beginning; key is NULL for those without. */
static int enter(const struct older *s, const struct stow_op *op, const char *key,
                 struct stow_error *err)
{
	int r = key ? check_key(key, err) : STOW_OK;

	if (r == STOW_OK && getpid() != s->pid)
		r = fail(err, STOW_EINVAL, NAME ": opened before a fork");
	return r == STOW_OK ? in_time(op, err) : r;
}

/* memcpy that comes back in time. */
static int copy_bytes(const struct stow_op *op, char *to, const char *from, size_t len,
                      struct stow_error *err)
{
	int r = STOW_OK;

	for (size_t at = 0; at < len && r == STOW_OK; at += STEP) {
		memcpy(to + at, from + at, len - at < STEP ? len - at : STEP);
		r = in_time(op, err);
	}
	return r;
}

static int find(struct older *s, const char *key, const char *if_match, struct object **ret,
                struct stow_error *err)
{
	struct object *object = NULL;
	size_t i;

	pthread_rwlock_rdlock(&s->lock);
	i = seek(s, key);
	if (is_at(s, i, key))
		object = keep(s->slots[i].object);
	pthread_rwlock_unlock(&s->lock);
	if (!object)
		return fail(err, STOW_ENOTFOUND, NAME ": %s: no such object", key);
	if (if_match && !has_etag(object, if_match)) {
		drop(object);
		return fail(err, STOW_ECHANGED, NAME ": %s: is another version", key);
	}
	*ret = object;
	return STOW_OK;
}

/* Room for a key that is not there yet, at i. The lock is held. */
static int make_room(struct older *s, size_t i, const char *key, struct stow_error *err)
{
	char *copy;

	if (s->n >= s->limit)
		return fail(err, STOW_EIO, NAME ": %s: option objects (%zu) is used up", key,
		            s->limit);
	if (s->n == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 64;
		struct slot *slots = realloc(s->slots, cap * sizeof(*slots));

		if (!slots)
			return no_memory(err);
		s->slots = slots;
		s->cap = cap;
	}
	copy = strdup(key);
	if (!copy)
		return no_memory(err);
	memmove(&s->slots[i + 1], &s->slots[i], (s->n - i) * sizeof(*s->slots));
	s->slots[i] = (struct slot){ .key = copy };
	s->n++;
	return STOW_OK;
}

/* Makes object what lies under key, if the conditions let it; takes a reference of its own. */
static int publish(struct older *s, const char *key, struct object *object,
                   const struct stow_put *put, struct stow_error *err)
{
	const char *if_match = put ? put->if_match : NULL;
	struct object *old = NULL;
	int r = STOW_OK;
	bool there;
	size_t i;

	pthread_rwlock_wrlock(&s->lock);
	i = seek(s, key);
	there = is_at(s, i, key);
	if (there && put && (put->flags & STOW_PUT_CREATE))
		r = fail(err, STOW_EEXIST, NAME ": %s: exists", key);
	else if (!there && if_match)
		r = fail(err, STOW_ENOTFOUND, NAME ": %s: no such object", key);
	else if (there && if_match && !has_etag(s->slots[i].object, if_match))
		r = fail(err, STOW_ECHANGED, NAME ": %s: is another version", key);
	else if (!there)
		r = make_room(s, i, key, err);
	if (r == STOW_OK) {
		object->version = ++s->versions;
		old = s->slots[i].object;
		s->slots[i].object = keep(object);
	}
	pthread_rwlock_unlock(&s->lock);
	drop(old);
	return r;
}

#endif
