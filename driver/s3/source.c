/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source.h: which way is taken, and what the ways share.
 * It must not send requests.
 */
#include "driver/s3/source.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/text.h"
#include "driver/s3/place.h"

#define WHERE "s3.credentials"
#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_HOST "http://169.254.169.254"
#define INSTANCE_HOST6 "http://[fd00:ec2::254]"

/* ---- what the ways share ---- */

struct source *source_new(enum source_kind kind)
{
	struct source *s = calloc(1, sizeof(*s));

	if (s)
		s->kind = kind;
	return s;
}

void source_free(struct source *s)
{
	if (!s)
		return;
	source_free(s->base);
	keys_unref(s->keys);
	if (s->token)
		explicit_bzero(s->token, strlen(s->token));
	free(s->file);
	free(s->profile);
	free(s->role);
	free(s->session);
	free(s->external);
	free(s->token_file);
	free(s->token);
	free(s->url);
	free(s->region);
	free(s->command);
	free(s);
}

char *source_text(const char *text, bool *ok)
{
	char *copy = text && *text ? strdup(text) : NULL;

	*ok = *ok && (copy || !text || !*text);
	return copy;
}

const char *source_variable(const struct source_settings *s, const char *name)
{
	const char *value = s->variable(s->arg, name);

	return value && *value ? value : NULL;
}

int source_read_token(const char *path, struct buf *ret, struct stow_error *err)
{
	cleanup_fd int fd = open(path, O_RDONLY | O_CLOEXEC);
	char part[4096];
	ssize_t n;

	if (fd < 0)
		return error_errno(err, errno, WHERE, "%s", path);
	while ((n = read(fd, part, sizeof(part))) > 0)
		buf_add(ret, part, (size_t)n);
	explicit_bzero(part, sizeof(part));
	if (n < 0)
		return error_errno(err, errno, WHERE, "%s", path);
	if (buf_status(ret) != STOW_OK)
		return error_set(err, buf_status(ret), WHERE, "%s is too long for a token", path);
	while (ret->len && (unsigned char)ret->data[ret->len - 1] <= ' ')
		ret->data[--ret->len] = '\0';
	if (ret->len == 0)
		return error_set(err, STOW_EINVAL, WHERE, "%s is empty", path);
	return STOW_OK;
}

static const char *json_text(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text && *text ? text : NULL;
}

/* With an offset from UTC, too, as some programs write it; -1 if it is no time. */
static int64_t time_of(const char *text)
{
	char base[64];
	size_t len = strlen(text);
	int64_t hours, minutes, offset, time;

	if (*text <= '9' && strcmp(text, "2262") > 0)
		return 0; /* beyond what nanoseconds reach is never */
	if (len < 6 || len >= sizeof(base) - 1 || (text[len - 6] != '+' && text[len - 6] != '-'))
		return text_rfc3339(text);
	if (text[len - 3] != ':' || !text_to_int64_n(text + len - 5, 2, &hours) ||
	    !text_to_int64_n(text + len - 2, 2, &minutes))
		return -1;
	offset = (hours * 60 + minutes) * 60 * CLOCK_SECOND;
	(void)text_format(base, sizeof(base), "%.*sZ", (int)len - 6, text);
	time = text_rfc3339(base);
	if (time < 0)
		return -1;
	return text[len - 6] == '+' ? time - offset : time + offset;
}

int source_parse_keys(const char *json, size_t len, const char *token_name, const char *where,
                      struct keys **ret, struct stow_error *err)
{
	json_t *root = json_loadb(json, len, 0, NULL);
	const char *access = json_text(root, "AccessKeyId");
	const char *secret = json_text(root, "SecretAccessKey");
	const char *until = json_text(root, "Expiration");
	int64_t expires = until ? time_of(until) : 0;
	int status = STOW_OK;

	if (!access || !secret || expires < 0) {
		const char *code = json_text(root, "Code");

		status = error_set(err, STOW_EIO, WHERE, "%s gives no keys%s%s", where,
		                   code ? ": " : "", code ? code : "");
	} else {
		*ret = keys_new(access, secret, json_text(root, token_name), expires);
		if (!*ret)
			status = error_nomem(err, WHERE);
	}
	json_decref(root);
	return status;
}

int source_set_sts(const struct source_settings *s, const char *region, struct source *to,
                   struct stow_error *err)
{
	const char *own = source_variable(s, "AWS_ENDPOINT_URL_STS");
	char url[200];
	bool ok = true, fits;

