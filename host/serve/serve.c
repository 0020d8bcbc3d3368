/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command "serve": opens what the configuration names, serves until a signal, takes it all
 * down again in order.  It must not know how requests are answered.
 */
#include "host/serve/serve.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"
#include "host/serve/setup.h"
#include "host/serve/actions.h"
#include "host/serve/health.h"
#include "host/serve/listen.h"
#include "host/serve/redirection.h"
#include "host/serve/server.h"

/* Open files for everything but connections and what their requests read. */
#define FILES_APART 128

struct host {
	const char *file;        /* of the configuration; NULL: where it is looked for */
	struct stow_config *own; /* that was read for it */
	const struct stow_config *config;
	struct sink sink;
	struct stow_host services;
	struct stow_store *store;
	struct stow_registry *registry;
	struct auth *auth;
	struct health *health;
	bool store_answers;
	struct redirection redirection;
	struct parking parking;
	bool have_parking;
	struct origin_rules origin;
	struct headers headers;
	struct service service;
	struct tls *tls;
	struct server *server;
};

static void print_help(void)
{
	fputs("usage: stowage serve [-c FILE]\n"
	      "\n"
	      "Serves the registry's HTTP API until SIGTERM or SIGINT, then finishes what is\n"
	      "under way.  SIGHUP reads users, keys, certificates, rules of\n"
	      "access and log levels anew.\n"
	      "\n"
	      "  -c, --config FILE  read this configuration file\n"
	      "      --help         show this text\n"
	      "\n"
	      "The environment, STOWAGE_<SECTION>_<KEY>, is stronger than the file;\n"
	      "\"stowage config --explain\" lists the keys.\n",
	      stdout);
}

/* -1 to go on, else the exit status. */
static int parse_arguments(int argc, char **argv, const char **ret_file)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":c:h", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			*ret_file = optarg;
			break;
		case 'h':
			print_help();
			return 0;
		default:
			return setup_bad_option("serve", c, argv);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "stowage: serve takes no argument \"%s\"\n", argv[optind]);
		return 2;
	}
	return -1;
}

static int64_t number(const struct host *h, const char *key)
{
	return stow_config_number(h->config, "http", key);
}

static int check_number(const struct host *h, const char *key, int64_t least, int64_t most,
                        struct stow_error *err)
{
	int64_t value = number(h, key);

	if (value >= least && value <= most)
		return STOW_OK;
	return error_set(err, STOW_EINVAL, "config", "[http] %s = %lld: expected %lld to %lld", key,
	                 (long long)value, (long long)least, (long long)most);
}

static int check_numbers(const struct host *h, struct stow_error *err)
{
	static const struct {
		const char *key;
		int64_t least, most;
	} limits[] = {
		{ "threads", 1, 64 },
		{ "workers", 4, 4096 },
		{ "maxconnections", 64, 1000000 },
		{ "maxperaddress", 0, 1000000 },
		{ "maxheader", 8 << 10, 1 << 20 },
		{ "minrate", 0, 1 << 30 },
		{ "minratetime", CLOCK_SECOND, 86400 * CLOCK_SECOND },
		{ "maxrequests", 1, 1000000 },
		{ "maxqueue", 1, 1000000 },
		{ "idletimeout", CLOCK_SECOND, 86400 * CLOCK_SECOND },
		{ "requesttimeout", CLOCK_SECOND / 10, 86400 * CLOCK_SECOND },
		{ "committimeout", CLOCK_SECOND / 10, 86400 * CLOCK_SECOND },
		{ "draintime", 0, 86400 * CLOCK_SECOND },
		{ "manifestmemory", STOW_MANIFEST_MAX, INT64_MAX },
		{ "redirecttime", CLOCK_SECOND, 7 * 86400 * CLOCK_SECOND },
	};

	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		int status = check_number(h, limits[i].key, limits[i].least, limits[i].most, err);

		if (status != STOW_OK)
			return status;
	}
	return STOW_OK;
}

/* What clients see of where this is: [http] host, prefix, relativeurls, trustedproxies, headers. */
static int open_origin(struct host *h, struct stow_error *err)
{
	struct origin_options options = {
		.host = stow_config_string(h->config, "http", "host"),
		.prefix = stow_config_string(h->config, "http", "prefix"),
		.trusted_proxies = stow_config_string(h->config, "http", "trustedproxies"),
		.relative_urls = number(h, "relativeurls") != 0,
	};
	int status = origin_open(&h->origin, &options, err);

	if (status != STOW_OK)
		return status;
	return headers_parse(&h->headers, "[http] headers",
	                     stow_config_string(h->config, "http", "headers"), err);
}

