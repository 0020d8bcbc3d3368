/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver that lists no key and calls it one.
 * It must not break anything else.
 */
#include "tests/abi/broken/broken.h"

/* The cursor of a list: what comes after prefix. */
struct odd_list {
	char prefix[STOW_KEY_MAX + 1];
	char key[STOW_KEY_MAX + 64];
	int n;
};

static int odd_list_open(void *self, const struct stow_op *op, const char *prefix,
                         const char *after, uint32_t flags, void **ret_list, struct stow_error *err)
{
	struct odd_list *list = calloc(1, sizeof(*list));

	(void)self, (void)op, (void)after, (void)flags;
	if (!list)
		return fails(err, STOW_ENOMEM, "no memory");
	snprintf(list->prefix, sizeof(list->prefix), "%s", prefix);
	*ret_list = list;
	return STOW_OK;
}

static int odd_list_next(void *handle, const struct stow_op *op, struct stow_entry *ret,
                         struct stow_error *err)
{
	struct odd_list *list = handle;

	(void)op, (void)err;
	memset(ret, 0, sizeof(*ret));
	ret->etag = "";
	ret->key = list->key;
	ret->size = 1;
	ret->key = NULL;
	return STOW_OK;
}

static void break_it(struct stow_driver *d)
{
	d->list_open = odd_list_open;
	d->list_next = odd_list_next;
	d->list_close = free;
}
