/* SPDX-License-Identifier: Apache-2.0 */
/* What names a segment of an upload, in its key and in a token. It knows no store. */
#ifndef PLUGIN_SEGMENT_ID_H
#define PLUGIN_SEGMENT_ID_H

#include <stdint.h>

struct segment_id {
	int64_t start;   /* offset of its first byte in the blob */
	uint64_t parent; /* nonce of the segment before it; 0 for the first */
	uint64_t nonce;  /* random for each attempt to write it, never 0 */
};

#endif