/* A store that is away may come back; one that does not exist will not. */
static int check_store(struct host *h, struct stow_error *err)
{
	struct stow_op op = { .size = sizeof op,
		              .deadline_ns = clock_monotonic() + 15 * CLOCK_SECOND };
	struct stow_error cause = { 0 };
	int status = stow_store_check(h->store, &op, &cause);

	h->store_answers = status == STOW_OK;
	if (status == STOW_OK)
		return STOW_OK;
	if (!(cause.flags & STOW_ERROR_RETRYABLE) && status != STOW_ETIMEOUT &&
	    status != STOW_EBUSY)
		return error_copy(err, &cause);
	sink_event(&h->sink, STOW_LOG_WARNING, "serve", NULL,
	           "the store does not answer, serving all the same: %s", cause.message);
	return STOW_OK;
}

/* What needs no store. */
static int open_front(struct host *h, struct stow_error *err)
{
	int status = sink_open(&h->sink, h->config, err);

	if (status == STOW_OK)
		status = check_numbers(h, err);
	if (status == STOW_OK)
		status = listen_check(stow_config_string(h->config, "http", "listen"), err);
	if (status == STOW_OK)
		status = health_check(h->config, err);
	if (status == STOW_OK)
		status = open_origin(h, err);
	if (status == STOW_OK)
		status = auth_open(h->config, &h->sink, &h->auth, err);
	if (status == STOW_OK)
		status = tls_open(h->config, &h->sink, &h->tls, err);
	return status;
}

/* What has a store, and asks nothing of it yet. */
static int open_back(struct host *h, const struct stow_host *services, struct stow_error *err)
{
	int status = stow_store_open(h->config, services, &h->store, err);

	if (status == STOW_OK)
		status = stow_registry_open(h->store, h->config, services, &h->registry, err);
	return status;
}

static int open_host(struct host *h, struct stow_error *err)
{
	const char *warning;
	int status = setup_config(h->file, &h->own, err);

	h->config = h->own;
	if (status == STOW_OK)
		status = open_front(h, err);
	if (status != STOW_OK)
		return status;
	for (size_t i = 0; (warning = stow_config_warning(h->config, i)); i++)
		sink_event(&h->sink, STOW_LOG_WARNING, "config", NULL, "%s", warning);
	h->services = (struct stow_host){
		.size = sizeof h->services,
		.arg = &h->sink,
		.log = sink_write,
	};
	status = open_back(h, &h->services, err);
	if (status == STOW_OK)
		status = check_store(h, err);
	if (status == STOW_OK)
		status = health_start(h->config, &h->sink, h->store, h->store_answers, &h->health,
		                      err);
	return status;
}

/* A connection takes a file, and so may its request in a store of files. Where the system allows
 * fewer, connections are what there is less of: else accepting one more makes the store fail. */
static int64_t limit_connections(struct host *h)
{
	int64_t connections = number(h, "maxconnections"), most;
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return connections;
	if (files.rlim_cur < files.rlim_max) {
		struct rlimit more = { files.rlim_max, files.rlim_max };

		if (setrlimit(RLIMIT_NOFILE, &more) == 0)
			files = more;
	}
	most = files.rlim_cur > INT32_MAX ? INT32_MAX : (int64_t)files.rlim_cur;
	most = most > 2 * FILES_APART ? (most - FILES_APART) / 2 : most / 4;
	if (most >= connections)
		return connections;
	sink_event(&h->sink, STOW_LOG_WARNING, "serve", NULL,
	           "[http] maxconnections = %lld: the limit of open files (ulimit -n) allows %lld",
	           (long long)connections, (long long)most);
	return most;
}

static int start_server(struct host *h, struct stow_error *err)
{
	struct server_options options = {
		.listen = stow_config_string(h->config, "http", "listen"),
		.threads = number(h, "threads"),
		.max_connections = limit_connections(h),
		.max_per_address = number(h, "maxperaddress"),
		.max_header = number(h, "maxheader"),
		.min_rate = number(h, "minrate"),
		.min_rate_time = number(h, "minratetime"),
		.max_requests = number(h, "maxrequests"),
		.max_queue = number(h, "maxqueue"),
		.idle_timeout = number(h, "idletimeout"),
		.tls = h->tls,
		.route = actions_route,
	};
	int status;

	h->service = (struct service){
		.registry = h->registry,
		.sink = &h->sink,
		.auth = h->auth,
		.health = h->health,
		.read_only = number(h, "readonly") != 0,
		.redirection = redirection_read(h->config, &h->redirection) ? &h->redirection
		                                                            : NULL,
		.request_timeout = number(h, "requesttimeout"),
		.commit_timeout = number(h, "committimeout"),
		.max_discard = number(h, "maxdiscard"),
		.max_blob = number(h, "maxblob"),
		.manifest_memory = number(h, "manifestmemory"),
		.origin = &h->origin,
		.headers = &h->headers,
		.parking = &h->parking,
	};
	status = parking_init(&h->parking, err);
	h->have_parking = status == STOW_OK;
	if (status == STOW_OK)
		status = workers_start((size_t)number(h, "workers"), &h->service.workers, err);
	if (status == STOW_OK)
		status = server_start(&options, &h->service, &h->server, err);
	return status;
}

