/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Option tables at work: the one parser of sizes, times and switches, the check of a value
 * against its row, and a driver's way from text to its own struct.  It knows no files.
 */
#ifndef COMMON_OPTION_H
#define COMMON_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stowage/driver.h>

/* Each of the whole text; false if it is not one. */
bool option_size(const char *text, int64_t *ret); /* bytes */
bool option_time(const char *text, int64_t *ret); /* nanoseconds */
bool option_bool(const char *text, bool *ret);
bool option_count(const char *text, int64_t *ret);

/* What a value of that type looks like, for error lines: "a size such as 8M". */
const char *option_expected(int32_t type);
/* The row, or NULL. */
const struct stow_option *option_find(const struct stow_option *table, const char *name);
/* The nearest name of the table, NULL if none is near. */
const char *option_nearest(const struct stow_option *table, const char *name);
/* Does text parse as the row's type? On success *ret_number is the value (0 or 1 for a bool; 0
 * for a string). ret_number may be NULL. */
bool option_parse(const struct stow_option *row, const char *text, int64_t *ret_number);

/* Where the value of each named option goes. */
struct option_slot {
	const char *name;
	size_t offset; /* of a char * (strings; strdup'ed, NULL if unset), an int64_t (sizes, times,
	                * counts) or a bool in the target; the row's type decides */
};
/*
 * Fills the target from the fallbacks and the given pairs, by a table and its slots (ends with a
 * NULL name; options without a slot are checked only).  STOW_EINVAL names the option and what was
 * expected, or the nearest name.  Strings set before a failure stay for option_free.
 */
int option_load(const struct stow_option *table, const struct option_slot *slots,
                const struct stow_kv *pairs, size_t n, void *target, const char *where,
                struct stow_error *err);
/* Frees the strings (secrets are overwritten first). */
void option_free(const struct stow_option *table, const struct option_slot *slots, void *target);

#endif
