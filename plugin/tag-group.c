/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tag-group.h with one lock and a list of the groups that are.
 * It must not hold the lock while a read is made.
 */
#include "plugin/tag-group.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/error.h"

#define LOOK (50 * CLOCK_MILLISECOND)

enum state { OPEN = 1, READING = 2, DONE = 3 };

struct tag_group {
	struct tag_group *next;
	enum state state; /* who comes joins one that is OPEN */
	unsigned members;
	int status;
	struct digest digest;
	struct stow_error error;
	char key[];
};

int tag_groups_init(struct tag_groups *t, struct stow_error *err)
{
	t->first = NULL;
	if (mutex_init(&t->lock) != 0)
		return error_nomem(err, "tag.get");
	if (cond_init(&t->changed) != 0) {
		mutex_done(&t->lock);
		return error_nomem(err, "tag.get");
	}
	return STOW_OK;
}

void tag_groups_done(struct tag_groups *t)
{
	cond_done(&t->changed);
	mutex_done(&t->lock);
}

static struct tag_group *find_locked(struct tag_groups *t, const char *key, enum state state)
	REQUIRES(&t->lock);
static struct tag_group *find_locked(struct tag_groups *t, const char *key, enum state state)
{
	struct tag_group *g = t->first;

	while (g && (g->state != state || strcmp(g->key, key) != 0))
		g = g->next;
	return g;
}

static struct tag_group *join_locked(struct tag_groups *t, const char *key) REQUIRES(&t->lock);
static struct tag_group *join_locked(struct tag_groups *t, const char *key)
{
	struct tag_group *g = find_locked(t, key, OPEN);
	size_t len = strlen(key) + 1;

	if (!g) {
		g = calloc(1, sizeof(*g) + len);
		if (!g)
			return NULL;
		memcpy(g->key, key, len);
		g->state = OPEN;
		g->next = t->first;
		t->first = g;
	}
	g->members++;
	return g;
}

static void leave_locked(struct tag_groups *t, struct tag_group *g) REQUIRES(&t->lock);
static void leave_locked(struct tag_groups *t, struct tag_group *g)
{
	struct tag_group **p = &t->first;

	if (--g->members > 0)
		return;
	while (*p != g)
		p = &(*p)->next;
	*p = g->next;
	free(g);
}

/* Reads for the group, which is closed first: who comes from now on waits for the next one. */
static int lead_locked(struct tag_groups *t, struct tag_group *g, const struct stow_op *op,
                       tag_group_read_fn *read, void *arg) REQUIRES(&t->lock);
static int lead_locked(struct tag_groups *t, struct tag_group *g, const struct stow_op *op,
                       tag_group_read_fn *read, void *arg)
{
	struct stow_error e = { 0 };
	struct digest digest = { 0 };
	int status;

	g->state = READING;
	mutex_unlock(&t->lock);
	status = read(arg, op, g->key, &digest, &e);
	mutex_lock(&t->lock);
	g->status = status;
	g->digest = digest;
	g->error = e;
	/* it was this caller's time that ended, not the others' */
	if ((status == STOW_ETIMEOUT || status == STOW_ECANCELED) && g->members > 1 &&
	    clock_op_check(op, "tag.get", NULL) != STOW_OK)
		g->state = OPEN;
	else
		g->state = DONE;
	cond_broadcast(&t->changed);
	return status;
}

int tag_group_read(struct tag_groups *t, const struct stow_op *op, const char *key,
                   tag_group_read_fn *read, void *arg, struct digest *ret, struct stow_error *err)
{
	struct tag_group *g;
	int status = STOW_OK;

	mutex_lock(&t->lock);
	g = join_locked(t, key);
	if (!g) {
		mutex_unlock(&t->lock);
		return error_nomem(err, "tag.get");
	}
	while (status == STOW_OK && g->state != DONE) {
		if (g->state == OPEN && !find_locked(t, key, READING)) {
			status = lead_locked(t, g, op, read, arg);
			break;
		}
		status = clock_op_check(op, "tag.get", &g->error);
		if (status == STOW_OK)
			cond_wait_until(&t->changed, &t->lock, clock_monotonic() + LOOK);
	}
	if (g->state == DONE)
		status = g->status;
	if (status == STOW_OK)
		*ret = g->digest;
	else
		error_copy(err, &g->error);
	leave_locked(t, g);
	mutex_unlock(&t->lock);
	return status;
}
