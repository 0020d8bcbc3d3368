/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the S3 driver with the answers of a hostile store (store.h) below the real driver.
 * It must not know how the driver goes about its work, only what include/stowage/driver.h says.
 *
 * The input: a line with words, then answers.  Words name calls, which are made in that order, and
 * what instance makes them: "amazon" (https, and the bucket in the host's name), "keys" (they come
 * from the container's endpoint, before the first answer of the store), "lost" (they are not to be
 * had), "patient" (tries again), "plain" (a store that can do the least), "rooted" (a root folder and more),
 * "sealed" (over https, with a key of ours).
 */
#include <stowage/driver.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/store.h"

#define BIG ((size_t)6 << 20) /* more than one part */
#define CALLS_MAX 6
#define CONTAINER "http://127.0.0.1/keys"
#define SECRET "SECRETKEYSECRETKEY"
#define TOKEN "CONTAINERTOKEN"
#define SEALED "U0VBTEVEU0VBTEVEU0VBTEVEU0VBTEVEU0VBTEVEIQE="

const struct stow_driver *stow_driver_v1(void);

static const struct stow_driver *driver;
static void *self;
static struct {
	bool amazon, keys, lost, patient, plain, rooted, sealed;
} is;                     /* what instance it is */
static const char *given; /* all answers */
static unsigned asked;    /* of the store */

/* What came from the store may come back. */
static bool shows_secret(const char *text)
{
	static const char *const secrets[] = { SECRET, TOKEN, SEALED };

	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++)
		if (strstr(text, secrets[i]) && !strstr(given, secrets[i]))
			return true;
	return false;
}

/* ---- what is sent ---- */

/* Is the host of that domain, or below it? */
static bool is_in(const char *host, size_t len, const char *domain)
{
	size_t n = strlen(domain);

	return len >= n && strncasecmp(host + len - n, domain, n) == 0 &&
	       (len == n || host[len - n - 1] == '.');
}

/* Whatever answers say of regions and redirects, nobody else is asked, and nobody without TLS. */
static void check_url(const char *url)
{
	static const char *const amazons[] = { "amazonaws.com", "amazonaws.com.cn",
		                               "amazonaws.eu",  "c2s.ic.gov",
		                               "sc2s.sgov.gov", "cloud.adc-e.uk",
		                               "csp.hci.ic.gov" };
	const char *host = strstr(url, "://");
	bool ok = false;
	size_t len;

	REQUIRE(host && text_starts(url, is.amazon || is.sealed ? "https://" : "http"));
	host += strlen("://");
	len = strcspn(host, "/?#");
	REQUIRE(strcspn(host, "@\\") >= len);
	REQUIRE(host[len] == '/');
	if (strcspn(host, ":") < len)
		len = strcspn(host, ":");
	for (size_t i = 0; is.amazon && i < sizeof(amazons) / sizeof(amazons[0]); i++)
		ok = ok || is_in(host, len, amazons[i]);
	REQUIRE(is.amazon ? ok : is_in(host, len, "store.example"));
}

static void check_request(const struct http_exchange *e)
{
	bool asks_keys = strcmp(e->url, CONTAINER) == 0;

	REQUIRE(!is.lost);
	asked += !asks_keys;
	if (!asks_keys)
		check_url(e->url);
	REQUIRE(e->direct == asks_keys && (is.keys || !asks_keys));
	REQUIRE(!shows_secret(e->url));
	for (size_t i = 0; e->headers && e->headers[i]; i++) {
		const char *line = e->headers[i];

		if (asks_keys && strcmp(line, "Authorization: " TOKEN) == 0)
			continue;
		if (is.sealed && text_starts(line, "x-amz-") && text_ends(line, "-key: " SEALED))
			continue;
		REQUIRE(!shows_secret(line));
	}
}

/* ---- the host ---- */

static void check_log(void *arg, int32_t level, const char *component, const char *line)
{
	(void)arg;
	REQUIRE(level >= STOW_LOG_ERROR && level <= STOW_LOG_DEBUG && component[0]);
	REQUIRE(fuzz_is_line(line) && !shows_secret(line));
}

