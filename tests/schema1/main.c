/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema1-vectors FOLDER: every vector of FOLDER/vectors.json and every scenario of the file that it
 * names, over the memory driver.  Ends with "N passed, N failed"; exit status 1 if any failed, 2 if
 * the folder is none of that form.
 */
#include <stdio.h>

#include "tests/schema1/scenarios.h"
#include "tests/schema1/vectors.h"

int main(int argc, char **argv)
{
	struct place p = { .passed = 0 };
	json_t *vectors, *scenarios;

	if (argc != 2)
		place_die("usage: schema1-vectors FOLDER");
	p.folder = argv[1];
	vectors = place_json(&p, "vectors.json");
	p.layers = place_json(&p, place_text(vectors, "layers"));
	vectors_run(&p, vectors);
	if (place_text(vectors, "scenarios")[0]) {
		scenarios = place_json(&p, place_text(vectors, "scenarios"));
		scenarios_run(&p, vectors, scenarios);
		json_decref(scenarios);
	}
	json_decref(p.layers);
	json_decref(vectors);
	printf("1..%d\n%d passed, %d failed\n", p.passed + p.failed, p.passed, p.failed);
	return p.failed > 0;
}
