/* SPDX-License-Identifier: Apache-2.0 */
/* Where keys come from: which source wins, what a profile may look like, and what is said where
 * there are none.  No line shows a secret. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"
#include "driver/s3/credentials.h"
#include "driver/s3/profile.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

struct variable {
	const char *name, *value;
};

struct scene {
	char folder[64], credentials[128], config[128];
	struct variable variables[12]; /* ends with a name of NULL */
};

static const char *look(void *arg, const char *name)
{
	const struct scene *s = arg;

	for (const struct variable *v = s->variables; v->name; v++)
		if (strcmp(v->name, name) == 0)
			return v->value;
	return NULL;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
	assert_int_equal(fclose(file), 0);
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s || !text_copy(s->folder, sizeof(s->folder), "/tmp/stowage-keys-XXXXXX") ||
	    !mkdtemp(s->folder))
		return -1;
	(void)text_format(s->credentials, sizeof(s->credentials), "%s/credentials", s->folder);
	(void)text_format(s->config, sizeof(s->config), "%s/config", s->folder);
	s->variables[0] = (struct variable){ "AWS_SHARED_CREDENTIALS_FILE", s->credentials };
	s->variables[1] = (struct variable){ "AWS_CONFIG_FILE", s->config };
	s->variables[2] = (struct variable){ "AWS_EC2_METADATA_DISABLED", "true" };
	*state = s;
	return 0;
}

static int end(void **state)
{
	struct scene *s = *state;

	(void)unlink(s->credentials);
	(void)unlink(s->config);
	(void)rmdir(s->folder);
	free(s);
	return 0;
}

static void set(struct scene *s, int at, const char *name, const char *value)
{
	s->variables[3 + at] = (struct variable){ name, value };
}

static struct source_settings settings(struct scene *s, const char *accesskey,
                                       const char *secretkey, const char *profile)
{
	return (struct source_settings){ .accesskey = accesskey,
		                         .secretkey = secretkey,
		                         .profile = profile,
		                         .variable = look,
		                         .arg = s };
}

/* "access secret token", or the error's line. */
static const char *found(struct scene *s, const char *accesskey, const char *secretkey,
                         const char *profile)
{
	static char text[600];
	struct source_settings from = settings(s, accesskey, secretkey, profile);
	const struct http_client_options http = { .threads = 1, .max_connections = 1 };
	struct credentials *credentials = NULL;
	struct keys *keys = NULL;
	struct stow_error e = { 0 };
	int status = credentials_open(&from, NULL, &http, NULL, &credentials, &e);

	if (status == STOW_OK)
		status = credentials_get(credentials, NULL, &keys, &e);
	credentials_close(credentials);
	if (status != STOW_OK) {
		assert_true(status == STOW_EINVAL || status == STOW_EIO);
		assert_int_equal(e.status, status);
		assert_null(strstr(e.message, "hush"));
		assert_true(text_copy(text, sizeof(text), e.message));
		return text;
	}
	assert_true(text_format(text, sizeof(text), "%s %s %s", keys->accesskey, keys->secretkey,
	                        keys->sessiontoken ? keys->sessiontoken : "-"));
	keys_unref(keys);
	return text;
}

static void the_first_source_wins(void **state)
{
	struct scene *s = *state;

	write_file(s->credentials, "[default]\naws_access_key_id = FA\n"
	                           "aws_secret_access_key = fs\n");
	set(s, 0, "AWS_ACCESS_KEY_ID", "EA");
	set(s, 1, "AWS_SECRET_ACCESS_KEY", "es");
	set(s, 2, "AWS_SESSION_TOKEN", "et");
	assert_string_equal(found(s, "OA", "os", NULL), "OA os -");
	assert_string_equal(found(s, NULL, NULL, NULL), "EA es et");
	assert_string_equal(found(s, "", "", NULL), "EA es et");
	/* who names a profile means it */
	assert_string_equal(found(s, NULL, NULL, "default"), "FA fs -");
	set(s, 0, "AWS_ACCESS_KEY_ID", "");
	set(s, 1, "AWS_SECRET_ACCESS_KEY", "");
	assert_string_equal(found(s, NULL, NULL, NULL), "FA fs -");
}

