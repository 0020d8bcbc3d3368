/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials.h: the chain of sources.
 * It must not send requests.
 */
#include "driver/s3/credentials.h"

#include <stdbool.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "driver/s3/profile.h"

#define WHERE "s3.credentials"
#define VALUE_MAX ((size_t)16 << 10)
#define PATH_LEN 4096

static bool given(const char *text)
{
	return text && *text;
}

static int make(const char *accesskey, const char *secretkey, const char *token, struct keys **ret,
                struct stow_error *err)
{
	*ret = keys_new(accesskey, secretkey, token, 0);
	return *ret ? STOW_OK : error_nomem(err, WHERE);
}

static int half(const char *is, const char *is_not, struct stow_error *err)
{
	return error_set(err, STOW_EINVAL, WHERE, "%s is set, and %s is not", is, is_not);
}

static const char *variable(const struct credentials_sources *s, const char *name)
{
	const char *value = s->variable(s->arg, name);

	return given(value) ? value : NULL;
}

/* STOW_ENOTFOUND where it has none; err is left alone then, here and below. */
static int from_options(const struct credentials_sources *s, struct keys **ret,
                        struct stow_error *err)
{
	if (!given(s->accesskey) && !given(s->secretkey))
		return STOW_ENOTFOUND;
	if (!given(s->secretkey))
		return half("option accesskey", "option secretkey", err);
	if (!given(s->accesskey))
		return half("option secretkey", "option accesskey", err);
	return make(s->accesskey, s->secretkey, s->sessiontoken, ret, err);
}

static int from_environment(const struct credentials_sources *s, struct keys **ret,
                            struct stow_error *err)
{
	const char *accesskey = variable(s, "AWS_ACCESS_KEY_ID");
	const char *secretkey = variable(s, "AWS_SECRET_ACCESS_KEY");

	if (given(s->profile) || (!accesskey && !secretkey))
		return STOW_ENOTFOUND;
	if (!secretkey)
		return half("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", err);
	if (!accesskey)
		return half("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", err);
	return make(accesskey, secretkey, variable(s, "AWS_SESSION_TOKEN"), ret, err);
}

/* ---- profiles ---- */

/* What a profile may say that is not done, so that nobody looks for the reason elsewhere. */
static int other_ways(const struct profile_file *file, const char *name, struct stow_error *err)
{
	static const char *const keys[] = { "role_arn", "credential_process", "sso_session",
		                            "sso_start_url", "web_identity_token_file" };
	cleanup_buf struct buf value = { 0 };

	buf_init(&value, VALUE_MAX);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (profile_value(file, name, keys[i], &value))
			return error_set(err, STOW_EINVAL, WHERE,
			                 "%s: profile %s has %s, which is not supported",
			                 file->path, name, keys[i]);
	}
	return STOW_ENOTFOUND;
}

static void wipe(struct buf *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buf_done(b);
}

static int read_profile(const struct profile_file *file, const char *name, struct keys **ret,
                        struct stow_error *err)
{
	cleanup(wipe) struct buf accesskey = { 0 }, secretkey = { 0 }, token = { 0 };
	bool has_access, has_secret;

	buf_init(&accesskey, VALUE_MAX);
	buf_init(&secretkey, VALUE_MAX);
	buf_init(&token, VALUE_MAX);
	has_access = profile_value(file, name, "aws_access_key_id", &accesskey);
	has_secret = profile_value(file, name, "aws_secret_access_key", &secretkey);
	(void)profile_value(file, name, "aws_session_token", &token);
	if (buf_status(&accesskey) != STOW_OK || buf_status(&secretkey) != STOW_OK ||
	    buf_status(&token) != STOW_OK)
		return error_set(err, STOW_EINVAL, WHERE, "%s: profile %s: a value is too long",
		                 file->path, name);
	if (!has_access && !has_secret)
		return other_ways(file, name, err);
	if (!has_access || !has_secret)
		return error_set(err, STOW_EINVAL, WHERE, "%s: profile %s has no %s", file->path,
		                 name, has_access ? "aws_secret_access_key" : "aws_access_key_id");
	return make(buf_text(&accesskey), buf_text(&secretkey), buf_text(&token), ret, err);
}

/* The path that a variable names, or one below the home folder; false where neither is known. */
static bool path_of(const struct credentials_sources *s, const char *name, const char *below,
                    char ret[PATH_LEN])
{
	const char *path = variable(s, name), *home = variable(s, "HOME");

	if (path)
		return text_copy(ret, PATH_LEN, path);
	return home && text_format(ret, PATH_LEN, "%s/%s", home, below);
}

static int from_file(const struct credentials_sources *s, bool config, const char *name,
                     bool *ret_seen, struct keys **ret, struct stow_error *err)
{
	struct profile_file file = { 0 };
	struct stow_error fault = { 0 };
	char path[PATH_LEN];
	int status;

	if (!path_of(s, config ? "AWS_CONFIG_FILE" : "AWS_SHARED_CREDENTIALS_FILE",
	             config ? ".aws/config" : ".aws/credentials", path))
		return STOW_ENOTFOUND;
	status = profile_open(&file, path, config, &fault);
	if (status == STOW_ENOTFOUND)
		return status;
	if (status != STOW_OK)
		return error_copy(err, &fault);
	*ret_seen = *ret_seen || profile_exists(&file, name);
	status = read_profile(&file, name, ret, err);
	profile_close(&file);
	return status;
}

static int from_profile(const struct credentials_sources *s, struct keys **ret,
                        struct stow_error *err)
{
	const char *asked = given(s->profile) ? s->profile : variable(s, "AWS_PROFILE");
	const char *name = asked ? asked : "default";
	bool seen = false;
	int status = from_file(s, false, name, &seen, ret, err);

	if (status == STOW_ENOTFOUND)
		status = from_file(s, true, name, &seen, ret, err);
	if (status == STOW_ENOTFOUND && asked)
		return error_set(err, STOW_EINVAL, WHERE,
		                 seen ? "profile %s has no keys" : "there is no profile %s", asked);
	return status;
}

int credentials_find(const struct credentials_sources *s, struct keys **ret, struct stow_error *err)
{
	int status = from_options(s, ret, err);

	if (status == STOW_ENOTFOUND)
		status = from_environment(s, ret, err);
	if (status == STOW_ENOTFOUND)
		status = from_profile(s, ret, err);
	if (status != STOW_ENOTFOUND)
		return status;
	return error_set(err, STOW_EINVAL, WHERE,
	                 "no keys: neither options accesskey and secretkey, nor AWS_ACCESS_KEY_ID "
	                 "and AWS_SECRET_ACCESS_KEY, nor a profile \"default\" in ~/.aws");
}
