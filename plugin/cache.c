/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.h with one lock, a table of chains and a list by use.
 * It must not ask the store, nor copy bytes while the lock is held.
 */
#include "plugin/cache.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/thread.h"

#define CHAINS_MIN 64
#define CHAINS_MAX ((size_t)1 << 20)
#define CLEARED 1024 /* keys share these: a fill dropped without need does no harm */

struct entry {
	struct entry *chain, *newer, *older;
	uint64_t hash;
	int64_t began_ns;
	size_t cost;
	struct cache_entry value;
	struct digest digest;
	enum cache_kind kind;
	char name[];
};

struct cache {
	struct cache_limits limits;
	int64_t (*now_ns)(void *arg);
	void *now_arg;
	uint64_t seed; /* nobody can choose names that share a chain */
	size_t n_chains;

	struct mutex lock;
	struct entry **chains GUARDED_BY(lock);
	struct entry *newest, *oldest GUARDED_BY(lock);
	uint64_t clears GUARDED_BY(lock);
	uint64_t cleared[CLEARED] GUARDED_BY(lock); /* the value of clears at the last one */
	struct cache_statistics statistics GUARDED_BY(lock);
};

/* ---- bytes ---- */

struct cache_bytes *cache_bytes_new(const void *data, size_t len)
{
	struct cache_bytes *b = malloc(sizeof(*b) + len);

	if (!b)
		return NULL;
	b->refs = 1;
	b->len = len;
	if (data && len)
		memcpy(b->data, data, len);
	return b;
}

struct cache_bytes *cache_bytes_ref(struct cache_bytes *b)
{
	if (b)
		__atomic_add_fetch(&b->refs, 1, __ATOMIC_RELAXED);
	return b;
}

void cache_bytes_unref(struct cache_bytes *b)
{
	if (b && __atomic_sub_fetch(&b->refs, 1, __ATOMIC_ACQ_REL) == 0)
		free(b);
}

/* ---- opening ---- */

static int64_t boottime(void *arg)
{
	(void)arg;
	return clock_boottime();
}

int cache_open(const struct cache_limits *limits, struct cache **ret, struct stow_error *err)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (!c)
		return error_nomem(err, "cache.open");
	c->limits = *limits;
	c->now_ns = boottime;
	c->n_chains = CHAINS_MIN;
	while (c->n_chains < limits->entries && c->n_chains < CHAINS_MAX)
		c->n_chains *= 2;
	c->chains = calloc(c->n_chains, sizeof(struct entry *));
	if (!c->chains || !hash_random(&c->seed, sizeof(c->seed)) || mutex_init(&c->lock) != 0) {
		free(c->chains);
		free(c);
		return error_nomem(err, "cache.open");
	}
	*ret = c;
	return STOW_OK;
}

void cache_set_clock(struct cache *c, int64_t (*now_ns)(void *arg), void *arg)
{
	c->now_ns = now_ns;
	c->now_arg = arg;
}

static void entry_free(struct entry *e)
{
	cache_bytes_unref(e->value.bytes);
	free(e);
}

void cache_close(struct cache *c)
{
	if (!c)
		return;
	for (struct entry *e = c->newest; e;) {
		struct entry *older = e->older;

		entry_free(e);
		e = older;
	}
	mutex_done(&c->lock);
	free(c->chains);
	free(c);
}

/* ---- the table ---- */

static uint64_t mix(uint64_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return (hash ^ 0x1ff) * UINT64_C(0x100000001b3);
}

static uint64_t hash_of(const struct cache *c, enum cache_kind kind, const char *name,
                        const struct digest *digest)
{
	uint64_t hash = mix(mix(c->seed ^ (uint64_t)kind, name), digest->text);

	return hash ^ hash >> 32;
}

static struct entry **find_locked(struct cache *c, uint64_t hash, enum cache_kind kind,
                                  const char *name, const struct digest *digest) REQUIRES(&c->lock);
static struct entry **find_locked(struct cache *c, uint64_t hash, enum cache_kind kind,
                                  const char *name, const struct digest *digest)
{
	struct entry **p = &c->chains[hash & (c->n_chains - 1)];

	while (*p && ((*p)->hash != hash || (*p)->kind != kind ||
	              !digest_equal(&(*p)->digest, digest) || strcmp((*p)->name, name) != 0))
		p = &(*p)->chain;
	return p;
}

static void unlist_locked(struct cache *c, struct entry *e) REQUIRES(&c->lock);
static void unlist_locked(struct cache *c, struct entry *e)
{
	*(e->newer ? &e->newer->older : &c->newest) = e->older;
	*(e->older ? &e->older->newer : &c->oldest) = e->newer;
}

static void list_locked(struct cache *c, struct entry *e) REQUIRES(&c->lock);
static void list_locked(struct cache *c, struct entry *e)
{
	e->newer = NULL;
	e->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = e;
	c->newest = e;
}

