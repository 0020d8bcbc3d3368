/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts an object into a store and gets it back, by any driver that is installed.  It must not need
 * more than libstowage and its headers:
 *
 *   cc -o put-get put-get.c $(pkg-config --cflags --libs stowage)
 *   ./put-get filesystem rootdirectory=/tmp/store
 *   ./put-get s3 bucket=b region=us-east-1 regionendpoint=http://127.0.0.1:9000 ...
 */
#include <stowage.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEY "example/greeting"
#define TEXT "Hello from a store.\n"

/* Errors are lines for whoever runs this: what was done, with what, and why it failed. */
static int complain(const struct stow_error *err)
{
	fprintf(stderr, "put-get: %s: %s", err->where, err->message);
	if (err->request[0])
		fprintf(stderr, " (request %s)", err->request);
	fputs(err->flags & STOW_ERROR_RETRYABLE ? "; try again later\n" : "\n", stderr);
	return 1;
}

static void show_log(void *arg, int32_t level, const char *component, const char *line)
{
	(void)arg;
	if (level <= STOW_LOG_WARNING)
		fprintf(stderr, "put-get: %s: %s\n", component, line);
}

/* Thirty seconds from now, by the clock that deadlines go by. */
static int64_t soon(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((int64_t)t.tv_sec + 30) * 1000000000 + t.tv_nsec;
}

static int put_and_get(const struct stow_driver *driver, void *self)
{
	struct stow_op op = { .size = sizeof(op) };
	struct stow_error err;
	struct stow_stat stat;
	char text[256];
	size_t len;

	/* each call has its own circumstances; here all share one deadline */
	op.deadline_ns = soon();
	if (driver->put(self, &op, KEY, TEXT, strlen(TEXT), NULL, &stat, &err) != STOW_OK)
		return complain(&err);
	printf("put %s: %lld bytes, etag %s\n", KEY, (long long)stat.size,
	       stat.etag[0] ? stat.etag : "none");
	if (driver->get(self, &op, KEY, NULL, text, sizeof(text), &len, &stat, &err) != STOW_OK)
		return complain(&err);
	printf("got %zu bytes: %.*s", len, (int)len, text);
	if (driver->remove(self, &op, KEY, NULL, &err) != STOW_OK)
		return complain(&err);
	switch (driver->stat(self, &op, KEY, &stat, &err)) {
	case STOW_ENOTFOUND:
		printf("removed\n");
		return 0;
	case STOW_OK:
		fprintf(stderr, "put-get: %s is still there\n", KEY);
		return 1;
	default:
		return complain(&err);
	}
}

/* "bucket=b" becomes bucket and b. Returns how many, -1 where there is no '='. */
static int split_options(char **args, int n, struct stow_kv *ret)
{
	int i;

	for (i = 0; i < n; i++) {
		char *equals = strchr(args[i], '=');

		if (!equals)
			return -1;
		*equals = '\0';
		ret[i].key = args[i];
		ret[i].value = equals + 1;
	}
	return n;
}

int main(int argc, char **argv)
{
	const struct stow_host host = { .size = sizeof(host), .log = show_log };
	struct stow_driver driver;
	struct stow_error err;
	struct stow_kv *options;
	void *self;
	int n, status;

	if (argc < 2 || !(options = calloc((size_t)argc, sizeof(*options)))) {
		fprintf(stderr, "usage: put-get DRIVER [OPTION=VALUE ...]\n");
		return 2;
	}
	n = split_options(argv + 2, argc - 2, options);
	if (n < 0) {
		fprintf(stderr, "put-get: options are OPTION=VALUE\n");
		free(options);
		return 2;
	}
	/* a folder of drivers that are not installed; NULL is none */
	if (stow_driver_load(getenv("STOWAGE_DRIVER_PATH"), argv[1], &driver, &err) != STOW_OK ||
	    driver.open(&host, options, (size_t)n, &self, &err) != STOW_OK) {
		free(options);
		return complain(&err);
	}
	free(options); /* the driver keeps copies */
	printf("driver %s %s: %s\n", driver.name, driver.version, driver.summary);
	status = put_and_get(&driver, self);
	driver.close(self);
	return status;
}
