/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step of a listing.
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
