/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parking.h by a table of the keys that somebody leads.
 * It must not call go_on under its lock.
 */
#include "host/serve/parking.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"

struct parked_key {
	struct parked_key *next;
	struct parked *first, **end;
	char text[];
};

int parking_init(struct parking *p, struct stow_error *err)
{
	memset(p, 0, sizeof(*p));
	return mutex_init(&p->lock) == 0 ? STOW_OK : error_nomem(err, "serve");
}

void parking_done(struct parking *p)
{
	mutex_done(&p->lock);
}

/* The place where the key is linked, or would be. */
static struct parked_key **find_locked(struct parking *p, const char *text) REQUIRES(p->lock);
static struct parked_key **find_locked(struct parking *p, const char *text)
{
	unsigned int hash = 5381;
	struct parked_key **at;

	for (const char *c = text; *c; c++)
		hash = hash * 33 + (unsigned char)*c;
	at = &p->chains[hash % PARKING_CHAINS];
	while (*at && strcmp((*at)->text, text) != 0)
		at = &(*at)->next;
	return at;
}

static struct parked_key *key_new(const char *text)
{
	size_t len = strlen(text) + 1;
	struct parked_key *key = calloc(1, sizeof(*key) + len);

	if (!key)
		return NULL;
	memcpy(key->text, text, len);
	key->end = &key->first;
	return key;
}

int parking_enter(struct parking *p, const char *text, struct parked *one, bool *ret_leads)
{
	struct parked_key **at;
	int status = STOW_OK;

	*ret_leads = false;
	mutex_lock(&p->lock);
	at = find_locked(p, text);
	one->next = NULL;
	if (*at) {
		one->key = *at;
		one->leads = false;
		*(*at)->end = one;
		(*at)->end = &one->next;
	} else {
		*at = key_new(text);
		one->key = *at;
		one->leads = *ret_leads = *at != NULL;
		status = *at ? STOW_OK : STOW_ENOMEM;
	}
	mutex_unlock(&p->lock);
	return status;
}

struct parked *parking_take(struct parking *p, struct parked *leader)
{
	struct parked *list;

	mutex_lock(&p->lock);
	list = leader->key->first;
	leader->key->first = NULL;
	leader->key->end = &leader->key->first;
	mutex_unlock(&p->lock);
	return list;
}

void parking_leave(struct parking *p, struct parked *leader, struct parked *again)
{
	struct parked_key *key = leader->key, **at;
	struct parked *next;

	mutex_lock(&p->lock);
	for (struct parked *last = again; last; last = last->next) {
		if (last->next)
			continue;
		/* they came before those that are parked now */
		last->next = key->first;
		if (!key->first)
			key->end = &last->next;
		key->first = again;
		break;
	}
	next = key->first;
	if (next) {
		key->first = next->next;
		if (!key->first)
			key->end = &key->first;
		next->leads = true;
	} else {
		at = find_locked(p, key->text);
		*at = key->next;
		free(key);
	}
	leader->key = NULL;
	leader->leads = false;
	mutex_unlock(&p->lock);
	if (next)
		next->go_on(next);
}
