/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stress DRIVER.so [--threads N] [--seconds N] [--seed N] [--part BYTES] [--store BYTES] [--rss BYTES]
 *        [--talk] [KEY=VALUE ...]
 * keeps many workers on one instance of a driver for some time, each with keys of its own, and
 * compares every byte that is read with what may be there.  Calls may fail as calls to a store that
 * is hard to reach do; what they give must be right, they must heed their deadlines, and memory
 * must stay below --rss.  Then every key is read once more and all are taken away.
 *
 * --part is the size above which the driver writes an object in parts, --store what all objects may
 * have together.  With --talk it prints "# storm" when the work begins and "# calm" when it is
 * over, and goes on with the last look when a line comes on its standard input: who makes the
 * faults switches them on and off.  The last four lines are TAP.
 */
#include "tests/driver/stress.h"

#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/option.h"
#include "common/text.h"
#include "common/thread.h"

#define STACK ((size_t)256 << 10)
#define SHOWN 20                      /* faults that are printed */
#define LOOK_US 50000                 /* how often the watchdog looks */
#define HANGS (60 * CLOCK_SECOND)     /* behind its deadline: it will not come back */
#define TALK_MOST (60 * CLOCK_SECOND) /* for the other side to switch the faults off */
#define STRAGGLERS_US 1000000         /* for what was given up and still reaches the store */
#define PURGE_PATIENCE (60 * CLOCK_SECOND)

static const char *const verbs[STRESS_VERBS] = {
	[STRESS_STAT] = "stat",
	[STRESS_GET] = "get",
	[STRESS_PUT] = "put",
	[STRESS_REMOVE] = "remove",
	[STRESS_COPY] = "copy",
	[STRESS_READ_OPEN] = "read_open",
	[STRESS_READ] = "read",
	[STRESS_READ_CLOSE] = "read_close",
	[STRESS_WRITE_OPEN] = "write_open",
	[STRESS_WRITE] = "write",
	[STRESS_WRITE_COMMIT] = "write_commit",
	[STRESS_WRITE_CLOSE] = "write_close",
	[STRESS_LIST_OPEN] = "list_open",
	[STRESS_LIST_NEXT] = "list_next",
	[STRESS_LIST_CLOSE] = "list_close",
	[STRESS_PURGE] = "purge_writes",
};

const char *stress_status(int status)
{
	static const char *const names[STRESS_STATUSES] = {
		"OK",      "ENOTFOUND", "EEXIST",   "ECHANGED",  "EINVAL",   "ERANGE", "EDENIED",
		"ENOTSUP", "EBUSY",     "ETIMEOUT", "ECANCELED", "ECORRUPT", "EIO",    "ENOMEM",
	};

	return status <= 0 && status > -STRESS_STATUSES ? names[-status] : "no status";
}

const char *stress_verb_name(int verb)
{
	return verbs[verb];
}

static void describe(const struct stress_object *o, char *buf, size_t cap)
{
	size_t len;

	text_format(buf, cap, "%s (", o->key);
	for (unsigned i = 0; i < o->n; i++) {
		len = strlen(buf);
		if (o->may[i].size < 0)
			text_format(buf + len, cap - len, "%sabsent", i ? " or " : "");
		else
			text_format(buf + len, cap - len, "%s%" PRId64 " bytes", i ? " or " : "",
			            o->may[i].size);
	}
	len = strlen(buf);
	text_copy(buf + len, cap - len, "): ");
}

void stress_fault(struct stress_worker *w, const struct stress_object *o, const char *fmt, ...)
{
	char text[900], subject[200] = "";
	va_list ap;

	if (__atomic_add_fetch(&w->s->faults, 1, __ATOMIC_RELAXED) > SHOWN)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (o)
		describe(o, subject, sizeof(subject));
	printf("# worker %u: %s%s\n", w->number, subject, text);
	fflush(stdout);
}

/* ---- workers ---- */

static bool is_calm(const struct stress *s)
{
	return __atomic_load_n(&s->calm, __ATOMIC_ACQUIRE) != 0;
}

