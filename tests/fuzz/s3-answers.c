/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the S3 driver with the answers of a hostile store: its own http client stands below the
 * real driver and gives them out, one after the other.
 * It must not know how the driver goes about its work, only what include/stowage/driver.h says.
 *
 * The input: a line with the name of a call; then answers, parted by lines "%%".  An answer is a
 * line with the HTTP status (0: the connection broke), header lines, an empty line and the body.
 * Where there is no Content-Length it is the body's.  After the last one all answers are 403.
 */
#include <stowage/driver.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/error.h"
#include "common/http-client.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"

#define PARTED "\n%%\n"
#define REQUESTS_MAX 20000
#define BIG ((size_t)6 << 20) /* more than one part */
#define SECRET "SECRETKEYSECRETKEY"

const struct stow_driver *stow_driver_v1(void);

/* ---- the client: common/http-client.h as the driver sees it, without threads ---- */

static struct {
	const char *left; /* answers not given yet; NULL: none */
	unsigned requests;
	bool knows; /* the secret came from the store: it may come back */
} store;

static bool shows_secret(const char *text)
{
	return !store.knows && strstr(text, SECRET);
}

struct http_request {
	int status; /* of HTTP */
	int result;
	char *headers, *body; /* header lines, each with its NUL and an empty one at the end */
	size_t body_len, arrived;
	void (*ended)(void *arg, int status);
	void *ended_arg;
};

int http_client_open(const struct http_client_options *options, struct http_client **ret,
                     struct stow_error *err)
{
	(void)options;
	(void)err;
	*ret = NULL;
	return STOW_OK;
}

void http_client_close(struct http_client *client)
{
	(void)client;
}

int http_waiter_new(struct http_waiter **ret, struct stow_error *err)
{
	*ret = malloc(1);
	return *ret ? STOW_OK : error_nomem(err, "fuzz");
}

void http_waiter_free(struct http_waiter *waiter)
{
	free(waiter);
}

uint64_t http_waiter_seen(struct http_waiter *waiter)
{
	(void)waiter;
	return 0;
}

/* All answers are there already; what still waits, waits for its time to try again. */
void http_waiter_wait(struct http_waiter *waiter, const struct stow_op *op, uint64_t seen,
                      int64_t until_ns)
{
	(void)waiter;
	(void)op;
	(void)seen;
	(void)until_ns;
	REQUIRE(store.requests++ < REQUESTS_MAX);
}

/* The next answer's own text; NULL where there is none left. */
static char *next_answer(void)
{
	const char *end;
	char *text;

	if (!store.left)
		return NULL;
	end = strstr(store.left, PARTED);
	text = strndup(store.left, end ? (size_t)(end - store.left) : strlen(store.left));
	REQUIRE(text);
	store.left = end ? end + strlen(PARTED) : NULL;
	return text;
}

static void parse_answer(struct http_request *r, char *text)
{
	char *rest = text, *line = fuzz_line(&rest), *out;
	int64_t status = 0;

	(void)text_to_int64_n(line, strlen(line) > 3 ? 3 : strlen(line), &status);
	r->status = (int)status;
	r->headers = out = malloc(strlen(rest) + 2);
	REQUIRE(out);
	while (*rest && *(line = fuzz_line(&rest))) {
		memcpy(out, line, strlen(line) + 1);
		out += strlen(line) + 1;
	}
	*out = '\0';
	r->body = strdup(rest);
	REQUIRE(r->body);
	r->body_len = strlen(rest);
}

/* What the real client promises of a body: whole, and no longer than the room for it. */
static void receive(struct http_request *r, const struct http_exchange *e)
{
	char text[32];
	int64_t length;

	if (strcmp(e->method, "HEAD") == 0)
		r->body_len = 0;
	else if (http_request_header(r, "Content-Length", text, sizeof(text)) &&
	         (!text_to_int64(text, &length) || length != (int64_t)r->body_len))
		r->result = STOW_EIO; /* cut */
	if (r->status == 0)
		r->result = STOW_EIO;
	if (r->status / 100 != 2)
		return;
	if (r->body_len > e->answer_cap) {
		r->result = STOW_ERANGE;
		return;
	}
	r->arrived = r->body_len;
	if (e->ring) {
		size_t room = e->ring->ahead - e->ring->held;

		if (room < r->arrived) {
			r->arrived = room;
			r->result = STOW_EIO; /* cut while it paused */
		}
		REQUIRE(http_ring_put(e->ring, r->body, r->arrived));
	} else if (e->answer && r->body_len > 0) {
		memcpy(e->answer, r->body, r->body_len);
	}
	if (e->ring || e->answer)
		r->body_len = 0; /* it is the caller's */
}

