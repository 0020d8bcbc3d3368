/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a profile of the shared files says: keys, a program, or a role that is taken with the keys of
 * another profile, of another source, or for a web identity.
 * It must not send requests.
 */
#include <string.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "driver/s3/profile.h"
#include "driver/s3/service.h"
#include "driver/s3/source.h"

#define WHERE "s3.credentials"
#define VALUE_MAX ((size_t)16 << 10)
#define PATH_LEN 4096
#define DEPTH_MOST 5 /* roles that are taken with the keys of a role */

/* The path that a variable names, or one below the home folder; false where neither is known. */
static bool path_of(const struct source_settings *s, bool config, char ret[PATH_LEN])
{
	const char *path = source_variable(s, config ? "AWS_CONFIG_FILE"
	                                             : "AWS_SHARED_CREDENTIALS_FILE");
	const char *home = source_variable(s, "HOME");

	if (path)
		return text_copy(ret, PATH_LEN, path);
	return home &&
	       text_format(ret, PATH_LEN, "%s/.aws/%s", home, config ? "config" : "credentials");
}

/* ---- keys in a file ---- */

/* STOW_ENOTFOUND, and err as it was, where the profile has none. */
static int read_keys(const struct profile_file *file, const char *name, struct keys **ret,
                     struct stow_error *err)
{
	cleanup(service_wipe) struct buf accesskey = { 0 }, secretkey = { 0 }, token = { 0 };
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
		return STOW_ENOTFOUND;
	if (!has_access || !has_secret)
		return error_set(err, STOW_EINVAL, WHERE, "%s: profile %s has no %s", file->path,
		                 name, has_access ? "aws_secret_access_key" : "aws_access_key_id");
	*ret = keys_new(buf_text(&accesskey), buf_text(&secretkey), buf_text(&token), 0);
	return *ret ? STOW_OK : error_nomem(err, WHERE);
}

int source_read_profile(const struct source *s, struct keys **ret, struct stow_error *err)
{
	struct profile_file file = { 0 };
	int status = profile_open(&file, s->file, s->config, err);

	if (status != STOW_OK)
		return status;
	status = read_keys(&file, s->profile, ret, err);
	if (status == STOW_ENOTFOUND)
		status = error_set(err, STOW_EINVAL, WHERE, "%s: profile %s has no keys any more",
		                   s->file, s->profile);
	profile_close(&file);
	return status;
}

/* ---- finding ---- */

struct search {
	const struct source_settings *settings;
	const char *name;
	unsigned depth;
	bool seen;      /* some file has the profile */
	bool keys_only; /* the role in it was looked at already */
	struct source **ret;
	struct stow_error *err;
};

static int find(struct search *);

/* A value of the profile, to be freed; NULL where it has none. */
static char *value(const struct profile_file *file, const char *name, const char *key, bool *ok)
{
	cleanup_buf struct buf text = { 0 };
	bool there;

	buf_init(&text, VALUE_MAX);
	there = profile_value(file, name, key, &text);
	return there ? source_text(buf_text(&text), ok) : NULL;
}

static bool has(const struct profile_file *file, const char *name, const char *key)
{
	cleanup_buf struct buf text = { 0 };

	buf_init(&text, VALUE_MAX);
	return profile_value(file, name, key, &text);
}

static int take_keys(struct search *s, const struct profile_file *file)
{
	struct keys *keys = NULL;
	struct source *found;
	bool ok = true;
	int status = read_keys(file, s->name, &keys, s->err);

	if (status != STOW_OK)
		return status;
	keys_unref(keys);
	found = source_new(SOURCE_PROFILE);
	if (found) {
		found->file = source_text(file->path, &ok);
		found->profile = source_text(s->name, &ok);
		found->config = file->config;
	}
	if (!found || !ok) {
		source_free(found);
		return error_nomem(s->err, WHERE);
	}
	*s->ret = found;
	return STOW_OK;
}

static int take_process(struct search *s, const struct profile_file *file)
{
	struct source *found = source_new(SOURCE_PROCESS);
	bool ok = found != NULL;

	if (ok)
		found->command = value(file, s->name, "credential_process", &ok);
	if (!ok) {
		source_free(found);
		return error_nomem(s->err, WHERE);
	}
	*s->ret = found;
	return STOW_OK;
}