static void *run_worker(void *arg)
{
	struct stress_worker *w = arg;

	while (clock_monotonic() < w->s->until_ns)
		stress_work(w);
	while (!is_calm(w->s))
		usleep(LOOK_US);
	stress_last_look(w);
	return NULL;
}

static bool worker_init(struct stress_worker *w, struct stress *s, unsigned number)
{
	w->s = s;
	w->number = number;
	w->random = (uint64_t)s->seed * UINT64_C(0x100000001b3) + number;
	w->buf = malloc(STRESS_PIECE);
	for (unsigned i = 0; i < STRESS_LIVE; i++)
		stress_new_key(w, &w->live[i]);
	return w->buf != NULL;
}

/* ---- the watchdog ---- */

struct watchdog {
	struct stress *s;
	struct stress_worker *workers;
	pthread_t thread;
	uint32_t ends; /* atomic */
};

static void look_at(struct stress_worker *w, int64_t now)
{
	int64_t due = __atomic_load_n(&w->due_ns, __ATOMIC_ACQUIRE);

	if (!due || now < due + STRESS_LATE)
		return;
	if (!__atomic_exchange_n(&w->reported, true, __ATOMIC_RELAXED)) {
		__atomic_add_fetch(&w->s->too_late, 1, __ATOMIC_RELAXED);
		stress_fault(w, NULL, "%s is still under way behind its deadline",
		             verbs[__atomic_load_n(&w->verb, __ATOMIC_RELAXED)]);
	}
	if (now > due + HANGS) {
		printf("not ok 1 - a call hangs\n");
		fflush(stdout);
		_exit(1);
	}
}

static void *run_watchdog(void *arg)
{
	struct watchdog *dog = arg;

	while (!__atomic_load_n(&dog->ends, __ATOMIC_ACQUIRE)) {
		for (int64_t i = 0; i < dog->s->threads; i++)
			look_at(&dog->workers[i], clock_monotonic());
		usleep(LOOK_US);
	}
	return NULL;
}

/* ---- the course ---- */

static void say(const struct stress *s, const char *what)
{
	if (s->talk) {
		printf("# %s\n", what);
		fflush(stdout);
	}
}

/* The time is over: waits for the faults to be switched off. */
static bool wait_for_calm(struct stress *s)
{
	struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
	int64_t left;
	bool ok = true;
	char c;

	while ((left = s->until_ns - clock_monotonic()) > 0)
		usleep((useconds_t)(left / 1000 > LOOK_US ? LOOK_US : left / 1000 + 1));
	say(s, "calm");
	if (s->talk)
		ok = poll(&in, 1, (int)(TALK_MOST / CLOCK_MILLISECOND)) == 1 &&
		     read(in.fd, &c, 1) == 1;
	if (ok)
		usleep(STRAGGLERS_US);
	else
		printf("# nobody says that the faults are off\n");
	__atomic_store_n(&s->calm, 1, __ATOMIC_RELEASE);
	return ok;
}

static void add_tally(struct stress_tally *sum, const struct stress_tally *t)
{
	for (unsigned i = 0; i < STRESS_VERBS; i++)
		sum->calls[i] += t->calls[i];
	for (unsigned i = 0; i < STRESS_STATUSES; i++)
		sum->statuses[i] += t->statuses[i];
	sum->written += t->written;
	sum->compared += t->compared;
	sum->maybe += t->maybe;
	sum->retried += t->retried;
	sum->replaced += t->replaced;
	sum->final += t->final;
	if (t->final)
		text_copy(sum->final_message, sizeof(sum->final_message), t->final_message);
	if (t->latest_ns > sum->latest_ns)
		sum->latest_ns = t->latest_ns;
}