static void every_second(struct host *h)
{
	server_sweep(h->server);
	tls_tick(h->tls);
}

static bool reloaded(const struct host *h, int status, const struct stow_error *err)
{
	if (status != STOW_OK)
		sink_event(&h->sink, STOW_LOG_ERROR, "serve", NULL,
		           "not read anew, and stays as it was: %s", err->message);
	return status == STOW_OK;
}

/* What may change while the host serves. What else has changed waits for the next start. */
static void reload(struct host *h)
{
	struct stow_config *config = NULL;
	struct stow_error err = { 0 };
	bool whole = reloaded(h, setup_config(h->file, &config, &err), &err);

	if (config)
		whole &= reloaded(h, sink_reload(&h->sink, config, &err), &err);
	/* files that are known are read, whatever became of the configuration */
	whole &= reloaded(h, auth_reload(h->auth, config, &err), &err);
	if (h->tls)
		whole &= reloaded(h, tls_reload(h->tls, &err), &err);
	if (whole)
		sink_event(
			&h->sink, STOW_LOG_INFO, "serve", NULL,
			"read anew: users, keys, certificates, rules of access, levels of the log");
	stow_config_free(config);
}

/* Until a signal that ends it. */
static int wait_for_end(struct host *h, const sigset_t *signals)
{
	const struct timespec second = { 1, 0 };
	int64_t swept = clock_monotonic();

	for (;;) {
		int number_of = sigtimedwait(signals, NULL, &second);

		if (number_of == SIGHUP)
			reload(h);
		else if (number_of > 0)
			return number_of;
		/* a signal's second is not over yet */
		if (clock_monotonic() - swept < CLOCK_SECOND * 9 / 10)
			continue;
		every_second(h);
		swept = clock_monotonic();
	}
}

/* Until the first signal; then until all is done or the time is over. A second one ends it. */
static void serve(struct host *h, const sigset_t *signals)
{
	const struct timespec tick = { 0, 50 * CLOCK_MILLISECOND };
	int64_t now, deadline, swept = 0;
	int number_of = wait_for_end(h, signals);
	size_t left;

	__atomic_store_n(&h->service.draining, true, __ATOMIC_RELAXED);
	sink_event(&h->sink, STOW_LOG_INFO, "serve", NULL, "signal %d: no new connections",
	           number_of);
	server_quiesce(h->server);
	now = clock_monotonic();
	deadline = now + number(h, "draintime");
	while ((left = server_busy(h->server)) > 0 && now < deadline) {
		number_of = sigtimedwait(signals, NULL, &tick);
		if (number_of > 0 && number_of != SIGHUP)
			_exit(1);
		now = clock_monotonic();
		if (now - swept >= CLOCK_SECOND) {
			every_second(h);
			swept = now;
		}
	}
	if (left > 0)
		sink_event(&h->sink, STOW_LOG_WARNING, "serve", NULL,
		           "%zu requests did not end in time and are given up", left);
}

static void close_host(struct host *h)
{
	server_stop(h->server);
	tls_close(h->tls);
	workers_stop(h->service.workers);
	if (h->have_parking)
		parking_done(&h->parking);
	health_stop(h->health);
	auth_close(h->auth);
	stow_registry_close(h->registry);
	stow_store_close(h->store);
	headers_done(&h->headers);
	origin_done(&h->origin);
	stow_config_free(h->own);
	sink_close(&h->sink);
}

int serve_check(const struct stow_config *config, struct stow_error *err)
{
	struct host h = { .config = config };
	int status = open_front(&h, err);

	if (status == STOW_OK)
		status = open_back(&h, NULL, err);
	stow_registry_close(h.registry);
	stow_store_close(h.store);
	tls_close(h.tls);
	auth_close(h.auth);
	headers_done(&h.headers);
	origin_done(&h.origin);
	sink_close(&h.sink);
	return status;
}

int serve_main(int argc, char **argv)
{
	struct host h = { 0 };
	struct stow_error err = { 0 };
	sigset_t signals;
	int status = parse_arguments(argc, argv, &h.file);

	if (status >= 0)
		return status;
	/* before any thread is made, so that all inherit it */
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	if (pthread_sigmask(SIG_BLOCK, &signals, NULL) != 0 ||
	    signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
		fputs("stowage: cannot arrange for signals\n", stderr);
		return 1;
	}
	status = open_host(&h, &err);
	if (status == STOW_OK)
		status = start_server(&h, &err);
	if (status == STOW_OK) {
		fprintf(stderr, "listening on %s://%s\n", h.tls ? "https" : "http",
		        server_address(h.server));
		serve(&h, &signals);
	} else {
		fprintf(stderr, "stowage: %s\n", err.message);
	}
	close_host(&h);
	return status == STOW_OK ? 0 : 1;
}