static void profiles(void **state)
{
	struct scene *s = *state;

	write_file(s->credentials,
	           "# a comment\r\n; another\r\n\r\n[default]\r\naws_access_key_id=DA\r\n"
	           "aws_secret_access_key=d/s+=\r\n"
	           "[ two words ]\naws_access_key_id = TA\n  aws_access_key_id = indented\n"
	           "aws_secret_access_key\t=\tts  \naws_session_token = tt\n"
	           "[again]\naws_access_key_id = 1\naws_access_key_id = 2\n"
	           "aws_secret_access_key = s\n[empty]\n[half]\naws_access_key_id = hush");
	write_file(s->config, "[default]\nregion = x\n[profile in config]\n"
	                      "aws_access_key_id = CA\naws_secret_access_key = cs\n"
	                      "[in config]\naws_access_key_id = no\n"
	                      "[profile\ttabbed]\ns3 =\n  signature_version = s3v4\n"
	                      "aws_access_key_id = XA\naws_secret_access_key = xs\n");
	assert_string_equal(found(s, NULL, NULL, NULL), "DA d/s+= -");
	assert_string_equal(found(s, NULL, NULL, "two words"), "TA ts tt");
	assert_string_equal(found(s, NULL, NULL, "again"), "2 s -");
	assert_string_equal(found(s, NULL, NULL, "in config"), "CA cs -");
	assert_string_equal(found(s, NULL, NULL, "tabbed"), "XA xs -");
	assert_non_null(strstr(found(s, NULL, NULL, "none"), "there is no profile none"));
	assert_non_null(strstr(found(s, NULL, NULL, "empty"), "profile empty has no keys"));
	assert_non_null(strstr(found(s, NULL, NULL, "half"), "has no aws_secret_access_key"));
	set(s, 0, "AWS_PROFILE", "two words");
	assert_string_equal(found(s, NULL, NULL, NULL), "TA ts tt");
	set(s, 0, "AWS_PROFILE", "none");
	assert_non_null(strstr(found(s, NULL, NULL, NULL), "there is no profile none"));
}

static void what_is_not_supported_is_named(void **state)
{
	static const char *const lines[] = { "role_arn = arn:aws:iam::1:role/r",
		                             "mfa_serial = x\nrole_arn = y\nsource_profile = p",
		                             "sso_session = s",
		                             "sso_start_url = https://x",
		                             "source_profile = none\nrole_arn = y",
		                             "source_profile = p\nrole_arn = y",
		                             "role_arn = y\ncredential_source = Moon" };
	struct scene *s = *state;
	char text[200], key[40];

	for (size_t i = 0; i < LENGTH(lines); i++) {
		assert_true(text_format(text, sizeof(text), "[profile p]\n%s\n", lines[i]));
		write_file(s->config, text);
		assert_true(text_format(key, sizeof(key), "%.*s", (int)strcspn(lines[i], " "),
		                        lines[i]));
		assert_non_null(strstr(found(s, NULL, NULL, "p"), key));
	}
}

static void none_or_half(void **state)
{
	struct scene *s = *state;

	assert_non_null(strstr(found(s, NULL, NULL, NULL), "no keys"));
	assert_non_null(strstr(found(s, "hush", NULL, NULL), "option secretkey"));
	assert_non_null(strstr(found(s, NULL, "hush", NULL), "option accesskey"));
	set(s, 0, "AWS_ACCESS_KEY_ID", "hush");
	assert_non_null(strstr(found(s, NULL, NULL, NULL), "AWS_SECRET_ACCESS_KEY"));
	set(s, 0, "AWS_SECRET_ACCESS_KEY", "hush");
	assert_non_null(strstr(found(s, NULL, NULL, NULL), "AWS_ACCESS_KEY_ID"));
}

