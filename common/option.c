/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Option tables: parsing of values, lookup, and filling a driver's struct.
 * Knows no file, no section and no particular option.
 */
#include "common/option.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/text.h"

__extension__ typedef __int128 wide; /* no product of two int64_t overflows it */

struct unit {
	const char *name;
	int64_t factor;
};

/* "1.5G": digits, an optional fraction of at most 9 digits, a unit. Exact, no floating point. */
static bool number_with_unit(const char *text, const struct unit *units, int64_t *ret)
{
	size_t whole_len = strspn(text, "0123456789"), fraction_len = 0;
	const char *fraction = text + whole_len;
	int64_t whole, part = 0, scale = 1;

	if (!text_to_int64_n(text, whole_len, &whole))
		return false;
	const char *unit = fraction;
	if (*fraction == '.') {
		fraction++;
		fraction_len = strspn(fraction, "0123456789");
		if (fraction_len == 0 || fraction_len > 9 ||
		    !text_to_int64_n(fraction, fraction_len, &part))
			return false;
		unit = fraction + fraction_len;
	}
	for (size_t i = 0; i < fraction_len; i++)
		scale *= 10;
	for (const struct unit *u = units; u->name; u++) {
		if (!text_equal_nocase(u->name, unit))
			continue;
		wide v = (wide)whole * u->factor;
		v += (wide)part * u->factor / scale;
		if (v > INT64_MAX)
			return false;
		*ret = (int64_t)v;
		return true;
	}
	return false;
}

bool option_size(const char *text, int64_t *ret)
{
	static const struct unit units[] = {
		{ "", 1 },
		{ "B", 1 },
		{ "K", 1 << 10 },
		{ "KB", 1 << 10 },
		{ "KiB", 1 << 10 },
		{ "M", 1 << 20 },
		{ "MB", 1 << 20 },
		{ "MiB", 1 << 20 },
		{ "G", 1 << 30 },
		{ "GB", 1 << 30 },
		{ "GiB", 1 << 30 },
		{ "T", INT64_C(1) << 40 },
		{ "TB", INT64_C(1) << 40 },
		{ "TiB", INT64_C(1) << 40 },
		{ 0 },
	};

	return number_with_unit(text, units, ret);
}

bool option_time(const char *text, int64_t *ret)
{
	static const struct unit units[] = {
		{ "", CLOCK_SECOND },
		{ "ms", CLOCK_MILLISECOND },
		{ "s", CLOCK_SECOND },
		{ "m", 60 * CLOCK_SECOND },
		{ "h", 3600 * CLOCK_SECOND },
		{ "d", 86400 * CLOCK_SECOND },
		{ 0 },
	};

	return number_with_unit(text, units, ret);
}

bool option_bool(const char *text, bool *ret)
{
	static const char *const yes[] = { "yes", "true", "on", "1" };
	static const char *const no[] = { "no", "false", "off", "0" };

	for (size_t i = 0; i < 4; i++) {
		if (text_equal_nocase(text, yes[i])) {
			*ret = true;
			return true;
		}
		if (text_equal_nocase(text, no[i])) {
			*ret = false;
			return true;
		}
	}
	return false;
}

bool option_count(const char *text, int64_t *ret)
{
	return text_to_int64(text, ret);
}

const char *option_expected(int32_t type)
{
	switch (type) {
	case STOW_OPTION_SIZE:
		return "a size such as 8M";
	case STOW_OPTION_TIME:
		return "a time such as 30s";
	case STOW_OPTION_BOOL:
		return "yes or no";
	case STOW_OPTION_COUNT:
		return "a whole number";
	default:
		return "a text";
	}
}

const struct stow_option *option_find(const struct stow_option *table, const char *name)
{
	for (; table && table->name; table++)
		if (!strcmp(table->name, name))
			return table;
	return NULL;
}

const char *option_nearest(const struct stow_option *table, const char *name)
{
	const char *best = NULL;
	size_t least = strlen(name) / 2 + 1; /* farther is a guess, not a typing mistake */

	for (; table && table->name; table++) {
		size_t d = text_distance(table->name, name);

		if (d < least) {
			least = d;
			best = table->name;
		}
	}
	return best;
}

