/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state machine of one request.  It must not know the HTTP library, what an action does, nor
 * wait for anything in the connection's thread.
 */
#include "host/serve/exchange.h"

#include "common/clock.h"
#include "common/text.h"

enum waiting {
	WAIT_NOTHING = 0,
	WAIT_START, /* whether the body is wanted */
	WAIT_ROOM,  /* in the pump, for the body */
	WAIT_REPLY, /* the answer */
	WAIT_DATA   /* of a streamed answer */
};

enum step { STEP_NONE = 0, STEP_AUTHORIZE, STEP_START, STEP_WRITE, STEP_FINISH, STEP_READ };

static void run_step(struct work *w);
static void go_on(struct parked *p);

struct exchange *exchange_new(struct service *service, const struct exchange_hooks *hooks,
                              const char *trace)
{
	struct exchange *x = calloc(1, sizeof *x);

	if (!x)
		return NULL;
	if (mutex_init(&x->lock) != 0) {
		free(x);
		return NULL;
	}
	x->service = service;
	x->hooks = *hooks;
	x->work.run = run_step;
	x->parked = (struct parked){ .owner = x, .go_on = go_on };
	x->first = -1;
	x->begun_ns = clock_monotonic();
	text_copy(x->trace, sizeof x->trace, trace);
	reply_init(&x->reply);
	buf_init(&x->collected, STOW_MANIFEST_MAX);
	mutex_lock(&x->lock);
	x->refs = 1;
	mutex_unlock(&x->lock);
	return x;
}

struct stow_op exchange_op(struct exchange *x, int64_t timeout)
{
	/* waiting for a worker is waiting, too: else a store that answers nothing makes every
	 * request in the queue wait once more than the one before it */
	return (struct stow_op){
		.size = sizeof(struct stow_op),
		.deadline_ns = clock_monotonic() + timeout - x->queued_for,
		.cancel = &x->cancel,
		.requests = &x->requests,
		.trace = x->trace,
	};
}

/* The handles that only a worker may close, since closing may wait for the store. */
static void close_handles(struct exchange *x)
{
	if (x->upload) {
		/* the client's cancel must not keep the clean-up from happening */
		struct stow_op op = {
			.size = sizeof op,
			.deadline_ns = clock_monotonic() + 10 * CLOCK_SECOND,
			.requests = &x->requests,
			.trace = x->trace,
		};

		stow_upload_close(x->upload, &op);
		x->upload = NULL;
	}
	stow_reader_close(x->reader);
	x->reader = NULL;
}

static void free_exchange(struct exchange *x)
{
	close_handles(x);
	__atomic_sub_fetch(&x->service->held, x->held, __ATOMIC_RELAXED);
	free(x->park_key);
	buf_done(&x->collected);
	reply_done(&x->reply);
	request_done(&x->request);
	identity_done(&x->who);
	mutex_lock(&x->lock);
	pump_done(&x->pump);
	mutex_unlock(&x->lock);
	mutex_done(&x->lock);
	free(x);
}

/* What a worker is to do next. */
static enum step next_step_locked(const struct exchange *x) REQUIRES(x->lock);
static enum step next_step_locked(const struct exchange *x)
{
	size_t len;

	if (x->gone || x->failed || !x->action)
		return STEP_NONE;
	if (x->replied)
		return x->reader && !x->read_over && pump_has_space(&x->pump) ? STEP_READ
		                                                              : STEP_NONE;
	if (!x->authorized)
		return STEP_AUTHORIZE;
	if (!x->started && x->body == BODY_STREAM)
		return STEP_START;
	if (pump_data(&x->pump, &len))
		return STEP_WRITE;
	return x->whole ? STEP_FINISH : STEP_NONE;
}

/* Puts it into a worker's hands where there is something to do. A worker is also needed to close
 * what a client left open. */
static void kick_locked(struct exchange *x) REQUIRES(x->lock);
static void kick_locked(struct exchange *x)
{
	if (x->working)
		return;
	if (next_step_locked(x) == STEP_NONE && !(x->gone && (x->upload || x->reader)))
		return;
	x->working = true;
	x->refs++;
	x->queued_ns = clock_monotonic();
	x->work.stream = x->body == BODY_STREAM || x->reader != NULL;
	workers_push(x->service->workers, &x->work);
}

/* A body is not taken before what takes it is ready. */
static bool waits_for_start_locked(const struct exchange *x) REQUIRES(x->lock);
static bool waits_for_start_locked(const struct exchange *x)
{
	return x->body == BODY_STREAM && x->request.length != 0;
}

