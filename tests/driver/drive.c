/* SPDX-License-Identifier: Apache-2.0 */
/*
 * drive DRIVER.so [KEY=VALUE ...] opens a driver and makes the calls that a script on its standard
 * input asks for, one a line, with one line of answer to each:
 *
 *	put KEY TEXT                    remove KEY              presign KEY METHOD SECONDS
 *	putfile KEY PATH                remove_many KEY...      purge PREFIX SECONDS
 *	get KEY                         copy FROM TO            check
 *	stat KEY                        list PREFIX [AFTER] [folders]
 *	read KEY OFFSET LENGTH          clock SECONDS           deadline MILLISECONDS
 *	write KEY BYTES PIECE           park KEY BYTES PIECE    resume KEY BYTES PIECE [newest]
 *	caps                            what this instance honours, each a cap=
 *	crowd KEY COUNT                 stat by so many threads at once; each status
 *	gets KEY COUNT TIMES            the same of get, by each so often
 *	writers KEY COUNT BYTES PIECE   so many writers at once, of KEY0, KEY1, ...
 *	probe                           what the driver finds the store to do, field by field
 *	metrics                         what the driver has counted so far
 *
 * Words are parted by one space, so that two hold an empty one; each is percent-encoded.  An
 * answer is the name of the status and name=value, parted by tabs, values percent-encoded;
 * requests= is how many the driver made.  What is written is the pattern 0, 1 ... 250, 0 ...; park
 * keeps the state that resume goes on from, or with newest by the key alone.  clock moves the
 * host's clock, deadline holds for each later call, 0 is none.  It reaches the driver by the ABI
 * alone.
 */
#include <stowage/driver.h>

#include <dlfcn.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/hash.h"
#include "common/text.h"
#include "common/thread.h"

#define WORDS_MAX 4096
#define OBJECT_MAX ((size_t)64 << 20)
#define PATTERN 251
#define METRICS_MOST 200
#define CROWD_MOST 2000

struct metric {
	char name[80];
	int64_t value;
};

struct drive {
	const struct stow_driver *driver;
	void *self;
	int64_t clock_ns;    /* added to the real one */
	int64_t deadline_ns; /* of each call */
	char parked[512];
	size_t parked_len;
	struct stow_op op;
	uint64_t requests;
	struct stow_error err;
	struct buf answer; /* the fields after the status */
	struct mutex lock;
	struct metric metrics[METRICS_MOST];
	size_t n_metrics;
	size_t n; /* words after the command */
	char *word[WORDS_MAX];
};

/* ---- answers ---- */

static void field(struct drive *d, const char *name, const char *value)
{
	size_t len = text_percent_encode(NULL, 0, value, true);

	buf_addf(&d->answer, "\t%s=", name);
	if (buf_reserve(&d->answer, len + 1) == STOW_OK)
		d->answer.len += text_percent_encode(d->answer.data + d->answer.len, len + 1, value,
		                                     true);
}

static void number(struct drive *d, const char *name, int64_t value)
{
	buf_addf(&d->answer, "\t%s=%" PRId64, name, value);
}

static void bytes(struct drive *d, const char *name, const void *data, size_t len)
{
	const unsigned char *p = data;

	buf_addf(&d->answer, "\t%s=", name);
	for (size_t i = 0; i < len; i++)
		buf_addf(&d->answer, "%%%02X", p[i]);
}

static void facts(struct drive *d, const struct stow_stat *st)
{
	number(d, "size", st->size);
	number(d, "mtime", st->mtime_ns / CLOCK_SECOND);
	field(d, "etag", st->etag);
}

static const char *status_name(int status)
{
	static const char *const names[] = {
		"OK",      "ENOTFOUND", "EEXIST",   "ECHANGED",  "EINVAL",   "ERANGE", "EDENIED",
		"ENOTSUP", "EBUSY",     "ETIMEOUT", "ECANCELED", "ECORRUPT", "EIO",    "ENOMEM",
	};

	return status <= 0 && status > -(int)(sizeof(names) / sizeof(names[0])) ? names[-status]
	                                                                        : "no-status";
}

