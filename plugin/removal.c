/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists and removes objects in slices.
 * It must not know the layout.
 */
#include "plugin/removal.h"

#include "plugin/listing.h"

#define SLICE 500 /* keys a request; the driver cuts further where its store takes fewer */

static int add_key(void *arg, const struct stow_entry *entry, struct stow_error *err)
{
	return names_add(arg, entry->key, strlen(entry->key), err);
}

int removal_list(struct stow_store *store, const struct stow_op *op, const char *prefix,
                 struct stow_names *names, struct stow_error *err)
{
	return listing_each(store, op, prefix, NULL, add_key, names, err);
}

int removal_keys(struct stow_store *store, const struct stow_op *op, const struct stow_names *names,
                 struct stow_error *err)
{
	const char *keys[SLICE];
	int statuses[SLICE];
	int status = STOW_OK;

	for (size_t done = 0; done < names->n && status == STOW_OK;) {
		size_t n = 0;

		while (n < SLICE && done < names->n)
			keys[n++] = names_at(names, done++);
		if (n == 1)
			status = store_remove(store, op, keys[0], NULL, err);
		else
			status = store_remove_many(store, op, keys, NULL, n, statuses, err);
	}
	return status;
}

int removal_prefix(struct stow_store *store, const struct stow_op *op, const char *prefix,
                   size_t *ret_n, struct stow_error *err)
{
	struct stow_names names;
	int status;

	names_init(&names);
	status = removal_list(store, op, prefix, &names, err);
	if (status == STOW_OK)
		status = removal_keys(store, op, &names, err);
	if (status == STOW_OK)
		*ret_n = names.n;
	names_done(&names);
	return status;
}
