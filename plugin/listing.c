/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Steps of listings.
 * It must not know what is listed.
 */
#include "plugin/listing.h"

#include "common/error.h"

int listing_next(struct store_list *list, const struct stow_op *op, struct stow_entry *ret,
                 bool *ret_end, struct stow_error *err)
{
	struct stow_error fault = { 0 };
	int status = store_list_next(list, op, ret, &fault);

	*ret_end = status == STOW_ENOTFOUND;
	if (status == STOW_OK || *ret_end)
		return STOW_OK;
	return error_copy(err, &fault);
}

int listing_each(struct stow_store *store, const struct stow_op *op, const char *prefix,
                 const char *after,
                 int (*visit)(void *arg, const struct stow_entry *, struct stow_error *), void *arg,
                 struct stow_error *err)
{
	struct store_list *list = NULL;
	struct stow_entry entry;
	bool end = false;
	int status;

	status = store_list_open(store, op, prefix, after && *after ? after : NULL, 0, &list, err);
	while (status == STOW_OK) {
		status = listing_next(list, op, &entry, &end, err);
		if (status == STOW_OK && !end)
			status = visit(arg, &entry, err);
		if (end)
			break;
	}
	store_list_close(list);
	return status;
}