static void describe_error(struct drive *d)
{
	field(d, "where", d->err.where);
	field(d, "message", d->err.message);
	number(d, "backend", d->err.backend);
	number(d, "retryable", (d->err.flags & STOW_ERROR_RETRYABLE) != 0);
	number(d, "maybe", (d->err.flags & STOW_ERROR_MAYBE) != 0);
}

static int not_offered(struct drive *d)
{
	text_copy(d->err.message, sizeof(d->err.message), "the driver does not offer it");
	return STOW_ENOTSUP;
}

/* ---- words ---- */

static const char *word(const struct drive *d, size_t i)
{
	return i < d->n ? d->word[i] : "";
}

static int64_t count(const struct drive *d, size_t i)
{
	const char *text = word(d, i);
	bool minus = text[0] == '-';
	int64_t value;

	if (!text_to_int64(text + minus, &value)) {
		fprintf(stderr, "drive: '%s' is not a number\n", text);
		exit(2);
	}
	return minus ? -value : value;
}

/* ---- small objects ---- */

static int do_put(struct drive *d)
{
	const char *text = word(d, 1);
	struct stow_stat st = { 0 };
	int r = d->driver->put(d->self, &d->op, word(d, 0), text, strlen(text), NULL, &st, &d->err);

	if (r == STOW_OK)
		facts(d, &st);
	return r;
}

static int do_putfile(struct drive *d)
{
	cleanup_free char *data = malloc(OBJECT_MAX);
	FILE *f = data ? fopen(word(d, 1), "rb") : NULL;
	struct stow_stat st = { 0 };
	size_t len;
	int r;

	if (!f) {
		fprintf(stderr, "drive: %s cannot be read\n", word(d, 1));
		exit(2);
	}
	len = fread(data, 1, OBJECT_MAX, f);
	fclose(f);
	r = d->driver->put(d->self, &d->op, word(d, 0), data, len, NULL, &st, &d->err);
	if (r == STOW_OK)
		facts(d, &st);
	return r;
}

static int do_get(struct drive *d)
{
	cleanup_free char *data = malloc(OBJECT_MAX);
	struct stow_stat st = { 0 };
	size_t len = 0;
	int r;

	if (!data)
		return STOW_ENOMEM;
	r = d->driver->get(d->self, &d->op, word(d, 0), NULL, data, OBJECT_MAX, &len, &st, &d->err);
	if (r == STOW_OK) {
		facts(d, &st);
		bytes(d, "data", data, len);
	}
	return r;
}

static int do_stat(struct drive *d)
{
	struct stow_stat st = { 0 };
	int r = d->driver->stat(d->self, &d->op, word(d, 0), &st, &d->err);

	if (r == STOW_OK)
		facts(d, &st);
	return r;
}

static int do_remove(struct drive *d)
{
	return d->driver->remove(d->self, &d->op, word(d, 0), NULL, &d->err);
}

static int do_remove_many(struct drive *d)
{
	const char *keys[WORDS_MAX];
	int statuses[WORDS_MAX];
	int r;

	if (!d->driver->remove_many)
		return not_offered(d);
	for (size_t i = 0; i < d->n; i++)
		keys[i] = d->word[i];
	r = d->driver->remove_many(d->self, &d->op, keys, NULL, d->n, statuses, &d->err);
	for (size_t i = 0; i < d->n && r == STOW_OK; i++)
		field(d, "status", status_name(statuses[i]));
	return r;
}

static int do_copy(struct drive *d)
{
	if (!d->driver->copy)
		return not_offered(d);
	return d->driver->copy(d->self, &d->op, word(d, 0), NULL, word(d, 1), NULL, &d->err);
}

/* ---- big objects ---- */