/* What the workers could not take away: unfinished writes, and what came in behind them. */
static void clean(struct stress *s, struct stress_worker *w)
{
	const struct stow_op op = { .size = sizeof(op),
		                    .deadline_ns = clock_monotonic() + PURGE_PATIENCE };
	uint64_t unfinished = 0;

	if (s->driver->purge_writes &&
	    s->driver->purge_writes(s->self, &op, "", 0, &unfinished, &w->err) != STOW_OK)
		stress_fault(w, NULL, "purge_writes: %s", w->err.message);
	stress_sweep(w, "");
	printf("# unfinished writes taken away: %" PRIu64 "\n", unfinished);
}

static void start_workers(struct stress *s, struct stress_worker *workers)
{
	for (int64_t i = 0; i < s->threads; i++) {
		int e = thread_start(&workers[i].thread, STACK, run_worker, &workers[i]);

		if (e != 0) {
			fprintf(stderr, "stress: a thread cannot be started: %s\n", strerror(e));
			exit(2);
		}
	}
}

static bool run(struct stress *s, struct stress_worker *workers, struct stress_tally *sum)
{
	struct watchdog dog = { .s = s, .workers = workers };
	bool ok;

	for (int64_t i = 0; i < s->threads; i++)
		if (!worker_init(&workers[i], s, (unsigned)i))
			return false;
	say(s, "storm");
	s->until_ns = clock_monotonic() + s->seconds * CLOCK_SECOND;
	if (thread_start(&dog.thread, 0, run_watchdog, &dog) != 0)
		return false;
	start_workers(s, workers);
	ok = wait_for_calm(s);
	for (int64_t i = 0; i < s->threads; i++)
		pthread_join(workers[i].thread, NULL);
	clean(s, &workers[0]);
	__atomic_store_n(&dog.ends, 1, __ATOMIC_RELEASE);
	pthread_join(dog.thread, NULL);
	for (int64_t i = 0; i < s->threads; i++) {
		add_tally(sum, &workers[i].tally);
		free(workers[i].buf);
	}
	return ok;
}

/* ---- the report ---- */

static void print_counts(const struct stress_tally *sum)
{
	printf("# calls:");
	for (unsigned i = 0; i < STRESS_VERBS; i++)
		printf(" %s %" PRIu64, verbs[i], sum->calls[i]);
	printf("\n# statuses:");
	for (unsigned i = 0; i < STRESS_STATUSES; i++)
		if (sum->statuses[i])
			printf(" %s %" PRIu64, stress_status(-(int)i), sum->statuses[i]);
	printf("\n# bytes: written %" PRIu64 ", compared %" PRIu64 "\n", sum->written,
	       sum->compared);
	printf("# writes: may have happened %" PRIu64 ", needed another attempt %" PRIu64
	       ", came while the key was read %" PRIu64 "\n",
	       sum->maybe, sum->retried, sum->replaced);
	printf("# EIO that no retry is said to help: %" PRIu64 "%s%s\n", sum->final,
	       sum->final ? ", as " : "", sum->final_message);
	printf("# the latest call came back %" PRId64 " ms behind its deadline\n",
	       sum->latest_ns / CLOCK_MILLISECOND);
}

static bool line(int number, bool ok, const char *what)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", number, what);
	return ok;
}

static bool report(const struct stress *s, const struct stress_tally *sum, bool ended)
{
	struct rusage usage = { 0 };
	int64_t peak;
	bool ok;

	getrusage(RUSAGE_SELF, &usage);
	peak = usage.ru_maxrss * 1024;
	print_counts(sum);
	printf("# peak RSS: %" PRId64 " MiB of %" PRId64 "\n", peak >> 20, s->rss >> 20);
	printf("# what must not happen: %" PRIu64 "\n", s->faults);
	ok = line(1, s->faults == s->too_late, "every byte and every answer is right");
	ok &= line(2, s->too_late == 0, "every call heeds its deadline");
	ok &= line(3, peak <= s->rss, "memory stays below its bound");
	ok &= line(4, ended && sum->compared > 0 && sum->written > 0, "there was something to see");
	return ok;
}

/* ---- the program ---- */

