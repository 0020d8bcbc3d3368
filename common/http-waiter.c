/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for any of several requests.
 * It must not know what a request is, nor who reports.
 */
#include "common/http-waiter.h"

#include "common/clock.h"
#include "common/error.h"

#define CANCEL_LOOK (50 * CLOCK_MILLISECOND)

int http_waiter_new(struct http_waiter **ret, struct stow_error *err)
{
	struct http_waiter *w = calloc(1, sizeof(*w));

	if (!w)
		return error_nomem(err, "http.waiter");
	if (mutex_init(&w->lock) != 0) {
		free(w);
		return error_nomem(err, "http.waiter");
	}
	if (cond_init(&w->changed) != 0) {
		mutex_done(&w->lock);
		free(w);
		return error_nomem(err, "http.waiter");
	}
	atomic_init(&w->refs, 1);
	*ret = w;
	return STOW_OK;
}

void http_waiter_free(struct http_waiter *w)
{
	if (!w || atomic_fetch_sub(&w->refs, 1) != 1)
		return;
	cond_done(&w->changed);
	mutex_done(&w->lock);
	free(w);
}

uint64_t http_waiter_seen(struct http_waiter *w)
{
	uint64_t seen;

	mutex_lock(&w->lock);
	seen = w->reports;
	mutex_unlock(&w->lock);
	return seen;
}

void http_waiter_wait(struct http_waiter *w, const struct stow_op *op, uint64_t seen,
                      int64_t until_ns)
{
	if (op && op->deadline_ns && op->deadline_ns < until_ns)
		until_ns = op->deadline_ns;
	mutex_lock(&w->lock);
	while (w->reports == seen) {
		int64_t now = clock_monotonic(), until = until_ns;

		if (now >= until_ns)
			break;
		if (op && op->cancel) {
			if (__atomic_load_n(op->cancel, __ATOMIC_ACQUIRE))
				break;
			if (until - now > CANCEL_LOOK)
				until = now + CANCEL_LOOK;
		}
		cond_wait_until(&w->changed, &w->lock, until);
	}
	mutex_unlock(&w->lock);
}

void http_waiter_ref(struct http_waiter *w)
{
	atomic_fetch_add(&w->refs, 1);
}

void http_waiter_report(struct http_waiter *w)
{
	w->reports++;
	cond_broadcast(&w->changed);
}