/* Is what the connection waits for there? */
static bool is_ready_locked(const struct exchange *x, int waiting) REQUIRES(x->lock);
static bool is_ready_locked(const struct exchange *x, int waiting)
{
	size_t len;

	switch (waiting) {
	case WAIT_START:
		return x->failed || (x->authorized && (x->started || !waits_for_start_locked(x)));
	case WAIT_ROOM:
		return x->failed || pump_has_space(&x->pump);
	case WAIT_REPLY:
		return x->replied;
	case WAIT_DATA:
		return x->read_over || pump_data(&x->pump, &len);
	default:
		return false;
	}
}

static void wake_locked(struct exchange *x) REQUIRES(x->lock);
static void wake_locked(struct exchange *x)
{
	if (x->gone || x->waiting == WAIT_NOTHING)
		return;
	if (!x->stopping && !is_ready_locked(x, x->waiting))
		return;
	x->waiting = WAIT_NOTHING;
	x->hooks.resume(x->hooks.arg);
}

/* The connection may be asked again while a suspension is under way: that is no second one. */
static enum exchange_want wait_locked(struct exchange *x, int what) REQUIRES(x->lock);
static enum exchange_want wait_locked(struct exchange *x, int what)
{
	if (x->stopping)
		return EXCHANGE_CLOSE;
	if (x->waiting == WAIT_NOTHING)
		x->hooks.suspend(x->hooks.arg);
	x->waiting = what;
	return EXCHANGE_WAIT;
}

/* ---- the worker's side ---- */

/* AUTH_LATER where it may not wait and would have to. */
static enum auth_verdict authorize(struct exchange *x, bool may_wait)
{
	enum auth_verdict verdict = auth_request(x->service->auth, &x->request, x->trace, may_wait,
	                                         &x->who, &x->reply);

	if (verdict != AUTH_ALLOWED)
		return verdict;
	x->body = x->action->body;
	return !x->action->check || x->action->check(x) ? AUTH_ALLOWED : AUTH_REFUSED;
}

static bool do_write(struct exchange *x, const char *data, size_t len)
{
	if (!x->action->write(x, data, len))
		return false;
	if (!x->again)
		x->body_len += (int64_t)len;
	return true;
}

/* One step of a streamed answer: what the store has ready, at most a slot. */
static void do_read(struct exchange *x, char *buf, size_t room)
{
	struct stow_op op = exchange_op(x, x->service->request_timeout);
	struct stow_error err = { 0 };
	int32_t level = STOW_LOG_ERROR;
	int64_t left;
	size_t len = 0;
	int status = STOW_ENOMEM;

	mutex_lock(&x->lock);
	left = x->reply.stream - x->read_len;
	mutex_unlock(&x->lock);
	if (room > (size_t)left)
		room = (size_t)left;
	/* who has to wait for the store gives its worker to others, where there are any */
	if (workers_crowded(x->service->workers))
		op.flags |= STOW_OP_NOWAIT;
	if (buf)
		status = stow_reader_read(x->reader, &op, buf, room, &len, &err);
	else
		text_copy(err.message, sizeof err.message, "out of memory");
	x->again = status == STOW_EBUSY && err.flags & STOW_ERROR_AGAIN;
	if (x->again)
		return;
	if (status == STOW_OK && len == 0)
		text_copy(err.message, sizeof err.message, "the store ended before the blob did");
	/* a client that went away is no fault of the store */
	if (__atomic_load_n(&x->cancel, __ATOMIC_RELAXED))
		level = STOW_LOG_DEBUG;
	if (status != STOW_OK || len == 0)
		sink_event(x->service->sink, level, x->action->label, x->trace,
		           "answer cut at byte %lld of %lld: %s",
		           (long long)(x->reply.stream - left), (long long)x->reply.stream,
		           err.message);
	mutex_lock(&x->lock);
	if (status != STOW_OK || len == 0) {
		x->read_over = x->broken = true;
	} else {
		pump_add(&x->pump, len, true);
		x->read_len += (int64_t)len;
		x->read_over = x->read_len == x->reply.stream;
	}
	mutex_unlock(&x->lock);
}

static void do_step(struct exchange *x, enum step step)
{
	const char *data = NULL;
	char *space = NULL;
	size_t len = 0;
	bool good = true;

	mutex_lock(&x->lock);
	if (step == STEP_WRITE)
		data = pump_data(&x->pump, &len);
	else if (step == STEP_READ)
		space = pump_space(&x->pump, &len);
	mutex_unlock(&x->lock);
	if (step == STEP_READ) {
		do_read(x, space, len);
		return;
	}
	if (step == STEP_AUTHORIZE)
		good = authorize(x, true) == AUTH_ALLOWED;
	else if (step == STEP_START)
		good = !x->action->start || x->action->start(x);
	else if (step == STEP_WRITE)
		good = do_write(x, data, len);
	else
		x->action->finish(x);
	if (x->park_key || x->again)
		return; /* there is no answer yet */
	/* before the answer can go out: who got it finds nothing left */
	if (!good)
		close_handles(x);
	mutex_lock(&x->lock);
	if (step == STEP_AUTHORIZE)
		x->authorized = true;
	if (step == STEP_START)
		x->started = true;
	if (step == STEP_WRITE)
		pump_drop(&x->pump, len);
	if (step == STEP_FINISH)
		x->replied = true;
	if (!good) {
		x->failed = true;
		x->replied = x->whole;
	}
	mutex_unlock(&x->lock);
}