static void check_count(void *arg, const char *metric, int64_t add)
{
	(void)arg;
	REQUIRE(metric[0] && add >= 0);
}

static const struct stow_host host = { .size = sizeof(host),
	                               .log = check_log,
	                               .count = check_count };

/* The driver reads its environment by this alone: here it is what the input says. */
char *secure_getenv(const char *name)
{
	static char url[] = CONTAINER, token[] = TOKEN, nowhere[] = "/nowhere/token";

	if (!is.keys && !is.lost)
		return NULL;
	if (strcmp(name, "AWS_CONTAINER_CREDENTIALS_FULL_URI") == 0)
		return url;
	if (is.lost && strcmp(name, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") == 0)
		return nowhere;
	return strcmp(name, "AWS_CONTAINER_AUTHORIZATION_TOKEN") == 0 ? token : NULL;
}

/* ---- the calls, and what they promise ---- */

static void check_error(int status, const struct stow_error *err)
{
	/* what is wrong with the keys is no fact about an object */
	if (is.lost)
		REQUIRE(status == STOW_EIO || status == STOW_EDENIED || status == STOW_EINVAL ||
		        status == STOW_ENOTSUP);
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

static void put(const struct stow_put *how)
{
	struct stow_error err = { 0 };
	struct stow_stat stat;
	int status = driver->put(self, NULL, "a/b", "hello", 5, how, &stat, &err);

	if (status == STOW_OK)
		REQUIRE(stat.size == 5 && memchr(stat.etag, '\0', sizeof(stat.etag)));
	else
		check_error(status, &err);
}

static void call_put(void)
{
	put(&(struct stow_put){
		.size = sizeof(struct stow_put), .flags = STOW_PUT_CREATE, .length = -1 });
}

static void call_replace(void)
{
	uint8_t sum[32];

	hash_sha256("hello", 5, sum);
	put(&(struct stow_put){ .size = sizeof(struct stow_put),
	                        .if_match = "\"x\"",
	                        .length = -1,
	                        .sha256 = sum });
}

/* The bytes are not those of the hash: a store that does not say so must be known for it. */
static void call_wrong(void)
{
	static const uint8_t sum[32];

	put(&(struct stow_put){ .size = sizeof(struct stow_put), .length = -1, .sha256 = sum });
}

static void removal(const char *if_match)
{
	struct stow_error err = { 0 };
	unsigned before = asked;
	int status = driver->remove(self, NULL, "a/b", if_match, &err);

	if (status == STOW_OK)
		REQUIRE(asked > before);
	else
		check_error(status, &err);
}

static void call_remove(void)
{
	removal(NULL);
}

static void call_removeif(void)
{
	removal("\"x\"");
}

static void call_check(void)
{
	struct stow_error err = { 0 };
	int status = driver->check(self, NULL, &err);

	if (status != STOW_OK)
		check_error(status, &err);
}

static void copy(const char *if_match, const struct stow_put *how)
{
	struct stow_error err = { 0 };
	int status = driver->copy(self, NULL, "a/b", if_match, "c/d", how, &err);

	if (status != STOW_OK)
		check_error(status, &err);
}

static void call_copy(void)
{
	copy(NULL, NULL);
}

static void call_copynew(void)
{
	copy("\"x\"", &(struct stow_put){ .size = sizeof(struct stow_put),
	                                  .flags = STOW_PUT_CREATE,
	                                  .content_type = "text/plain",
	                                  .length = -1 });
}

static void call_copyknown(void)
{
	copy(NULL, &(struct stow_put){ .size = sizeof(struct stow_put),
	                               .content_type = "text/plain",
	                               .length = 5 });
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

static void call_nothing(void)
{
	read_from(5, 0);
}

static void list(const char *after, uint32_t flags)
{
	struct stow_error err = { 0 };
	char last[STOW_KEY_MAX * 4] = "";
	struct stow_entry entry;
	void *handle = NULL;
	int status = driver->list_open(self, NULL, "a/", after, flags, &handle, &err);
	size_t len;

	REQUIRE(status == STOW_OK);
	(void)text_copy(last, sizeof(last), after);
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
	list("a/", 0);
}

static void call_folders(void)
{
	list("a/", STOW_LIST_FOLDERS);
}

static void call_after(void)
{
	list("a/m", 0);
}

/* Zeros, which never change and cost no memory. */
static const char zeros[BIG];

/* Writes so much, then so much of another object, and ends it by a park or a commit. */
static void write_object(const struct stow_put *how, size_t len, int64_t copied, bool parks)
{
	struct stow_error err = { 0 };
	struct stow_stat stat;
	char state[512];
	size_t state_len = 0;
	void *writer = NULL;
	int64_t offset = 0, total;
	int status = driver->write_open(self, NULL, "a/b", how, &writer, &offset, &err);

	if (status != STOW_OK) {
		check_error(status, &err);
		return;
	}
	REQUIRE(offset >= 0);
	if (!how || !(how->parked || how->flags & STOW_PUT_RESUME))
		REQUIRE(offset == 0);
	total = offset + (int64_t)len + copied;
	if (len)
		status = driver->write(writer, NULL, zeros, len, &err);
	if (status == STOW_OK && copied)
		status = driver->write_copy(writer, NULL, "c/d", len ? "\"x\"" : NULL, 1, copied,
		                            &err);
	if (status == STOW_OK && parks) {
		status = driver->write_park(writer, NULL, state, sizeof(state), &state_len, &err);
		REQUIRE(status != STOW_OK || (state_len > 0 && state_len <= sizeof(state)));
	} else if (status == STOW_OK) {
		status = driver->write_commit(writer, NULL, &stat, &err);
		REQUIRE(status != STOW_OK || stat.size == total);
	}
	if (status != STOW_OK)
		check_error(status, &err);
	driver->write_close(writer, NULL);
}

static void call_write(void)
{
	write_object(NULL, BIG, 0, false);
}

static void call_small(void)
{
	write_object(NULL, 16, 10, false);
}

static void call_append(void)
{
	write_object(NULL, BIG, 10, false);
}

/* Pieces that the store copies: of one size, and behind bytes that are to be a part first. */
static void call_pieces(void)
{
	write_object(NULL, 0, 12 << 20, false);
}

static void call_behind(void)
{
	write_object(NULL, 16, 11 << 20, false);
}

static void call_known(void)
{
	static uint8_t sum[32];
	static bool known;

	if (!known)
		hash_sha256(zeros, BIG, sum);
	known = true;
	write_object(&(struct stow_put){ .size = sizeof(struct stow_put),
	                                 .flags = STOW_PUT_CREATE,
	                                 .content_type = "text/plain",
	                                 .length = (int64_t)BIG,
	                                 .sha256 = sum },
	             BIG, 0, false);
}

static void call_park(void)
{
	write_object(NULL, 16, 0, true);
}

static void call_parkbig(void)
{
	write_object(NULL, BIG, 0, true);
}

static void call_resume(void)
{
	write_object(&(struct stow_put){ .size = sizeof(struct stow_put),
	                                 .flags = STOW_PUT_RESUME,
	                                 .length = -1 },
	             3, 0, false);
}

/* Only looks how far it is. */
static void call_look(void)
{
	write_object(&(struct stow_put){ .size = sizeof(struct stow_put),
	                                 .flags = STOW_PUT_RESUME,
	                                 .length = -1 },
	             0, 0, true);
}

/* From a state whose nonce is zeros, with an announced length and hash. */
static void call_goon(void)
{
	uint8_t state[52] = "s3p1", sum[32];

	hash_sha256("a/b", 3, state + 4 + 16);
	hash_sha256(zeros, 16, sum);
	write_object(&(struct stow_put){ .size = sizeof(struct stow_put),
	                                 .length = 16,
	                                 .sha256 = sum,
	                                 .parked = state,
	                                 .parked_len = sizeof(state) },
	             13, 0, true);
}

#define BATCH 7
static void call_batch(void)
{
	const struct stow_put create = { .size = sizeof(create),
		                         .flags = STOW_PUT_CREATE,
		                         .length = -1 };
	struct stow_error err = { 0 }, errs[BATCH] = { 0 };
	char buf[64];
	struct stow_call calls[BATCH] = {
		{ .verb = STOW_CALL_STAT, .key = "a" },
		{ .verb = STOW_CALL_GET, .key = "b", .buf = buf, .len = sizeof(buf) },
		{ .verb = STOW_CALL_PUT, .key = "c", .data = "hello", .len = 5 },
		{ .verb = STOW_CALL_REMOVE, .key = "d" },
		{ .verb = STOW_CALL_REMOVE, .key = "i", .if_match = "\"x\"" },
		{ .verb = STOW_CALL_COPY, .key = "e", .from = "f" },
		{ .verb = STOW_CALL_COPY, .key = "g", .from = "h", .put = &create },
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
	if (calls[0].status == STOW_OK)
		check_stat(&calls[0].ret_stat);
	if (calls[1].status == STOW_OK)
		REQUIRE(calls[1].ret_len <= sizeof(buf));
}

static void sweep(const char *const *if_match)
{
	const char *const keys[] = { "a", "b/c", "d e", "f&g" };
	struct stow_error err = { 0 };
	int statuses[4] = { 0 };
	unsigned before = asked;
	int status = driver->remove_many(self, NULL, keys, if_match, 4, statuses, &err);

	if (status != STOW_OK) {
		check_error(status, &err);
		return;
	}
	for (size_t i = 0; i < 4; i++) {
		REQUIRE(statuses[i] <= 0 && statuses[i] >= STOW_ENOMEM);
		REQUIRE(statuses[i] != STOW_OK || asked > before);
	}
}

static void call_sweep(void)
{
	sweep(NULL);
}

static void call_sweepif(void)
{
	const char *const etags[] = { "\"x\"", NULL, "\"y\"", "" };

	sweep(etags);
}

static void purge(int64_t older_than_ns)
{
	struct stow_error err = { 0 };
	uint64_t count = 0;
	int status = driver->purge_writes(self, NULL, "a/", older_than_ns, &count, &err);

	if (status != STOW_OK)
		check_error(status, &err);
	else
		REQUIRE(count < STORE_REQUESTS_MAX);
}

static void call_purge(void)
{
	purge(1);
}

static void call_purgeall(void)
{
	purge(0);
}

static void call_presign(void)
{
	struct stow_error err = { 0 };
	char url[4096];
	int status = driver->presign(self, NULL, "a/b", "GET", 600, url, sizeof(url), &err);

	if (status != STOW_OK) {
		check_error(status, &err);
		return;
	}
	REQUIRE(memchr(url, '\0', sizeof(url)) && fuzz_is_line(url) && !strchr(url, ' '));
	REQUIRE(strstr(url, "X-Amz-Signature=") && !shows_secret(url));
	check_url(url);
}

static void call_probe(void)
{
	static char report[64 << 10];
	struct stow_error err = { 0 };
	size_t len = 0;
	int status = driver->probe(self, NULL, report, sizeof(report), &len, &err);

	if (status != STOW_OK) {
		check_error(status, &err);
		return;
	}
	REQUIRE(len > 0 && len < sizeof(report) && report[len - 1] == '\n');
	report[len] = '\0';
	for (char *rest = report, *line; *rest;) {
		line = fuzz_line(&rest);
		line += strcspn(line, "\t");
		REQUIRE(line[0] == '\t' && strchr(line + 1, '\t') && !shows_secret(line));
	}
}

static const struct {
	const char *name;
	void (*run)(void);
} calls[] = {
	{ "stat", call_stat },           { "get", call_get },         { "put", call_put },
	{ "replace", call_replace },     { "wrong", call_wrong },     { "remove", call_remove },
	{ "removeif", call_removeif },   { "sweepif", call_sweepif }, { "probe", call_probe },
	{ "check", call_check },         { "copy", call_copy },       { "copynew", call_copynew },
	{ "copyknown", call_copyknown }, { "read", call_read },       { "range", call_range },
	{ "nothing", call_nothing },     { "list", call_list },       { "folders", call_folders },
	{ "write", call_write },         { "small", call_small },     { "append", call_append },
	{ "pieces", call_pieces },       { "behind", call_behind },   { "known", call_known },
	{ "park", call_park },           { "parkbig", call_parkbig }, { "resume", call_resume },
	{ "look", call_look },           { "goon", call_goon },       { "batch", call_batch },
	{ "after", call_after },         { "sweep", call_sweep },     { "purge", call_purge },
	{ "purgeall", call_purgeall },   { "presign", call_presign },
};

/* ---- an input ---- */

/* What a request says of the object that it makes goes with this variant. */
static size_t add_rooted(struct stow_kv *to)
{
	static const struct stow_kv rest[] = {
		{ "rootdirectory", "/r/s" },
		{ "redirectendpoint", "http://cdn.store.example:80/" },
		{ "storageclass", "standard_ia" },
		{ "objectacl", "private" },
		{ "contentmd5", "on" },
		{ "unsignedpayload", "off" },
		{ "useragent", "fuzz" },
	};

	memcpy(to, rest, sizeof(rest));
	return sizeof(rest) / sizeof(rest[0]);
}

static void open_driver(void)
{
	struct stow_kv options[20];
	struct stow_error err = { 0 };
	size_t n = 0;

	options[n++] = (struct stow_kv){ "bucket", "bucket" };
	options[n++] = (struct stow_kv){ "chunksize", "5M" };
	options[n++] = (struct stow_kv){ "multipartcopychunksize", "5M" };
	options[n++] = (struct stow_kv){ "memory", "40M" };
	options[n++] = (struct stow_kv){ "maxretries", is.patient ? "2" : "0" };
	if (is.plain)
		options[n++] = (struct stow_kv){ "serverprofile", "plain" };
	if (!is.keys && !is.lost) {
		options[n++] = (struct stow_kv){ "accesskey", "access" };
		options[n++] = (struct stow_kv){ "secretkey", SECRET };
	}
	if (is.amazon)
		options[n++] = (struct stow_kv){ "region", "us-east-1" };
	else
		options[n++] = (struct stow_kv){ "regionendpoint",
			                         is.sealed ? "https://store.example"
			                                   : "http://store.example" };
	if (is.rooted)
		n += add_rooted(options + n);
	if (is.sealed)
		options[n++] = (struct stow_kv){ "ssecustomerkey", SEALED };
	driver = stow_driver_v1();
	if (driver->open(&host, options, n, &self, &err) != STOW_OK) {
		fprintf(stderr, "%s\n", err.message);
		abort();
	}
}

static bool set_variant(const char *word)
{
	static const struct {
		const char *name;
		bool *flag;
	} variants[] = { { "amazon", &is.amazon }, { "keys", &is.keys },
		         { "lost", &is.lost },     { "patient", &is.patient },
		         { "plain", &is.plain },   { "rooted", &is.rooted },
		         { "sealed", &is.sealed } };

	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++) {
		if (strcmp(variants[i].name, word) == 0) {
			*variants[i].flag = true;
			return true;
		}
	}
	return false;
}

/* Parts of 5 MiB are slow; what is cut in the midst of a word is all the same to most. */
size_t fuzz_beginnings(const uint8_t *data, size_t len)
{
	static const char *const slow[] = { "write", "append",  "pieces", "behind",
		                            "known", "parkbig", "copy" };
	cleanup_free char *text = fuzz_text(data, len);
	char *rest = text, *words = fuzz_line(&rest);

	for (size_t i = 0; i < sizeof(slow) / sizeof(slow[0]); i++)
		if (strstr(words, slow[i]))
			return 16;
	return 256;
}

/* A new instance for each input: one learns from answers. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup_free char *text = fuzz_text(data, len);
	char *rest = text, *words = fuzz_line(&rest), *word;
	void (*runs[CALLS_MAX])(void);
	size_t n = 0;

	memset(&is, 0, sizeof(is));
	while (*(word = fuzz_word(&words))) {
		if (set_variant(word))
			continue;
		for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]) && n < CALLS_MAX; i++) {
			if (strcmp(calls[i].name, word) == 0)
				runs[n++] = calls[i].run;
		}
	}
	if (n == 0)
		return 0;
	given = rest;
	asked = 0;
	store_begin(rest, check_request);
	open_driver();
	for (size_t i = 0; i < n; i++)
		runs[i]();
	REQUIRE((driver->instance_caps(self) & ~driver->caps) == 0);
	driver->close(self);
	return 0;
}
