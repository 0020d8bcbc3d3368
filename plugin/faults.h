/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What verification found wrong, gathered.  It promises that adding never fails the verification
 * itself: where memory is short, or FAULTS_MAX are there, the rest is counted out and the list
 * still has at least one.  It knows nothing of manifests.
 */
#ifndef PLUGIN_FAULTS_H
#define PLUGIN_FAULTS_H

#include <stdbool.h>
#include <stowage/registry.h>

#define FAULTS_MAX 4096

struct stow_faults {
	size_t n, cap;
	struct stow_fault *items;
	struct stow_fault first; /* kept here: it needs no memory */
};

int faults_new(struct stow_faults **ret, struct stow_error *err);
/* digest may be NULL. */
void faults_add(struct stow_faults *, enum stow_fault_kind, const char *digest, const char *fmt,
                ...) __attribute__((format(printf, 4, 5)));
/* A signature that does not hold, with the status that tells which kind of key made it. */
void faults_mismatch(struct stow_faults *, int status, const char *message);
/* STOW_ECORRUPT with a line that tells the first and how many there are. */
int faults_error(const struct stow_faults *, const char *where, const char *what,
                 struct stow_error *err);

#endif
