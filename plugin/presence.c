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

static int judge(struct stow_store *store, const struct stow_op *op, struct presence *item,
                 const struct stow_call *link, const struct stow_call *data, struct stow_error *err)
{
	struct digest *target = &item->target;
	int status;

	item->present = false;
	item->size = -1;
	status = link_call_result(link, item->digest, target, err);
	if (status != STOW_OK)
		return status == STOW_ENOTFOUND ? STOW_OK : status;
	if (!digest_equal(target, item->digest)) {
		status = presence_data(store, op, target, &item->size, err);
	} else if (data->status != STOW_OK) {
		status = error_copy(err, data->err);
	} else if (is_plausible(item->digest, data->ret_stat.size)) {
		item->size = data->ret_stat.size;
	} else {
		status = STOW_ENOTFOUND;
	}
	item->present = status == STOW_OK;
	return status == STOW_ENOTFOUND ? STOW_OK : status;
}

static int check_slice(struct stow_store *store, const struct stow_op *op, const char *name,
                       enum layout_room room, struct presence *items, size_t n, struct look *looks,
                       struct stow_call *calls, struct stow_error *err)
{
	int status;

	for (size_t i = 0; i < n; i++) {
		struct look *look = &looks[i];

		layout_link(&look->link_key, name, room, items[i].digest);
		layout_data(&look->data_key, items[i].digest);
		link_call(&calls[2 * i], &look->link_key, look->body, &look->link_err);
		calls[2 * i + 1] = (struct stow_call){
			.verb = STOW_CALL_STAT,
			.key = look->data_key.text,
			.err = &look->data_err,
		};
	}
	status = store_batch(store, op, calls, 2 * n, sizeof(calls[0]), err);
	for (size_t i = 0; i < n && status == STOW_OK; i++)
		status = judge(store, op, &items[i], &calls[2 * i], &calls[2 * i + 1], err);
	return status;
}

int presence_check(struct stow_store *store, const struct stow_op *op, const char *name,
                   enum layout_room room, struct presence *items, size_t n, struct stow_error *err)
{
	size_t slice = n < SLICE ? n : SLICE;
	cleanup_free struct look *looks = NULL;
	cleanup_free struct stow_call *calls = NULL;
	struct stow_error fault = { 0 }; /* "absent" is an answer here */
	int status = STOW_OK;

	if (n == 0)
		return STOW_OK;
	looks = calloc(slice, sizeof(*looks));
	calls = calloc(2 * slice, sizeof(*calls));
	if (!looks || !calls)
		return error_nomem(err, WHERE);
	for (size_t i = 0; i < n && status == STOW_OK; i += slice) {
		size_t left = n - i < slice ? n - i : slice;

		status = check_slice(store, op, name, room, items + i, left, looks, calls, &fault);
	}
	return status == STOW_OK ? STOW_OK : error_copy(err, &fault);
}
