/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credentials.h: one set of keys at a time, and who fetches the next.
 * It must not know how a source comes by keys.
 */
#include "driver/s3/credentials.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/thread.h"

#define WHERE "s3.credentials"
#define AHEAD (300 * CLOCK_SECOND)     /* of the end, new ones are fetched */
#define AGAIN_GOOD (30 * CLOCK_SECOND) /* after a failure, while the old ones are good */
#define AGAIN_BAD (CLOCK_SECOND)       /* and when they are not */
#define LOOK (50 * CLOCK_MILLISECOND)
#define CONNECTIONS 2
#define AHEAD_LIMIT (2 * CLOCK_SECOND) /* of a fetch that may as well be made later */

struct credentials {
	const struct stow_host *host;
	const int64_t *skew_ns;   /* atomic: what the store's clock is ahead of ours */
	struct http_client *http; /* its own, so that no transfer is in the way; NULL: not needed */
	struct source *source;

	struct mutex lock;
	struct cond changed;
	struct keys *keys;         /* NULL: none yet */
	int64_t renew_ns;          /* wall clock: from then on new ones are fetched; 0: never */
	int64_t failed_ns;         /* CLOCK_MONOTONIC: the last fetch, if it did; 0: it did not */
	bool fetching, refused;    /* refused: the store does not take these */
	struct stow_error failure; /* of the last fetch */
};

static int find(struct credentials *c, const struct source_settings *settings,
                const struct http_client_options *http, struct stow_error *err)
{
	struct http_client_options mine = *http;
	int status = source_find(settings, &c->source, err);

	if (status != STOW_OK || !source_sends(c->source))
		return status;
	mine.threads = 1;
	mine.max_connections = CONNECTIONS;
	return http_client_open(&mine, &c->http, err);
}

int credentials_open(const struct source_settings *settings, const struct stow_host *host,
                     const struct http_client_options *http, const int64_t *skew_ns,
                     struct credentials **ret, struct stow_error *err)
{
	struct credentials *c = calloc(1, sizeof(*c));
	int status;

	if (!c)
		return error_nomem(err, WHERE);
	c->host = host;
	c->skew_ns = skew_ns;
	if (mutex_init(&c->lock) != 0) {
		free(c);
		return error_nomem(err, WHERE);
	}
	if (cond_init(&c->changed) != 0) {
		mutex_done(&c->lock);
		free(c);
		return error_nomem(err, WHERE);
	}
	status = find(c, settings, http, err);
	if (status != STOW_OK) {
		credentials_close(c);
		return status;
	}
	*ret = c;
	return STOW_OK;
}

void credentials_close(struct credentials *c)
{
	if (!c)
		return;
	http_client_close(c->http);
	source_free(c->source);
	keys_unref(c->keys);
	cond_done(&c->changed);
	mutex_done(&c->lock);
	free(c);
}

/* ---- which keys serve ---- */

static int64_t time_now(const struct credentials *c)
{
	return clock_host_now(c->host) +
	       (c->skew_ns ? __atomic_load_n(c->skew_ns, __ATOMIC_RELAXED) : 0);
}

static bool good_locked(const struct credentials *c, int64_t now)
{
	return c->keys && !c->refused && (c->keys->expires_ns == 0 || now < c->keys->expires_ns);
}

/* A source that has just failed is left alone for a while. */
static bool too_soon_locked(const struct credentials *c, int64_t pause)
{
	return c->failed_ns && clock_monotonic() < c->failed_ns + pause;
}

/* Is it time for new ones? */
static bool due_locked(const struct credentials *c, int64_t now)
{
	if (!good_locked(c, now))
		return true;
	return c->renew_ns && now >= c->renew_ns && !too_soon_locked(c, AGAIN_GOOD);
}

static void install_locked(struct credentials *c, struct keys *keys, int64_t now)
{
	int64_t life = keys->expires_ns - now;

	keys_unref(c->keys);
	c->keys = keys;
	c->refused = false;
	c->failed_ns = 0;
	c->renew_ns = 0;
	if (keys->expires_ns)
		c->renew_ns = keys->expires_ns - (life / 4 < AHEAD ? life / 4 : AHEAD);
}

