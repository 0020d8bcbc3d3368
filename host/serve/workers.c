/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool: two queues under one lock, and threads that take from them in turn; a third of what is
 * for later, in the order of its time.  One idle thread watches that.  It must not know HTTP nor the
 * store.
 */
#include "host/serve/workers.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "common/thread.h"

/* The core and curl's callbacks stay far below it; the kernel gives pages only as touched. */
#define STACK ((size_t)512 * 1024)

struct queue {
	struct work *first, **end;
	size_t len;
};

struct workers {
	struct mutex lock;
	struct cond more;
	bool have_lock, have_cond;
	struct queue shorts, streams, later;
	bool watched;     /* a thread waits for the time of what is for later */
	size_t streaming; /* threads busy with a stream's step */
	bool stream_turn;
	bool ending;
	size_t stream_max;
	size_t started;
	pthread_t thread[];
};

static void queue_add(struct queue *q, struct work *w)
{
	w->next = NULL;
	*q->end = w;
	q->end = &w->next;
	q->len++;
}

static struct work *queue_take(struct queue *q)
{
	struct work *w = q->first;

	q->first = w->next;
	if (!q->first)
		q->end = &q->first;
	q->len--;
	return w;
}

/* What was for later, and is due now; at the end all of it. */
static void move_due_locked(struct workers *s) REQUIRES(s->lock);
static void move_due_locked(struct workers *s)
{
	int64_t now;

	if (!s->later.first)
		return;
	now = clock_monotonic();
	while (s->later.first && (s->ending || s->later.first->due <= now)) {
		struct work *w = queue_take(&s->later);

		queue_add(w->stream ? &s->streams : &s->shorts, w);
		cond_signal(&s->more);
	}
}

/* Until there is more to do. */
static void wait_locked(struct workers *s) REQUIRES(s->lock);
static void wait_locked(struct workers *s)
{
	if (!s->later.first || s->watched) {
		cond_wait(&s->more, &s->lock);
		return;
	}
	s->watched = true;
	cond_wait_until(&s->more, &s->lock, s->later.first->due);
	s->watched = false;
}

static struct work *next_locked(struct workers *s) REQUIRES(s->lock);
static struct work *next_locked(struct workers *s)
{
	bool stream = s->streams.first && s->streaming < s->stream_max;

	if (stream && s->shorts.first)
		stream = s->stream_turn = !s->stream_turn;
	if (stream) {
		s->streaming++;
		return queue_take(&s->streams);
	}
	return s->shorts.first ? queue_take(&s->shorts) : NULL;
}

static void *run(void *arg)
{
	struct workers *s = arg;

	mutex_lock(&s->lock);
	for (;;) {
		struct work *w;
		bool stream;

		move_due_locked(s);
		w = next_locked(s);
		if (!w) {
			if (s->ending && !s->streams.first)
				break;
			wait_locked(s);
			continue;
		}
		/* whoever watches may have been the one that is busy now */
		if (s->later.first && !s->watched)
			cond_signal(&s->more);
		stream = w->stream;
		mutex_unlock(&s->lock);
		w->run(w); /* may free it or queue it again */
		mutex_lock(&s->lock);
		if (stream) {
			s->streaming--;
			if (s->streams.first)
				cond_signal(&s->more);
		}
	}
	cond_broadcast(&s->more);
	mutex_unlock(&s->lock);
	return NULL;
}

static void free_workers(struct workers *s)
{
	if (s->have_cond)
		cond_done(&s->more);
	if (s->have_lock)
		mutex_done(&s->lock);
	free(s);
}

int workers_start(size_t threads, struct workers **ret, struct stow_error *err)
{
	struct workers *s = calloc(1, sizeof *s + threads * sizeof s->thread[0]);
	int e;

	if (!s)
		return error_nomem(err, "workers.start");
	e = mutex_init(&s->lock);
	s->have_lock = e == 0;
	if (e == 0) {
		e = cond_init(&s->more);
		s->have_cond = e == 0;
	}
	if (e != 0) {
		free_workers(s);
		return error_errno(err, e, "workers.start", "cannot make a lock");
	}
	mutex_lock(&s->lock);
	s->shorts.end = &s->shorts.first;
	s->streams.end = &s->streams.first;
	s->later.end = &s->later.first;
	mutex_unlock(&s->lock);
	s->stream_max = threads - threads / 4 > 1 ? threads - threads / 4 : 1;
	for (; s->started < threads; s->started++) {
		e = thread_start(&s->thread[s->started], STACK, run, s);
		if (e == 0)
			continue;
		error_errno(err, e, "workers.start",
		            "cannot start thread %zu of [http] workers = %zu", s->started + 1,
		            threads);
		workers_stop(s);
		return STOW_EIO;
	}
	*ret = s;
	return STOW_OK;
}

void workers_push(struct workers *s, struct work *w)
{
	mutex_lock(&s->lock);
	queue_add(w->stream ? &s->streams : &s->shorts, w);
	cond_signal(&s->more);
	mutex_unlock(&s->lock);
}

void workers_push_later(struct workers *s, struct work *w)
{
	mutex_lock(&s->lock);
	w->due = clock_monotonic() + WORKERS_LATER;
	queue_add(&s->later, w);
	if (!s->watched)
		cond_signal(&s->more);
	mutex_unlock(&s->lock);
}

bool workers_crowded(struct workers *s)
{
	bool crowded;

	mutex_lock(&s->lock);
	crowded = s->streams.first != NULL;
	mutex_unlock(&s->lock);
	return crowded;
}

size_t workers_waiting(struct workers *s)
{
	size_t n;

	mutex_lock(&s->lock);
	n = s->shorts.len + s->streams.len;
	mutex_unlock(&s->lock);
	return n;
}

void workers_stop(struct workers *s)
{
	if (!s)
		return;
	mutex_lock(&s->lock);
	s->ending = true;
	cond_broadcast(&s->more);
	mutex_unlock(&s->lock);
	for (size_t i = 0; i < s->started; i++)
		pthread_join(s->thread[i], NULL);
	free_workers(s);
}
