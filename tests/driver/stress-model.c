/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What may be under a key, and the bytes of it.
 * It must not know how they are read or written.
 */
#include "tests/driver/stress.h"

#include <inttypes.h>
#include <string.h>

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)
#define BLOCK ((size_t)4 << 10)

/* splitmix64, as its author gives it */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

uint64_t stress_random(uint64_t *state)
{
	*state += GOLDEN;
	return mix(*state);
}

void stress_fill(uint64_t id, int64_t offset, void *buf, size_t len)
{
	uint64_t i = (uint64_t)offset / sizeof(uint64_t);
	size_t skip = (size_t)offset % sizeof(uint64_t);
	uint8_t *p = buf;

	while (len) {
		uint64_t word = mix(id + i++ * GOLDEN);
		size_t n = sizeof(word) - skip < len ? sizeof(word) - skip : len;

		memcpy(p, (const uint8_t *)&word + skip, n);
		p += n;
		len -= n;
		skip = 0;
	}
}

unsigned stress_by_size(const struct stress_object *o, int64_t size)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < o->n; i++)
		mask |= (o->may[i].size == size ? 1u : 0u) << i;
	return mask;
}

/* How many of the bytes at offset are those of id, up to the first that is not. */
static size_t same(uint64_t id, int64_t offset, const uint8_t *p, size_t len)
{
	uint8_t want[BLOCK];
	size_t at = 0;

	while (at < len) {
		size_t n = len - at < BLOCK ? len - at : BLOCK;

		stress_fill(id, offset + (int64_t)at, want, n);
		if (memcmp(p + at, want, n) != 0) {
			for (size_t i = 0; p[at] == want[i]; i++)
				at++;
			return at;
		}
		at += n;
	}
	return at;
}

static void describe_difference(struct stress_worker *w, const struct stress_object *o,
                                int64_t offset, const uint8_t *p, size_t len, size_t at)
{
	const char *whose = "bytes of nothing that it knows";
	size_t n = len - at < 16 ? len - at : 16;

	/* the bytes that are wrong, told by what has them at that place */
	if (o->other.size >= 0 && same(o->other.id, offset + (int64_t)at, p + at, n) == n)
		whose = "bytes of a version that was or came";
	for (unsigned i = 0; i < o->n; i++)
		if (o->may[i].size >= 0 && same(o->may[i].id, offset + (int64_t)at, p + at, n) == n)
			whose = "bytes of the other version, a mixture";
	stress_fault(w, o, "at byte %" PRId64 " (of a piece of %zu from %" PRId64 " on): %s",
	             offset + (int64_t)at, len, offset, whose);
}

unsigned stress_match(struct stress_worker *w, const struct stress_object *o, unsigned mask,
                      int64_t offset, const void *buf, size_t len)
{
	unsigned left = 0;
	size_t best = 0;

	for (unsigned i = 0; i < o->n; i++) {
		size_t n;

		if (!(mask & 1u << i))
			continue;
		n = same(o->may[i].id, offset, buf, len);
		if (n == len)
			left |= 1u << i;
		if (n > best)
			best = n;
	}
	w->tally.compared += len;
	if (!left && mask)
		describe_difference(w, o, offset, buf, len, best);
	return left;
}

void stress_saw(struct stress_object *o, unsigned mask)
{
	if (o->n == 2 && mask == 2) {
		o->other = o->may[0];
		o->may[0] = o->may[1];
		o->n = 1;
	}
}

bool stress_is_exact(const struct stress_object *o)
{
	return o->n == 1;
}

bool stress_is_present(const struct stress_object *o)
{
	return o->n == 1 && o->may[0].size >= 0;
}