/* Takes *p out; it is the caller's to free. */
static struct entry *take_locked(struct cache *c, struct entry **p) REQUIRES(&c->lock);
static struct entry *take_locked(struct cache *c, struct entry **p)
{
	struct entry *e = *p;

	*p = e->chain;
	unlist_locked(c, e);
	c->statistics.bytes -= e->cost;
	c->statistics.entries--;
	e->chain = NULL;
	return e;
}

static bool is_over_locked(const struct cache *c) REQUIRES(&c->lock);
static bool is_over_locked(const struct cache *c)
{
	return c->statistics.bytes > c->limits.bytes || c->statistics.entries > c->limits.entries;
}

/* What has to go, chained. */
static struct entry *evict_locked(struct cache *c) REQUIRES(&c->lock);
static struct entry *evict_locked(struct cache *c)
{
	struct entry *gone = NULL;

	while (c->oldest && is_over_locked(c)) {
		const struct entry *o = c->oldest;
		struct entry *e = take_locked(
			c, find_locked(c, o->hash, o->kind, o->name, &o->digest));

		c->statistics.evictions++;
		e->chain = gone;
		gone = e;
	}
	return gone;
}

static void free_chain(struct entry *e)
{
	while (e) {
		struct entry *next = e->chain;

		entry_free(e);
		e = next;
	}
}

/* ---- use ---- */

struct cache_read cache_read_begin(struct cache *c)
{
	struct cache_read read = { .began_ns = c->now_ns(c->now_arg) };

	mutex_lock(&c->lock);
	read.cleared = c->clears;
	mutex_unlock(&c->lock);
	return read;
}

bool cache_get(struct cache *c, enum cache_kind kind, const char *name, const struct digest *digest,
               struct cache_entry *ret)
{
	uint64_t hash = hash_of(c, kind, name, digest);
	int64_t now = c->now_ns(c->now_arg);
	struct entry *old = NULL, **p, *e;

	mutex_lock(&c->lock);
	p = find_locked(c, hash, kind, name, digest);
	e = *p;
	if (e && now - e->began_ns >= c->limits.age_ns) {
		old = take_locked(c, p);
		e = NULL;
	}
	if (e) {
		*ret = e->value;
		ret->read = (struct cache_read){ e->began_ns, c->clears };
		cache_bytes_ref(ret->bytes);
		unlist_locked(c, e);
		list_locked(c, e);
	}
	*(e ? &c->statistics.hits : &c->statistics.misses) += 1;
	mutex_unlock(&c->lock);
	free_chain(old);
	return e != NULL;
}

static struct entry *entry_new(uint64_t hash, struct cache_read read, enum cache_kind kind,
                               const char *name, const struct digest *digest,
                               struct cache_entry value)
{
	size_t len = strlen(name) + 1;
	struct entry *e = malloc(sizeof(*e) + len);

	if (!e)
		return NULL;
	*e = (struct entry){ .hash = hash,
		             .began_ns = read.began_ns,
		             .cost = sizeof(*e) + len,
		             .value = value,
		             .digest = *digest,
		             .kind = kind };
	if (value.bytes)
		e->cost += sizeof(*value.bytes) + value.bytes->len;
	memcpy(e->name, name, len);
	return e;
}

void cache_fill(struct cache *c, struct cache_read read, enum cache_kind kind, const char *name,
                const struct digest *digest, struct cache_entry value)
{
	uint64_t hash = hash_of(c, kind, name, digest);
	struct entry *e = entry_new(hash, read, kind, name, digest, value), *gone, **p;

	if (!e) {
		cache_bytes_unref(value.bytes);
		return;
	}
	mutex_lock(&c->lock);
	p = find_locked(c, hash, kind, name, digest);
	if (c->cleared[hash % CLEARED] > read.cleared || e->cost > c->limits.bytes ||
	    (*p && (*p)->began_ns > e->began_ns)) {
		c->statistics.drops++;
		gone = e;
	} else {
		struct entry *old = *p ? take_locked(c, p) : NULL;

		p = &c->chains[hash & (c->n_chains - 1)];
		e->chain = *p;
		*p = e;
		list_locked(c, e);
		c->statistics.bytes += e->cost;
		c->statistics.entries++;
		c->statistics.fills++;
		gone = evict_locked(c);
		if (old) {
			old->chain = gone;
			gone = old;
		}
	}
	mutex_unlock(&c->lock);
	free_chain(gone);
}

void cache_clear(struct cache *c, enum cache_kind kind, const char *name,
                 const struct digest *digest)
{
	uint64_t hash = hash_of(c, kind, name, digest);
	struct entry *gone = NULL, **p;

	mutex_lock(&c->lock);
	c->cleared[hash % CLEARED] = ++c->clears;
	p = find_locked(c, hash, kind, name, digest);
	if (*p)
		gone = take_locked(c, p);
	mutex_unlock(&c->lock);
	free_chain(gone);
}

void cache_statistics(struct cache *c, struct cache_statistics *ret)
{
	mutex_lock(&c->lock);
	*ret = c->statistics;
	mutex_unlock(&c->lock);
}
