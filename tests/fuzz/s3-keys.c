/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the sources of keys: profiles in hostile files, and hostile services (store.h) in the place
 * of STS, the container's endpoint and the instance metadata service.  No program is run.
 * It must not know how a source comes by keys, only what driver/s3/source.h says.
 *
 * The input: a line with words, then for "profile" the two shared files, and then answers, all parted
 * as answers are.  Words: "web", "container", "tokenfile" (the container's, from a file),
 * "instance", "options", "environment", "profile", "asked" (it is named p), "nofile" (what files are
 * named is not there), "amazon" (STS by its region).
 */
#include <sys/mman.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "driver/s3/source.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/store.h"

/* Texts that are never to be seen: what files and answers bring is their own, in what seeds say. */
#define SECRET "SECRETKEYSECRETKEY"
#define SESSION "SESSIONTOKENSESSION"
#define WEB "WEBTOKENWEBTOKEN"
#define CONTAINER "CONTAINERTOKEN"
#define STS "https://sts.example/path"
#define CONTAINER_URL "http://127.0.0.1:81/keys"
#define INSTANCE_URL "http://metadata.example"

static struct {
	bool web, container, tokenfile, instance, options, environment, profile, asked, nofile,
		amazon;
} is;

static int credentials_file = -1, config_file = -1, token_file = -1;
static char paths[3][32];
static const char *given, *answers; /* all of the input but the words, and its last part */

/* ---- who may see what ---- */

/* Does the line begin with the name of what holds a secret? */
static bool is_hidden(const char *line, size_t len)
{
	static const char *const names[] = { "aws_secret_access_key", "aws_session_token",
		                             "\"SecretAccessKey\":",  "\"Token\":",
		                             "<SecretAccessKey>",     "<SessionToken>" };

	for (; len && strchr(" {", *line); len--)
		line++;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (len >= strlen(names[i]) && memcmp(line, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

/* Do some lines have the text that are not of those? */
static bool is_elsewhere(const char *text, size_t len, const char *secret)
{
	const char *end = text + len;

	while (text < end) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((stop ? stop : end) - text);

		if (memmem(text, n, secret, strlen(secret)) && !is_hidden(text, n))
			return true;
		text += n + 1;
	}
	return false;
}

/*
 * May the text come back in words?  Not where the input has it in such lines alone.  Of answers,
 * errors name what a service says is wrong, and an instance's role, which is in a URL.
 */
static bool is_known(const char *secret)
{
	static const char *const words[] = { "Code", "Message", "<!" };

	if (strstr(answers, secret)) {
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strstr(answers, words[i]))
				return true;
		if (is.instance)
			return true;
	}
	return is_elsewhere(given, strlen(given), secret);
}

static bool shows_secret(const char *text)
{
	static const char *const secrets[] = { SECRET, SESSION, WEB, CONTAINER };

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		if (strstr(text, secrets[i]) && !is_known(secrets[i]))
			return true;
	return false;
}

/* Is it in the text, though the input has it nowhere? */
static bool has_own(const void *text, size_t len, const char *secret)
{
	return len && memmem(text, len, secret, strlen(secret)) && !strstr(given, secret);
}

/* Who asks for keys shows each secret to whom it is for alone, and a secret key to nobody. */
static void check_request(const struct http_exchange *e)
{
	bool sts = is.amazon ? text_starts(e->url, "https://sts.") : strcmp(e->url, STS) == 0;
	bool container = strcmp(e->url, CONTAINER_URL) == 0;
	bool instance = text_starts(e->url, INSTANCE_URL "/latest/");

	/* a profile may name another source by credential_source */
	REQUIRE(sts || container || instance);
	REQUIRE(e->direct == (container || instance));
	REQUIRE(!shows_secret(e->url));
	for (size_t i = 0; e->headers && e->headers[i]; i++) {
		const char *line = e->headers[i];
		size_t len = strlen(line);

		REQUIRE(!has_own(line, len, SECRET) && !has_own(line, len, WEB));
		if (has_own(line, len, CONTAINER))
			REQUIRE(container && text_starts(line, "Authorization: "));
	}
	REQUIRE(!has_own(e->body, e->body_len, SECRET));
	REQUIRE(!has_own(e->body, e->body_len, CONTAINER));
	if (has_own(e->body, e->body_len, WEB))
		REQUIRE(sts && strcmp(e->method, "POST") == 0);
}

/* ---- what is set ---- */

static const char *path_of(int which)
{
	return is.nofile ? "/nowhere/file" : paths[which];
}

static const char *variable(void *arg, const char *name)
{
	const struct {
		bool set;
		const char *name, *value;
	} variables[] = {
		{ is.environment, "AWS_ACCESS_KEY_ID", "AK" },
		{ is.environment, "AWS_SECRET_ACCESS_KEY", SECRET },
		{ is.environment, "AWS_SESSION_TOKEN", SESSION },
		{ is.web, "AWS_WEB_IDENTITY_TOKEN_FILE", path_of(2) },
		{ is.web, "AWS_ROLE_ARN", "arn:aws:iam::1:role/r" },
		{ is.asked, "AWS_PROFILE", "p" },
		{ is.profile, "AWS_SHARED_CREDENTIALS_FILE", path_of(0) },
		{ is.profile, "AWS_CONFIG_FILE", path_of(1) },
		{ is.container, "AWS_CONTAINER_CREDENTIALS_FULL_URI", CONTAINER_URL },
		{ is.container, "AWS_CONTAINER_AUTHORIZATION_TOKEN", CONTAINER },
		{ is.tokenfile, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path_of(2) },
		{ !is.instance, "AWS_EC2_METADATA_DISABLED", "true" },
		{ true, "AWS_EC2_METADATA_SERVICE_ENDPOINT", INSTANCE_URL "/" },
		{ !is.amazon, "AWS_ENDPOINT_URL_STS", STS },
	};

	(void)arg;
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		if (variables[i].set && strcmp(variables[i].name, name) == 0)
			return variables[i].value;
	return NULL;
}

/* In the place of driver/s3/source-process.c. */
int source_run_process(const struct source *s, const struct stow_op *op, struct keys **ret,
                       struct stow_error *err)
{
	(void)op;
	(void)ret;
	REQUIRE(s->command && s->command[0]);
	return error_set(err, STOW_EIO, "fuzz", "no program is run");
}

static void make_file(int *fd, char path[32])
{
	if (*fd >= 0)
		return;
	*fd = memfd_create("fuzz", MFD_CLOEXEC);
	REQUIRE(*fd >= 0 && text_format(path, 32, "/proc/self/fd/%d", *fd));
}

static void fill_file(int fd, const char *text, size_t len)
{
	REQUIRE(ftruncate(fd, 0) == 0);
	REQUIRE(len == 0 || pwrite(fd, text, len, 0) == (ssize_t)len);
}

/* The text up to where it is parted; *p moves behind that. */
static size_t next_part(const char **p)
{
	const char *end = strstr(*p, STORE_PARTED);
	size_t len = end ? (size_t)(end - *p) : strlen(*p);

	*p += len + (end ? strlen(STORE_PARTED) : 0);
	return len;
}

/* Both shared files; what is left are answers. */
static const char *fill_files(const char *rest)
{
	const char *file = rest;
	size_t len;

	make_file(&credentials_file, paths[0]);
	make_file(&config_file, paths[1]);
	make_file(&token_file, paths[2]);
	fill_file(token_file, WEB "\n", strlen(WEB) + 1);
	if (is.tokenfile)
		fill_file(token_file, CONTAINER "\n", strlen(CONTAINER) + 1);
	if (!is.profile)
		return rest;
	len = next_part(&rest);
	fill_file(credentials_file, file, len);
	file = rest;
	len = next_part(&rest);
	fill_file(config_file, file, len);
	return rest;
}

/* ---- what comes ---- */

static void check_error(int status, const struct stow_error *err)
{
	REQUIRE(status < 0 && err->status == status && err->message[0]);
	REQUIRE(fuzz_is_line(err->message) && !shows_secret(err->message));
	REQUIRE(!shows_secret(err->where) && !shows_secret(err->request));
}

static void check_keys(const struct source *s, const struct keys *k)
{
	REQUIRE(k->refs > 0 && k->accesskey[0] && k->secretkey[0]);
	REQUIRE(!k->sessiontoken || k->sessiontoken[0]);
	REQUIRE(k->expires_ns >= 0);
	if (s->kind == SOURCE_ROLE || s->kind == SOURCE_WEB)
		REQUIRE(k->sessiontoken && k->expires_ns > 0);
}

/* Twice, since a source is asked as often as keys are needed. */
static void fetch(const struct source *s)
{
	for (int i = 0; i < 2; i++) {
		struct stow_error err = { 0 };
		struct keys *keys = NULL;
		int status = source_fetch(s, NULL, NULL, STORE_SECONDS * 1000000000, &keys, &err);

		if (status == STOW_OK)
			check_keys(s, keys);
		else
			check_error(status, &err);
		REQUIRE(status == STOW_OK || !keys);
		keys_unref(keys);
	}
}

static void find(void)
{
	const struct source_settings settings = {
		.accesskey = is.options ? "AK" : NULL,
		.secretkey = is.options ? SECRET : NULL,
		.sessiontoken = is.options ? SESSION : NULL,
		.region = is.amazon ? "eu-west-1" : NULL,
		.variable = variable,
	};
	struct stow_error err = { 0 };
	struct source *s = NULL;
	int status = source_find(&settings, &s, &err);

	if (status != STOW_OK) {
		REQUIRE(!s);
		check_error(status, &err);
		return;
	}
	fetch(s);
	source_free(s);
}

static void set_word(const char *word)
{
	static const struct {
		const char *name;
		bool *flag;
	} words[] = { { "web", &is.web },
		      { "container", &is.container },
		      { "tokenfile", &is.tokenfile },
		      { "instance", &is.instance },
		      { "options", &is.options },
		      { "environment", &is.environment },
		      { "profile", &is.profile },
		      { "asked", &is.asked },
		      { "nofile", &is.nofile },
		      { "amazon", &is.amazon } };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].name, word) == 0)
			*words[i].flag = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup_free char *text = fuzz_text(data, len);
	char *rest = text, *words = fuzz_line(&rest), *word;

	memset(&is, 0, sizeof(is));
	while (*(word = fuzz_word(&words)))
		set_word(word);
	given = rest;
	answers = fill_files(rest);
	store_begin(answers, check_request);
	find();
	return 0;
}
