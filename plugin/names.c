/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of texts, and the walk over one that registry.h offers as stow_names_*.
 * It must not know tags, repositories or keys.
 */
#include "plugin/names.h"

#include "common/error.h"

void names_init(struct stow_names *names)
{
	memset(names, 0, sizeof(*names));
	buf_init(&names->text, NAMES_MAX);
}

void names_done(struct stow_names *names)
{
	buf_done(&names->text);
	free(names->offsets);
	names->offsets = NULL;
	names->n = names->cap = 0;
}

int names_add(struct stow_names *names, const char *text, size_t len, struct stow_error *err)
{
	size_t offset = names->text.len;

	if (names->n == names->cap) {
		size_t cap = names->cap ? 2 * names->cap : 64;
		uint32_t *grown = reallocarray(names->offsets, cap, sizeof(*grown));

		if (!grown)
			return error_nomem(err, "names");
		names->offsets = grown;
		names->cap = cap;
	}
	(void)buf_add(&names->text, text, len);
	(void)buf_addc(&names->text, '\0');
	if (buf_status(&names->text) == STOW_ERANGE)
		return error_set(err, STOW_ERANGE, "names",
		                 "a list of over %u MiB: too long to be gathered",
		                 NAMES_MAX / 1024 / 1024);
	if (buf_status(&names->text) != STOW_OK)
		return error_nomem(err, "names");
	names->offsets[names->n++] = (uint32_t)offset;
	return STOW_OK;
}

const char *names_at(const struct stow_names *names, size_t i)
{
	return names->text.data + names->offsets[i];
}

static int compare(const void *a, const void *b, void *text)
{
	const char *base = text;

	return strcmp(base + *(const uint32_t *)a, base + *(const uint32_t *)b);
}

void names_sort(struct stow_names *names)
{
	if (names->n > 1)
		qsort_r(names->offsets, names->n, sizeof(names->offsets[0]), compare,
		        names->text.data);
}

/* Where all were given out, the memory is used anew. */
static void start_over(struct stow_names *names)
{
	if (names->cursor < names->n)
		return;
	buf_reset(&names->text);
	names->n = names->cursor = 0;
}

int names_insert(struct stow_names *names, const char *text, size_t len, struct stow_error *err)
{
	size_t from, to;
	uint32_t offset;
	int status;

	start_over(names);
	status = names_add(names, text, len, err);
	if (status != STOW_OK)
		return status;
	from = names->cursor;
	to = names->n - 1;
	offset = names->offsets[to];
	while (from < to) {
		size_t middle = from + (to - from) / 2;

		if (strcmp(names_at(names, middle), text) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	memmove(names->offsets + from + 1, names->offsets + from,
	        (names->n - 1 - from) * sizeof(*names->offsets));
	names->offsets[from] = offset;
	return STOW_OK;
}

int stow_names_next(struct stow_names *names, const struct stow_op *op, const char **ret,
                    struct stow_error *err)
{
	int status = names->gather ? names->gather(names, op, err) : STOW_OK;

	if (status != STOW_OK)
		return status;
	if (names->cursor == names->n)
		return error_set(err, STOW_ENOTFOUND, "names.next", "end of the list");
	*ret = names_at(names, names->cursor++);
	return STOW_OK;
}

void stow_names_close(struct stow_names *names)
{
	if (!names)
		return;
	if (names->source_close)
		names->source_close(names->source);
	names_done(names);
	free(names);
}
