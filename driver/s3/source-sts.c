/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of a role from the Security Token Service: AssumeRole, signed with the keys of another
 * source, and AssumeRoleWithWebIdentity, which the token in a file speaks for.
 * It must not keep a token longer than the question.
 */
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/text.h"
#include "driver/s3/service.h"
#include "driver/s3/sign.h"
#include "driver/s3/source.h"
#include "driver/s3/xml.h"

#define WHERE "s3.credentials"
#define BODY_MAX ((size_t)256 << 10)
#define LIMIT (20 * CLOCK_SECOND)
#define FORM "application/x-www-form-urlencoded"

static void add(struct buf *body, const char *name, const char *value)
{
	size_t len = text_percent_encode(NULL, 0, value, false);

	buf_addf(body, "%s%s=", body->len ? "&" : "", name);
	if (buf_reserve(body, len + 1) == STOW_OK)
		body->len += text_percent_encode(body->data + body->len, len + 1, value, false);
}

static int make_body(const struct source *s, struct buf *body, struct stow_error *err)
{
	cleanup(service_wipe) struct buf token = { 0 };
	bool web = s->kind == SOURCE_WEB;
	char seconds[24];
	int status;

	add(body, "Action", web ? "AssumeRoleWithWebIdentity" : "AssumeRole");
	add(body, "Version", "2011-06-15");
	add(body, "RoleArn", s->role);
	add(body, "RoleSessionName", s->session);
	if (s->seconds) {
		(void)text_format(seconds, sizeof(seconds), "%lld", (long long)s->seconds);
		add(body, "DurationSeconds", seconds);
	}
	if (s->external)
		add(body, "ExternalId", s->external);
	if (web) {
		buf_init(&token, BODY_MAX);
		status = source_read_token(s->token_file, &token, err);
		if (status != STOW_OK)
			return status;
		add(body, "WebIdentityToken", token.data);
	}
	return buf_status(body) == STOW_OK ? STOW_OK : error_nomem(err, WHERE);
}

/* What is between "//" and the path, and the path. */
static bool parts_of(const char *url, char host[300], const char **ret_path)
{
	const char *at = strstr(url, "://");
	size_t len;

	if (!at)
		return false;
	at += 3;
	len = strcspn(at, "/?#");
	*ret_path = at[len] == '/' ? at + len : "/";
	return len < 300 && text_format(host, 300, "%.*s", (int)len, at) && !strchr(at, '?');
}

/* The lines of a question that is signed, one after the other with their NULs. */
static int sign(const struct source *s, const struct keys *k, const struct buf *body,
                int64_t now_ns, struct buf *lines, struct stow_error *err)
{
	char date[SIGN_DATE_LEN + 1], host[300], payload[65];
	const char *path;
	uint8_t sum[32];
	struct sign_keys keys = { .accesskey = k->accesskey,
		                  .secretkey = k->secretkey,
		                  .sessiontoken = k->sessiontoken,
		                  .region = s->region,
		                  .service = "sts",
		                  .seconds = now_ns / CLOCK_SECOND };
	struct sign_pair pairs[] = {
		{ "content-type", FORM },
		{ "host", host },
		{ "x-amz-date", date },
		{ "x-amz-security-token", k->sessiontoken },
	};
	size_t n = k->sessiontoken ? 4 : 3;
	int status;

	if (!parts_of(s->url, host, &path))
		return error_set(err, STOW_EINVAL, WHERE, "AWS_ENDPOINT_URL_STS is no URL");
	hash_sha256(body->data, body->len, sum);
	text_hex(payload, sum, sizeof(sum));
	sign_date(keys.seconds, date);
	for (size_t i = 0; i < n; i++) {
		buf_addf(lines, "%s: %s", pairs[i].name, pairs[i].value);
		buf_addc(lines, '\0');
	}
	buf_adds(lines, "Authorization: ");
	status = sign_authorization(&keys,
	                            &(struct sign_request){ .method = "POST",
	                                                    .path = path,
	                                                    .query = "",
	                                                    .headers = pairs,
	                                                    .n_headers = n,
	                                                    .payload = payload },
	                            lines);
	if (status == STOW_OK)
		status = buf_addc(lines, '\0');
	return status == STOW_OK ? STOW_OK
	                         : error_set(err, status, WHERE, "%s: cannot sign", s->url);
}

