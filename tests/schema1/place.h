/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A registry over a fresh memory driver for each vector and scenario, what they do with it, and the
 * count of those that passed.  A fault of the program itself, or of the folder, ends it with status
 * 2: it must not be taken for a result.
 */
#ifndef TESTS_SCHEMA1_PLACE_H
#define TESTS_SCHEMA1_PLACE_H

#include <jansson.h>
#include <stdbool.h>
#include <stowage/registry.h>

#include "common/buf.h"
#include "plugin/schema1.h"

#define V2 "docker/registry/v2/"
#define PRETTY "application/vnd.docker.distribution.manifest.v1+prettyjws"

struct place {
	const char *folder; /* of the vectors */
	json_t *layers;     /* digest -> content */
	struct stow_config *config;
	struct stow_store *store;
	struct stow_registry *registry;
	char why[512]; /* what is wrong; "" while nothing is */
	int passed, failed;
};

_Noreturn void place_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void place_open(struct place *);
void place_close(struct place *);
/* As after a restart, with nothing remembered: the store stays. */
void place_reopen(struct place *, bool delete_enabled);

/* The first thing found wrong is kept. */
void place_wrong(struct place *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Counts what was begun, prints its line, forgets what was wrong. */
void place_count(struct place *, const char *kind, const char *name);

/* A file of the folder; the caller frees. */
struct buf place_file(const struct place *, const char *name);
json_t *place_json(const struct place *, const char *name);
const char *place_text(const json_t *object, const char *name); /* "" where there is none */

/* Objects of the store. */
void place_put(struct place *, const char *key, const void *data, size_t len);
bool place_get(struct place *, const char *key, struct buf *ret);
void place_remove_below(struct place *, const char *key); /* itself, too */
/* Key -> content, of all; layers and their links are left out. */
json_t *place_objects(struct place *);

/* Layer and link, as other uploads left them. */
void place_put_layer(struct place *, const char *repository, const char *digest);
/* A manifest's bytes; a status where they cannot be got. */
int place_get_manifest(struct place *, const char *repository, const char *reference,
                       struct buf *ret);

#endif
