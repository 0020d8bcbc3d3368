/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver for the tests of plugin/store: a few slots of memory whose every answer can be bent,
 * in the least form that a driver may have and in a whole one.
 */
#ifndef UNIT_FAKE_DRIVER_H
#define UNIT_FAKE_DRIVER_H

#include "common/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 8
#define SLOT_MAX 1200000 /* more than two chunks of a copy */

struct slot {
	char key[16];
	char *data;
	size_t len;
	int version;
};

static struct fake {
	struct slot slots[SLOTS];
	int handles; /* open ones */
	int versions;
	uint64_t instance;
	/* bends */
	int status;   /* every call fails with it, without a word */
	size_t extra; /* added to lengths */
	bool negative, no_etag, cut_reads;
	size_t pairs; /* given to open */
	int natives;  /* calls of batch, copy, write_copy, remove_many */
	const char *last_if_match;
} fake;

struct handle {
	struct slot *slot;
	size_t at, end;
	char key[16];
	char *data;
	size_t len;
	int64_t announced;
};

static struct slot *find(const char *key)
{
	for (int i = 0; i < SLOTS; i++) {
		if (strcmp(fake.slots[i].key, key) == 0)
			return &fake.slots[i];
	}
	return NULL;
}

static void describe(const struct slot *slot, struct stow_stat *ret)
{
	memset(ret, 0x55, sizeof(*ret));
	ret->size = fake.negative ? -1 : (int64_t)slot->len;
	memset(ret->etag, 'x', sizeof(ret->etag)); /* no NUL anywhere */
	if (!fake.negative)
		snprintf(ret->etag, sizeof(ret->etag), "\"%d\"", slot->version);
	if (fake.no_etag)
		ret->etag[0] = '\0';
}

static int fake_stat(void *self, const struct stow_op *op, const char *key, struct stow_stat *ret,
                     struct stow_error *err)
{
	struct slot *slot = find(key);

	(void)self;
	(void)op;
	if (fake.status)
		return fake.status;
	if (!slot)
		return error_set(err, STOW_ENOTFOUND, "fake.stat", "%s is not there", key);
	describe(slot, ret);
	return STOW_OK;
}

static int fake_get(void *self, const struct stow_op *op, const char *key, const char *if_match,
                    void *buf, size_t cap, size_t *ret_len, struct stow_stat *ret_stat,
                    struct stow_error *err)
{
	struct slot *slot = find(key);
	int r = fake_stat(self, op, key, ret_stat, err);

	fake.last_if_match = if_match;
	if (r != STOW_OK)
		return r;
	*ret_len = slot->len + fake.extra;
	if (slot->len > cap)
		return error_set(err, STOW_ERANGE, "fake.get", "%s is too big", key);
	memcpy(buf, slot->data, slot->len);
	return STOW_OK;
}

static int fake_put(void *self, const struct stow_op *op, const char *key, const void *data,
                    size_t len, const struct stow_put *put, struct stow_stat *ret_stat,
                    struct stow_error *err)
{
	struct slot *slot = find(key);

	(void)self;
	(void)op;
	if (fake.status)
		return fake.status;
	if (put && (put->flags & STOW_PUT_CREATE) && slot)
		return error_set(err, STOW_EEXIST, "fake.put", "%s is there", key);
	if (!slot)
		slot = find("");
	if (!slot)
		return error_set(err, STOW_EIO, "fake.put", "no slot is free");
	snprintf(slot->key, sizeof(slot->key), "%s", key);
	free(slot->data);
	slot->data = malloc(len + 1);
	assert_non_null(slot->data);
	memcpy(slot->data, data, len);
	slot->len = len;
	slot->version = ++fake.versions;
	if (ret_stat)
		describe(slot, ret_stat);
	return STOW_OK;
}

static int fake_remove(void *self, const struct stow_op *op, const char *key, const char *if_match,
                       struct stow_error *err)
{
	struct slot *slot = find(key);

	(void)self;
	(void)op;
	fake.last_if_match = if_match;
	if (fake.status)
		return fake.status;
	if (strcmp(key, "stuck") == 0)
		return error_set(err, STOW_EDENIED, "fake.remove", "%s stays", key);
	if (slot) {
		free(slot->data);
		memset(slot, 0, sizeof(*slot));
	}
	return STOW_OK;
}

