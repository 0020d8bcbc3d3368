/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signature of sign.h, computed with common/hash.
 * It must not know sockets, clocks, options or what S3 does with a request.
 */
#include "driver/s3/sign.h"

#include <stowage/types.h>

#include "common/cleanup.h"
#include "common/hash.h"
#include "common/text.h"

#define TEXT_MAX ((size_t)64 << 10)
#define ALGORITHM "AWS4-HMAC-SHA256"

void sign_date(int64_t seconds, char ret[SIGN_DATE_LEN + 1])
{
	struct text_utc t = text_utc(seconds);

	if (!text_format(ret, SIGN_DATE_LEN + 1, "%04d%02d%02dT%02d%02d%02dZ", t.year, t.month,
	                 t.day, t.hour, t.minute, t.second))
		ret[SIGN_DATE_LEN] = '\0';
}

/* ---- the query ---- */

struct encoded {
	char *name, *value;
};

static int encode(const char *s, char **ret)
{
	size_t len = text_percent_encode(NULL, 0, s, false);

	/* session tokens have no length that anyone promises */
	if (len > TEXT_MAX)
		return STOW_ERANGE;
	*ret = malloc(len + 1);
	if (!*ret)
		return STOW_ENOMEM;
	text_percent_encode(*ret, len + 1, s, false);
	return STOW_OK;
}

static int compare_encoded(const void *a, const void *b)
{
	const struct encoded *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r != 0 ? r : strcmp(x->value, y->value);
}

int sign_query(const struct sign_pair *pairs, size_t n, struct buf *to)
{
	struct encoded all[SIGN_QUERY_MAX] = { 0 };
	int r = STOW_OK;

	if (n > SIGN_QUERY_MAX)
		return STOW_ERANGE;
	for (size_t i = 0; i < n && r == STOW_OK; i++) {
		r = encode(pairs[i].name, &all[i].name);
		if (r == STOW_OK)
			r = encode(pairs[i].value, &all[i].value);
	}
	if (r == STOW_OK) {
		qsort(all, n, sizeof(all[0]), compare_encoded);
		for (size_t i = 0; i < n; i++)
			buf_addf(to, "%s%s=%s", i ? "&" : "", all[i].name, all[i].value);
		r = buf_status(to);
	}
	for (size_t i = 0; i < n; i++) {
		free(all[i].name);
		free(all[i].value);
	}
	return r;
}

/* ---- canonical request, string to sign, signature ---- */

/* A header's value with outer blanks cut and inner runs made one, as the rules want it. */
static void add_trimmed(struct buf *to, const char *value)
{
	bool blank = false, begun = false;

	for (; *value; value++) {
		if (*value == ' ' || *value == '\t') {
			blank = true;
			continue;
		}
		if (blank && begun)
			buf_addc(to, ' ');
		blank = false;
		begun = true;
		buf_addc(to, *value);
	}
}

static void add_signed_names(struct buf *to, const struct sign_request *r)
{
	for (size_t i = 0; i < r->n_headers; i++)
		buf_addf(to, "%s%s", i ? ";" : "", r->headers[i].name);
}

int sign_canonical(const struct sign_request *r, struct buf *to)
{
	buf_addf(to, "%s\n%s\n%s\n", r->method, r->path, r->query);
	for (size_t i = 0; i < r->n_headers; i++) {
		buf_addf(to, "%s:", r->headers[i].name);
		add_trimmed(to, r->headers[i].value);
		buf_addc(to, '\n');
	}
	buf_addc(to, '\n');
	add_signed_names(to, r);
	return buf_addf(to, "\n%s", r->payload);
}