/* Says why the service refused, in its own words: they name roles and tokens' faults, no secrets. */
static int explain(const struct source *s, const struct buf *answer, int status,
                   struct stow_error *err)
{
	cleanup_xml struct xml *x = xml_parse(buf_text(answer), answer->len);
	const struct xml_node *e = x ? xml_root(x, "ErrorResponse") : NULL;
	static const char *const passing[] = { "Throttling", "ThrottlingException",
		                               "RequestLimitExceeded", "IDPCommunicationError" };
	uint32_t flags = err ? err->flags : 0;
	char code[64] = "", message[200] = "";

	e = e ? xml_child(e, "Error") : NULL;
	if (e) {
		xml_text(e, "Code", code, sizeof(code));
		xml_text(e, "Message", message, sizeof(message));
	}
	if (!code[0])
		return error_prefix(err, status, "role %s", s->role);
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
		if (strcmp(code, passing[i]) == 0) {
			status = STOW_EBUSY;
			flags = STOW_ERROR_RETRYABLE;
		}
	error_set(err, status, WHERE, "role %s at %s: %s%s%s", s->role, s->url, code,
	          message[0] ? ": " : "", message);
	error_flag(err, flags);
	return status;
}

static bool parse(const struct source *s, const struct buf *answer, struct keys **ret)
{
	bool web = s->kind == SOURCE_WEB;
	cleanup_xml struct xml *x = xml_parse(buf_text(answer), answer->len);
	const struct xml_node *n = NULL;
	char access[200] = "", secret[200] = "", until[64] = "";
	cleanup(service_wipe) struct buf token = { 0 };
	int64_t expires;
	bool ok;

	if (x)
		n = xml_root(x, web ? "AssumeRoleWithWebIdentityResponse" : "AssumeRoleResponse");
	if (n)
		n = xml_child(n, web ? "AssumeRoleWithWebIdentityResult" : "AssumeRoleResult");
	if (n)
		n = xml_child(n, "Credentials");
	if (!n)
		return false;
	buf_init(&token, BODY_MAX);
	ok = xml_text(n, "AccessKeyId", access, sizeof(access)) && access[0] &&
	     xml_text(n, "SecretAccessKey", secret, sizeof(secret)) && secret[0] &&
	     xml_text(n, "Expiration", until, sizeof(until)) &&
	     xml_add_text(xml_child(n, "SessionToken"), &token) == STOW_OK && token.len;
	expires = text_rfc3339(until);
	if (ok && expires > 0)
		*ret = keys_new(access, secret, token.data, expires);
	explicit_bzero(secret, sizeof(secret));
	return *ret != NULL;
}

int source_ask_sts(const struct source *s, struct http_client *http, const struct stow_op *op,
                   int64_t now_ns, struct keys **ret, struct stow_error *err)
{
	cleanup(service_wipe) struct buf body = { 0 }, lines = { 0 }, answer = { 0 };
	const char *headers[SIGN_HEADERS_MAX] = { "content-type: " FORM, NULL }, *p;
	struct service_question q = { .where = WHERE,
		                      .method = "POST",
		                      .url = s->url,
		                      .headers = headers,
		                      .limit_ns = LIMIT };
	struct keys *base = NULL;
	int http_status = 0, status;

	*ret = NULL;
	buf_init(&body, BODY_MAX);
	buf_init(&lines, BODY_MAX);
	buf_init(&answer, BODY_MAX);
	status = make_body(s, &body, err);
	if (status == STOW_OK && s->base) {
		status = source_fetch(s->base, http, op, now_ns, &base, err);
		if (status == STOW_OK)
			status = sign(s, base, &body, now_ns, &lines, err);
		keys_unref(base);
		p = buf_text(&lines);
		for (size_t i = 0; status == STOW_OK && p < lines.data + lines.len;
		     i++, p += strlen(p) + 1)
			headers[i] = p;
	}
	if (status != STOW_OK)
		return status;
	q.body = body.data;
	q.len = body.len;
	status = service_ask(http, op, &q, &answer, &http_status, err);
	if (status != STOW_OK)
		return http_status ? explain(s, &answer, status, err) : status;
	if (!parse(s, &answer, ret))
		return error_set(err, STOW_EIO, WHERE, "%s gives no keys for role %s", s->url,
		                 s->role);
	return STOW_OK;
}
