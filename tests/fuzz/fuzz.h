/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fuzz targets share.  A target is one file ROOM-topic.c with one function, which the fuzzer
 * calls with what it makes up, and replay.c with the files of tests/fuzz/corpus/ROOM-topic/.
 *
 * A target shows that properties hold, not only that nothing crashes: REQUIRE ends the program
 * where one does not.  It must not depend on anything but its input, nor leave anything behind.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
/* How many beginnings of this input replay.c runs at most: of a target for which that is slow. */
size_t fuzz_beginnings(const uint8_t *data, size_t len) __attribute__((weak));

#define REQUIRE(what)                                                                              \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #what);  \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* A copy that ends with NUL and has exactly the room it needs; to be freed. */
static inline char *fuzz_text(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);

	REQUIRE(text);
	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	return text;
}

/* The line at *p, cut at its end; *p moves behind it. "" where there is no more. */
static inline char *fuzz_line(char **p)
{
	char *line = *p, *end = strchr(line, '\n');

	if (end)
		*end++ = '\0';
	*p = end ? end : line + strlen(line);
	return line;
}

/* The next word of the line at *p, cut at its end; *p moves behind it. "" where there is no more. */
static inline char *fuzz_word(char **p)
{
	char *word = *p + strspn(*p, " "), *end = word + strcspn(word, " ");

	*p = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

/* Is it what may stand in a line of a log? */
static inline bool fuzz_is_line(const char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

#endif
