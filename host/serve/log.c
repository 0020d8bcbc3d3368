/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sink of events and requests.  It must not know what they mean, nor wait for anything but
 * the write itself, and then not long for the rest of a line.
 */
#include "host/serve/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/text.h"
#include "common/thread.h"
#include "host/serve/reply.h"

#define LINE_MAX_LEN ((size_t)64 * 1024)
#define REST_PATIENCE (100 * CLOCK_MILLISECOND) /* with a reader that takes a line's rest slowly */
#define COMPONENTS_MAX 32                       /* with a level of their own */
#define COMPONENT_MAX 32

static const char *const level_names[] = { "error", "warning", "info", "debug" };

/* ---- levels ---- */

/* Those of one reading of [log]; what is worse or equal is written. */
struct table {
	int32_t level; /* enum stow_level, of components that are not named */
	size_t n;
	struct {
		char component[COMPONENT_MAX];
		int32_t level;
	} of[COMPONENTS_MAX];
};

struct sink_levels {
	struct mutex lock;
	struct table table GUARDED_BY(lock);
};

/* One place where lines go. */
struct sink_end {
	struct mutex lock; /* a line is written under it, so that none begins within another */
	bool half GUARDED_BY(lock); /* what is there ends within a line */
};

struct sink_ends {
	struct sink_end of[2]; /* of events, of requests */
	bool one;              /* both go where events go */
};

static int32_t level_of_name(const char *name, size_t len)
{
	for (int32_t i = STOW_LOG_ERROR; i <= STOW_LOG_DEBUG; i++) {
		if (strlen(level_names[i]) == len && memcmp(level_names[i], name, len) == 0)
			return i;
	}
	return -1;
}

/* One "component:level" of a list. */
static bool add_component(struct table *t, const char *text, size_t len)
{
	const char *colon = memchr(text, ':', len);
	size_t name = colon ? (size_t)(colon - text) : 0;
	int32_t level = colon ? level_of_name(colon + 1, len - name - 1) : -1;

	if (level < 0 || t->n == COMPONENTS_MAX || name == 0 ||
	    !text_format(t->of[t->n].component, COMPONENT_MAX, "%.*s", (int)name, text))
		return false;
	t->of[t->n++].level = level;
	return true;
}

static int read_levels(const struct stow_config *config, struct table *ret, struct stow_error *err)
{
	const char *level = stow_config_string(config, "log", "level");
	const char *list = stow_config_string(config, "log", "levels");

	*ret = (struct table){ .level = level ? level_of_name(level, strlen(level)) : -1 };
	if (ret->level < 0)
		return error_set(err, STOW_EINVAL, "config",
		                 "[log] level = %s: expected error, warning, info or debug",
		                 level ? level : "");
	for (const char *p = list ? list : ""; *(p += strspn(p, ", \t\n"));) {
		size_t len = strcspn(p, ", \t\n");

		if (!add_component(ret, p, len))
			return error_set(
				err, STOW_EINVAL, "config",
				"[log] levels = %s: expected at most %d of component:level, "
				"parted by commas",
				list, COMPONENTS_MAX);
		p += len;
	}
	return STOW_OK;
}

/* A component is named by what stands before its first dot, too: "s3" has "s3.write". */
static int32_t level_of(const struct sink *s, const char *component)
{
	size_t room = component ? strcspn(component, ".") : 0;
	int32_t level;

	if (!s->levels)
		return -1;
	mutex_lock(&s->levels->lock);
	level = s->levels->table.level;
	/* its whole name is more than that of its room */
	for (size_t i = 0; component && i < s->levels->table.n; i++) {
		const char *name = s->levels->table.of[i].component;

		if (strcmp(name, component) == 0) {
			level = s->levels->table.of[i].level;
			break;
		}
		if (strlen(name) == room && memcmp(name, component, room) == 0)
			level = s->levels->table.of[i].level;
	}
	mutex_unlock(&s->levels->lock);
	return level;
}