/* The source that a role is taken with: another profile's, or one that credential_source names. */
static int find_base(struct search *s, const struct profile_file *file, struct source **ret)
{
	bool ok = true;
	cleanup_free char *profile = value(file, s->name, "source_profile", &ok);
	cleanup_free char *named = value(file, s->name, "credential_source", &ok);
	struct search next = { .settings = s->settings,
		               .name = profile,
		               .depth = s->depth + 1,
		               .ret = ret,
		               .err = s->err };
	int status = STOW_ENOTFOUND;

	if (!ok)
		return error_nomem(s->err, WHERE);
	if (s->depth == DEPTH_MOST)
		return error_set(s->err, STOW_EINVAL, WHERE,
		                 "profile %s: its roles lead in a circle, or too far", s->name);
	if (profile) {
		next.keys_only = strcmp(profile, s->name) == 0;
		status = find(&next);
		if (status == STOW_ENOTFOUND)
			return error_set(s->err, STOW_EINVAL, WHERE,
			                 "profile %s: its source_profile %s has no keys", s->name,
			                 profile);
		return status;
	}
	if (named)
		status = source_of_name(s->settings, named, ret, s->err);
	if (status == STOW_ENOTFOUND)
		return error_set(s->err, STOW_EINVAL, WHERE,
		                 "profile %s: role_arn needs source_profile, or credential_source "
		                 "Environment, Ec2InstanceMetadata or EcsContainer",
		                 s->name);
	return status;
}

static int take_role(struct search *s, const struct profile_file *file)
{
	bool web = has(file, s->name, "web_identity_token_file"), ok = true;
	struct source *found = source_new(web ? SOURCE_WEB : SOURCE_ROLE);
	cleanup_free char *region = value(file, s->name, "region", &ok);
	cleanup_free char *seconds = value(file, s->name, "duration_seconds", &ok);
	int status;

	if (!found || !ok) {
		source_free(found);
		return error_nomem(s->err, WHERE);
	}
	found->role = value(file, s->name, "role_arn", &ok);
	found->session = value(file, s->name, "role_session_name", &ok);
	found->external = value(file, s->name, "external_id", &ok);
	found->token_file = value(file, s->name, "web_identity_token_file", &ok);
	if (!found->session)
		found->session = source_text("stowage", &ok);
	status = ok ? source_set_sts(s->settings, region, found, s->err)
	            : error_nomem(s->err, WHERE);
	if (status == STOW_OK && !found->role)
		status = error_set(s->err, STOW_EINVAL, WHERE, "profile %s has no role_arn",
		                   s->name);
	else if (status == STOW_OK && seconds && !text_to_int64(seconds, &found->seconds))
		status = error_set(s->err, STOW_EINVAL, WHERE,
		                   "profile %s: duration_seconds must be a number", s->name);
	else if (status == STOW_OK && !web)
		status = find_base(s, file, &found->base);
	if (status != STOW_OK) {
		source_free(found);
		return status;
	}
	*s->ret = found;
	return STOW_OK;
}

/* What a profile may say that is not done, so that nobody looks for the reason elsewhere. */
static int refuse_others(const struct search *s, const struct profile_file *file)
{
	static const char *const others[][2] = {
		{ "sso_session", "single sign-on is not supported" },
		{ "sso_start_url", "single sign-on is not supported" },
		{ "mfa_serial", "nobody is there to type the number" },
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (has(file, s->name, others[i][0]))
			return error_set(s->err, STOW_EINVAL, WHERE, "%s: profile %s has %s: %s",
			                 file->path, s->name, others[i][0], others[i][1]);
	return STOW_ENOTFOUND;
}

static bool has_role(const struct profile_file *file, const char *name)
{
	return has(file, name, "role_arn") || has(file, name, "web_identity_token_file");
}

/* A role comes before keys, in whichever of the files it is: they are one profile. */
static int take_from(struct search *s, const struct profile_file *file, bool roles)
{
	int status;

	s->seen = s->seen || profile_exists(file, s->name);
	if (roles) {
		if (s->keys_only || !has_role(file, s->name))
			return STOW_ENOTFOUND;
		status = refuse_others(s, file);
		return status == STOW_ENOTFOUND ? take_role(s, file) : status;
	}
	status = take_keys(s, file);
	if (status == STOW_ENOTFOUND && has(file, s->name, "credential_process"))
		status = take_process(s, file);
	return status == STOW_ENOTFOUND ? refuse_others(s, file) : status;
}

static int look_into(struct search *s, bool config, bool roles)
{
	struct profile_file file = { 0 };
	struct stow_error fault = { 0 };
	char path[PATH_LEN];
	int status;

	if (!path_of(s->settings, config, path))
		return STOW_ENOTFOUND;
	status = profile_open(&file, path, config, &fault);
	if (status == STOW_ENOTFOUND)
		return status;
	if (status != STOW_OK)
		return error_copy(s->err, &fault);
	status = take_from(s, &file, roles);
	profile_close(&file);
	return status;
}

static int find(struct search *s)
{
	int status = STOW_ENOTFOUND;

	for (int round = 0; round < 4 && status == STOW_ENOTFOUND; round++)
		status = look_into(s, round % 2 != 0, round < 2);
	return status;
}

int source_of_profile(const struct source_settings *settings, const char *name, bool asked,
                      struct source **ret, struct stow_error *err)
{
	struct search s = { .settings = settings, .name = name, .ret = ret, .err = err };
	int status = find(&s);

	if (status == STOW_ENOTFOUND && asked)
		return error_set(err, STOW_EINVAL, WHERE,
		                 s.seen ? "profile %s has no keys" : "there is no profile %s",
		                 name);
	return status;
}
