/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings of a store, and the proof that they are in order.  It must not know what keys mean.
 */
#include "plugin/store-private.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"

#include <stdlib.h>
#include <string.h>

#define LAST_MAX (STOW_KEY_MAX + 2)

struct store_list {
	struct stow_store *store;
	void *handle;
	char *prefix;
	int ended;           /* what every further call answers; STOW_OK while it goes on */
	char last[LAST_MAX]; /* the next key sorts after it */
};

int store_list_open(struct stow_store *s, const struct stow_op *op, const char *prefix,
                    const char *after, uint32_t flags, struct store_list **ret,
                    struct stow_error *err)
{
	cleanup_free struct store_list *list = calloc(1, sizeof(*list));
	cleanup_free char *copy = strdup(prefix);
	struct stow_error e = { 0 };
	int r;

	if (!list || !copy)
		return error_nomem(err, "store.list");
	list->store = s;
	/* one that is cut sorts before the whole: the check is then weaker, not wrong */
	text_copy(list->last, sizeof(list->last), after ? after : "");
	r = s->driver.list_open(s->self, op, prefix, after, flags, &list->handle, &e);
	r = store_answer(s, "store.list", r, &e, err);
	if (r == STOW_OK)
		r = store_handle_check(s, list->handle, "store.list", err);
	if (r != STOW_OK)
		return r;
	list->prefix = take(copy);
	*ret = take(list);
	return STOW_OK;
}

/* Whoever pages through keys in order would lose some where they come out of order. */
static int check_entry(struct store_list *list, struct stow_entry *entry, struct stow_error *err)
{
	const char *driver = list->store->driver.name;
	size_t len;

	if (!entry->key)
		return error_set(err, STOW_EIO, "store.list", "driver %s listed no key", driver);
	len = strnlen(entry->key, LAST_MAX);
	if (len == LAST_MAX || entry->size < 0)
		return error_set(err, STOW_EIO, "store.list",
		                 "driver %s listed \"%.64s\" with a key or size that cannot be",
		                 driver, entry->key);
	if (!text_starts(entry->key, list->prefix))
		return error_set(err, STOW_EIO, "store.list",
		                 "driver %s listed \"%s\", which is not below \"%s\"", driver,
		                 entry->key, list->prefix);
	if (strcmp(entry->key, list->last) <= 0)
		return error_set(err, STOW_EIO, "store.list",
		                 "driver %s listed \"%s\" after \"%s\": out of order", driver,
		                 entry->key, list->last);
	if (entry->is_folder && !text_ends(entry->key, "/"))
		return error_set(err, STOW_EIO, "store.list",
		                 "driver %s listed the folder \"%s\" without a slash", driver,
		                 entry->key);
	if (!entry->etag)
		entry->etag = "";
	memcpy(list->last, entry->key, len + 1);
	return STOW_OK;
}

int store_list_next(struct store_list *list, const struct stow_op *op, struct stow_entry *ret,
                    struct stow_error *err)
{
	struct stow_entry entry = { 0 };
	struct stow_error e = { 0 };
	int r;

	if (list->ended != STOW_OK)
		return error_set(err, list->ended, "store.list", "the listing has ended");
	r = list->store->driver.list_next(list->handle, op, &entry, &e);
	r = store_answer(list->store, "store.list", r, &e, err);
	if (r == STOW_OK)
		r = check_entry(list, &entry, err);
	if (r == STOW_OK)
		*ret = entry;
	else
		list->ended = r;
	return r;
}

void store_list_close(struct store_list *list)
{
	if (!list)
		return;
	list->store->driver.list_close(list->handle);
	free(list->prefix);
	free(list);
}

int stow_store_check(struct stow_store *s, const struct stow_op *op, struct stow_error *err)
{
	struct stow_error e = { 0 };
	struct store_list *list = NULL;
	struct stow_entry entry;
	int r;

	if (s->driver.check)
		return store_answer(s, "store.check", s->driver.check(s->self, op, &e), &e, err);
	/* a store that lists its first key, or that it has none, is there */
	r = store_list_open(s, op, "", NULL, 0, &list, err);
	if (r != STOW_OK)
		return r;
	r = store_list_next(list, op, &entry, &e);
	store_list_close(list);
	return r == STOW_ENOTFOUND ? STOW_OK : store_answer(s, "store.check", r, &e, err);
}

int stow_store_probe(struct stow_store *s, const struct stow_op *op, char *buf, size_t cap,
                     size_t *ret_len, struct stow_error *err)
{
	struct stow_error e = { 0 };
	size_t len = 0;
	int r;

	if (!s->driver.probe)
		return error_set(err, STOW_ENOTSUP, "store.probe", "driver %s has nothing to probe",
		                 s->driver.name);
	r = s->driver.probe(s->self, op, buf, cap, &len, &e);
	if (r == STOW_OK && len > cap)
		return error_set(err, STOW_EIO, "store.probe",
		                 "driver %s reports more than it was given room for",
		                 s->driver.name);
	if (r == STOW_OK)
		*ret_len = len;
	return store_answer(s, "store.probe", r, &e, err);
}
