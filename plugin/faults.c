/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of faults that a manifest's verification hands out.
 * It must not know what is verified.
 */
#include "plugin/faults.h"

#include <stdarg.h>

#include "common/error.h"
#include "common/text.h"

int faults_new(struct stow_faults **ret, struct stow_error *err)
{
	struct stow_faults *faults = calloc(1, sizeof(*faults));

	if (!faults)
		return error_nomem(err, "faults");
	*ret = faults;
	return STOW_OK;
}

/* The place of the next one, NULL where there is no more room. */
static struct stow_fault *next_place(struct stow_faults *faults)
{
	if (faults->n == 0) {
		faults->n = 1;
		return &faults->first;
	}
	if (faults->n == FAULTS_MAX)
		return NULL;
	if (faults->n - 1 == faults->cap) {
		size_t cap = faults->cap ? 2 * faults->cap : 8;
		struct stow_fault *grown = reallocarray(faults->items, cap, sizeof(*grown));

		if (!grown)
			return NULL;
		faults->items = grown;
		faults->cap = cap;
	}
	return &faults->items[faults->n++ - 1];
}

/* Parts of a message come from a client, and may be cut within a character. */
static void make_plain(char *s)
{
	for (; *s; s++) {
		if ((unsigned char)*s < 0x20 || (unsigned char)*s > 0x7e)
			*s = '?';
	}
}

static int32_t status_of(enum stow_fault_kind kind)
{
	if (kind == STOW_FAULT_BLOB_UNKNOWN)
		return STOW_ENOTFOUND;
	return kind == STOW_FAULT_UNVERIFIED ? STOW_EDENIED : STOW_ECORRUPT;
}

void faults_mismatch(struct stow_faults *faults, int status, const char *message)
{
	struct stow_fault *fault;
	size_t before = faults->n;

	faults_add(faults, STOW_FAULT_UNVERIFIED, NULL, "%s", message);
	if (faults->n == before)
		return;
	fault = before == 0 ? &faults->first : &faults->items[before - 1];
	fault->status = status;
}

void faults_add(struct stow_faults *faults, enum stow_fault_kind kind, const char *digest,
                const char *fmt, ...)
{
	struct stow_fault *fault = next_place(faults);
	va_list ap;

	if (!fault)
		return;
	memset(fault, 0, sizeof(*fault));
	fault->kind = (int32_t)kind;
	fault->status = status_of(kind);
	(void)text_copy(fault->digest, sizeof(fault->digest), digest ? digest : "");
	va_start(ap, fmt);
	if (vsnprintf(fault->message, sizeof(fault->message), fmt, ap) < 0)
		fault->message[0] = '\0';
	va_end(ap);
	make_plain(fault->message);
}

int faults_error(const struct stow_faults *faults, const char *where, const char *what,
                 struct stow_error *err)
{
	if (faults->n == 1)
		return error_set(err, STOW_ECORRUPT, where, "%s: %s", what, faults->first.message);
	return error_set(err, STOW_ECORRUPT, where, "%s: %s, and %zu more", what,
	                 faults->first.message, faults->n - 1);
}

size_t stow_faults_count(const struct stow_faults *faults)
{
	return faults ? faults->n : 0;
}

int stow_faults_at(const struct stow_faults *faults, size_t i, struct stow_fault *ret)
{
	if (!faults || i >= faults->n)
		return STOW_ERANGE;
	*ret = i == 0 ? faults->first : faults->items[i - 1];
	return STOW_OK;
}

void stow_faults_free(struct stow_faults *faults)
{
	if (!faults)
		return;
	free(faults->items);
	free(faults);
}