	if (!region)
		region = source_variable(s, "AWS_REGION");
	if (!region && s->region && strcmp(s->region, "auto") != 0)
		region = s->region;
	if (region && !place_is_region(region))
		return error_set(err, STOW_EINVAL, WHERE, "\"%s\" is no region's name", region);
	if (own)
		fits = text_copy(url, sizeof(url), own);
	else if (region)
		fits = text_format(url, sizeof(url), "https://sts%s.%s.%s/",
		                   s->fips && !text_starts(region, "us-gov-") ? "-fips" : "",
		                   region, address_domain(region));
	else
		fits = text_copy(url, sizeof(url), "https://sts.amazonaws.com/");
	if (!fits)
		return error_set(err, STOW_EINVAL, WHERE, "the URL of STS is too long");
	to->url = source_text(url, &ok);
	to->region = source_text(region ? region : "us-east-1", &ok);
	return ok ? STOW_OK : error_nomem(err, WHERE);
}

/* ---- options and environment ---- */

static int given(const char *accesskey, const char *secretkey, const char *token,
                 struct source **ret, struct stow_error *err)
{
	struct source *s = source_new(SOURCE_GIVEN);

	if (s)
		s->keys = keys_new(accesskey, secretkey, token, 0);
	if (!s || !s->keys) {
		source_free(s);
		return error_nomem(err, WHERE);
	}
	*ret = s;
	return STOW_OK;
}

static int half(const char *is, const char *is_not, struct stow_error *err)
{
	return error_set(err, STOW_EINVAL, WHERE, "%s is set, and %s is not", is, is_not);
}

/* STOW_ENOTFOUND where it has none; err is left alone then, here and below. */
static int of_options(const struct source_settings *s, struct source **ret, struct stow_error *err)
{
	bool access = s->accesskey && *s->accesskey, secret = s->secretkey && *s->secretkey;

	if (!access && !secret)
		return STOW_ENOTFOUND;
	if (!secret)
		return half("option accesskey", "option secretkey", err);
	if (!access)
		return half("option secretkey", "option accesskey", err);
	return given(s->accesskey, s->secretkey, s->sessiontoken, ret, err);
}

static int of_environment(const struct source_settings *s, struct source **ret,
                          struct stow_error *err)
{
	const char *accesskey = source_variable(s, "AWS_ACCESS_KEY_ID");
	const char *secretkey = source_variable(s, "AWS_SECRET_ACCESS_KEY");

	if (!accesskey && !secretkey)
		return STOW_ENOTFOUND;
	if (!secretkey)
		return half("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", err);
	if (!accesskey)
		return half("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", err);
	return given(accesskey, secretkey, source_variable(s, "AWS_SESSION_TOKEN"), ret, err);
}

static int of_web_identity(const struct source_settings *s, struct source **ret,
                           struct stow_error *err)
{
	const char *file = source_variable(s, "AWS_WEB_IDENTITY_TOKEN_FILE");
	const char *role = source_variable(s, "AWS_ROLE_ARN");
	const char *session = source_variable(s, "AWS_ROLE_SESSION_NAME");
	struct source *web;
	int status = STOW_OK;
	bool ok;

	/* a role alone is for profiles */
	if (!file)
		return STOW_ENOTFOUND;
	if (!role)
		return half("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN", err);
	web = source_new(SOURCE_WEB);
	ok = web != NULL;
	if (ok) {
		web->token_file = source_text(file, &ok);
		web->role = source_text(role, &ok);
		web->session = source_text(session ? session : "stowage", &ok);
		status = source_set_sts(s, NULL, web, err);
	}
	if (status == STOW_OK && !ok)
		status = error_nomem(err, WHERE);
	if (status != STOW_OK) {
		source_free(web);
		return status;
	}
	*ret = web;
	return STOW_OK;
}

/* ---- services of the machine ---- */

/* A token goes with the question: not to anyone over a wire that is not secret. */
static bool is_near(const char *url)
{
	static const char *const hosts[] = { "127.0.0.1",     "localhost",      "[::1]",
		                             "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]" };
	const char *host = url + strlen("http://");

	if (strchr(url, '@'))
		return false; /* what looks like the host might be a user's name */
	if (text_starts(url, "https://"))
		return true;
	if (!text_starts(url, "http://"))
		return false;
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		size_t len = strlen(hosts[i]);

		if (strncmp(host, hosts[i], len) == 0 && strchr(":/", host[len]))
			return true;
	}
	return false;
}

