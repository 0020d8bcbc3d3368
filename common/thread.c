/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads, locks and conditions over pthreads.
 * Knows nothing of what they are for.
 */
#include "common/thread.h"

#include <errno.h>
#include <signal.h>
#include <time.h>

#include "common/clock.h"

int mutex_init(struct mutex *m)
{
	return pthread_mutex_init(&m->m, NULL);
}

void mutex_done(struct mutex *m)
{
	pthread_mutex_destroy(&m->m);
}

/* The attribute is proved at the callers; in here the analysis cannot see through pthreads. */
#define UNCHECKED THREAD_ATTRIBUTE(no_thread_safety_analysis)

UNCHECKED void mutex_lock(struct mutex *m)
{
	pthread_mutex_lock(&m->m);
}

UNCHECKED void mutex_unlock(struct mutex *m)
{
	pthread_mutex_unlock(&m->m);
}

int cond_init(struct cond *c)
{
	pthread_condattr_t attr;
	int e = pthread_condattr_init(&attr);

	if (e)
		return e;
	e = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (!e)
		e = pthread_cond_init(&c->c, &attr);
	pthread_condattr_destroy(&attr);
	return e;
}

void cond_done(struct cond *c)
{
	pthread_cond_destroy(&c->c);
}

void cond_signal(struct cond *c)
{
	pthread_cond_signal(&c->c);
}

void cond_broadcast(struct cond *c)
{
	pthread_cond_broadcast(&c->c);
}

void cond_wait(struct cond *c, struct mutex *m)
{
	pthread_cond_wait(&c->c, &m->m);
}

bool cond_wait_until(struct cond *c, struct mutex *m, int64_t deadline_ns)
{
	if (deadline_ns < 0)
		deadline_ns = 0;
	struct timespec ts = {
		.tv_sec = (time_t)(deadline_ns / CLOCK_SECOND),
		.tv_nsec = (long)(deadline_ns % CLOCK_SECOND),
	};
	return pthread_cond_timedwait(&c->c, &m->m, &ts) != ETIMEDOUT;
}

int thread_start(pthread_t *ret, size_t stack, void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	sigset_t all, before;
	int e = pthread_attr_init(&attr);

	if (e)
		return e;
	if (stack)
		e = pthread_attr_setstacksize(&attr, stack);
	if (!e) {
		/* a thread inherits the mask; the faults of its own doing must still kill */
		sigfillset(&all);
		sigdelset(&all, SIGSEGV);
		sigdelset(&all, SIGBUS);
		sigdelset(&all, SIGFPE);
		sigdelset(&all, SIGILL);
		sigdelset(&all, SIGABRT);
		sigdelset(&all, SIGTRAP);
		sigdelset(&all, SIGSYS);
		e = pthread_sigmask(SIG_SETMASK, &all, &before);
		if (!e) {
			e = pthread_create(ret, &attr, run, arg);
			pthread_sigmask(SIG_SETMASK, &before, NULL);
		}
	}
	pthread_attr_destroy(&attr);
	return e;
}
