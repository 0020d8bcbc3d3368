/* SPDX-License-Identifier: Apache-2.0 */
/* Each vector of a folder, pushed into a repository of its own. */
#ifndef TESTS_SCHEMA1_VECTORS_H
#define TESTS_SCHEMA1_VECTORS_H

#include "tests/schema1/place.h"

void vectors_run(struct place *, const json_t *root);

#endif