static const struct stow_driver *load(const char *path)
{
	/* a path without a slash would be looked for in the system's folders */
	cleanup_free char *full = realpath(path, NULL);
	void *handle = full ? dlopen(full, RTLD_NOW | RTLD_LOCAL) : NULL;
	void *symbol = handle ? dlsym(handle, STOW_DRIVER_ENTRY) : NULL;
	stow_driver_entry *entry;

	if (!symbol) {
		fprintf(stderr, "stress: %s cannot be loaded\n", path);
		return NULL;
	}
	memcpy(&entry, &symbol, sizeof(entry));
	return entry();
}

static int usage(const char *what)
{
	fprintf(stderr, "stress: '%s' is not understood\n", what);
	fprintf(stderr, "usage: stress DRIVER.so [--threads N] [--seconds N] [--seed N] "
	                "[--part BYTES] [--store BYTES]\n"
	                "              [--rss BYTES] [--talk] [KEY=VALUE ...]\n");
	return 2;
}

/* How many words it is: 0 is no option of ours, -1 one that does not parse. */
static int parse_option(struct stress *s, const char *name, const char *value)
{
	const struct {
		const char *name;
		int64_t *to;
		int64_t least, most;
		bool bytes;
	} options[] = {
		{ "--threads", &s->threads, 1, 20000, false },
		{ "--seconds", &s->seconds, 1, 86400, false },
		{ "--seed", &s->seed, 0, INT64_MAX, false },
		{ "--part", &s->part, 1, INT64_MAX, true },
		{ "--store", &s->store, 1 << 20, INT64_MAX, true },
		{ "--rss", &s->rss, 1 << 20, INT64_MAX, true },
	};

	if (strcmp(name, "--talk") == 0) {
		s->talk = true;
		return 1;
	}
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
		if (strcmp(name, options[i].name) != 0)
			continue;
		if (!value ||
		    !(options[i].bytes ? option_size(value, options[i].to)
		                       : text_to_int64(value, options[i].to)) ||
		    *options[i].to < options[i].least || *options[i].to > options[i].most)
			return -1;
		return 2;
	}
	return 0;
}

static int open_driver(struct stress *s, const struct stow_kv *kv, size_t n)
{
	static const struct stow_host host = { .size = sizeof(host) };
	struct stow_error err = { 0 };

	if (s->driver->open(&host, kv, n, &s->self, &err) != STOW_OK) {
		fprintf(stderr, "stress: %s\n", err.message);
		return 2;
	}
	if (s->driver->check && s->driver->check(s->self, NULL, &err) != STOW_OK) {
		fprintf(stderr, "stress: %s\n", err.message);
		s->driver->close(s->self);
		return 2;
	}
	s->caps = s->driver->caps;
	if (s->driver->instance_caps)
		s->caps &= s->driver->instance_caps(s->self);
	return 0;
}

int main(int argc, char **argv)
{
	static struct stress s = { .threads = 1000,
		                   .seconds = 20,
		                   .seed = 1,
		                   .part = INT64_C(8) << 20,
		                   .store = INT64_C(512) << 20,
		                   .rss = INT64_C(1) << 30 };
	cleanup_free struct stow_kv *kv = calloc((size_t)argc + 1, sizeof(*kv));
	cleanup_free struct stress_worker *workers = NULL;
	struct stress_tally sum = { 0 };
	size_t n = 0;
	bool ended;
	int r;

	for (int i = 2; kv && i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		r = parse_option(&s, argv[i], argv[i + 1]);
		if (r < 0 || (r == 0 && (!equals || argv[i][0] == '-')))
			return usage(argv[i]);
		if (r > 0) {
			i += r - 1;
			continue;
		}
		*equals = '\0';
		kv[n++] = (struct stow_kv){ argv[i], equals + 1 };
	}
	workers = calloc((size_t)s.threads, sizeof(*workers));
	if (!kv || !workers || argc < 2)
		return usage(argc < 2 ? "" : argv[1]);
	s.driver = load(argv[1]);
	r = s.driver ? open_driver(&s, kv, n) : 2;
	if (r != 0)
		return r;
	ended = run(&s, workers, &sum);
	s.driver->close(s.self);
	return report(&s, &sum, ended) ? 0 : 1;
}