static bool is_same(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/* NULL without memory. */
static struct sink_ends *open_ends(const struct sink *s)
{
	struct sink_ends *ends = calloc(1, sizeof(*ends));

	if (!ends)
		return NULL;
	ends->one = is_same(s->events, s->requests);
	if (mutex_init(&ends->of[0].lock) != 0) {
		free(ends);
		return NULL;
	}
	if (mutex_init(&ends->of[1].lock) != 0) {
		mutex_done(&ends->of[0].lock);
		free(ends);
		return NULL;
	}
	return ends;
}

int sink_open(struct sink *s, const struct stow_config *config, struct stow_error *err)
{
	const char *format = stow_config_string(config, "log", "format");
	struct table table;
	int r;

	*s = (struct sink){
		.events = STDERR_FILENO,
		.requests = STDOUT_FILENO,
		.access = stow_config_number(config, "log", "accesslog") != 0,
		.json = format && strcmp(format, "json") == 0,
	};
	if (!s->json && (!format || (strcmp(format, "text") != 0 && strcmp(format, "logfmt") != 0)))
		return error_set(err, STOW_EINVAL, "config",
		                 "[log] format = %s: expected logfmt or json",
		                 format ? format : "");
	r = read_levels(config, &table, err);
	if (r != STOW_OK)
		return r;
	s->levels = calloc(1, sizeof(*s->levels));
	if (!s->levels || mutex_init(&s->levels->lock) != 0) {
		free(s->levels);
		s->levels = NULL;
		return error_nomem(err, "log.open");
	}
	mutex_lock(&s->levels->lock);
	s->levels->table = table;
	mutex_unlock(&s->levels->lock);
	s->ends = open_ends(s);
	if (s->ends)
		return STOW_OK;
	sink_close(s);
	return error_nomem(err, "log.open");
}

int sink_reload(const struct sink *s, const struct stow_config *config, struct stow_error *err)
{
	struct table table;
	int r = read_levels(config, &table, err);

	if (r != STOW_OK)
		return r;
	mutex_lock(&s->levels->lock);
	s->levels->table = table;
	mutex_unlock(&s->levels->lock);
	return STOW_OK;
}

void sink_close(struct sink *s)
{
	if (s->levels)
		mutex_done(&s->levels->lock);
	free(s->levels);
	s->levels = NULL;
	if (s->ends) {
		mutex_done(&s->ends->of[0].lock);
		mutex_done(&s->ends->of[1].lock);
	}
	free(s->ends);
	s->ends = NULL;
}

/* ---- lines ---- */

static void add_key(const struct sink *s, struct buf *b, const char *key)
{
	if (s->json)
		buf_addf(b, "%s\"%s\":", b->len ? "," : "{", key);
	else
		buf_addf(b, "%s%s=", b->len ? " " : "", key);
}

static bool is_bare(const char *value)
{
	for (const char *p = value; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
			return false;
	}
	return true;
}

static void add_text(const struct sink *s, struct buf *b, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	add_key(s, b, key);
	/* logfmt quotes as JSON does, and only where it must */
	if (s->json || !is_bare(value))
		reply_json_string(b, value);
	else
		buf_adds(b, value);
}

static void add_number(const struct sink *s, struct buf *b, const char *key, int64_t value)
{
	add_key(s, b, key);
	buf_addf(b, "%lld", (long long)value);
}

static void add_time(const struct sink *s, struct buf *b)
{
	int64_t now = clock_real();
	char date[24], text[40];

	text_format_rfc3339(date, now / CLOCK_SECOND);
	/* the seconds' form with milliseconds put before its Z */
	text_format(text, sizeof text, "%.19s.%03dZ", date,
	            (int)(now % CLOCK_SECOND / CLOCK_MILLISECOND));
	add_text(s, b, "time", text);
}

/*
 * How much of it was written.  What has begun is waited for, a while: a pipe that does not block
 * takes part of a line that is longer than PIPE_BUF.  What has not is dropped, as a whole.
 */
static size_t write_line(int fd, const char *line, size_t len)
{
	int64_t until = 0;
	size_t done = 0;

	while (done < len) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		ssize_t n = write(fd, line + done, len - done);
		int64_t left;

		if (n > 0)
			done += (size_t)n;
		if (n > 0 || (n < 0 && errno == EINTR))
			continue;
		if (n == 0 || errno != EAGAIN || done == 0)
			break;
		if (until == 0)
			until = clock_monotonic() + REST_PATIENCE;
		left = until - clock_monotonic();
		if (left <= 0)
			break;
		(void)poll(&p, 1, (int)(left / CLOCK_MILLISECOND) + 1);
	}
	return done;
}

/* One write a line, so that lines of processes do not mix; under a lock, so that those of threads
 * do not where one is written in parts. */
static void put_line(const struct sink *s, bool event, struct buf *b)
{
	struct sink_end *end;
	int fd = event ? s->events : s->requests;
	size_t done;

	buf_adds(b, s->json ? "}\n" : "\n");
	if (buf_status(b) != STOW_OK || !s->ends)
		return;
	end = &s->ends->of[event || s->ends->one ? 0 : 1];
	mutex_lock(&end->lock);
	if (end->half && write_line(fd, "\n", 1) == 1)
		end->half = false;
	if (!end->half) {
		done = write_line(fd, b->data, b->len);
		end->half = done > 0 && done < b->len;
	}
	mutex_unlock(&end->lock);
}

static void put_event(const struct sink *s, int32_t level, const char *component, const char *trace,
                      const char *message)
{
	struct buf cleanup_buf b = { 0 };

	buf_init(&b, LINE_MAX_LEN);
	if (level < STOW_LOG_ERROR || level > STOW_LOG_DEBUG)
		level = STOW_LOG_DEBUG;
	if (level > level_of(s, component))
		return;
	add_time(s, &b);
	add_text(s, &b, "level", level_names[level]);
	add_text(s, &b, "component", component);
	add_text(s, &b, "request", trace);
	add_text(s, &b, "msg", message);
	put_line(s, true, &b);
}

void sink_write(void *arg, int32_t level, const char *component, const char *line)
{
	const struct sink *s = arg;

	put_event(s, level, component, NULL, line);
}

void sink_event(const struct sink *s, int32_t level, const char *component, const char *trace,
                const char *fmt, ...)
{
	struct buf cleanup_buf b = { 0 };
	va_list ap;

	buf_init(&b, LINE_MAX_LEN / 8);
	va_start(ap, fmt);
	buf_addv(&b, fmt, ap);
	va_end(ap);
	put_event(s, level, component, trace, buf_text(&b));
}

void sink_request(const struct sink *s, const struct sink_request *r)
{
	struct buf cleanup_buf b = { 0 };

	buf_init(&b, LINE_MAX_LEN);
	if (!s->access)
		return;
	add_time(s, &b);
	add_text(s, &b, "request", r->trace);
	add_text(s, &b, "remote", r->remote);
	add_text(s, &b, "user", r->user);
	add_text(s, &b, "method", r->method);
	add_text(s, &b, "path", r->target);
	add_number(s, &b, "status", r->status);
	if (r->broken)
		add_text(s, &b, "broken", "yes");
	add_number(s, &b, "received", r->received);
	add_number(s, &b, "sent", r->sent);
	add_number(s, &b, "duration_us", r->duration_ns / 1000);
	add_number(s, &b, "store_requests", (int64_t)r->store_requests);
	add_text(s, &b, "agent", r->agent);
	put_line(s, false, &b);
}