int http_request_start(struct http_client *client, struct http_waiter *waiter,
                       const struct http_exchange *e, struct http_request **ret,
                       struct stow_error *err)
{
	struct http_request *r = calloc(1, sizeof(*r));
	cleanup_free char *text = next_answer();

	(void)client;
	(void)err;
	REQUIRE(r && waiter && store.requests++ < REQUESTS_MAX);
	REQUIRE(text_starts(e->url, "http://store.example/bucket") && fuzz_is_line(e->url));
	for (size_t i = 0; e->headers[i]; i++)
		REQUIRE(fuzz_is_line(e->headers[i]) && strchr(e->headers[i], ':') &&
		        !shows_secret(e->headers[i]));
	r->ended = e->ended;
	r->ended_arg = e->ended_arg;
	if (!text)
		text = strdup("403\n\n");
	REQUIRE(text);
	parse_answer(r, text);
	receive(r, e);
	*ret = r;
	return STOW_OK;
}

void http_request_free(struct http_request *r)
{
	if (!r)
		return;
	free(r->headers);
	free(r->body);
	free(r);
}

bool http_request_done(struct http_request *r)
{
	void (*ended)(void *arg, int status) = r->ended;

	r->ended = NULL;
	if (ended)
		ended(r->ended_arg, r->result == STOW_OK ? r->status : 0);
	return true;
}

int http_request_result(struct http_request *r, struct stow_error *err)
{
	if (r->result != STOW_OK)
		return error_set(err, r->result, "http", "the connection broke");
	return STOW_OK;
}

int http_request_status(struct http_request *r)
{
	return r->status;
}

size_t http_request_arrived(struct http_request *r)
{
	return r->arrived;
}

size_t http_request_take(struct http_request *r, struct http_waiter *waiter, struct http_ring *ring,
                         void *buf, size_t cap)
{
	(void)r;
	(void)waiter;
	return http_ring_get(ring, buf, cap);
}

bool http_request_sent(struct http_request *r)
{
	(void)r;
	return true;
}

bool http_request_stale(struct http_request *r)
{
	(void)r;
	return false;
}

unsigned http_request_connects(struct http_request *r)
{
	(void)r;
	return 0;
}

int64_t http_request_took(struct http_request *r)
{
	(void)r;
	return 0;
}

bool http_request_header(struct http_request *r, const char *name, char *ret, size_t cap)
{
	size_t len = strlen(name);

	ret[0] = '\0';
	for (const char *line = r->headers; *line; line += strlen(line) + 1) {
		const char *value = line + len + 1;

		if (strncasecmp(line, name, len) != 0 || line[len] != ':')
			continue;
		value += strspn(value, " \t");
		if (!text_copy(ret, cap, value))
			ret[0] = '\0';
		return ret[0] != '\0';
	}
	if (strcasecmp(name, "Content-Length") == 0)
		return text_format(ret, cap, "%zu", r->body_len + (r->body_len ? 0 : r->arrived));
	return false;
}

const char *http_request_body(struct http_request *r, size_t *ret_len)
{
	*ret_len = r->body_len;
	return r->body;
}

/* ---- the calls, and what they promise ---- */

static const struct stow_driver *driver;
static void *self;

static void check_error(int status, const struct stow_error *err)
{
	REQUIRE(status < 0 && status >= STOW_ENOMEM);
	REQUIRE(err->status == status);
	REQUIRE(memchr(err->where, '\0', sizeof(err->where)) && err->where[0]);
	REQUIRE(memchr(err->message, '\0', sizeof(err->message)) && err->message[0]);
	REQUIRE(memchr(err->request, '\0', sizeof(err->request)));
	REQUIRE(fuzz_is_line(err->message));
	REQUIRE(!shows_secret(err->message));
}

static void check_stat(const struct stow_stat *stat)
{
	REQUIRE(stat->size >= 0 && stat->mtime_ns >= 0);
	REQUIRE(memchr(stat->etag, '\0', sizeof(stat->etag)));
}

static void call_stat(void)
{
	struct stow_error err = { 0 };
	struct stow_stat stat;
	int status = driver->stat(self, NULL, "a/b", &stat, &err);

	if (status == STOW_OK)
		check_stat(&stat);
	else
		check_error(status, &err);
}