static int do_read(struct drive *d)
{
	const size_t cap = (size_t)64 << 10;
	cleanup_free char *data = malloc(cap);
	struct stow_stat st = { 0 };
	struct hash hash;
	uint8_t sum[32];
	char hex[65];
	void *reader = NULL;
	size_t len = 0;
	int64_t total = 0;
	int r;

	if (!data)
		return STOW_ENOMEM;
	r = d->driver->read_open(d->self, &d->op, word(d, 0), NULL, count(d, 1), count(d, 2),
	                         &reader, &st, &d->err);
	if (r != STOW_OK)
		return r;
	hash_init(&hash, HASH_SHA256);
	do {
		r = d->driver->read(reader, &d->op, data, cap, &len, &d->err);
		if (r == STOW_OK) {
			hash_update(&hash, data, len);
			total += (int64_t)len;
		}
	} while (r == STOW_OK && len);
	d->driver->read_close(reader);
	hash_final(&hash, sum);
	text_hex(hex, sum, sizeof(sum));
	number(d, "read", total);
	field(d, "sha256", hex);
	facts(d, &st);
	return r;
}

static int write_pattern(struct drive *d, void *writer, int64_t from, int64_t to, int64_t step,
                         struct stow_error *err)
{
	cleanup_free uint8_t *data = malloc((size_t)step + 1);
	int r = STOW_OK;

	if (!data || step < 1)
		return STOW_ENOMEM;
	while (from < to && r == STOW_OK) {
		size_t len = (size_t)(to - from < step ? to - from : step);

		for (size_t i = 0; i < len && i < PATTERN; i++)
			data[i] = (uint8_t)((uint64_t)(from + (int64_t)i) % PATTERN);
		/* what is there twice over, ever on */
		for (size_t done = PATTERN, n; done < len; done += n) {
			n = done < len - done ? done : len - done;
			memcpy(data + done, data, n);
		}
		r = d->driver->write(writer, &d->op, data, len, err);
		from += (int64_t)len;
	}
	return r;
}

/* KEY BYTES PIECE; parks where it may, else commits. */
static int write_key(struct drive *d, const struct stow_put *put, bool park)
{
	struct stow_stat st = { 0 };
	void *writer = NULL;
	int64_t offset = 0;
	int r = d->driver->write_open(d->self, &d->op, word(d, 0), put, &writer, &offset, &d->err);

	if (r != STOW_OK)
		return r;
	r = write_pattern(d, writer, offset, count(d, 1), count(d, 2), &d->err);
	if (r == STOW_OK && park)
		r = d->driver->write_park(writer, &d->op, d->parked, sizeof(d->parked),
		                          &d->parked_len, &d->err);
	else if (r == STOW_OK)
		r = d->driver->write_commit(writer, &d->op, &st, &d->err);
	d->driver->write_close(writer, NULL);
	if (r == STOW_OK) {
		number(d, "offset", offset);
		facts(d, &st);
	}
	return r;
}

static int do_write(struct drive *d)
{
	return write_key(d, NULL, false);
}

static int do_park(struct drive *d)
{
	return d->driver->write_park ? write_key(d, NULL, true) : not_offered(d);
}

static int do_resume(struct drive *d)
{
	struct stow_put put = { .size = sizeof(put), .length = -1 };

	if (!d->driver->write_park)
		return not_offered(d);
	if (strcmp(word(d, 3), "newest") == 0) {
		put.flags = STOW_PUT_RESUME;
	} else {
		put.parked = d->parked;
		put.parked_len = d->parked_len;
	}
	return write_key(d, &put, false);
}

/* ---- listings and the rest ---- */

