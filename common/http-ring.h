/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of bytes that requests fill and their caller empties at its own pace: where there is no
 * room the transfer pauses, so that a body of any length goes through a buffer of a fixed one.
 *
 * It promises: no more than `ahead` bytes are held, which grows with what was taken up to the
 * whole, so that who reads a little has little fetched for it.  Bytes of one request come after
 * those of the one before it; no two requests may fill it at once.  It must not know what a
 * request is.  Everything here is guarded by the lock of the waiter that its requests report to.
 */
#ifndef COMMON_HTTP_RING_H
#define COMMON_HTTP_RING_H

#include <stdbool.h>
#include <stddef.h>

struct http_ring {
	char *data; /* the caller's */
	size_t cap; /* of data; 64 KiB and more, unless all bodies fit */
	size_t ahead;
	size_t at, held, taken;
};

/* ahead 0 is the whole from the start. */
void http_ring_init(struct http_ring *, void *data, size_t cap, size_t ahead);
/* All of it, or false. */
bool http_ring_put(struct http_ring *, const char *data, size_t len);
size_t http_ring_get(struct http_ring *, void *to, size_t len);
/* Is there so much room that it is worth to let a paused one go on? */
bool http_ring_roomy(const struct http_ring *);

#endif
