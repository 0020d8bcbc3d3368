/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http-ring.h over one buffer.
 * It must not lock: who calls holds the waiter's lock.
 */
#include "common/http-ring.h"

#include <string.h>

void http_ring_init(struct http_ring *g, void *data, size_t cap, size_t ahead)
{
	*g = (struct http_ring){ .data = data, .cap = cap };
	g->ahead = ahead && ahead < cap ? ahead : cap;
}

bool http_ring_put(struct http_ring *g, const char *data, size_t len)
{
	size_t to, first;

	if (g->held > g->ahead || len > g->ahead - g->held)
		return false;
	if (len == 0)
		return true;
	to = (g->at + g->held) % g->cap;
	first = g->cap - to < len ? g->cap - to : len;
	memcpy(g->data + to, data, first);
	memcpy(g->data, data + first, len - first);
	g->held += len;
	return true;
}

size_t http_ring_get(struct http_ring *g, void *to, size_t len)
{
	size_t first;

	if (len > g->held)
		len = g->held;
	if (len == 0)
		return 0;
	first = g->cap - g->at < len ? g->cap - g->at : len;
	memcpy(to, g->data + g->at, first);
	memcpy((char *)to + first, g->data, len - first);
	g->at = (g->at + len) % g->cap;
	g->held -= len;
	g->taken += len;
	if (g->ahead < g->taken * 2)
		g->ahead = g->taken * 2 < g->cap ? g->taken * 2 : g->cap;
	return len;
}

bool http_ring_roomy(const struct http_ring *g)
{
	return g->held <= g->ahead / 2;
}