static int do_list(struct drive *d)
{
	uint32_t flags = strcmp(word(d, 2), "folders") == 0 ? STOW_LIST_FOLDERS : 0;
	struct stow_entry entry;
	void *list = NULL;
	int64_t n = 0;
	int r = d->driver->list_open(d->self, &d->op, word(d, 0), word(d, 1), flags, &list,
	                             &d->err);

	if (r != STOW_OK)
		return r;
	while ((r = d->driver->list_next(list, &d->op, &entry, &d->err)) == STOW_OK) {
		field(d, entry.is_folder ? "folder" : "key", entry.key);
		n++;
	}
	d->driver->list_close(list);
	number(d, "count", n);
	return r == STOW_ENOTFOUND ? STOW_OK : r;
}

static int do_presign(struct drive *d)
{
	char url[8192];
	int r;

	if (!d->driver->presign)
		return not_offered(d);
	r = d->driver->presign(d->self, &d->op, word(d, 0), word(d, 1), count(d, 2), url,
	                       sizeof(url), &d->err);
	if (r == STOW_OK)
		field(d, "url", url);
	return r;
}

static int do_purge(struct drive *d)
{
	uint64_t taken = 0;
	int r;

	if (!d->driver->purge_writes)
		return not_offered(d);
	r = d->driver->purge_writes(d->self, &d->op, word(d, 0), count(d, 1) * CLOCK_SECOND, &taken,
	                            &d->err);
	if (r == STOW_OK)
		number(d, "count", (int64_t)taken);
	return r;
}

static int do_check(struct drive *d)
{
	return d->driver->check ? d->driver->check(d->self, &d->op, &d->err) : not_offered(d);
}

static int do_clock(struct drive *d)
{
	__atomic_add_fetch(&d->clock_ns, count(d, 0) * CLOCK_SECOND, __ATOMIC_RELAXED);
	return STOW_OK;
}

static int do_deadline(struct drive *d)
{
	d->deadline_ns = count(d, 0) * CLOCK_MILLISECOND;
	return STOW_OK;
}

static int do_caps(struct drive *d)
{
	static const struct {
		uint64_t cap;
		const char *name;
	} names[] = {
		{ STOW_CAP_CREATE, "create" },
		{ STOW_CAP_PUT_IF_MATCH, "put_if_match" },
		{ STOW_CAP_REMOVE_IF_MATCH, "remove_if_match" },
		{ STOW_CAP_COPY_IF_MATCH, "copy_if_match" },
		{ STOW_CAP_GET_IF_MATCH, "get_if_match" },
	};
	uint64_t caps = d->driver->caps;

	if (d->driver->instance_caps)
		caps &= d->driver->instance_caps(d->self);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (caps & names[i].cap)
			field(d, "cap", names[i].name);
	return STOW_OK;
}

/* ---- many at once ---- */

struct crowd {
	struct drive *d;
	int (*run)(struct crowd *);
	size_t number;
	int status;
	pthread_t thread;
};

static void *crowd_run(void *arg)
{
	struct crowd *c = arg;

	c->status = c->run(c);
	return NULL;
}

static int crowd_do(struct drive *d, int (*run)(struct crowd *))
{
	size_t n = (size_t)count(d, 1), started = 0;
	cleanup_free struct crowd *crowd = calloc(CROWD_MOST, sizeof(*crowd));

	for (; crowd && started < n && started < CROWD_MOST; started++) {
		crowd[started] = (struct crowd){ .d = d, .run = run, .number = started };
		if (thread_start(&crowd[started].thread, (size_t)128 << 10, crowd_run,
		                 &crowd[started]) != 0)
			break;
	}
	for (size_t i = 0; i < started; i++)
		pthread_join(crowd[i].thread, NULL);
	for (size_t i = 0; i < started; i++)
		field(d, "status", status_name(crowd[i].status));
	return started == n ? STOW_OK : STOW_ENOMEM;
}

static int crowd_stat(struct crowd *c)
{
	struct stow_stat st;

	return c->d->driver->stat(c->d->self, &c->d->op, word(c->d, 0), &st, NULL);
}

