/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Readers, writers and unfinished writes of the store in memory.
 * It must not know of listings, nor touch the map but through memory_find and memory_publish.
 */
#include "common/clock.h"
#include "common/cleanup.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/key.h"
#include "common/text.h"
#include "driver/memory/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK ((size_t)1 << 20) /* copied between two looks at deadline and cancel word */
#define FIRST_CAPACITY ((size_t)4096)

/* ---- readers ---- */

struct reader {
	struct memory *memory;
	struct object *object;
	size_t offset;
	size_t end;
};

int memory_read_open(void *self, const struct stow_op *op, const char *key, const char *if_match,
                     int64_t offset, int64_t length, void **ret_reader, struct stow_stat *ret_stat,
                     struct stow_error *err)
{
	struct memory *m = self;
	struct object *object = NULL;
	struct reader *reader;
	int r = key_check(key, "memory.read", err);

	if (r == STOW_OK && (offset < 0 || length < -1))
		r = error_set(err, STOW_EINVAL, "memory.read",
		              "memory: %s: offset %" PRId64 " or length %" PRId64 " is negative",
		              key, offset, length);
	if (r == STOW_OK)
		r = memory_enter(m, op, 1, "memory.read", err);
	if (r == STOW_OK)
		r = memory_find(m, key, if_match, "memory.read", &object, err);
	if (r != STOW_OK)
		return r;
	if ((uint64_t)offset > object->len) {
		r = error_set(err, STOW_ERANGE, "memory.read",
		              "memory: %s: offset %" PRId64 " lies beyond %zu bytes", key, offset,
		              object->len);
		object_unref(object);
		return r;
	}
	reader = calloc(1, sizeof(*reader));
	if (!reader) {
		object_unref(object);
		return error_nomem(err, "memory.read");
	}
	reader->memory = m;
	reader->object = object;
	reader->offset = (size_t)offset;
	reader->end = object->len;
	if (length >= 0 && (uint64_t)length < object->len - reader->offset)
		reader->end = reader->offset + (size_t)length;
	if (ret_stat)
		object_stat(object, ret_stat);
	*ret_reader = reader;
	return STOW_OK;
}

int memory_read(void *handle, const struct stow_op *op, void *buf, size_t cap, size_t *ret_len,
                struct stow_error *err)
{
	struct reader *reader = handle;
	size_t len = reader->end - reader->offset;
	int r = memory_enter(reader->memory, op, 0, "memory.read", err);

	if (r != STOW_OK)
		return r;
	if (len > cap)
		len = cap;
	if (len > CHUNK)
		len = CHUNK;
	if (len > 0)
		memcpy(buf, reader->object->data + reader->offset, len);
	reader->offset += len;
	*ret_len = len;
	return STOW_OK;
}

void memory_read_close(void *handle)
{
	struct reader *reader = handle;

	if (!reader)
		return;
	object_unref(reader->object);
	free(reader);
}

/* ---- writers ---- */

struct writer {
	struct memory *memory;
	char *key;
	char *data;
	size_t len;
	size_t cap; /* what data has room for, all of it charged */
	char *if_match;
	struct stow_put put;
	uint8_t sha256[32];
	bool ended; /* committed, parked or failed: nothing but write_close is allowed */
	bool over;  /* committed, parked, or never to be */
	/* what it went on from, without its bytes: the first from_len of these are they */
	struct parked *from;
	size_t from_len;
};

/* Room for `more` bytes behind those there. */
static int grow(struct writer *w, size_t more, struct stow_error *err)
{
	size_t want;
	size_t cap = w->cap > FIRST_CAPACITY ? w->cap : FIRST_CAPACITY;
	char *data;
	int r;

	if (more > SIZE_MAX / 4 - w->len)
		return error_set(err, STOW_EIO, "memory.write", "memory: %s: grows too large",
		                 w->key);
	want = w->len + more;
	if (want <= w->cap)
		return STOW_OK;
	while (cap < want)
		cap += cap / 2;
	/* a known length is met exactly, unless the caller goes beyond it */
	if (w->put.length > 0 && (uint64_t)w->put.length >= want && (uint64_t)w->put.length < cap)
		cap = (size_t)w->put.length;
	r = memory_charge(w->memory, cap - w->cap, "memory.write", err);
	if (r != STOW_OK)
		return r;
	data = realloc(w->data, cap);
	if (!data) {
		memory_refund(w->memory->shared, cap - w->cap);
		return error_nomem(err, "memory.write");
	}
	w->data = data;
	w->cap = cap;
	return STOW_OK;
}

