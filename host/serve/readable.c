/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread over epoll.  It alone ends waits, so that an event never names one that is gone.
 */
#include "host/serve/readable.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/thread.h"

#define EVENTS_AT_ONCE 64

static const char where[] = "http.tls";

struct readable {
	int epoll, wake; /* wake: an eventfd, written to by tick and stop */
	pthread_t thread;
	struct mutex lock;
	struct readable_wait *first GUARDED_BY(lock);
	bool stopping GUARDED_BY(lock);
	bool joined; /* the stopping thread's */
};

static void take_out_locked(struct readable *r, struct readable_wait *w) REQUIRES(r->lock);
static void take_out_locked(struct readable *r, struct readable_wait *w)
{
	if (w->next)
		w->next->prev = w->prev;
	if (w->prev)
		w->prev->next = w->next;
	else
		r->first = w->next;
	w->next = w->prev = NULL;
	/* the descriptor is still open: who waits for it may not close it */
	(void)epoll_ctl(r->epoll, EPOLL_CTL_DEL, w->fd, NULL);
}

static void end_wait(struct readable *r, struct readable_wait *w)
{
	mutex_lock(&r->lock);
	take_out_locked(r, w);
	mutex_unlock(&r->lock);
	w->go_on(w);
}

/* Those whose time is over, and all where it stops; false where it does. */
static bool end_overdue(struct readable *r)
{
	int64_t now = clock_monotonic();
	struct readable_wait *ended = NULL;
	bool stopping;

	mutex_lock(&r->lock);
	stopping = r->stopping;
	for (struct readable_wait *w = r->first, *next; w; w = next) {
		next = w->next;
		if (!stopping && w->deadline_ns > now)
			continue;
		take_out_locked(r, w);
		w->over = true;
		w->next = ended;
		ended = w;
	}
	mutex_unlock(&r->lock);
	while (ended) {
		struct readable_wait *w = ended;

		ended = w->next;
		w->next = NULL;
		w->go_on(w);
	}
	return !stopping;
}

static void *run(void *arg)
{
	struct readable *r = arg;
	struct epoll_event events[EVENTS_AT_ONCE];
	bool goes_on = true;

	while (goes_on) {
		int n = epoll_wait(r->epoll, events, EVENTS_AT_ONCE, -1);
		bool woken = false;
		uint64_t count;

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				end_wait(r, events[i].data.ptr);
			else
				woken = true;
		}
		if (!woken)
			continue;
		(void)!read(r->wake, &count, sizeof count);
		goes_on = end_overdue(r);
	}
	return NULL;
}

static void wake(struct readable *r)
{
	const uint64_t one = 1;

	(void)!write(r->wake, &one, sizeof one);
}

static int open_descriptors(struct readable *r)
{
	struct epoll_event event = { .events = EPOLLIN };

	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll < 0)
		return errno;
	r->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->wake < 0 || epoll_ctl(r->epoll, EPOLL_CTL_ADD, r->wake, &event) != 0)
		return errno;
	return 0;
}

static void close_descriptors(struct readable *r)
{
	if (r->wake >= 0)
		close(r->wake);
	if (r->epoll >= 0)
		close(r->epoll);
}

int readable_start(struct readable **ret, struct stow_error *err)
{
	struct readable *r = calloc(1, sizeof *r);
	int e;

	if (!r)
		return error_nomem(err, where);
	r->epoll = r->wake = -1;
	if (mutex_init(&r->lock) != 0) {
		free(r);
		return error_nomem(err, where);
	}
	e = open_descriptors(r);
	if (e == 0)
		e = thread_start(&r->thread, 0, run, r);
	if (e != 0) {
		close_descriptors(r);
		mutex_done(&r->lock);
		free(r);
		return error_errno(err, e, where, "cannot wait for sockets");
	}
	*ret = r;
	return STOW_OK;
}

bool readable_add(struct readable *r, struct readable_wait *w)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT, .data.ptr = w };
	bool taken;

	mutex_lock(&r->lock);
	taken = !r->stopping && epoll_ctl(r->epoll, EPOLL_CTL_ADD, w->fd, &event) == 0;
	if (taken) {
		w->over = false;
		w->prev = NULL;
		w->next = r->first;
		if (w->next)
			w->next->prev = w;
		r->first = w;
	}
	mutex_unlock(&r->lock);
	return taken;
}

void readable_tick(struct readable *r)
{
	bool some;

	mutex_lock(&r->lock);
	some = r->first != NULL;
	mutex_unlock(&r->lock);
	if (some)
		wake(r);
}

void readable_stop(struct readable *r)
{
	mutex_lock(&r->lock);
	r->stopping = true;
	mutex_unlock(&r->lock);
	if (r->joined)
		return;
	wake(r);
	pthread_join(r->thread, NULL);
	r->joined = true;
}

void readable_free(struct readable *r)
{
	if (!r)
		return;
	readable_stop(r);
	close_descriptors(r);
	mutex_done(&r->lock);
	free(r);
}
