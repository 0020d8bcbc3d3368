/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that sign upload tokens: from the configuration, else derived from the store's own
 * secrets, else made at random once and kept in the store, create-only, for every replica.
 * It promises that the store is asked at the first need only, and that a key read is never
 * written over.  It knows nothing of tokens.
 */
#ifndef PLUGIN_SECRET_H
#define PLUGIN_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stowage/types.h>

#include "common/thread.h"
#include "plugin/store.h"

#define SECRET_KEYS_MAX 8
#define SECRET_KEY_MAX 256 /* octets of one */

struct secret_key {
	size_t len;
	uint8_t data[SECRET_KEY_MAX];
};

struct secret {
	struct stow_store *store;
	struct mutex lock;
	size_t n GUARDED_BY(lock); /* 0 until it is known */
	struct secret_key keys[SECRET_KEYS_MAX] GUARDED_BY(lock);
};

/* list: keys parted by commas or white space, NULL or "" for none; the first signs. */
int secret_init(struct secret *, struct stow_store *, const char *list, struct stow_error *);
/* Overwrites the keys. Only after an init that succeeded. */
void secret_done(struct secret *);

/* Copies the keys, at least one; the first is the one to sign with. */
int secret_get(struct secret *, struct secret_key ret[SECRET_KEYS_MAX], size_t *ret_n,
               struct stow_error *);

#endif
