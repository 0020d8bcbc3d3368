/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds the keys that sign tokens, and keeps a random one in the store where there is no other.
 * It must not know what is signed.
 */
#include "plugin/secret.h"

#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/text.h"
#include "plugin/layout.h"

#define WHERE "uploads.secret"
#define RANDOM_OCTETS 32
#define STORED_MIN 32 /* bytes below which a stored key is no key */
#define TIME_LIMIT (10 * CLOCK_SECOND)

/* memset that the compiler may not drop. */
static void wipe(void *data, size_t len)
{
	explicit_bzero(data, len);
}

static int parse_list(struct secret *secret, const char *list, struct stow_error *err)
	REQUIRES(secret->lock)
{
	static const char separators[] = ", \t\r\n";
	const char *p = list;

	for (;;) {
		struct secret_key *key;

		p += strspn(p, separators);
		if (*p == '\0')
			return STOW_OK;
		if (secret->n == SECRET_KEYS_MAX)
			return error_set(err, STOW_EINVAL, WHERE,
			                 "[http] secret: more than %d keys", SECRET_KEYS_MAX);
		key = &secret->keys[secret->n];
		key->len = strcspn(p, separators);
		if (key->len > SECRET_KEY_MAX)
			return error_set(err, STOW_EINVAL, WHERE,
			                 "[http] secret: key %zu is longer than %d bytes",
			                 secret->n + 1, SECRET_KEY_MAX);
		memcpy(key->data, p, key->len);
		p += key->len;
		secret->n++;
	}
}

int secret_init(struct secret *secret, struct stow_store *store, const char *list,
                struct stow_error *err)
{
	int status = STOW_OK;

	memset(secret, 0, sizeof(*secret));
	if (mutex_init(&secret->lock))
		return error_nomem(err, WHERE);
	secret->store = store;
	mutex_lock(&secret->lock);
	if (list)
		status = parse_list(secret, list, err);
	if (status == STOW_OK && secret->n == 0 && store_derive_key(store, secret->keys[0].data)) {
		secret->keys[0].len = 32;
		secret->n = 1;
	}
	mutex_unlock(&secret->lock);
	if (status != STOW_OK)
		secret_done(secret);
	return status;
}

void secret_done(struct secret *secret)
{
	mutex_lock(&secret->lock);
	wipe(secret->keys, sizeof(secret->keys));
	secret->n = 0;
	mutex_unlock(&secret->lock);
	mutex_done(&secret->lock);
}

static int read_stored(struct stow_store *store, const struct stow_op *op, struct secret_key *ret,
                       struct stow_error *err)
{
	struct secret_key key = { 0 };
	int status;

	status = store_get(store, op, LAYOUT_SECRET, NULL, key.data, sizeof(key.data), &key.len,
	                   NULL, err);
	if (status == STOW_OK && key.len >= STORED_MIN)
		*ret = key;
	else if (status == STOW_OK || status == STOW_ERANGE)
		status = error_set(err, STOW_ECORRUPT, WHERE, "%s is not a key that was made here",
		                   LAYOUT_SECRET);
	wipe(&key, sizeof(key));
	return status;
}

/* Two replicas may come here at once: the first to create it wins, and both read that one. */
static int create_stored(struct stow_store *store, const struct stow_op *op, struct stow_error *err)
{
	struct stow_put put = { .size = sizeof(put), .flags = STOW_PUT_PRIVATE, .length = -1 };
	uint8_t octets[RANDOM_OCTETS];
	char hex[2 * RANDOM_OCTETS + 1];
	int status;

	if (!hash_random(octets, sizeof(octets)))
		return error_set(err, STOW_EIO, WHERE, "no random octets to be had");
	text_hex(hex, octets, sizeof(octets));
	if (store_caps(store) & STOW_CAP_CREATE)
		put.flags |= STOW_PUT_CREATE;
	status = store_put(store, op, LAYOUT_SECRET, hex, 2 * sizeof(octets), &put, NULL, err);
	wipe(octets, sizeof(octets));
	wipe(hex, sizeof(hex));
	return status == STOW_EEXIST ? STOW_OK : status;
}

static int load_stored(struct secret *secret, struct stow_error *err) REQUIRES(secret->lock)
{
	struct stow_op op = { .size = sizeof(op), .deadline_ns = clock_monotonic() + TIME_LIMIT };
	int status;

	status = read_stored(secret->store, &op, &secret->keys[0], err);
	if (status == STOW_ENOTFOUND) {
		status = create_stored(secret->store, &op, err);
		if (status == STOW_OK)
			status = read_stored(secret->store, &op, &secret->keys[0], err);
	}
	if (status == STOW_OK)
		secret->n = 1;
	return status;
}

int secret_get(struct secret *secret, struct secret_key ret[SECRET_KEYS_MAX], size_t *ret_n,
               struct stow_error *err)
{
	struct stow_error fault = { 0 }; /* of a key that is not there yet, too */
	int status = STOW_OK;

	mutex_lock(&secret->lock);
	if (secret->n == 0)
		status = load_stored(secret, &fault);
	if (status == STOW_OK) {
		memcpy(ret, secret->keys, secret->n * sizeof(*ret));
		*ret_n = secret->n;
	}
	mutex_unlock(&secret->lock);
	return status == STOW_OK ? STOW_OK : error_copy(err, &fault);
}