/* The newest unfinished write of the key, or the one that id names; out of the list. */
static struct parked *take_parked(struct memory *m, const char *key, uint64_t id)
{
	struct parked *found = NULL;

	mutex_lock(&m->shared->lock);
	for (struct parked **p = &m->shared->parked; *p && !found; p = &(*p)->next) {
		if (strcmp((*p)->key, key) != 0 || (id != 0 && (*p)->id != id))
			continue;
		found = *p;
		*p = found->next;
		break;
	}
	mutex_unlock(&m->shared->lock);
	return found;
}

void memory_parked_free(struct parked *parked)
{
	if (!parked)
		return;
	object_unref(parked->object);
	free(parked->key);
	free(parked);
}

/* The state of memory_write_park: "memory <id>"; 0 if it is not one. */
static uint64_t parse_parked(const void *state, size_t len)
{
	static const char word[] = "memory ";
	const char *text = state;
	int64_t id;

	if (len < sizeof(word) || strncmp(text, word, sizeof(word) - 1) != 0 ||
	    !text_to_int64_n(text + sizeof(word) - 1, len - (sizeof(word) - 1), &id) || id <= 0)
		return 0;
	return (uint64_t)id;
}

/* Goes on with an unfinished write: its bytes become the writer's. */
static int resume(struct writer *w, const struct stow_put *put, struct stow_error *err)
{
	struct parked *parked;
	struct object *object;
	uint64_t id = 0;

	if (put->parked) {
		id = parse_parked(put->parked, put->parked_len);
		if (id == 0)
			return error_set(err, STOW_EINVAL, "memory.write",
			                 "memory: %s: not a state of an unfinished write", w->key);
	}
	parked = take_parked(w->memory, w->key, id);
	if (!parked)
		return error_set(err, STOW_ENOTFOUND, "memory.write",
		                 "memory: %s: no unfinished write", w->key);
	/* nobody but the list held a reference, so the bytes can change hands */
	object = parked->object;
	w->data = take(object->data);
	w->len = object->len;
	w->cap = object->charged;
	object->charged = 0;
	w->from = parked;
	w->from_len = w->len;
	return STOW_OK;
}

static void add_parked(struct memory *m, struct parked *parked)
{
	mutex_lock(&m->shared->lock);
	parked->next = m->shared->parked;
	m->shared->parked = parked;
	mutex_unlock(&m->shared->lock);
}

/* The write failed: what was parked before is as it was. */
static void park_again(struct writer *w)
{
	struct parked *parked = take(w->from);
	struct object *object = parked->object;

	object->data = take(w->data);
	object->len = w->from_len;
	object->charged = w->cap;
	w->cap = w->len = 0;
	add_parked(w->memory, parked);
}

/* What the writer keeps of the caller's conditions. */
static int keep_put(struct writer *w, const struct stow_put *put, struct stow_error *err)
{
	w->put.size = sizeof(w->put);
	w->put.length = -1;
	if (!put)
		return STOW_OK;
	w->put.flags = put->flags;
	w->put.length = put->length;
	if (put->sha256) {
		memcpy(w->sha256, put->sha256, sizeof(w->sha256));
		w->put.sha256 = w->sha256;
	}
	if (put->if_match) {
		w->if_match = strdup(put->if_match);
		if (!w->if_match)
			return error_nomem(err, "memory.write");
		w->put.if_match = w->if_match;
	}
	return STOW_OK;
}

int memory_write_open(void *self, const struct stow_op *op, const char *key,
                      const struct stow_put *put, void **ret_writer, int64_t *ret_offset,
                      struct stow_error *err)
{
	struct memory *m = self;
	struct writer *w;
	int r = key_check(key, "memory.write", err);

