/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the store whether links and their data are there, many in one batch.
 * It must not know why the caller asks.
 */
#include "plugin/presence.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "plugin/link.h"

#define WHERE "presence.check"
#define SLICE 256 /* digests a batch: bounds the memory, some 700 kB */

struct look { /* one digest's two calls and their memory */
	struct layout_key link_key, data_key;
	char body[LINK_BODY_MAX];
	struct stow_error link_err, data_err;
	bool seen; /* the cache knows the data */
};

/* Is that size possible for that digest?  Some stores leave empty stand-ins behind. */
static bool is_plausible(const struct digest *digest, int64_t size)
{
	return size > 0 || digest_is_of_nothing(digest);
}

int presence_data(struct stow_store *store, const struct stow_op *op, const struct digest *digest,
                  int64_t *ret_size, struct stow_error *err)
{
	struct layout_key key;
	struct stow_stat stat;
	int status;

	layout_data(&key, digest);
	status = store_stat(store, op, key.text, &stat, err);
	if (status != STOW_OK)
		return status;
	if (!is_plausible(digest, stat.size))
		return error_set(err, STOW_ENOTFOUND, WHERE, "%s is empty", key.text);
	*ret_size = stat.size;
	return STOW_OK;
}

/* Of one check: what all digests share. */
struct check {
	struct stow_store *store;
	struct cache *cache;
	const struct stow_op *op;
	const char *name;
	enum layout_room room;
	struct cache_read read;
	struct stow_call *beside; /* NULL once it is done */
};

static void saw_data(const struct check *check, const struct digest *digest, int64_t size)
{
	cache_fill(check->cache, check->read, CACHE_DATA, "", digest,
	           (struct cache_entry){ .size = size, .target = *digest });
}

/* Does the data lie there, as the batch or the cache says? */
static int judge_data(const struct check *check, struct presence *item,
                      const struct stow_call *data, struct stow_error *err)
{
	if (!digest_equal(&item->target, item->digest))
		return presence_data(check->store, check->op, &item->target, &item->size, err);
	if (!data)
		return STOW_OK; /* size is the cache's */
	if (data->status != STOW_OK)
		return error_copy(err, data->err);
	if (!is_plausible(item->digest, data->ret_stat.size))
		return STOW_ENOTFOUND;
	item->size = data->ret_stat.size;
	saw_data(check, item->digest, item->size);
	return STOW_OK;
}

static int judge(const struct check *check, struct presence *item, const struct stow_call *link,
                 const struct stow_call *data, struct stow_error *err)
{
	int status = link_call_result(link, item->digest, &item->target, err);

	if (status == STOW_OK)
		status = judge_data(check, item, data, err);
	item->present = status == STOW_OK;
	if (status == STOW_ENOTFOUND) {
		item->size = -1;
		cache_clear(check->cache,
		            check->room == LAYOUT_LAYERS ? CACHE_BLOB : CACHE_MANIFEST, check->name,
		            item->digest);
	}
	return status == STOW_ENOTFOUND ? STOW_OK : status;
}

static int check_slice(struct check *check, struct presence *items, size_t n, struct look *looks,
                       struct stow_call *calls, struct stow_error *err)
{
	size_t n_calls = 0;
	int status;

	for (size_t i = 0; i < n; i++) {
		struct look *look = &looks[i];
		struct cache_entry seen = { .size = -1 };

		layout_link(&look->link_key, check->name, check->room, items[i].digest);
		link_call(&calls[n_calls++], &look->link_key, look->body, &look->link_err);
		look->seen = cache_get(check->cache, CACHE_DATA, "", items[i].digest, &seen);
		items[i].size = seen.size;
		if (look->seen)
			continue;
		layout_data(&look->data_key, items[i].digest);
		calls[n_calls++] = (struct stow_call){
			.verb = STOW_CALL_STAT,
			.key = look->data_key.text,
			.err = &look->data_err,
		};
	}
	if (check->beside)
		calls[n_calls++] = *check->beside;
	status = store_batch(check->store, check->op, calls, n_calls, sizeof(calls[0]), err);
	if (check->beside) {
		*check->beside = calls[n_calls - 1];
		check->beside = NULL;
	}
	n_calls = 0;
	for (size_t i = 0; i < n && status == STOW_OK; i++) {
		const struct stow_call *link = &calls[n_calls++];

		status = judge(check, &items[i], link, looks[i].seen ? NULL : &calls[n_calls++],
		               err);
	}
	return status;
}

int presence_check(struct stow_store *store, struct cache *cache, const struct stow_op *op,
                   const char *name, enum layout_room room, struct presence *items, size_t n,
                   struct stow_error *err)
{
	return presence_check_beside(store, cache, op, name, room, items, n, NULL, err);
}

int presence_check_beside(struct stow_store *store, struct cache *cache, const struct stow_op *op,
                          const char *name, enum layout_room room, struct presence *items, size_t n,
                          struct stow_call *beside, struct stow_error *err)
{
	struct check check = { store, cache, op, name, room, cache_read_begin(cache), beside };
	size_t slice = n < SLICE ? n : SLICE;
	cleanup_free struct look *looks = NULL;
	cleanup_free struct stow_call *calls = NULL;
	struct stow_error fault = { 0 }; /* "absent" is an answer here */
	int status = STOW_OK;

	if (n == 0)
		return STOW_OK;
	looks = calloc(slice, sizeof(*looks));
	calls = calloc(2 * slice + 1, sizeof(*calls));
	if (!looks || !calls)
		return error_nomem(err, WHERE);
	for (size_t i = 0; i < n && status == STOW_OK; i += slice) {
		size_t left = n - i < slice ? n - i : slice;

		status = check_slice(&check, items + i, left, looks, calls, &fault);
	}
	return status == STOW_OK ? STOW_OK : error_copy(err, &fault);
}
