/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs that answer without keys for a while.  No request to the store is made for one.
 * It must not know to whom they are given.
 */
#include "driver/s3/presign.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/text.h"
#include "driver/s3/call.h"

#define LIFE_LEAST 30      /* seconds, where fewer were not asked for */
#define SECONDS_MAX 604800 /* SigV4 query form: seven days */
#define URL_MAX ((size_t)32 << 10)

/* The host of "http(s)://host[:port]", NULL if it is something else. */
static const char *endpoint_host(const char *url)
{
	const char *host;

	if (strncmp(url, "https://", 8) == 0)
		host = url + 8;
	else if (strncmp(url, "http://", 7) == 0)
		host = url + 7;
	else
		return NULL;
	return address_is_host(host) ? host : NULL;
}

int presign_check(struct s3 *s3, struct stow_error *err)
{
	char *url = s3->o.redirectendpoint;
	size_t len = url ? strlen(url) : 0;

	if (!len)
		return STOW_OK;
	if (url[len - 1] == '/')
		url[--len] = '\0';
	/* a client leaves the scheme's own port out of the Host header, which is signed */
	if (text_ends(url, text_starts(url, "https:") ? ":443" : ":80"))
		*strrchr(url, ':') = '\0';
	if (endpoint_host(url))
		return STOW_OK;
	return error_set(err, STOW_EINVAL, "s3.open",
	                 "option redirectendpoint must be http(s)://host[:port], without path and "
	                 "query");
}

/* No URL may promise more than the keys in it live; 0 where that is too short to be of use. */
static int64_t life_of(const struct s3 *s3, const struct keys *keys, int64_t seconds)
{
	int64_t left = (keys->expires_ns - s3_now(s3)) / CLOCK_SECOND;

	if (keys->expires_ns == 0 || left >= seconds)
		return seconds;
	return left >= LIFE_LEAST ? left : 0;
}

static int make_url(struct s3 *s3, const struct place *place, const struct keys *held,
                    const char *key, const char *method, int64_t seconds, struct buf *url,
                    struct stow_error *err)
{
	const char *base = s3->o.redirectendpoint && s3->o.redirectendpoint[0]
	                           ? s3->o.redirectendpoint
	                           : place->address.base;
	struct sign_keys keys = call_keys(s3, place, held);
	cleanup_free char *path = call_path(s3, place, key);
	int64_t life = life_of(s3, held, seconds);
	int r;

	if (!path)
		return error_nomem(err, "s3.presign");
	if (life == 0)
		return error_set(err, STOW_ENOTSUP, "s3.presign",
		                 "key %s: the keys that a URL would be signed with end too soon",
		                 key);
	buf_addf(url, "%s%s?", base, path);
	r = sign_presign(&keys, method, endpoint_host(base), path, NULL, 0, life, url);
	if (r == STOW_OK)
		r = buf_status(url);
	if (r != STOW_OK)
		return error_set(err, r, "s3.presign", "key %s: the URL cannot be made", key);
	return STOW_OK;
}

int s3_presign(void *self, const struct stow_op *op, const char *key, const char *method,
               int64_t seconds, char *buf, size_t cap, struct stow_error *err)
{
	struct s3 *s3 = self;
	cleanup_buf struct buf url = { 0 };
	struct keys *keys = NULL;
	struct place *place;
	int r = s3_key_check(s3, key, "s3.presign", err);

	if (r == STOW_OK)
		r = clock_op_check(op, "s3.presign", err);
	if (r != STOW_OK)
		return r;
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return error_set(err, STOW_ENOTSUP, "s3.presign",
		                 "key %s: URLs are for GET and HEAD", key);
	if (s3->attributes.customer_key)
		return error_set(err, STOW_ENOTSUP, "s3.presign",
		                 "key %s: who follows a URL has no ssecustomerkey", key);
	if (seconds < 1 || seconds > SECONDS_MAX)
		return error_set(err, STOW_EINVAL, "s3.presign",
		                 "key %s: a URL lives for 1 to %d seconds", key, SECONDS_MAX);
	r = s3_process_check(s3, "s3.presign", err);
	if (r == STOW_OK)
		r = credentials_get(s3->credentials, op, &keys, err);
	if (r != STOW_OK)
		return r;
	buf_init(&url, URL_MAX);
	place = s3_place(s3);
	r = make_url(s3, place, keys, key, method, seconds, &url, err);
	place_unref(place);
	keys_unref(keys);
	if (r != STOW_OK)
		return r;
	if (url.len >= cap)
		return error_set(err, STOW_ERANGE, "s3.presign",
		                 "key %s: the URL has %zu bytes, the buffer %zu", key, url.len,
		                 cap);
	memcpy(buf, url.data, url.len + 1);
	return STOW_OK;
}