static int of_container(const struct source_settings *s, struct source **ret,
                        struct stow_error *err)
{
	const char *path = source_variable(s, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	const char *full = source_variable(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
	struct source *c;
	char url[2048];
	bool ok;

	if (!path && !full)
		return STOW_ENOTFOUND;
	if (!text_format(url, sizeof(url), "%s%s", path ? CONTAINER_HOST : "", path ? path : full))
		return error_set(err, STOW_EINVAL, WHERE, "the container's endpoint is too long");
	if (path && *path != '/')
		return error_set(err, STOW_EINVAL, WHERE,
		                 "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI must begin with a slash");
	if (!path && !is_near(url))
		return error_set(err, STOW_EINVAL, WHERE,
		                 "AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or http on "
		                 "this machine");
	c = source_new(SOURCE_CONTAINER);
	ok = c != NULL;
	if (ok) {
		c->url = source_text(url, &ok);
		c->token_file = source_text(
			source_variable(s, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), &ok);
		c->token = source_text(source_variable(s, "AWS_CONTAINER_AUTHORIZATION_TOKEN"),
		                       &ok);
	}
	if (!ok) {
		source_free(c);
		return error_nomem(err, WHERE);
	}
	*ret = c;
	return STOW_OK;
}

static int of_instance(const struct source_settings *s, struct source **ret, struct stow_error *err)
{
	const char *off = source_variable(s, "AWS_EC2_METADATA_DISABLED");
	const char *url = source_variable(s, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
	const char *mode = source_variable(s, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
	struct source *i;
	bool ok = true;

	if (off && text_equal_nocase(off, "true"))
		return STOW_ENOTFOUND;
	if (!url)
		url = mode && text_equal_nocase(mode, "ipv6") ? INSTANCE_HOST6 : INSTANCE_HOST;
	i = source_new(SOURCE_INSTANCE);
	if (i)
		i->url = source_text(url, &ok);
	if (!i || !ok) {
		source_free(i);
		return error_nomem(err, WHERE);
	}
	while (text_ends(i->url, "/"))
		i->url[strlen(i->url) - 1] = '\0';
	*ret = i;
	return STOW_OK;
}

int source_of_name(const struct source_settings *s, const char *name, struct source **ret,
                   struct stow_error *err)
{
	if (strcmp(name, "Environment") == 0)
		return of_environment(s, ret, err);
	if (strcmp(name, "EcsContainer") == 0)
		return of_container(s, ret, err);
	if (strcmp(name, "Ec2InstanceMetadata") == 0)
		return of_instance(s, ret, err);
	return STOW_ENOTFOUND;
}

/* ---- the order ---- */

int source_find(const struct source_settings *s, struct source **ret, struct stow_error *err)
{
	const char *option = s->profile && *s->profile ? s->profile : NULL;
	const char *asked = option ? option : source_variable(s, "AWS_PROFILE");
	int status = of_options(s, ret, err);

	*ret = status == STOW_OK ? *ret : NULL;
	if (status == STOW_ENOTFOUND && !option)
		status = of_environment(s, ret, err);
	if (status == STOW_ENOTFOUND && !option)
		status = of_web_identity(s, ret, err);
	if (status == STOW_ENOTFOUND)
		status = source_of_profile(s, asked ? asked : "default", asked != NULL, ret, err);
	if (status == STOW_ENOTFOUND)
		status = of_container(s, ret, err);
	if (status == STOW_ENOTFOUND)
		status = of_instance(s, ret, err);
	if (status != STOW_ENOTFOUND)
		return status;
	return error_set(err, STOW_EINVAL, WHERE,
	                 "no keys: neither options accesskey and secretkey, nor "
	                 "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, nor a web identity, nor a "
	                 "profile \"default\" in ~/.aws, nor a container's endpoint");
}

bool source_sends(const struct source *s)
{
	return s->kind == SOURCE_ROLE || s->kind == SOURCE_WEB || s->kind == SOURCE_CONTAINER ||
	       s->kind == SOURCE_INSTANCE;
}

bool source_renews(const struct source *s)
{
	return s->kind != SOURCE_GIVEN;
}

static int ask(const struct source *s, struct http_client *http, const struct stow_op *op,
               int64_t now_ns, struct keys **ret, struct stow_error *err)
{
	switch (s->kind) {
	case SOURCE_GIVEN:
		*ret = keys_ref(s->keys);
		return STOW_OK;
	case SOURCE_PROFILE:
		return source_read_profile(s, ret, err);
	case SOURCE_ROLE:
	case SOURCE_WEB:
		return source_ask_sts(s, http, op, now_ns, ret, err);
	case SOURCE_PROCESS:
		return source_run_process(s, op, ret, err);
	case SOURCE_CONTAINER:
		return source_ask_container(s, http, op, ret, err);
	case SOURCE_INSTANCE:
		return source_ask_instance(s, http, op, ret, err);
	}
	return error_set(err, STOW_EINVAL, WHERE, "no source of keys");
}

/* What goes into a header must be one line. */
static bool is_plain(const char *text)
{
	for (; text && *text; text++)
		if ((unsigned char)*text < ' ' || (unsigned char)*text == 0x7f)
			return false;
	return true;
}

int source_fetch(const struct source *s, struct http_client *http, const struct stow_op *op,
                 int64_t now_ns, struct keys **ret, struct stow_error *err)
{
	struct keys *keys = NULL;
	int status = ask(s, http, op, now_ns, &keys, err);

	if (status != STOW_OK)
		return status;
	if (!is_plain(keys->accesskey) || !is_plain(keys->sessiontoken)) {
		keys_unref(keys);
		return error_set(err, STOW_EINVAL, WHERE,
		                 "there is a control character in an access key or a session "
		                 "token");
	}
	*ret = keys;
	return STOW_OK;
}