/* It is still working, and keeps the reference of that. */
static void go_on(struct parked *p)
{
	struct exchange *x = p->owner;

	workers_push(x->service->workers, &x->work);
}

/* false: it is parked, and another thread's from now on. */
static bool finish_alone_or_lead(struct exchange *x)
{
	bool leads = false;
	char *key = x->park_key;
	int status;

	x->park_key = NULL;
	status = parking_enter(x->service->parking, key, &x->parked, &leads);
	free(key);
	if (status == STOW_OK && !leads)
		return false;
	do_step(x, STEP_FINISH);
	return true;
}

static void run_step(struct work *w)
{
	struct exchange *x = (struct exchange *)w; /* its first member */
	enum step step;
	bool last;

	mutex_lock(&x->lock);
	step = next_step_locked(x);
	x->queued_for = clock_monotonic() - x->queued_ns;
	mutex_unlock(&x->lock);
	if (step != STEP_NONE)
		do_step(x, step);
	if (x->park_key && !finish_alone_or_lead(x))
		return;
	if (x->again) {
		/* it is still working; from here on it is another thread's */
		x->again = false;
		workers_push_later(x->service->workers, &x->work);
		return;
	}
	if (x->parked.leads) /* its client is gone */
		parking_leave(x->service->parking, &x->parked, NULL);
	mutex_lock(&x->lock);
	if (x->gone) {
		mutex_unlock(&x->lock);
		close_handles(x);
		mutex_lock(&x->lock);
	}
	x->working = false;
	kick_locked(x);
	wake_locked(x);
	last = --x->refs == 0;
	mutex_unlock(&x->lock);
	if (last)
		free_exchange(x);
}

/* ---- the connection's side ---- */

/* A small body is read first: a client that is still sending would not see the answer of a closed
 * connection. Without a body the answer waits for the end, since one before it costs the
 * connection. */
static enum exchange_want refuse_locked(struct exchange *x) REQUIRES(x->lock);
static enum exchange_want refuse_locked(struct exchange *x)
{
	int64_t length = x->request.length;

	if (length <= x->service->max_discard && !x->reply.close &&
	    (length == 0 || !request_expects(&x->request)))
		return EXCHANGE_MORE;
	x->whole = x->replied = true;
	x->reply.close = true;
	return EXCHANGE_REPLY;
}

enum exchange_want exchange_begin(struct exchange *x)
{
	enum exchange_want want = EXCHANGE_MORE;
	enum auth_verdict verdict = AUTH_LATER;

	if (!x->begun) {
		x->begun = true;
		verdict = x->action ? authorize(x, false) : AUTH_REFUSED;
	}
	mutex_lock(&x->lock);
	x->authorized |= verdict != AUTH_LATER;
	x->failed |= verdict == AUTH_REFUSED;
	kick_locked(x);
	if (x->failed)
		want = refuse_locked(x);
	else if (!x->authorized || (waits_for_start_locked(x) && !x->started))
		want = wait_locked(x, WAIT_START);
	mutex_unlock(&x->lock);
	return want;
}

/* The rest of a body that nobody wants. */
static enum exchange_want discard_locked(struct exchange *x, size_t *len) REQUIRES(x->lock);
static enum exchange_want discard_locked(struct exchange *x, size_t *len)
{
	int64_t left = x->request.length < 0 ? 0 : x->request.length - x->received;

	x->received += (int64_t)*len;
	x->discarded += (int64_t)*len;
	*len = 0;
	if (x->discarded > x->service->max_discard || left > x->service->max_discard)
		return EXCHANGE_CLOSE;
	return EXCHANGE_MORE;
}

bool exchange_hold(struct exchange *x, int64_t more)
{
	struct service *s = x->service;

	if (__atomic_add_fetch(&s->held, more, __ATOMIC_RELAXED) <= s->manifest_memory) {
		x->held += more;
		return true;
	}
	__atomic_sub_fetch(&s->held, more, __ATOMIC_RELAXED);
	reply_reset(&x->reply);
	reply_header(&x->reply, "Retry-After", "1");
	reply_error(&x->reply, 503, "UNAVAILABLE", "too many manifests and lists at once", NULL);
	return false;
}