	if (r == STOW_OK)
		r = memory_put_check(put, "memory.write", err);
	if (r == STOW_OK)
		r = memory_enter(m, op, 1, "memory.write", err);
	if (r != STOW_OK)
		return r;
	w = calloc(1, sizeof(*w));
	if (!w)
		return error_nomem(err, "memory.write");
	w->memory = m;
	w->key = strdup(key);
	r = w->key ? keep_put(w, put, err) : error_nomem(err, "memory.write");
	if (r == STOW_OK && put && (put->parked || (put->flags & STOW_PUT_RESUME)))
		r = resume(w, put, err);
	if (r != STOW_OK) {
		memory_write_close(w, op);
		return r;
	}
	*ret_writer = w;
	if (ret_offset)
		*ret_offset = (int64_t)w->len;
	return STOW_OK;
}

/* Appends, with a look at the deadline before each chunk. */
static int append(struct writer *w, const struct stow_op *op, const char *data, size_t len,
                  struct stow_error *err)
{
	int r = STOW_OK;

	while (len > 0 && r == STOW_OK) {
		size_t part = len < CHUNK ? len : CHUNK;

		r = clock_op_check(op, "memory.write", err);
		if (r == STOW_OK)
			r = grow(w, part, err);
		if (r != STOW_OK)
			break;
		memcpy(w->data + w->len, data, part);
		w->len += part;
		data += part;
		len -= part;
	}
	if (r != STOW_OK)
		w->ended = true;
	return r;
}

static int enter_writer(struct writer *w, const struct stow_op *op, uint64_t requests,
                        struct stow_error *err)
{
	if (w->ended)
		return error_set(err, STOW_EINVAL, "memory.write",
		                 "memory: %s: the writer has ended or failed", w->key);
	int r = memory_enter(w->memory, op, requests, "memory.write", err);

	if (r != STOW_OK)
		w->ended = true;
	return r;
}

int memory_write(void *handle, const struct stow_op *op, const void *data, size_t len,
                 struct stow_error *err)
{
	struct writer *w = handle;
	int r = enter_writer(w, op, 0, err);

	return r == STOW_OK ? append(w, op, data, len, err) : r;
}

int memory_write_copy(void *handle, const struct stow_op *op, const char *from,
                      const char *if_match, int64_t offset, int64_t length, struct stow_error *err)
{
	struct writer *w = handle;
	struct object *source = NULL;
	int r = enter_writer(w, op, 1, err);

	if (r != STOW_OK)
		return r;
	r = key_check(from, "memory.write", err);
	if (r == STOW_OK)
		r = memory_find(w->memory, from, if_match, "memory.write", &source, err);
	if (r == STOW_OK && (offset < 0 || length < 0 || (uint64_t)offset > source->len ||
	                     (uint64_t)length > source->len - (uint64_t)offset))
		r = error_set(err, STOW_ERANGE, "memory.write",
		              "memory: %s: %" PRId64 " bytes from %" PRId64 " on are not in %zu",
		              from, length, offset, source->len);
	if (r == STOW_OK && length > 0)
		r = append(w, op, source->data + offset, (size_t)length, err);
	if (r != STOW_OK)
		w->ended = true;
	object_unref(source);
	return r;
}

static int check_whole(const struct writer *w, struct stow_error *err)
{
	uint8_t sum[32];

	if (w->put.length >= 0 && (uint64_t)w->put.length != w->len)
		return error_set(err, STOW_ECORRUPT, "memory.write",
		                 "memory: %s: %zu bytes written, %" PRId64 " announced", w->key,
		                 w->len, w->put.length);
	if (!w->put.sha256)
		return STOW_OK;
	hash_sha256(w->data, w->len, sum);
	if (memcmp(sum, w->put.sha256, sizeof(sum)) != 0)
		return error_set(err, STOW_ECORRUPT, "memory.write",
		                 "memory: %s: the bytes do not have the announced sha256", w->key);
	return STOW_OK;
}

/* The writer's bytes as an object; the writer keeps nothing of them. */
static struct object *hand_over(struct writer *w)
{
	struct object *object;

