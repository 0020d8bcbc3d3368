/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that leave signals alone, locks, and conditions that wait on CLOCK_MONOTONIC.
 * Attributes let clang's -Wthread-safety prove which fields a lock guards.
 */
#ifndef COMMON_THREAD_H
#define COMMON_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__clang__)
#define THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define THREAD_ATTRIBUTE(x)
#endif
/* For readers: in C, clang 14 cannot name one member in another's attribute. */
#define GUARDED_BY(m)
#define REQUIRES(m) THREAD_ATTRIBUTE(exclusive_locks_required(m))
#define EXCLUDES(m) THREAD_ATTRIBUTE(locks_excluded(m))

struct THREAD_ATTRIBUTE(capability("mutex")) mutex {
	pthread_mutex_t m;
};
struct cond {
	pthread_cond_t c;
};

int mutex_init(struct mutex *); /* 0 or errno */
void mutex_done(struct mutex *);
void mutex_lock(struct mutex *m) THREAD_ATTRIBUTE(acquire_capability(m));
void mutex_unlock(struct mutex *m) THREAD_ATTRIBUTE(release_capability(m));

int cond_init(struct cond *); /* 0 or errno */
void cond_done(struct cond *);
void cond_signal(struct cond *);
void cond_broadcast(struct cond *);
void cond_wait(struct cond *, struct mutex *m) REQUIRES(m);
/* false if deadline_ns (CLOCK_MONOTONIC) has passed. */
bool cond_wait_until(struct cond *, struct mutex *m, int64_t deadline_ns) REQUIRES(m);

/* A joinable thread with all asynchronous signals and SIGPIPE blocked; stack in bytes, 0 is the
 * default. Returns 0 or errno. */
int thread_start(pthread_t *ret, size_t stack, void *(*run)(void *), void *arg);

#endif