/* What is wrong with the source is never a fact about an object. */
static int as_refusal(int status, struct stow_error *e)
{
	switch (status) {
	case STOW_ECANCELED:
	case STOW_ETIMEOUT:
	case STOW_ENOMEM:
	case STOW_EBUSY:
	case STOW_EIO:
	case STOW_EINVAL:
		return status;
	default:
		return e->status = STOW_EDENIED;
	}
}

static int fetch(const struct credentials *c, const struct stow_op *op, int64_t now,
                 struct keys **ret, struct stow_error *e)
{
	struct keys *keys = NULL;
	int status = source_fetch(c->source, c->http, op, now, &keys, e);

	if (status != STOW_OK)
		return as_refusal(status, e);
	if (keys->expires_ns && keys->expires_ns <= now)
		status = error_set(e, STOW_EDENIED, WHERE, "the keys that came have expired");
	if (status != STOW_OK)
		keys_unref(keys);
	else
		*ret = keys;
	return status;
}

/* One fetch, without the lock meanwhile. */
static int fetch_locked(struct credentials *c, const struct stow_op *op, int64_t now,
                        struct stow_error *err) REQUIRES(&c->lock);
static int fetch_locked(struct credentials *c, const struct stow_op *op, int64_t now,
                        struct stow_error *err)
{
	struct stow_op mine = op ? *op : (struct stow_op){ .size = sizeof(mine) };
	struct stow_error e = { 0 };
	struct keys *keys = NULL;
	int status;

	c->fetching = true;
	if (good_locked(c, now)) {
		int64_t left = clock_op_left(op, 2 * AHEAD_LIMIT) / 2;

		mine.deadline_ns = clock_monotonic() + (left < AHEAD_LIMIT ? left : AHEAD_LIMIT);
	}
	mutex_unlock(&c->lock);
	status = fetch(c, &mine, now, &keys, &e);
	mutex_lock(&c->lock);
	c->fetching = false;
	cond_broadcast(&c->changed);
	if (status == STOW_OK) {
		install_locked(c, keys, now);
		return STOW_OK;
	}
	c->failure = e;
	/* that the caller had no time left says nothing about the source */
	if (clock_op_check(op, WHERE, NULL) == STOW_OK)
		c->failed_ns = clock_monotonic();
	if (!good_locked(c, now))
		return error_copy(err, &e);
	log_line(c->host, STOW_LOG_WARNING, "s3",
	         "keys could not be renewed, those from before serve on: %s", e.message);
	return STOW_OK;
}

/* Waits for whoever fetches. */
static int wait_locked(struct credentials *c, const struct stow_op *op, struct stow_error *err)
	REQUIRES(&c->lock);
static int wait_locked(struct credentials *c, const struct stow_op *op, struct stow_error *err)
{
	while (c->fetching) {
		int status = clock_op_check(op, WHERE, err);

		if (status != STOW_OK)
			return status;
		(void)cond_wait_until(&c->changed, &c->lock, clock_monotonic() + LOOK);
	}
	return STOW_OK;
}

static int get_locked(struct credentials *c, const struct stow_op *op, struct keys **ret,
                      struct stow_error *err) REQUIRES(&c->lock);
static int get_locked(struct credentials *c, const struct stow_op *op, struct keys **ret,
                      struct stow_error *err)
{
	for (;;) {
		int64_t now = time_now(c);
		int status;

		if (!due_locked(c, now) || (c->fetching && good_locked(c, now)))
			break;
		if (c->fetching) {
			status = wait_locked(c, op, err);
			if (status != STOW_OK)
				return status;
			continue;
		}
		if (!good_locked(c, now) && too_soon_locked(c, AGAIN_BAD))
			return error_copy(err, &c->failure);
		status = fetch_locked(c, op, now, err);
		if (status != STOW_OK)
			return status;
		break;
	}
	*ret = keys_ref(c->keys);
	return STOW_OK;
}

int credentials_get(struct credentials *c, const struct stow_op *op, struct keys **ret,
                    struct stow_error *err)
{
	int status;

	mutex_lock(&c->lock);
	status = get_locked(c, op, ret, err);
	mutex_unlock(&c->lock);
	return status;
}

bool credentials_refused(struct credentials *c, const struct keys *keys, bool sure)
{
	bool others;

	mutex_lock(&c->lock);
	others = c->keys != keys;
	if (!others && sure && source_renews(c->source))
		c->refused = others = true;
	mutex_unlock(&c->lock);
	return others;
}
