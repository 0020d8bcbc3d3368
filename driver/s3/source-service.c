/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of the container's endpoint (ECS, EKS Pod Identity) and of the instance metadata service,
 * version 2, which asks for a session token first.  Version 1 is not spoken.
 * It must not use a proxy: both are next door, and what they say is not for others.
 */
#include <string.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/text.h"
#include "driver/s3/service.h"
#include "driver/s3/source.h"

#define WHERE "s3.credentials"
#define ANSWER_MAX ((size_t)64 << 10)
#define LIMIT (5 * CLOCK_SECOND)
#define TOKEN_LIMIT (2 * CLOCK_SECOND) /* there is nobody where this is no instance */
#define ROLES "/latest/meta-data/iam/security-credentials/"

/* "Name: value"; what would be a second line is refused. */
static int add_header(struct buf *to, const char *name, const char *value, struct stow_error *err)
{
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return error_set(err, STOW_EINVAL, WHERE,
			                 "the value of %s is no header's value", name);
	return buf_addf(to, "%s: %s", name, value) == STOW_OK ? STOW_OK : error_nomem(err, WHERE);
}

int source_ask_container(const struct source *s, struct http_client *http, const struct stow_op *op,
                         struct keys **ret, struct stow_error *err)
{
	cleanup(service_wipe) struct buf token = { 0 }, line = { 0 }, answer = { 0 };
	const char *headers[] = { NULL, NULL };
	struct service_question q = { .where = WHERE,
		                      .method = "GET",
		                      .url = s->url,
		                      .headers = headers,
		                      .direct = true,
		                      .limit_ns = LIMIT };
	int http_status = 0, status = STOW_OK;

	buf_init(&token, ANSWER_MAX);
	buf_init(&line, ANSWER_MAX);
	buf_init(&answer, ANSWER_MAX);
	if (s->token_file)
		status = source_read_token(s->token_file, &token, err);
	else if (s->token)
		status = buf_adds(&token, s->token);
	if (status == STOW_OK && token.len)
		status = add_header(&line, "Authorization", token.data, err);
	if (status != STOW_OK)
		return status;
	headers[0] = line.len ? line.data : NULL;
	status = service_ask(http, op, &q, &answer, &http_status, err);
	if (status != STOW_OK)
		return status;
	return source_parse_keys(answer.data, answer.len, "Token", "the container's endpoint", ret,
	                         err);
}

/* ---- instance metadata ---- */

static int get(const struct source *s, struct http_client *http, const struct stow_op *op,
               const char *path, const char *token, struct buf *ret, struct stow_error *err)
{
	cleanup(service_wipe) struct buf line = { 0 };
	const char *headers[] = { NULL, NULL };
	char url[1024];
	struct service_question q = { .where = WHERE,
		                      .method = "GET",
		                      .url = url,
		                      .headers = headers,
		                      .direct = true,
		                      .limit_ns = LIMIT };
	int http_status = 0, status;

	buf_init(&line, ANSWER_MAX);
	status = add_header(&line, "X-aws-ec2-metadata-token", token, err);
	if (status != STOW_OK)
		return status;
	headers[0] = line.data;
	if (!text_format(url, sizeof(url), "%s%s", s->url, path))
		return error_set(err, STOW_EIO, WHERE, "%s: the role's name is too long", s->url);
	status = service_ask(http, op, &q, ret, &http_status, err);
	if (http_status == 404)
		return error_set(err, STOW_EDENIED, WHERE,
		                 "no keys: nothing is configured, and this instance has no role "
		                 "(%s)",
		                 url);
	return status;
}

static int get_session(const struct source *s, struct http_client *http, const struct stow_op *op,
                       struct buf *ret, struct stow_error *err)
{
	const char *headers[] = { "X-aws-ec2-metadata-token-ttl-seconds: 300", NULL };
	char url[1024];
	struct service_question q = { .where = WHERE,
		                      .method = "PUT",
		                      .url = url,
		                      .headers = headers,
		                      .direct = true,
		                      .limit_ns = TOKEN_LIMIT };
	int http_status = 0, status;

	if (!text_format(url, sizeof(url), "%s/latest/api/token", s->url))
		return error_set(err, STOW_EINVAL, WHERE, "the metadata endpoint is too long");
	status = service_ask(http, op, &q, ret, &http_status, err);
	if (status != STOW_OK && status != STOW_ECANCELED)
		return error_prefix(err, status,
		                    "no keys: nothing is configured, and no instance metadata "
		                    "service answers");
	return status;
}

int source_ask_instance(const struct source *s, struct http_client *http, const struct stow_op *op,
                        struct keys **ret, struct stow_error *err)
{
	cleanup(service_wipe) struct buf token = { 0 }, role = { 0 }, answer = { 0 };
	char path[512];
	int status;

	buf_init(&token, ANSWER_MAX);
	buf_init(&role, ANSWER_MAX);
	buf_init(&answer, ANSWER_MAX);
	status = get_session(s, http, op, &token, err);
	if (status == STOW_OK)
		status = get(s, http, op, ROLES, buf_text(&token), &role, err);
	if (status != STOW_OK)
		return status;
	if (role.len)
		role.data[strcspn(role.data, "\r\n")] = '\0';
	for (const char *p = buf_text(&role); *p; p++)
		if ((unsigned char)*p <= ' ' || strchr("/?#%", *p) || (unsigned char)*p >= 0x7f)
			return error_set(err, STOW_EIO, WHERE, "%s" ROLES " names no role", s->url);
	if (!*buf_text(&role) || !text_format(path, sizeof(path), ROLES "%s", buf_text(&role)))
		return error_set(err, STOW_EIO, WHERE, "%s" ROLES " names no role", s->url);
	status = get(s, http, op, path, buf_text(&token), &answer, err);
	if (status != STOW_OK)
		return status;
	return source_parse_keys(answer.data, answer.len, "Token", "the instance metadata service",
	                         ret, err);
}