static void call_get(void)
{
	struct stow_error err = { 0 };
	struct stow_stat stat;
	char buf[64];
	size_t len = 0;
	int status = driver->get(self, NULL, "a/b", "\"x\"", buf, sizeof(buf), &len, &stat, &err);

	if (status == STOW_OK) {
		check_stat(&stat);
		REQUIRE(len <= sizeof(buf) && (int64_t)len == stat.size);
	} else {
		check_error(status, &err);
	}
}

static void call_put(void)
{
	struct stow_put put = { .size = sizeof(put), .flags = STOW_PUT_CREATE, .length = -1 };
	struct stow_error err = { 0 };
	struct stow_stat stat;
	int status = driver->put(self, NULL, "a/b", "hello", 5, &put, &stat, &err);

	if (status == STOW_OK)
		REQUIRE(stat.size == 5 && memchr(stat.etag, '\0', sizeof(stat.etag)));
	else
		check_error(status, &err);
}

static void call_remove(void)
{
	struct stow_error err = { 0 };
	int status = driver->remove(self, NULL, "a/b", NULL, &err);

	if (status != STOW_OK)
		check_error(status, &err);
}

static void call_check(void)
{
	struct stow_error err = { 0 };
	int status = driver->check(self, NULL, &err);

	if (status != STOW_OK)
		check_error(status, &err);
}

static void call_copy(void)
{
	struct stow_error err = { 0 };
	int status = driver->copy(self, NULL, "a/b", NULL, "c/d", NULL, &err);

	if (status != STOW_OK)
		check_error(status, &err);
}

static void read_from(int64_t offset, int64_t length)
{
	struct stow_error err = { 0 };
	struct stow_stat stat;
	void *reader = NULL;
	int64_t total = 0, most;
	char buf[512];
	int status = driver->read_open(self, NULL, "a/b", NULL, offset, length, &reader, &stat,
	                               &err);

	if (status != STOW_OK) {
		check_error(status, &err);
		return;
	}
	check_stat(&stat);
	REQUIRE(offset <= stat.size);
	most = stat.size - offset;
	if (length >= 0 && length < most)
		most = length;
	for (;;) {
		size_t len = 0;

		status = driver->read(reader, NULL, buf, sizeof(buf), &len, &err);
		if (status != STOW_OK) {
			check_error(status, &err);
			break;
		}
		REQUIRE(len <= sizeof(buf));
		if (len == 0)
			break;
		total += (int64_t)len;
		REQUIRE(total <= most);
	}
	REQUIRE(status != STOW_OK || total == most);
	driver->read_close(reader);
}

static void call_read(void)
{
	read_from(0, -1);
}

static void call_range(void)
{
	read_from(3, 10);
}

static void list(uint32_t flags)
{
	struct stow_error err = { 0 };
	char last[STOW_KEY_MAX * 4] = "a/";
	struct stow_entry entry;
	void *handle = NULL;
	int status = driver->list_open(self, NULL, "a/", "a/", flags, &handle, &err);
	size_t len;

	REQUIRE(status == STOW_OK);
	while ((status = driver->list_next(handle, NULL, &entry, &err)) == STOW_OK) {
		REQUIRE(text_starts(entry.key, "a/") && entry.etag);
		REQUIRE(entry.size >= 0 && entry.mtime_ns >= 0);
		REQUIRE(strncmp(entry.key, last, sizeof(last) - 1) >= 0);
		len = strlen(entry.key);
		REQUIRE((entry.key[len - 1] == '/') == (entry.is_folder != 0));
		REQUIRE(!entry.is_folder || (flags & STOW_LIST_FOLDERS));
		if (len < sizeof(last))
			REQUIRE(strcmp(entry.key, last) > 0);
		(void)text_copy(last, sizeof(last), entry.key);
	}
	check_error(status, &err);
	driver->list_close(handle);
}

static void call_list(void)
{
	list(0);
}

static void call_folders(void)
{
	list(STOW_LIST_FOLDERS);
}