static int fake_read_open(void *self, const struct stow_op *op, const char *key,
                          const char *if_match, int64_t offset, int64_t length, void **ret,
                          struct stow_stat *ret_stat, struct stow_error *err)
{
	struct handle *h;
	int r = fake_stat(self, op, key, ret_stat, err);

	fake.last_if_match = if_match;
	if (r != STOW_OK)
		return r;
	h = calloc(1, sizeof(*h));
	assert_non_null(h);
	h->slot = find(key);
	if (!h->slot || offset > (int64_t)h->slot->len) {
		free(h);
		return error_set(err, STOW_ERANGE, "fake.read", "beyond the end");
	}
	h->at = (size_t)offset;
	h->end = h->slot->len;
	if (length >= 0 && h->at + (size_t)length < h->end)
		h->end = h->at + (size_t)length;
	if (fake.cut_reads && h->end > h->at)
		h->end--;
	fake.handles++;
	*ret = h;
	return STOW_OK;
}

static int fake_read(void *reader, const struct stow_op *op, void *buf, size_t cap, size_t *ret_len,
                     struct stow_error *err)
{
	struct handle *h = reader;
	size_t n = h->end - h->at < cap ? h->end - h->at : cap;

	(void)op;
	(void)err;
	if (fake.status)
		return fake.status;
	memcpy(buf, h->slot->data + h->at, n);
	h->at += n;
	*ret_len = n + fake.extra;
	return STOW_OK;
}

static void fake_close(void *handle)
{
	struct handle *h = handle;

	if (!h)
		return;
	free(h->data);
	free(h);
	fake.handles--;
}

static int fake_write_open(void *self, const struct stow_op *op, const char *key,
                           const struct stow_put *put, void **ret, int64_t *ret_offset,
                           struct stow_error *err)
{
	struct handle *h = calloc(1, sizeof(*h));

	(void)self;
	(void)op;
	(void)err;
	assert_non_null(h);
	h->data = malloc(SLOT_MAX);
	assert_non_null(h->data);
	snprintf(h->key, sizeof(h->key), "%s", key);
	h->announced = put ? put->length : -1;
	fake.handles++;
	*ret = h;
	*ret_offset = fake.negative ? -5 : 0;
	return STOW_OK;
}

static int fake_write(void *writer, const struct stow_op *op, const void *data, size_t len,
                      struct stow_error *err)
{
	struct handle *h = writer;

	(void)op;
	(void)err;
	if (fake.status)
		return fake.status;
	assert_true(h->len + len <= SLOT_MAX);
	memcpy(h->data + h->len, data, len);
	h->len += len;
	return STOW_OK;
}

static int fake_commit(void *writer, const struct stow_op *op, struct stow_stat *ret_stat,
                       struct stow_error *err)
{
	struct handle *h = writer;

	if (h->announced >= 0 && (int64_t)h->len != h->announced)
		return error_set(err, STOW_ECORRUPT, "fake.commit", "not the announced length");
	return fake_put(NULL, op, h->key, h->data, h->len, NULL, ret_stat, err);
}

static void fake_write_close(void *writer, const struct stow_op *op)
{
	(void)op;
	fake_close(writer);
}

static int fake_list_open(void *self, const struct stow_op *op, const char *prefix,
                          const char *after, uint32_t flags, void **ret, struct stow_error *err)
{
	struct handle *h;

	(void)self;
	(void)op;
	(void)prefix;
	(void)after;
	(void)flags;
	if (fake.status)
		return error_set(err, fake.status, "fake.list", "no list");
	h = calloc(1, sizeof(*h));
	assert_non_null(h);
	fake.handles++;
	*ret = h;
	return STOW_OK;
}

/* In the order of the slots, whatever the keys. */
static int fake_list_next(void *list, const struct stow_op *op, struct stow_entry *ret,
                          struct stow_error *err)
{
	struct handle *h = list;

	(void)op;
	while (h->at < SLOTS && !fake.slots[h->at].key[0])
		h->at++;
	if (h->at == SLOTS)
		return error_set(err, STOW_ENOTFOUND, "fake.list", "the end");
	ret->key = fake.slots[h->at].key;
	ret->size = fake.negative ? -1 : (int64_t)fake.slots[h->at].len;
	ret->etag = NULL;
	h->at++;
	return STOW_OK;
}

static uint64_t fake_caps(void *self)
{
	(void)self;
	return fake.instance;
}

