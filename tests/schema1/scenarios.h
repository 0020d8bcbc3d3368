/* SPDX-License-Identifier: Apache-2.0 */
/* Sequences of calls with the results of registry 2.1.1. */
#ifndef TESTS_SCHEMA1_SCENARIOS_H
#define TESTS_SCHEMA1_SCENARIOS_H

#include "tests/schema1/place.h"

/* vectors is the index that names their manifests; root has the sequences under v2_1_1. */
void scenarios_run(struct place *, const json_t *vectors, const json_t *root);

#endif