static void write_object(size_t len, bool copy)
{
	struct stow_error err = { 0 };
	cleanup_free char *data = calloc(1, len);
	struct stow_stat stat;
	void *writer = NULL;
	int64_t offset = 0, total = (int64_t)len;
	int status = driver->write_open(self, NULL, "a/b", NULL, &writer, &offset, &err);

	REQUIRE(data);
	if (status != STOW_OK) {
		check_error(status, &err);
		return;
	}
	REQUIRE(offset == 0);
	status = driver->write(writer, NULL, data, len, &err);
	if (status == STOW_OK && copy) {
		status = driver->write_copy(writer, NULL, "c/d", "\"x\"", 1, 10, &err);
		total += 10;
	}
	if (status == STOW_OK)
		status = driver->write_commit(writer, NULL, &stat, &err);
	if (status == STOW_OK)
		REQUIRE(stat.size == total);
	else
		check_error(status, &err);
	driver->write_close(writer, NULL);
}

static void call_write(void)
{
	write_object(BIG, false);
}

static void call_small(void)
{
	write_object(16, true);
}

static void call_append(void)
{
	write_object(BIG, true);
}

#define BATCH 5
static void call_batch(void)
{
	struct stow_error err = { 0 }, errs[BATCH] = { 0 };
	char buf[64];
	struct stow_call calls[BATCH] = {
		{ .verb = STOW_CALL_STAT, .key = "a" },
		{ .verb = STOW_CALL_GET, .key = "b", .buf = buf, .len = sizeof(buf) },
		{ .verb = STOW_CALL_PUT, .key = "c", .data = "hello", .len = 5 },
		{ .verb = STOW_CALL_REMOVE, .key = "d" },
		{ .verb = STOW_CALL_COPY, .key = "e", .from = "f" },
	};
	int status;

	for (size_t i = 0; i < BATCH; i++)
		calls[i].err = &errs[i];
	status = driver->batch(self, NULL, calls, BATCH, sizeof(calls[0]), &err);
	if (status != STOW_OK) {
		check_error(status, &err);
		return;
	}
	for (size_t i = 0; i < BATCH; i++) {
		if (calls[i].status != STOW_OK)
			check_error(calls[i].status, &errs[i]);
	}
	if (calls[1].status == STOW_OK)
		REQUIRE(calls[1].ret_len <= sizeof(buf));
}

static void call_sweep(void)
{
	const char *const keys[] = { "a", "b/c", "d e", "f&g" };
	struct stow_error err = { 0 };
	int statuses[4] = { 0 };
	int status = driver->remove_many(self, NULL, keys, NULL, 4, statuses, &err);

	if (status != STOW_OK) {
		check_error(status, &err);
		return;
	}
	for (size_t i = 0; i < 4; i++)
		REQUIRE(statuses[i] <= 0 && statuses[i] >= STOW_ENOMEM);
}

static void call_purge(void)
{
	struct stow_error err = { 0 };
	uint64_t count = 0;
	int status = driver->purge_writes(self, NULL, "a/", 1, &count, &err);

	if (status != STOW_OK)
		check_error(status, &err);
	else
		REQUIRE(count < REQUESTS_MAX);
}

static const struct {
	const char *name;
	void (*run)(void);
} calls[] = {
	{ "stat", call_stat },       { "get", call_get },     { "put", call_put },
	{ "remove", call_remove },   { "check", call_check }, { "copy", call_copy },
	{ "read", call_read },       { "range", call_range }, { "list", call_list },
	{ "folders", call_folders }, { "write", call_write }, { "small", call_small },
	{ "append", call_append },   { "batch", call_batch }, { "sweep", call_sweep },
	{ "purge", call_purge },
};

/* One instance for all inputs: it keeps nothing between calls. */
static void open_driver(void)
{
	static const struct stow_kv options[] = {
		{ "accesskey", "access" }, { "secretkey", SECRET },
		{ "bucket", "bucket" },    { "regionendpoint", "http://store.example" },
		{ "chunksize", "5M" },     { "memory", "40M" },
		{ "maxretries", "0" },
	};
	struct stow_error err = { 0 };

	if (driver)
		return;
	driver = stow_driver_v1();
	if (driver->open(NULL, options, sizeof(options) / sizeof(options[0]), &self, &err) !=
	    STOW_OK) {
		fprintf(stderr, "%s\n", err.message);
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup_free char *text = fuzz_text(data, len);
	char *rest = text, *name = fuzz_line(&rest);

	open_driver();
	store.left = *rest ? rest : NULL;
	store.requests = 0;
	store.knows = strstr(rest, SECRET) != NULL;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(calls[i].name, name) == 0)
			calls[i].run();
	}
	return 0;
}