/* A program's keys, and what is made of one that gives none. */
static void programs(void **state)
{
	static const struct {
		const char *command, *want;
	} rows[] = {
		{ "echo '{\"Version\":1,\"AccessKeyId\":\"PA\",\"SecretAccessKey\":\"ps\"}'",
		  "PA ps -" },
		{ "printf '{\"AccessKeyId\":\"PA\",\"SecretAccessKey\":\"ps\",\"SessionToken\":"
		  "\"pt\",\"Expiration\":\"2999-01-01T00:00:00Z\"}'",
		  "PA ps pt" },
		{ "printf '{\"AccessKeyId\":\"PA\",\"SecretAccessKey\":\"ps\",\"Expiration\":"
		  "\"2199-01-01T00:00:00+02:00\"}'",
		  "PA ps -" },
		{ "(sleep 20 2>/dev/null &) ; printf "
		  "'{\"AccessKeyId\":\"PA\",\"SecretAccessKey\":\"ps\"}'",
		  "PA ps -" },
		{ "echo '{\"AccessKeyId\":\"P\\u0007A\",\"SecretAccessKey\":\"ps\"}'",
		  "control character" },
		{ "echo '{\"AccessKeyId\":\"hush\"}'", "credential_process gives no keys" },
		{ "echo hush", "credential_process gives no keys" },
		{ "true", "credential_process gives no keys" },
		{ "exit 3", "credential_process ended with status 3" },
		{ "echo '{\"AccessKeyId\":\"PA\",\"SecretAccessKey\":\"hush\",\"Expiration\":"
		  "\"soon\"}'",
		  "credential_process gives no keys" },
		{ "yes hush | head -c 100000", "more than 64 KiB" },
	};
	struct scene *s = *state;
	char text[400];

	for (size_t i = 0; i < LENGTH(rows); i++) {
		assert_true(text_format(text, sizeof(text),
		                        "[profile p]\ncredential_process = %s\n", rows[i].command));
		write_file(s->config, text);
		if (!strstr(found(s, NULL, NULL, "p"), rows[i].want))
			fail_msg("%s: %s", rows[i].command, found(s, NULL, NULL, "p"));
	}
}

static void web_identity_and_containers(void **state)
{
	struct scene *s = *state;

	set(s, 0, "AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/hush-not");
	assert_non_null(strstr(found(s, NULL, NULL, NULL), "AWS_ROLE_ARN"));
	/* a token that cannot be read leads to no other keys */
	set(s, 1, "AWS_ROLE_ARN", "arn:aws:iam::1:role/r");
	write_file(s->credentials, "[default]\naws_access_key_id = FA\n"
	                           "aws_secret_access_key = fs\n");
	set(s, 0, "AWS_WEB_IDENTITY_TOKEN_FILE", s->config);
	write_file(s->config, " \n");
	assert_non_null(strstr(found(s, NULL, NULL, NULL), "is empty"));
	/* and who names a profile means it */
	assert_string_equal(found(s, NULL, NULL, "default"), "FA fs -");
	(void)unlink(s->credentials);
	set(s, 0, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://elsewhere.example/keys");
	assert_non_null(strstr(found(s, NULL, NULL, NULL), "on this machine"));
	set(s, 0, "AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1.example/keys");
	assert_non_null(strstr(found(s, NULL, NULL, NULL), "on this machine"));
	set(s, 0, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "@elsewhere.example/");
	assert_non_null(strstr(found(s, NULL, NULL, NULL), "begin with a slash"));
}

/* Below the home folder, where no variable names a file. */
static void below_home(void **state)
{
	struct scene *s = *state;
	char folder[128], path[160];

	s->variables[0] = (struct variable){ "HOME", s->folder };
	s->variables[1] = s->variables[2];
	s->variables[2] = (struct variable){ NULL, NULL };
	assert_true(text_format(folder, sizeof(folder), "%s/.aws", s->folder));
	assert_true(text_format(path, sizeof(path), "%s/credentials", folder));
	assert_non_null(strstr(found(s, NULL, NULL, NULL), "no keys"));
	assert_int_equal(mkdir(folder, 0700), 0);
	write_file(path, "[default]\naws_access_key_id = HA\naws_secret_access_key = hs\n");
	assert_string_equal(found(s, NULL, NULL, NULL), "HA hs -");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void bounds(void **state)
{
	struct scene *s = *state;
	char *large = malloc(PROFILE_FILE_MAX + 2);

	assert_non_null(large);
	memset(large, '#', PROFILE_FILE_MAX + 1);
	large[PROFILE_FILE_MAX + 1] = '\0';
	write_file(s->credentials, large);
	assert_non_null(strstr(found(s, NULL, NULL, NULL), "over 1 MiB"));
	memcpy(large, "[default]\naws_access_key_id = a\naws_secret_access_key = ", 56);
	memset(large + 56, 's', 20000);
	large[20056] = '\0';
	write_file(s->credentials, large);
	assert_non_null(strstr(found(s, NULL, NULL, NULL), "too long"));
	write_file(s->credentials, "[default]\naws_access_key_id\n=\n[[]]\n[\n]\n==");
	assert_non_null(strstr(found(s, NULL, NULL, NULL), "no keys"));
	free(large);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(test) { #test, test, setup, end, NULL }
		TEST(the_first_source_wins),
		TEST(profiles),
		TEST(what_is_not_supported_is_named),
		TEST(none_or_half),
		TEST(below_home),
		TEST(bounds),
		TEST(programs),
		TEST(web_identity_and_containers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