static int signature(const struct sign_keys *k, const struct sign_request *r, char ret[65])
{
	char date[SIGN_DATE_LEN + 1], hex[65];
	uint8_t key[32], sum[32];
	cleanup_buf struct buf text = { 0 };

	buf_init(&text, TEXT_MAX);
	sign_date(k->seconds, date);
	if (sign_canonical(r, &text) != STOW_OK)
		return buf_status(&text);
	hash_sha256(text.data, text.len, sum);
	text_hex(hex, sum, sizeof(sum));
	buf_reset(&text);
	buf_addf(&text, "%s\n%s\n%.8s/%s/%s/aws4_request\n%s", ALGORITHM, date, date, k->region,
	         k->service, hex);
	if (buf_status(&text) != STOW_OK)
		return buf_status(&text);

	{
		cleanup_buf struct buf first = { 0 };

		buf_init(&first, TEXT_MAX);
		if (buf_addf(&first, "AWS4%s", k->secretkey) != STOW_OK)
			return buf_status(&first);
		hash_hmac_sha256(first.data, first.len, date, 8, key);
		explicit_bzero(first.data, first.len);
	}
	hash_hmac_sha256(key, sizeof(key), k->region, strlen(k->region), sum);
	hash_hmac_sha256(sum, sizeof(sum), k->service, strlen(k->service), key);
	hash_hmac_sha256(key, sizeof(key), "aws4_request", strlen("aws4_request"), sum);
	hash_hmac_sha256(sum, sizeof(sum), text.data, text.len, key);
	text_hex(ret, key, sizeof(key));
	return STOW_OK;
}

int sign_authorization(const struct sign_keys *k, const struct sign_request *r, struct buf *to)
{
	char date[SIGN_DATE_LEN + 1], hex[65];
	int status = signature(k, r, hex);

	if (status != STOW_OK)
		return status;
	sign_date(k->seconds, date);
	buf_addf(to, "%s Credential=%s/%.8s/%s/%s/aws4_request,SignedHeaders=", ALGORITHM,
	         k->accesskey, date, k->region, k->service);
	add_signed_names(to, r);
	return buf_addf(to, ",Signature=%s", hex);
}

int sign_presign(const struct sign_keys *k, const char *method, const char *host, const char *path,
                 const struct sign_pair *extra, size_t n, int64_t expires, struct buf *to)
{
	char date[SIGN_DATE_LEN + 1], seconds[24], hex[65];
	struct sign_pair pairs[SIGN_QUERY_MAX], host_pair = { "host", host };
	cleanup_buf struct buf credential = { 0 }, query = { 0 };
	size_t m = 0;
	int r;

	buf_init(&credential, TEXT_MAX);
	buf_init(&query, TEXT_MAX);
	if (n > SIGN_QUERY_MAX - 6)
		return STOW_ERANGE;
	sign_date(k->seconds, date);
	text_format(seconds, sizeof(seconds), "%lld", (long long)expires);
	buf_addf(&credential, "%s/%.8s/%s/%s/aws4_request", k->accesskey, date, k->region,
	         k->service);
	if (buf_status(&credential) != STOW_OK)
		return buf_status(&credential);
	for (size_t i = 0; i < n; i++)
		pairs[m++] = extra[i];
	pairs[m++] = (struct sign_pair){ "X-Amz-Algorithm", ALGORITHM };
	pairs[m++] = (struct sign_pair){ "X-Amz-Credential", buf_text(&credential) };
	pairs[m++] = (struct sign_pair){ "X-Amz-Date", date };
	pairs[m++] = (struct sign_pair){ "X-Amz-Expires", seconds };
	pairs[m++] = (struct sign_pair){ "X-Amz-SignedHeaders", "host" };
	if (k->sessiontoken)
		pairs[m++] = (struct sign_pair){ "X-Amz-Security-Token", k->sessiontoken };
	r = sign_query(pairs, m, &query);
	if (r != STOW_OK)
		return r;
	r = signature(k,
	              &(struct sign_request){ .method = method,
	                                      .path = path,
	                                      .query = buf_text(&query),
	                                      .headers = &host_pair,
	                                      .n_headers = 1,
	                                      .payload = SIGN_UNSIGNED },
	              hex);
	if (r != STOW_OK)
		return r;
	return buf_addf(to, "%s&X-Amz-Signature=%s", buf_text(&query), hex);
}
