/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signer signs what its standard input asks for, one request a line, with one line of answer to
 * each, so that test_signer.py can compare it with a signer of its own.  A line is words parted by
 * one space, each once but for the last two:
 *
 *	method=M key=K payload=HEX host=H accesskey=A secretkey=S region=R service=V seconds=N
 *	expires=N [sessiontoken=T] [query=NAME=VALUE ...] [header=NAME=VALUE ...]
 *
 * Headers come as sign.h wants them.  An answer is STATUS=TEXT three times, parted by tabs: the
 * canonical request, the value of Authorization, and the query of the presigned form.  All values
 * are percent-encoded, and empty where the status is not OK.  It must not know what is right.
 */
#include <stowage/types.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/text.h"
#include "driver/s3/sign.h"

#define ROOM ((size_t)4 << 20)
#define PAIRS_MAX 64

struct pairs {
	struct sign_pair all[PAIRS_MAX];
	size_t n;
};

struct asked {
	const char *method, *key, *payload, *host, *seconds, *expires;
	struct sign_keys keys;
	struct pairs query, headers;
};

/* ---- a line ---- */

static bool number(const char *text, int64_t *ret)
{
	bool minus = text && text[0] == '-';

	if (!text || !text_to_int64(text + minus, ret))
		return false;
	*ret = minus ? -*ret : *ret;
	return true;
}

/* "NAME=VALUE", in which neither has a '=' of its own before it is decoded. */
static bool add_pair(struct pairs *to, char *name)
{
	char *value = strchr(name, '=');

	if (!value || to->n == PAIRS_MAX)
		return false;
	*value++ = '\0';
	to->all[to->n++] = (struct sign_pair){ name, value };
	return text_percent_decode(name) && text_percent_decode(value);
}

static bool add_word(struct asked *a, char *name)
{
	const struct {
		const char *name, **to;
	} texts[] = {
		{ "method", &a->method },
		{ "key", &a->key },
		{ "payload", &a->payload },
		{ "host", &a->host },
		{ "seconds", &a->seconds },
		{ "expires", &a->expires },
		{ "accesskey", &a->keys.accesskey },
		{ "secretkey", &a->keys.secretkey },
		{ "sessiontoken", &a->keys.sessiontoken },
		{ "region", &a->keys.region },
		{ "service", &a->keys.service },
	};
	char *value = strchr(name, '=');

	if (!value)
		return false;
	*value++ = '\0';
	if (strcmp(name, "query") == 0)
		return add_pair(&a->query, value);
	if (strcmp(name, "header") == 0)
		return add_pair(&a->headers, value);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (strcmp(name, texts[i].name) == 0 && !*texts[i].to) {
			*texts[i].to = value;
			return text_percent_decode(value);
		}
	}
	return false;
}

static bool read_line(struct asked *a, char *line, int64_t *ret_expires)
{
	char *word;

	memset(a, 0, sizeof(*a));
	while ((word = strsep(&line, " ")))
		if (!add_word(a, word))
			return false;
	return a->method && a->key && a->payload && a->host && a->keys.accesskey &&
	       a->keys.secretkey && a->keys.region && a->keys.service &&
	       number(a->seconds, &a->keys.seconds) && number(a->expires, ret_expires);
}

/* ---- its answer ---- */

static void answer(int status, const struct buf *text)
{
	const char *value = status == STOW_OK ? buf_text(text) : "";
	const char *name = status == STOW_OK       ? "OK"
	                   : status == STOW_ERANGE ? "ERANGE"
	                   : status == STOW_ENOMEM ? "ENOMEM"
	                                           : "no-status";
	size_t len = text_percent_encode(NULL, 0, value, true);
	cleanup_free char *encoded = malloc(len + 1);

	if (!encoded)
		abort();
	text_percent_encode(encoded, len + 1, value, true);
	printf("%s=%s", name, encoded);
}

/* As the driver makes it of a key in a bucket that stands in the host. */
static char *path_of(const char *key)
{
	size_t len = text_percent_encode(NULL, 0, key, true);
	char *path = malloc(len + 2);

	if (!path)
		abort();
	path[0] = '/';
	text_percent_encode(path + 1, len + 1, key, true);
	return path;
}

static void sign(const struct asked *a, int64_t expires)
{
	cleanup_buf struct buf query = { 0 }, canonical = { 0 }, header = { 0 }, presigned = { 0 };
	cleanup_free char *path = path_of(a->key);
	struct sign_request request = { .method = a->method,
		                        .path = path,
		                        .headers = a->headers.all,
		                        .n_headers = a->headers.n,
		                        .payload = a->payload };
	int refused;

	buf_init(&query, ROOM);
	buf_init(&canonical, ROOM);
	buf_init(&header, ROOM);
	buf_init(&presigned, ROOM);
	refused = sign_query(a->query.all, a->query.n, &query);
	request.query = buf_text(&query);
	answer(refused ? refused : sign_canonical(&request, &canonical), &canonical);
	putchar('\t');
	answer(refused ? refused : sign_authorization(&a->keys, &request, &header), &header);
	putchar('\t');
	answer(sign_presign(&a->keys, a->method, a->host, path, a->query.all, a->query.n, expires,
	                    &presigned),
	       &presigned);
	putchar('\n');
}

int main(void)
{
	static struct asked asked;
	cleanup_free char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int64_t expires;

	while ((len = getline(&line, &room, stdin)) > 0) {
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		if (!read_line(&asked, line, &expires)) {
			fprintf(stderr, "signer: '%s' is not understood\n", line);
			return 2;
		}
		sign(&asked, expires);
		if (fflush(stdout) != 0)
			return 1;
	}
	return 0;
}