bool option_parse(const struct stow_option *row, const char *text, int64_t *ret_number)
{
	int64_t number = 0;
	bool yes = false, good = true;

	switch (row->type) {
	case STOW_OPTION_SIZE:
		good = option_size(text, &number);
		break;
	case STOW_OPTION_TIME:
		good = option_time(text, &number);
		break;
	case STOW_OPTION_BOOL:
		good = option_bool(text, &yes);
		number = yes;
		break;
	case STOW_OPTION_COUNT:
		good = option_count(text, &number);
		break;
	default:
		break;
	}
	if (good && ret_number)
		*ret_number = number;
	return good;
}

static void *slot_of(const struct option_slot *slots, const char *name, void *target)
{
	for (; slots && slots->name; slots++)
		if (!strcmp(slots->name, name))
			return (char *)target + slots->offset;
	return NULL;
}

static void drop_string(const struct stow_option *row, char **slot)
{
	if (*slot && (row->flags & STOW_OPTION_SECRET))
		explicit_bzero(*slot, strlen(*slot));
	free(*slot);
	*slot = NULL;
}

static int store_value(const struct stow_option *row, void *slot, const char *text,
                       const char *where, struct stow_error *err)
{
	int64_t number;

	if (!option_parse(row, text, &number))
		return error_set(err, STOW_EINVAL, where, "option %s: expected %s, got \"%s\"",
		                 row->name, option_expected(row->type),
		                 row->flags & STOW_OPTION_SECRET ? "***" : text);
	if (!slot)
		return STOW_OK;
	if (row->type == STOW_OPTION_STRING) {
		char *copy = strdup(text);

		if (!copy)
			return error_nomem(err, where);
		drop_string(row, slot);
		*(char **)slot = copy;
	} else if (row->type == STOW_OPTION_BOOL) {
		*(bool *)slot = number != 0;
	} else {
		*(int64_t *)slot = number;
	}
	return STOW_OK;
}

static int unknown_option(const struct stow_option *table, const char *name, const char *where,
                          struct stow_error *err)
{
	const char *near = option_nearest(table, name);

	if (near)
		return error_set(err, STOW_EINVAL, where,
		                 "there is no option \"%s\", did you mean \"%s\"?", name, near);
	return error_set(err, STOW_EINVAL, where, "there is no option \"%s\"", name);
}

int option_load(const struct stow_option *table, const struct option_slot *slots,
                const struct stow_kv *pairs, size_t n, void *target, const char *where,
                struct stow_error *err)
{
	int status = STOW_OK;

	for (const struct stow_option *row = table; row->name && status == STOW_OK; row++)
		if (row->fallback)
			status = store_value(row, slot_of(slots, row->name, target), row->fallback,
			                     where, err);
	for (size_t i = 0; i < n && status == STOW_OK; i++) {
		const struct stow_option *row = option_find(table, pairs[i].key);

		status = row ? store_value(row, slot_of(slots, row->name, target), pairs[i].value,
		                           where, err)
		             : unknown_option(table, pairs[i].key, where, err);
	}
	for (const struct stow_option *row = table; row->name && status == STOW_OK; row++) {
		bool given = row->fallback != NULL;

		for (size_t i = 0; i < n; i++)
			given = given || (!strcmp(pairs[i].key, row->name) && pairs[i].value[0]);
		if ((row->flags & STOW_OPTION_REQUIRED) && !given)
			status = error_set(err, STOW_EINVAL, where, "option %s is required: %s",
			                   row->name, row->help);
	}
	return status;
}

void option_free(const struct stow_option *table, const struct option_slot *slots, void *target)
{
	for (const struct stow_option *row = table; row->name; row++) {
		void *slot = slot_of(slots, row->name, target);

		if (slot && row->type == STOW_OPTION_STRING)
			drop_string(row, slot);
	}
}
