/* SPDX-License-Identifier: Apache-2.0 */
/* One thread and one flag. It must not know what the store is. */
#include "host/serve/health.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/thread.h"

#define STACK ((size_t)256 * 1024)

struct health {
	struct stow_store *store;
	const struct sink *sink;
	int64_t interval, timeout; /* ns */
	unsigned threshold;
	uint32_t cancel; /* atomic */
	bool ready;      /* atomic */
	pthread_t thread;
	bool have_lock, have_cond, have_thread;
	struct mutex lock;
	struct cond wake;
	bool ending GUARDED_BY(lock);
};

/* What a check means, with so many that failed in a row before it. */
static void note(struct health *h, int status, unsigned failures, const struct stow_error *err)
{
	bool was = __atomic_load_n(&h->ready, __ATOMIC_RELAXED);

	if (status == STOW_OK && !was)
		sink_event(h->sink, STOW_LOG_WARNING, "health", NULL, "the store answers again");
	if (status != STOW_OK && was && failures >= h->threshold)
		sink_event(h->sink, STOW_LOG_ERROR, "health", NULL,
		           "not ready: the store failed %u checks in a row, the last one with: %s",
		           failures, err->message);
	if (status == STOW_OK || failures >= h->threshold)
		__atomic_store_n(&h->ready, status == STOW_OK, __ATOMIC_RELAXED);
}

static bool pause_until(struct health *h, int64_t when)
{
	bool ending;

	mutex_lock(&h->lock);
	while (!h->ending && clock_monotonic() < when)
		cond_wait_until(&h->wake, &h->lock, when);
	ending = h->ending;
	mutex_unlock(&h->lock);
	return !ending;
}

static void *run(void *arg)
{
	struct health *h = arg;
	unsigned failures = 0;

	while (pause_until(h, clock_monotonic() + h->interval)) {
		struct stow_op op = {
			.size = sizeof(op),
			.deadline_ns = clock_monotonic() + h->timeout,
			.cancel = &h->cancel,
		};
		struct stow_error err = { 0 };
		int status = stow_store_check(h->store, &op, &err);

		if (__atomic_load_n(&h->cancel, __ATOMIC_RELAXED))
			break;
		failures = status == STOW_OK ? 0 : failures < UINT32_MAX ? failures + 1 : failures;
		note(h, status, failures, &err);
	}
	return NULL;
}

int health_check(const struct stow_config *config, struct stow_error *err)
{
	const int64_t day = 86400 * CLOCK_SECOND;
	int64_t threshold = stow_config_number(config, "health", "threshold");
	int64_t interval = stow_config_number(config, "health", "interval");
	int64_t timeout = stow_config_number(config, "health", "timeout");

	if (threshold < 1 || threshold > 1000)
		return error_set(err, STOW_EINVAL, "config",
		                 "[health] threshold = %lld: expected 1 to 1000",
		                 (long long)threshold);
	if (interval != 0 && (interval < CLOCK_SECOND / 10 || interval > day))
		return error_set(err, STOW_EINVAL, "config",
		                 "[health] interval: expected 0, or 100ms to a day");
	if (timeout < CLOCK_SECOND / 10 || timeout > day)
		return error_set(err, STOW_EINVAL, "config",
		                 "[health] timeout: expected 100ms to a day");
	return STOW_OK;
}

int health_start(const struct stow_config *config, const struct sink *sink,
                 struct stow_store *store, bool ready, struct health **ret, struct stow_error *err)
{
	struct health *h;
	int e, r = health_check(config, err);

	if (r != STOW_OK)
		return r;
	h = calloc(1, sizeof(*h));
	if (!h)
		return error_nomem(err, "health.start");
	h->store = store;
	h->sink = sink;
	h->interval = stow_config_number(config, "health", "interval");
	h->timeout = stow_config_number(config, "health", "timeout");
	h->threshold = (unsigned)stow_config_number(config, "health", "threshold");
	h->ready = ready || h->interval == 0; /* who does not ask, believes */
	*ret = h;
	if (h->interval == 0)
		return STOW_OK;
	e = mutex_init(&h->lock);
	h->have_lock = e == 0;
	if (e == 0)
		e = cond_init(&h->wake);
	h->have_cond = h->have_lock && e == 0;
	if (e == 0)
		e = thread_start(&h->thread, STACK, run, h);
	h->have_thread = h->have_cond && e == 0;
	if (e == 0)
		return STOW_OK;
	health_stop(h);
	*ret = NULL;
	return error_errno(err, e, "health.start", "cannot start the thread that asks the store");
}

bool health_ready(struct health *h)
{
	return !h || __atomic_load_n(&h->ready, __ATOMIC_RELAXED);
}

void health_stop(struct health *h)
{
	if (!h)
		return;
	if (h->have_thread) {
		__atomic_store_n(&h->cancel, 1, __ATOMIC_RELAXED);
		mutex_lock(&h->lock);
		h->ending = true;
		cond_broadcast(&h->wake);
		mutex_unlock(&h->lock);
		pthread_join(h->thread, NULL);
	}
	if (h->have_cond)
		cond_done(&h->wake);
	if (h->have_lock)
		mutex_done(&h->lock);
	free(h);
}