static int do_crowd(struct drive *d)
{
	return crowd_do(d, crowd_stat);
}

static int crowd_get(struct crowd *c)
{
	const size_t cap = (size_t)64 << 10;
	cleanup_free char *data = malloc(cap);
	int r = data ? STOW_OK : STOW_ENOMEM;

	for (int64_t i = count(c->d, 2); i > 0 && r == STOW_OK; i--) {
		struct stow_stat st;
		size_t len;

		r = c->d->driver->get(c->d->self, &c->d->op, word(c->d, 0), NULL, data, cap, &len,
		                      &st, NULL);
	}
	return r;
}

static int do_gets(struct drive *d)
{
	return crowd_do(d, crowd_get);
}

static int crowd_write(struct crowd *c)
{
	struct drive *d = c->d;
	struct stow_stat st;
	void *writer = NULL;
	char key[256];
	int64_t offset;
	int r;

	if (!text_format(key, sizeof(key), "%s%zu", word(d, 0), c->number))
		return STOW_ERANGE;
	r = d->driver->write_open(d->self, &d->op, key, NULL, &writer, &offset, NULL);
	if (r != STOW_OK)
		return r;
	r = write_pattern(d, writer, 0, count(d, 2), count(d, 3), NULL);
	if (r == STOW_OK)
		r = d->driver->write_commit(writer, &d->op, &st, NULL);
	d->driver->write_close(writer, NULL);
	return r;
}

static int do_writers(struct drive *d)
{
	return crowd_do(d, crowd_write);
}

static void host_count(void *arg, const char *name, int64_t add)
{
	struct drive *d = arg;
	size_t i = 0;

	mutex_lock(&d->lock);
	while (i < d->n_metrics && strcmp(d->metrics[i].name, name) != 0)
		i++;
	if (i == d->n_metrics && i < METRICS_MOST)
		(void)text_copy(d->metrics[d->n_metrics++].name, sizeof(d->metrics[i].name), name);
	if (i < METRICS_MOST)
		d->metrics[i].value += add;
	mutex_unlock(&d->lock);
}

static int do_probe(struct drive *d)
{
	cleanup_free char *report = malloc(((size_t)64 << 10) + 1);
	char *rest = report, *line;
	size_t len = 0;
	int r;

	if (!d->driver->probe || !report)
		return not_offered(d);
	r = d->driver->probe(d->self, &d->op, report, (size_t)64 << 10, &len, &d->err);
	if (r != STOW_OK)
		return r;
	report[len] = '\0';
	while ((line = strsep(&rest, "\n")) && *line) {
		const char *name = strsep(&line, "\t"), *value = strsep(&line, "\t");

		if (value)
			field(d, name, value);
	}
	return r;
}

static int do_metrics(struct drive *d)
{
	mutex_lock(&d->lock);
	for (size_t i = 0; i < d->n_metrics; i++)
		number(d, d->metrics[i].name, d->metrics[i].value);
	mutex_unlock(&d->lock);
	return STOW_OK;
}

/* ---- the script ---- */

static const struct command {
	const char *name;
	size_t least; /* words */
	int (*run)(struct drive *);
} commands[] = {
	{ "put", 2, do_put },           { "putfile", 2, do_putfile },
	{ "get", 1, do_get },           { "stat", 1, do_stat },
	{ "remove", 1, do_remove },     { "remove_many", 1, do_remove_many },
	{ "copy", 2, do_copy },         { "read", 3, do_read },
	{ "write", 3, do_write },       { "park", 3, do_park },
	{ "resume", 3, do_resume },     { "list", 1, do_list },
	{ "presign", 3, do_presign },   { "purge", 2, do_purge },
	{ "check", 0, do_check },       { "clock", 1, do_clock },
	{ "deadline", 1, do_deadline }, { "caps", 0, do_caps },
	{ "probe", 0, do_probe },       { "crowd", 2, do_crowd },
	{ "metrics", 0, do_metrics },   { "gets", 3, do_gets },
	{ "writers", 4, do_writers },
};