static const struct stow_option fake_options[] = {
	{ "bucket", STOW_OPTION_STRING, STOW_OPTION_DERIVE, "main", "a bucket" },
	{ "secretkey", STOW_OPTION_STRING, STOW_OPTION_DERIVE | STOW_OPTION_SECRET, NULL, "a key" },
	{ "region", STOW_OPTION_STRING, 0, NULL, "a region" },
	{ NULL, 0, 0, NULL, NULL },
};

static int fake_open(const struct stow_host *host, const struct stow_kv *pairs, size_t n,
                     void **ret_self, struct stow_error *err)
{
	(void)host;
	(void)pairs;
	fake.pairs = n;
	if (fake.status)
		return error_set(err, fake.status, "fake.open", "no luck");
	*ret_self = &fake;
	return STOW_OK;
}

static void fake_end(void *self)
{
	assert_ptr_equal(self, &fake);
}

/* The least that a driver may be. */
static const struct stow_driver least = {
	.size = sizeof(struct stow_driver),
	.major = STOW_DRIVER_MAJOR,
	.caps = ~UINT64_C(0),
	.name = "fake",
	.version = "1",
	.summary = "for tests",
	.options = fake_options,
	.open = fake_open,
	.close = fake_end,
	.stat = fake_stat,
	.get = fake_get,
	.put = fake_put,
	.remove = fake_remove,
	.read_open = fake_read_open,
	.read = fake_read,
	.read_close = fake_close,
	.write_open = fake_write_open,
	.write = fake_write,
	.write_commit = fake_commit,
	.write_close = fake_write_close,
	.list_open = fake_list_open,
	.list_next = fake_list_next,
	.list_close = fake_close,
	.instance_caps = fake_caps,
};

/* ---- the optional calls, that they are used where they are there ---- */

static int native_batch(void *self, const struct stow_op *op, struct stow_call *calls, size_t n,
                        size_t stride, struct stow_error *err)
{
	(void)self;
	(void)op;
	fake.natives++;
	if (fake.status)
		return fake.status;
	for (size_t i = 0; i < n; i++) {
		struct stow_call *c = (struct stow_call *)(void *)((char *)calls + i * stride);

		if (strcmp(c->key, "forgotten") == 0)
			continue;
		c->status = strcmp(c->key, "odd") == 0 ? -99 : STOW_OK;
		c->ret_len = c->len + fake.extra;
		memset(&c->ret_stat, 0x55, sizeof(c->ret_stat));
		c->ret_stat.size = fake.negative ? -1 : 0;
		if (strcmp(c->key, "gone") == 0)
			c->status = STOW_ENOTFOUND; /* without a word in its error */
	}
	(void)err;
	return STOW_OK;
}

static int native_copy(void *self, const struct stow_op *op, const char *from,
                       const char *from_if_match, const char *to, const struct stow_put *put,
                       struct stow_error *err)
{
	(void)self;
	(void)op;
	(void)from;
	(void)from_if_match;
	(void)to;
	(void)put;
	(void)err;
	fake.natives++;
	return STOW_OK;
}

static int native_write_copy(void *writer, const struct stow_op *op, const char *from,
                             const char *if_match, int64_t offset, int64_t length,
                             struct stow_error *err)
{
	(void)writer;
	(void)op;
	(void)from;
	(void)if_match;
	(void)offset;
	(void)length;
	(void)err;
	fake.natives++;
	return STOW_OK;
}

static int native_remove_many(void *self, const struct stow_op *op, const char *const *keys,
                              const char *const *if_match, size_t n, int *ret_status,
                              struct stow_error *err)
{
	(void)self;
	(void)op;
	(void)if_match;
	(void)err;
	fake.natives++;
	for (size_t i = 0; i < n; i++) {
		if (strcmp(keys[i], "forgotten") != 0)
			ret_status[i] = strcmp(keys[i], "stuck") == 0 ? STOW_EDENIED : STOW_OK;
	}
	return fake.status;
}

static int native_park(void *writer, const struct stow_op *op, void *buf, size_t cap,
                       size_t *ret_len, struct stow_error *err)
{
	(void)writer;
	(void)op;
	(void)buf;
	(void)err;
	*ret_len = cap + fake.extra;
	return STOW_OK;
}

static struct stow_driver whole(void)
{
	struct stow_driver d = least;

	d.batch = native_batch;
	d.copy = native_copy;
	d.write_copy = native_write_copy;
	d.remove_many = native_remove_many;
	d.write_park = native_park;
	return d;
}

#endif
