/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target over the files of a folder, one TAP case each, without a fuzzer: each file
 * whole, and each beginning of it, since a cut input is what a network brings most.
 * It must not know what the target looks at.
 *
 * Usage: replay [FOLDER], by default tests/fuzz/corpus/ and the program's own name.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>

#include "common/text.h"
#include "tests/fuzz/fuzz.h"

#define WHOLE_MAX ((size_t)8 << 20)
#define CUT_MAX ((size_t)4 << 10) /* of longer files only as many beginnings, evenly spread */

static int is_seed(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* The target sees memory of exactly that length, so that a sanitizer sees a step beyond it. */
static void run(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	REQUIRE(copy);
	memcpy(copy, data, len);
	(void)LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static bool replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(WHOLE_MAX);
	bool ok = file && data;
	size_t len = 0, step;

	if (ok) {
		len = fread(data, 1, WHOLE_MAX, file);
		ok = !ferror(file) && len < WHOLE_MAX;
	}
	if (ok) {
		run(data, len);
		step = len / (fuzz_beginnings ? fuzz_beginnings(data, len) : CUT_MAX) + 1;
		for (size_t cut = 0; cut < len; cut += step)
			run(data, cut);
	}
	free(data);
	if (file)
		fclose(file);
	return ok;
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/');
	char folder[PATH_MAX], path[PATH_MAX];
	struct dirent **seeds = NULL;
	int n, failed = 0;

	name = name ? name + 1 : argv[0];
	if (argc > 1 ? !text_copy(folder, sizeof(folder), argv[1])
	             : !text_format(folder, sizeof(folder), "tests/fuzz/corpus/%s", name))
		return 2;
	n = scandir(folder, &seeds, is_seed, alphasort);
	if (n <= 0) {
		fprintf(stderr, "%s: no files: %s\n", folder, n < 0 ? strerror(errno) : "empty");
		return 2;
	}
	printf("1..%d\n", n);
	for (int i = 0; i < n; i++) {
		bool ok = text_format(path, sizeof(path), "%s/%s", folder, seeds[i]->d_name);

		/* should the target end the program, the last line tells where */
		printf("# %s: %s\n", name, seeds[i]->d_name);
		fflush(stdout);
		ok = ok && replay(path);
		printf("%sok %d - %s\n", ok ? "" : "not ", i + 1, seeds[i]->d_name);
		failed += !ok;
		free(seeds[i]);
	}
	free(seeds);
	return failed ? 1 : 0;
}