bool exchange_hold_answer(struct exchange *x)
{
	size_t cap = x->reply.body.cap;

	if (cap <= x->held_answer)
		return true;
	if (!exchange_hold(x, (int64_t)(cap - x->held_answer)))
		return false;
	x->held_answer = cap;
	return true;
}

static enum exchange_want collect_locked(struct exchange *x, const char *data, size_t *len)
	REQUIRES(x->lock);
static enum exchange_want collect_locked(struct exchange *x, const char *data, size_t *len)
{
	int64_t more = (int64_t)*len;

	if (!exchange_hold(x, more)) {
		x->failed = true;
		return discard_locked(x, len);
	}
	switch (buf_add(&x->collected, data, *len)) {
	case STOW_OK:
		x->received += more;
		*len = 0;
		return EXCHANGE_MORE;
	case STOW_ERANGE:
		reply_error(&x->reply, 413, "MANIFEST_INVALID", "the manifest is over 4 MiB", NULL);
		break;
	default:
		reply_error(&x->reply, 500, "UNKNOWN", "internal error", NULL);
		break;
	}
	x->failed = true;
	return discard_locked(x, len);
}

static enum exchange_want stream_locked(struct exchange *x, const char *data, size_t *len)
	REQUIRES(x->lock);
static enum exchange_want stream_locked(struct exchange *x, const char *data, size_t *len)
{
	while (*len > 0) {
		size_t room, n;
		char *space = pump_space(&x->pump, &room);

		if (!space && room > 0)
			return EXCHANGE_CLOSE;
		if (!space)
			return wait_locked(x, WAIT_ROOM);
		n = *len < room ? *len : room;
		memcpy(space, data, n);
		pump_add(&x->pump, n, false);
		x->received += (int64_t)n;
		data += n;
		*len -= n;
		kick_locked(x);
	}
	return EXCHANGE_MORE;
}

enum exchange_want exchange_take(struct exchange *x, const char *data, size_t *len)
{
	enum exchange_want want;

	mutex_lock(&x->lock);
	if (x->failed || x->body == BODY_DISCARD)
		want = discard_locked(x, len);
	else if (x->body == BODY_COLLECT)
		want = collect_locked(x, data, len);
	else
		want = stream_locked(x, data, len);
	mutex_unlock(&x->lock);
	return want;
}

enum exchange_want exchange_end(struct exchange *x)
{
	enum exchange_want want;

	mutex_lock(&x->lock);
	if (!x->whole) {
		x->whole = true;
		pump_flush(&x->pump);
	}
	if (x->failed)
		x->replied = true;
	kick_locked(x);
	want = x->replied ? EXCHANGE_REPLY : wait_locked(x, WAIT_REPLY);
	mutex_unlock(&x->lock);
	return want;
}

ssize_t exchange_read(struct exchange *x, char *buf, size_t cap)
{
	const char *data;
	size_t len;
	ssize_t ret;

	mutex_lock(&x->lock);
	data = pump_data(&x->pump, &len);
	if (data && len > 0) {
		if (len > cap)
			len = cap;
		memcpy(buf, data, len);
		pump_drop(&x->pump, len);
		x->sent += (int64_t)len;
		ret = (ssize_t)len;
	} else if (x->read_over) {
		ret = -1;
	} else {
		ret = 0;
	}
	kick_locked(x);
	if (ret == 0 && wait_locked(x, WAIT_DATA) == EXCHANGE_CLOSE)
		ret = -1;
	mutex_unlock(&x->lock);
	return ret;
}

bool exchange_waits_for_client(struct exchange *x, int64_t *ret_bytes, bool *ret_body)
{
	bool waits;

	mutex_lock(&x->lock);
	*ret_bytes = x->received + x->sent;
	*ret_body = !x->whole;
	waits = x->waiting == WAIT_NOTHING && (!x->whole || x->read_len > 0);
	mutex_unlock(&x->lock);
	return waits;
}

void exchange_stop(struct exchange *x)
{
	mutex_lock(&x->lock);
	__atomic_store_n(&x->cancel, 1, __ATOMIC_RELAXED);
	x->stopping = true;
	wake_locked(x);
	mutex_unlock(&x->lock);
}

void exchange_leave(struct exchange *x)
{
	bool last;

	mutex_lock(&x->lock);
	x->gone = true;
	__atomic_store_n(&x->cancel, 1, __ATOMIC_RELAXED);
	kick_locked(x);
	last = --x->refs == 0;
	mutex_unlock(&x->lock);
	if (last)
		free_exchange(x);
}