static const struct command *find_command(struct drive *d, char *line)
{
	char *name = strsep(&line, " ");

	d->n = 0;
	while (line && d->n < WORDS_MAX) {
		d->word[d->n] = strsep(&line, " ");
		if (!text_percent_decode(d->word[d->n++]))
			return NULL;
	}
	for (size_t i = 0; !line && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(commands[i].name, name) == 0 && d->n >= commands[i].least)
			return &commands[i];
	return NULL;
}

static bool run_line(struct drive *d, char *line)
{
	const struct command *c = find_command(d, line);
	int r;

	if (!c) {
		fprintf(stderr, "drive: '%s' is not understood\n", line);
		return false;
	}
	d->err = (struct stow_error){ 0 };
	d->requests = 0;
	d->op = (struct stow_op){ .size = sizeof(d->op), .requests = &d->requests };
	if (d->deadline_ns)
		d->op.deadline_ns = clock_monotonic() + d->deadline_ns;
	buf_reset(&d->answer);
	r = c->run(d);
	if (r != STOW_OK)
		describe_error(d);
	number(d, "requests", (int64_t)d->requests);
	if (buf_status(&d->answer) != STOW_OK)
		return false;
	printf("%s%s\n", status_name(r), buf_text(&d->answer));
	return fflush(stdout) == 0;
}

static int64_t host_now(void *arg)
{
	struct drive *d = arg;

	return clock_real() + __atomic_load_n(&d->clock_ns, __ATOMIC_RELAXED);
}

static void host_log(void *arg, int32_t level, const char *component, const char *line)
{
	(void)arg;
	fprintf(stderr, "drive: log %d %s: %s\n", level, component, line);
}

static bool load(struct drive *d, const char *path)
{
	/* a path without a slash would be looked for in the system's folders */
	cleanup_free char *full = realpath(path, NULL);
	void *handle = full ? dlopen(full, RTLD_NOW | RTLD_LOCAL) : NULL;
	void *symbol = handle ? dlsym(handle, STOW_DRIVER_ENTRY) : NULL;
	stow_driver_entry *entry;

	if (!symbol) {
		fprintf(stderr, "drive: %s cannot be loaded\n", path);
		return false;
	}
	memcpy(&entry, &symbol, sizeof(entry));
	d->driver = entry();
	return d->driver != NULL;
}

int main(int argc, char **argv)
{
	static struct drive d; /* too large for a stack */
	static struct stow_host host = {
		.size = sizeof(host), .log = host_log, .count = host_count, .now_ns = host_now
	};
	cleanup_free struct stow_kv *kv = calloc((size_t)argc + 1, sizeof(*kv));
	cleanup_free char *line = NULL;
	size_t n = 0, room = 0;
	ssize_t len;
	bool ok = true;

	for (int i = 2; kv && i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		if (!equals) {
			argc = 0;
			break;
		}
		*equals = '\0';
		kv[n++] = (struct stow_kv){ argv[i], equals + 1 };
	}
	if (!kv || argc < 2) {
		fprintf(stderr, "usage: drive DRIVER.so [KEY=VALUE ...] <SCRIPT\n");
		return 2;
	}
	host.arg = &d;
	if (mutex_init(&d.lock) != 0)
		return 2;
	buf_init(&d.answer, 4 * OBJECT_MAX);
	if (!load(&d, argv[1]))
		return 2;
	if (d.driver->open(&host, kv, n, &d.self, &d.err) != STOW_OK) {
		fprintf(stderr, "drive: %s\n", d.err.message);
		return 1;
	}
	while (ok && (len = getline(&line, &room, stdin)) > 0) {
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		ok = run_line(&d, line);
	}
	d.driver->close(d.self);
	mutex_done(&d.lock);
	buf_done(&d.answer);
	return ok ? 0 : 2;
}
