/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rate of one driver alone: writes an object through the driver ABI, reads it back, prints
 * both rates.  It knows no registry; bench/blob-rate.py sets it beside one.
 *
 * usage: driver-rate DRIVER.so MIB [option=value ...]
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stowage/driver.h>
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/text.h"

#define PIECE ((size_t)1 << 20)
#define OPTIONS_MAX 64

static const struct stow_driver *load(const char *path)
{
	void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	void *symbol = library ? dlsym(library, STOW_DRIVER_ENTRY) : NULL;
	stow_driver_entry *entry;

	if (!symbol) {
		fprintf(stderr, "driver-rate: %s\n", dlerror());
		return NULL;
	}
	/* POSIX promises that this works, ISO C knows no such cast */
	memcpy(&entry, &symbol, sizeof(entry));
	return entry();
}

/* Every MiB differs, none compresses. */
static void fill(uint8_t *piece, uint64_t seed)
{
	uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (size_t i = 0; i + sizeof(x) <= PIECE; i += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(piece + i, &x, sizeof(x));
	}
}

static void report(const char *what, int64_t mib, int64_t began)
{
	double seconds = (double)(clock_monotonic() - began) / 1e9;

	printf("%s %.1f\n", what, (double)mib / (seconds > 0 ? seconds : 1e-9));
}

static int write_object(const struct stow_driver *d, void *self, const char *key, int64_t mib,
                        struct stow_error *err)
{
	cleanup_free uint8_t *piece = malloc(PIECE);
	struct stow_put put = { .size = sizeof(put), .length = mib * (int64_t)PIECE };
	int64_t offset, began = clock_monotonic();
	void *writer;
	int r;

	if (!piece)
		return STOW_ENOMEM;
	fill(piece, 1);
	r = d->write_open(self, NULL, key, &put, &writer, &offset, err);
	if (r != STOW_OK)
		return r;
	for (int64_t i = 0; i < mib && r == STOW_OK; i++) {
		memcpy(piece, &i, sizeof(i));
		r = d->write(writer, NULL, piece, PIECE, err);
	}
	if (r == STOW_OK)
		r = d->write_commit(writer, NULL, NULL, err);
	d->write_close(writer, NULL);
	if (r == STOW_OK)
		report("write", mib, began);
	return r;
}

static int read_object(const struct stow_driver *d, void *self, const char *key, int64_t mib,
                       struct stow_error *err)
{
	cleanup_free uint8_t *piece = malloc(PIECE);
	int64_t total = 0, began = clock_monotonic();
	struct stow_stat stat;
	void *reader;
	size_t len;
	int r;

	if (!piece)
		return STOW_ENOMEM;
	r = d->read_open(self, NULL, key, NULL, 0, -1, &reader, &stat, err);
	if (r != STOW_OK)
		return r;
	do {
		r = d->read(reader, NULL, piece, PIECE, &len, err);
		if (r == STOW_OK)
			total += (int64_t)len;
	} while (r == STOW_OK && len > 0);
	d->read_close(reader);
	if (r == STOW_OK && total != mib * (int64_t)PIECE) {
		fprintf(stderr, "driver-rate: read %" PRId64 " bytes\n", total);
		return STOW_ECORRUPT;
	}
	if (r == STOW_OK)
		report("read", mib, began);
	return r;
}

int main(int argc, char **argv)
{
	static const char key[] = "bench/driver-rate";
	struct stow_error err = { 0 };
	struct stow_kv options[OPTIONS_MAX];
	const struct stow_driver *d;
	size_t n = 0;
	int64_t mib;
	void *self;
	int r;

	if (argc < 3 || argc - 3 > OPTIONS_MAX || !text_to_int64(argv[2], &mib) || mib < 1 ||
	    mib > 1 << 20) {
		fprintf(stderr, "usage: driver-rate DRIVER.so MIB [option=value ...]\n");
		return 2;
	}
	for (int i = 3; i < argc; i++) {
		char *equals = strchr(argv[i], '=');

		if (!equals) {
			fprintf(stderr, "driver-rate: %s: want option=value\n", argv[i]);
			return 2;
		}
		*equals = '\0';
		options[n++] = (struct stow_kv){ .key = argv[i], .value = equals + 1 };
	}
	d = load(argv[1]);
	if (!d)
		return 1;
	r = d->open(NULL, options, n, &self, &err);
	if (r == STOW_OK) {
		r = write_object(d, self, key, mib, &err);
		if (r == STOW_OK)
			r = read_object(d, self, key, mib, &err);
		d->remove(self, NULL, key, NULL, NULL);
		d->close(self);
	}
	if (r != STOW_OK)
		fprintf(stderr, "driver-rate: %s: %s (%d)\n", err.where, err.message, r);
	return r == STOW_OK ? 0 : 1;
}
