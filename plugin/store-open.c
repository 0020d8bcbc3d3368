/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a checked configuration to an open store, and the key that replicas derive from it.  It
 * must not know what a driver's options mean.
 */
#include "plugin/store-private.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/option.h"
#include "plugin/config.h"

#include <stdlib.h>
#include <string.h>

/* The row that comes next by name and may be derived from; tables may be reordered. */
static const struct stow_option *next_derive(const struct stow_option *table, const char *after)
{
	const struct stow_option *row, *best = NULL;

	for (row = table; row->name; row++) {
		if ((row->flags & STOW_OPTION_DERIVE) && strcmp(row->name, after) > 0 &&
		    (!best || strcmp(row->name, best->name) < 0))
			best = row;
	}
	return best;
}

/* HMAC over name, length and value of each option that is set, under a fixed label. */
static int derive_key(struct stow_store *s, const struct stow_config *config,
                      struct stow_error *err)
{
	static const char label[] = "stowage store key 1";
	cleanup_buf struct buf text = { 0 };
	const struct stow_option *row;
	const char *value, *after = "";
	bool secret = false;

	buf_init(&text, (size_t)16 << 20);
	buf_addf(&text, "%s\n", s->driver.name);
	while ((row = next_derive(s->driver.options, after))) {
		after = row->name;
		value = stow_config_string(config, s->driver.name, row->name);
		if (!value || !*value)
			continue;
		if (row->flags & STOW_OPTION_SECRET)
			secret = true;
		buf_addf(&text, "%s %zu ", row->name, strlen(value));
		buf_adds(&text, value);
		buf_addc(&text, '\n');
	}
	if (buf_status(&text) != STOW_OK)
		return error_nomem(err, "store.open");
	if (secret) {
		hash_hmac_sha256(label, sizeof(label) - 1, text.data, text.len, s->key);
		s->has_key = true;
	}
	explicit_bzero(text.data, text.len);
	return STOW_OK;
}

int stow_store_open(const struct stow_config *config, const struct stow_host *host,
                    struct stow_store **ret, struct stow_error *err)
{
	const struct stow_driver *driver = config_driver(config);
	cleanup_free struct stow_kv *pairs = NULL;
	struct stow_store *s = NULL;
	size_t n;
	int r;

	if (!driver)
		return error_set(err, STOW_EINVAL, "store.open",
		                 "the configuration was not checked");
	r = config_driver_pairs(config, &pairs, &n, err);
	if (r != STOW_OK)
		return r;
	r = store_open(driver, pairs, n, host, &s, err);
	if (r != STOW_OK)
		return r;
	r = derive_key(s, config, err);
	if (r != STOW_OK) {
		stow_store_close(s);
		return r;
	}
	*ret = s;
	return STOW_OK;
}