	if (w->len > 0 && w->len < w->cap) {
		char *data = realloc(w->data, w->len);

		if (data) {
			memory_refund(w->memory->shared, w->cap - w->len);
			w->data = data;
			w->cap = w->len;
		}
	}
	object = object_new(w->memory, w->data, w->len, w->cap);
	if (!object)
		return NULL;
	w->data = NULL;
	w->len = 0;
	w->cap = 0;
	return object;
}

int memory_write_commit(void *handle, const struct stow_op *op, struct stow_stat *ret_stat,
                        struct stow_error *err)
{
	struct writer *w = handle;
	struct object *object = NULL;
	int r = enter_writer(w, op, 1, err);

	if (r != STOW_OK)
		return r;
	r = check_whole(w, err);
	w->ended = true;
	w->over = error_is_verdict(r);
	if (r != STOW_OK)
		return r;
	object = hand_over(w);
	if (!object)
		return error_nomem(err, "memory.write");
	r = memory_publish(w->memory, w->key, object, &w->put, "memory.write", err);
	w->over = r == STOW_OK || error_is_verdict(r);
	if (r != STOW_OK) {
		w->data = take(object->data);
		w->len = object->len;
		w->cap = object->charged;
		object->charged = 0;
	}
	if (r == STOW_OK && ret_stat)
		object_stat(object, ret_stat);
	object_unref(object);
	return r;
}

void memory_write_close(void *handle, const struct stow_op *op)
{
	struct writer *w = handle;

	(void)op;
	if (!w)
		return;
	if (w->from && w->ended && !w->over)
		park_again(w);
	memory_parked_free(w->from);
	memory_refund(w->memory->shared, w->cap);
	free(w->data);
	free(w->if_match);
	free(w->key);
	free(w);
}

/* ---- unfinished writes ---- */

int memory_write_park(void *handle, const struct stow_op *op, void *buf, size_t cap,
                      size_t *ret_len, struct stow_error *err)
{
	struct writer *w = handle;
	struct memory *m = w->memory;
	struct parked *parked;
	char state[64];
	size_t len;
	int r = enter_writer(w, op, 1, err);

	if (r != STOW_OK)
		return r;
	w->ended = true;
	parked = calloc(1, sizeof(*parked));
	if (!parked)
		return error_nomem(err, "memory.park");
	parked->id = __atomic_add_fetch(&m->shared->ids, 1, __ATOMIC_RELAXED);
	text_format(state, sizeof(state), "memory %" PRIu64, parked->id);
	len = strlen(state);
	if (len > cap) {
		free(parked);
		return error_set(err, STOW_ERANGE, "memory.park",
		                 "memory: the state takes %zu bytes, there is room for %zu", len,
		                 cap);
	}
	parked->key = strdup(w->key);
	parked->object = parked->key ? hand_over(w) : NULL;
	if (!parked->object) {
		memory_parked_free(parked);
		return error_nomem(err, "memory.park");
	}
	add_parked(m, parked);
	w->over = true;
	memcpy(buf, state, len);
	*ret_len = len;
	return STOW_OK;
}

int memory_purge_writes(void *self, const struct stow_op *op, const char *prefix,
                        int64_t older_than_ns, uint64_t *ret_count, struct stow_error *err)
{
	struct memory *m = self;
	struct parked *old = NULL;
	uint64_t count = 0;
	int64_t now;
	int r = memory_enter(m, op, 1, "memory.purge", err);

	if (r != STOW_OK)
		return r;
	now = clock_host_now(m->host);
	mutex_lock(&m->shared->lock);
	for (struct parked **p = &m->shared->parked; *p;) {
		struct parked *one = *p;

		if (!text_starts(one->key, prefix) || now - one->object->mtime_ns < older_than_ns) {
			p = &one->next;
			continue;
		}
		*p = one->next;
		one->next = old;
		old = one;
	}
	mutex_unlock(&m->shared->lock);
	while (old) {
		struct parked *next = old->next;

		memory_parked_free(old);
		old = next;
		count++;
	}
	if (ret_count)
		*ret_count = count;
	return STOW_OK;
}
