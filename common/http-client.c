/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine of curl-multi threads behind http-client.h.  It must not know what a request means,
 * nor hold any caller's memory once the request was freed.
 *
 * Locks: a waiter's lock guards the state of its requests, a thread's lock its queues; neither is
 * ever taken while the other is held.  A request has two owners, the caller and the engine, and
 * goes when both have let go.
 */
#include "common/http-client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/http-head.h"
#include "common/http-waiter.h"
#include "common/text.h"
#include "common/thread.h"

#define HEADERS_MAX ((size_t)64 << 10)
#define ERROR_BODY_MAX ((size_t)64 << 10)
#define BIG_BODY ((size_t)128 << 10) /* from here on curl gets larger buffers */
#define IDLE_SECONDS 15L             /* servers close idle connections after 20 s and more */

enum request_place { PLACE_QUEUE = 1, PLACE_ACTIVE = 2, PLACE_NONE = 3 };

struct http_request {
	atomic_uint refs;
	struct engine *engine;
	struct http_waiter *waiter;
	CURL *easy;
	struct curl_slist *headers;
	bool progress, is_head;
	char failure[CURL_ERROR_SIZE]; /* curl's own words; the engine's until done */

	/* under the engine's lock */
	int place;
	bool dropped; /* the caller has gone: take it off */
	struct http_request *next, *prev;

	/* under the waiter's lock */
	bool detached; /* the caller's memory is out of bounds */
	bool done, sent;
	const char *body;
	size_t body_len, body_at;
	char *answer;
	size_t answer_cap, arrived;
	int status;
	int refusal; /* why a callback stopped the transfer */
	CURLcode code;
	long os_errno;
	struct buf head, kept;
	void (*ended)(void *arg, int status);
	void *ended_arg;
};

struct engine {
	struct http_client *client;
	pthread_t thread;
	bool started, inited;
	CURLM *multi;
	unsigned active, max_active; /* the thread's own */

	struct mutex lock;
	bool stop;
	struct http_request *queue, *queue_tail;
	struct http_request *running;
	bool drops; /* some running one was dropped */
};

struct http_client {
	pid_t pid;
	unsigned n;
	atomic_uint turn;
	struct http_client_options options;
	char *ca_file, *user_agent;
	struct engine engines[];
};

/* ---- a request's end ---- */

static void request_unref(struct http_request *r)
{
	if (!r || atomic_fetch_sub(&r->refs, 1) != 1)
		return;
	if (r->easy)
		curl_easy_cleanup(r->easy);
	curl_slist_free_all(r->headers);
	buf_done(&r->head);
	buf_done(&r->kept);
	http_waiter_free(r->waiter);
	free(r);
}

static void finish(struct http_request *r, CURLcode code)
{
	long size = 0, os_errno = 0;

	if (curl_easy_getinfo(r->easy, CURLINFO_REQUEST_SIZE, &size) != CURLE_OK)
		size = 1;
	if (curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &os_errno) != CURLE_OK)
		os_errno = 0;
	mutex_lock(&r->waiter->lock);
	r->code = code;
	r->os_errno = os_errno;
	r->sent = size > 0;
	r->done = true;
	if (r->ended && !r->detached)
		r->ended(r->ended_arg, code == CURLE_OK && !r->refusal ? r->status : 0);
	http_waiter_report(r->waiter);
	mutex_unlock(&r->waiter->lock);
}

/* ---- curl's callbacks, on the engine's thread ---- */

static size_t on_read(char *to, size_t size, size_t n, void *arg)
{
	struct http_request *r = arg;
	size_t room = size * n, len;

	mutex_lock(&r->waiter->lock);
	if (r->detached) {
		mutex_unlock(&r->waiter->lock);
		return CURL_READFUNC_ABORT;
	}
	len = r->body_len - r->body_at;
	if (len > room)
		len = room;
	if (len)
		memcpy(to, r->body + r->body_at, len);
	r->body_at += len;
	mutex_unlock(&r->waiter->lock);
	return len;
}

/* Where a body that came belongs, given what the header said. */
static int place_body_locked(struct http_request *r, const char *data, size_t len)
	REQUIRES(&r->waiter->lock);
static int place_body_locked(struct http_request *r, const char *data, size_t len)
{
	if (r->status / 100 != 2) {
		size_t room = ERROR_BODY_MAX - r->kept.len;

		return buf_add(&r->kept, data, len < room ? len : room);
	}
	if (len > r->answer_cap - r->arrived)
		return STOW_ERANGE;
	if (r->answer)
		memcpy(r->answer + r->arrived, data, len);
	else if (buf_add(&r->kept, data, len) != STOW_OK)
		return buf_status(&r->kept);
	r->arrived += len;
	if (r->progress)
		http_waiter_report(r->waiter);
	return STOW_OK;
}

static size_t on_write(char *data, size_t size, size_t n, void *arg)
{
	struct http_request *r = arg;
	size_t len = size * n;

	mutex_lock(&r->waiter->lock);
	if (r->detached)
		r->refusal = STOW_ECANCELED;
	else if (!r->refusal)
		r->refusal = place_body_locked(r, data, len);
	if (r->refusal)
		len = size * n + 1; /* anything but the length stops the transfer */
	mutex_unlock(&r->waiter->lock);
	return len;
}

static int header_line_locked(struct http_request *r, const char *line, size_t len)
	REQUIRES(&r->waiter->lock);
static int header_line_locked(struct http_request *r, const char *line, size_t len)
{
	char text[32];
	int64_t announced;
	int status;

	if (r->status)
		return STOW_OK; /* a trailer */
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
		buf_reset(&r->head);
	if (len > 2)
		return buf_add(&r->head, line, len);
	status = http_head_status(buf_text(&r->head), r->head.len);
	if (status < 200)
		return STOW_OK; /* 100 Continue and its like: another header follows */
	r->status = status;
	if (r->progress)
		http_waiter_report(r->waiter);
	/* No byte of a body that is too long anyway is fetched. */
	if (status / 100 == 2 && !r->is_head &&
	    http_head_find(&r->head, "Content-Length", text, sizeof(text)) &&
	    text_to_int64(text, &announced) && (uint64_t)announced > r->answer_cap)
		return STOW_ERANGE;
	return STOW_OK;
}

static size_t on_header(char *line, size_t size, size_t n, void *arg)
{
	struct http_request *r = arg;
	size_t len = size * n;

	mutex_lock(&r->waiter->lock);
	if (r->detached)
		r->refusal = STOW_ECANCELED;
	else if (!r->refusal)
		r->refusal = header_line_locked(r, line, len);
	if (r->refusal)
		len = size * n + 1;
	mutex_unlock(&r->waiter->lock);
	return len;
}

/* ---- the engine's thread ---- */

static void unlink_locked(struct http_request **first, struct http_request **last,
                          struct http_request *r)
{
	if (r->prev)
		r->prev->next = r->next;
	else
		*first = r->next;
	if (r->next)
		r->next->prev = r->prev;
	else if (last)
		*last = r->prev;
	r->next = r->prev = NULL;
}

static void retire(struct engine *e, struct http_request *r)
{
	curl_multi_remove_handle(e->multi, r->easy);
	mutex_lock(&e->lock);
	unlink_locked(&e->running, NULL, r);
	r->place = PLACE_NONE;
	mutex_unlock(&e->lock);
	e->active--;
	request_unref(r);
}

static struct http_request *next_dropped(struct engine *e)
{
	struct http_request *r = NULL;

	mutex_lock(&e->lock);
	if (e->drops)
		for (r = e->running; r && !r->dropped; r = r->next)
			;
	if (!r)
		e->drops = false;
	mutex_unlock(&e->lock);
	return r;
}

/* The next one from the queue becomes a running one. */
static struct http_request *next_queued(struct engine *e)
{
	struct http_request *r;

	if (e->active >= e->max_active)
		return NULL;
	mutex_lock(&e->lock);
	r = e->queue;
	if (r) {
		unlink_locked(&e->queue, &e->queue_tail, r);
		r->next = e->running;
		if (r->next)
			r->next->prev = r;
		e->running = r;
		r->place = PLACE_ACTIVE;
	}
	mutex_unlock(&e->lock);
	return r;
}

static void take_work(struct engine *e)
{
	struct http_request *r;

	while ((r = next_dropped(e)))
		retire(e, r);
	while ((r = next_queued(e))) {
		e->active++;
		if (curl_multi_add_handle(e->multi, r->easy) != CURLM_OK) {
			finish(r, CURLE_OUT_OF_MEMORY);
			retire(e, r);
		}
	}
}

static bool stopping(struct engine *e)
{
	bool stop;

	mutex_lock(&e->lock);
	stop = e->stop;
	mutex_unlock(&e->lock);
	return stop;
}

static void *engine_run(void *arg)
{
	struct engine *e = arg;

	while (!stopping(e)) {
		int running = 0, left = 0;
		CURLMsg *msg;

		take_work(e);
		curl_multi_perform(e->multi, &running);
		while ((msg = curl_multi_info_read(e->multi, &left))) {
			struct http_request *r = NULL;
			char *private = NULL;

			if (msg->msg != CURLMSG_DONE)
				continue;
			curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &private);
			r = (struct http_request *)(void *)private;
			finish(r, msg->data.result);
			retire(e, r);
			running = -1; /* room for another: look at the queue before sleeping */
		}
		if (running >= 0)
			curl_multi_poll(e->multi, NULL, 0, 1000, NULL);
	}
	for (struct http_request *r = e->running; r; r = e->running) {
		finish(r, CURLE_ABORTED_BY_CALLBACK);
		retire(e, r);
	}
	return NULL;
}

/* ---- the client ---- */

static void global_init(void)
{
	/* Never undone: others in the process may use curl. */
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int library_check(struct stow_error *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const curl_version_info_data *info;
	const char *text = "";

	if (!hash_library_fits(&text))
		return error_set(err, STOW_ENOTSUP, "http.open", "%s", text);
	if (pthread_once(&once, global_init) != 0)
		return error_nomem(err, "http.open");
	info = curl_version_info(CURLVERSION_NOW);
	if (info->version_num >> 16 != LIBCURL_VERSION_MAJOR || info->version_num < 0x075400)
		return error_set(
			err, STOW_ENOTSUP, "http.open",
			"libcurl %s is bound at run time, built against %s: needs the same "
			"major and at least 7.84",
			info->version, LIBCURL_VERSION);
	return STOW_OK;
}

static int engine_open(struct engine *e, struct http_client *c, unsigned connections,
                       struct stow_error *err)
{
	int r;

	e->client = c;
	e->max_active = connections;
	r = mutex_init(&e->lock);
	if (r != 0)
		return error_errno(err, r, "http.open", "cannot make a lock");
	e->inited = true;
	e->multi = curl_multi_init();
	if (!e->multi ||
	    curl_multi_setopt(e->multi, CURLMOPT_MAXCONNECTS, (long)connections) != CURLM_OK ||
	    curl_multi_setopt(e->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) != CURLM_OK)
		return error_nomem(err, "http.open");
	r = thread_start(&e->thread, 0, engine_run, e);
	if (r != 0)
		return error_errno(err, r, "http.open", "cannot start a thread");
	e->started = true;
	return STOW_OK;
}

int http_client_open(const struct http_client_options *o, struct http_client **ret,
                     struct stow_error *err)
{
	unsigned threads = o->threads ? o->threads : 1;
	struct http_client *c;
	int r = library_check(err);

	if (r != STOW_OK)
		return r;
	if (threads > o->max_connections)
		threads = o->max_connections ? o->max_connections : 1;
	c = calloc(1, sizeof(*c) + threads * sizeof(c->engines[0]));
	if (!c)
		return error_nomem(err, "http.open");
	c->pid = getpid();
	c->options = *o;
	c->n = threads;
	c->ca_file = o->ca_file ? strdup(o->ca_file) : NULL;
	c->user_agent = strdup(o->user_agent ? o->user_agent : "stowage");
	if ((o->ca_file && !c->ca_file) || !c->user_agent) {
		r = error_nomem(err, "http.open");
		goto fail;
	}
	for (unsigned i = 0; i < threads; i++) {
		unsigned share = o->max_connections / threads;

		r = engine_open(&c->engines[i], c, share ? share : 1, err);
		if (r != STOW_OK)
			goto fail;
	}
	*ret = c;
	return STOW_OK;
fail:
	http_client_close(c);
	return r;
}

static void engine_close(struct engine *e)
{
	if (e->started) {
		mutex_lock(&e->lock);
		e->stop = true;
		mutex_unlock(&e->lock);
		curl_multi_wakeup(e->multi);
		pthread_join(e->thread, NULL);
	}
	if (e->multi)
		curl_multi_cleanup(e->multi);
	if (e->inited)
		mutex_done(&e->lock);
}

void http_client_close(struct http_client *c)
{
	if (!c || c->pid != getpid())
		return; /* in a forked child there are no threads to end, and sockets are not ours */
	for (unsigned i = 0; i < c->n; i++)
		engine_close(&c->engines[i]);
	free(c->ca_file);
	free(c->user_agent);
	free(c);
}

/* ---- starting ---- */

/* A program that the host starts meanwhile must not get our connections, as it would of curl's. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	(void)arg;
	if (purpose != CURLSOCKTYPE_IPCXN)
		return CURL_SOCKET_BAD;
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static bool set_transport(CURL *h, const struct http_client *c)
{
	const struct http_client_options *o = &c->options;
	long stall = (long)((o->stall_timeout_ns + CLOCK_SECOND - 1) / CLOCK_SECOND);
	CURLcode bad = CURLE_OK;

#define SET(option, value)                                                                         \
	do {                                                                                       \
		if (bad == CURLE_OK)                                                               \
			bad = curl_easy_setopt(h, (option), (value));                              \
	} while (0)
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L); /* a slow name server must not hold up the engine */
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_MAXAGE_CONN, IDLE_SECONDS);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(o->connect_timeout_ns / CLOCK_MILLISECOND));
	SET(CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(CURLOPT_LOW_SPEED_TIME, stall);
	SET(CURLOPT_USERAGENT, c->user_agent);
	if (o->skip_verify) {
		SET(CURLOPT_SSL_VERIFYPEER, 0L);
		SET(CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (c->ca_file)
		SET(CURLOPT_CAINFO, c->ca_file);
	return bad == CURLE_OK;
}

static bool set_exchange(CURL *h, struct http_request *r, const struct http_exchange *x)
{
	bool put = strcmp(x->method, "PUT") == 0, post = strcmp(x->method, "POST") == 0;
	CURLcode bad = CURLE_OK;

	SET(CURLOPT_URL, x->url);
	SET(CURLOPT_HTTPHEADER, r->headers);
	SET(CURLOPT_PRIVATE, (void *)r);
	SET(CURLOPT_ERRORBUFFER, r->failure);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, (void *)r);
	SET(CURLOPT_WRITEFUNCTION, on_write);
	SET(CURLOPT_WRITEDATA, (void *)r);
	if (r->is_head) {
		SET(CURLOPT_NOBODY, 1L);
	} else if (put || post) {
		SET(CURLOPT_UPLOAD, 1L);
		SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->body_len);
		SET(CURLOPT_READFUNCTION, on_read);
		SET(CURLOPT_READDATA, (void *)r);
		/*
		 * No CURLOPT_SEEKFUNCTION: curl would rewind the body and send it a second time by
		 * itself where a connection that was kept died without an answer.  Whoever asked
		 * must know that the first may have been carried out.
		 */
		if (post)
			SET(CURLOPT_CUSTOMREQUEST, "POST");
	} else {
		SET(CURLOPT_HTTPGET, 1L);
		if (strcmp(x->method, "GET") != 0)
			SET(CURLOPT_CUSTOMREQUEST, x->method);
	}
	if (x->body_len >= BIG_BODY)
		SET(CURLOPT_UPLOAD_BUFFERSIZE, (long)BIG_BODY);
	if (x->answer_cap >= BIG_BODY)
		SET(CURLOPT_BUFFERSIZE, (long)BIG_BODY);
#undef SET
	return bad == CURLE_OK;
}

static bool add_header(struct http_request *r, const char *line)
{
	struct curl_slist *more = curl_slist_append(r->headers, line);

	if (!more)
		return false;
	r->headers = more;
	return true;
}

static struct http_request *request_new(struct http_client *c, struct http_waiter *w,
                                        const struct http_exchange *x)
{
	struct http_request *r = calloc(1, sizeof(*r));
	bool ok;

	if (!r)
		return NULL;
	atomic_init(&r->refs, 1);
	http_waiter_ref(w);
	r->waiter = w;
	r->engine = &c->engines[atomic_fetch_add(&c->turn, 1) % c->n];
	r->progress = x->progress;
	r->is_head = strcmp(x->method, "HEAD") == 0;
	r->body = x->body;
	r->body_len = x->body_len;
	r->answer = x->answer;
	r->answer_cap = x->answer_cap;
	r->ended = x->ended;
	r->ended_arg = x->ended_arg;
	buf_init(&r->head, HEADERS_MAX);
	buf_init(&r->kept,
	         x->answer ? ERROR_BODY_MAX
	                   : (x->answer_cap > ERROR_BODY_MAX ? x->answer_cap : ERROR_BODY_MAX));
	/* curl would wait for 100 Continue, and take the type for a form's */
	ok = add_header(r, "Expect:");
	for (const char *const *h = x->headers; ok && h && *h; h++)
		ok = add_header(r, *h);
	r->easy = ok ? curl_easy_init() : NULL;
	if (!r->easy || !set_transport(r->easy, c) || !set_exchange(r->easy, r, x)) {
		request_unref(r);
		return NULL;
	}
	return r;
}

int http_request_start(struct http_client *c, struct http_waiter *w, const struct http_exchange *x,
                       struct http_request **ret, struct stow_error *err)
{
	struct http_request *r;
	struct engine *e;

	if (c->pid != getpid())
		return error_set(err, STOW_EINVAL, "http.start",
		                 "the store was opened before fork: open it in this process");
	r = request_new(c, w, x);
	if (!r)
		return error_nomem(err, "http.start");
	e = r->engine;
	atomic_fetch_add(&r->refs, 1); /* the engine's */
	mutex_lock(&e->lock);
	r->place = PLACE_QUEUE;
	r->prev = e->queue_tail;
	if (r->prev)
		r->prev->next = r;
	else
		e->queue = r;
	e->queue_tail = r;
	mutex_unlock(&e->lock);
	curl_multi_wakeup(e->multi);
	*ret = r;
	return STOW_OK;
}

void http_request_free(struct http_request *r)
{
	struct engine *e;
	bool unqueued = false, wake = false;

	if (!r)
		return;
	mutex_lock(&r->waiter->lock);
	r->detached = true;
	mutex_unlock(&r->waiter->lock);
	e = r->engine;
	mutex_lock(&e->lock);
	if (r->place == PLACE_QUEUE) {
		unlink_locked(&e->queue, &e->queue_tail, r);
		r->place = PLACE_NONE;
		unqueued = true;
	} else if (r->place == PLACE_ACTIVE) {
		r->dropped = e->drops = wake = true;
	}
	mutex_unlock(&e->lock);
	if (unqueued)
		request_unref(r);
	if (wake)
		curl_multi_wakeup(e->multi);
	request_unref(r);
}

/* ---- looking ---- */

bool http_request_done(struct http_request *r)
{
	bool done;

	mutex_lock(&r->waiter->lock);
	done = r->done;
	mutex_unlock(&r->waiter->lock);
	return done;
}

int http_request_status(struct http_request *r)
{
	int status;

	mutex_lock(&r->waiter->lock);
	status = r->status;
	mutex_unlock(&r->waiter->lock);
	return status;
}

size_t http_request_arrived(struct http_request *r)
{
	size_t arrived;

	mutex_lock(&r->waiter->lock);
	arrived = r->arrived;
	mutex_unlock(&r->waiter->lock);
	return arrived;
}

bool http_request_sent(struct http_request *r)
{
	bool sent;

	/* While it runs nobody can tell: it may be. */
	mutex_lock(&r->waiter->lock);
	sent = r->done ? r->sent : true;
	mutex_unlock(&r->waiter->lock);
	return sent;
}

bool http_request_header(struct http_request *r, const char *name, char *ret, size_t cap)
{
	bool found;

	mutex_lock(&r->waiter->lock);
	found = http_head_find(&r->head, name, ret, cap);
	mutex_unlock(&r->waiter->lock);
	return found;
}

const char *http_request_body(struct http_request *r, size_t *ret_len)
{
	*ret_len = r->kept.len;
	return buf_text(&r->kept);
}

static const char *words_of(const struct http_request *r)
{
	return r->failure[0] ? r->failure : curl_easy_strerror(r->code);
}

static int result_of_code(struct http_request *r, struct stow_error *err)
{
	int status = STOW_EIO;
	uint32_t flags = 0;

	switch ((int)r->code) {
	case CURLE_OUT_OF_MEMORY:
		return error_nomem(err, "http");
	case CURLE_OPERATION_TIMEDOUT:
		status = STOW_ETIMEOUT;
		flags = STOW_ERROR_RETRYABLE;
		break;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
		error_set(err, STOW_EIO, "http", "certificate not trusted: %s", words_of(r));
		return STOW_EIO;
	case CURLE_SEND_FAIL_REWIND: /* see set_exchange */
		error_set(err, STOW_EIO, "http", "the connection was closed without an answer");
		error_flag(err, STOW_ERROR_RETRYABLE);
		return STOW_EIO;
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_PARTIAL_FILE:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		flags = STOW_ERROR_RETRYABLE;
		break;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
		status = STOW_EINVAL;
		break;
	default:
		break;
	}
	error_set(err, status, "http", "%s", words_of(r));
	error_flag(err, flags);
	return status;
}

int http_request_result(struct http_request *r, struct stow_error *err)
{
	int refusal;
	CURLcode code;

	mutex_lock(&r->waiter->lock);
	refusal = r->refusal;
	code = r->code;
	mutex_unlock(&r->waiter->lock);
	if (refusal == STOW_ENOMEM)
		return error_nomem(err, "http");
	if (refusal == STOW_ERANGE)
		return error_set(err, STOW_ERANGE, "http", "the answer is longer than %zu bytes",
		                 r->answer_cap);
	if (refusal)
		return error_set(err, refusal, "http", "given up");
	if (code == CURLE_OK && r->status == 0)
		return error_set(err, STOW_EIO, "http", "no answer");
	if (code == CURLE_OK)
		return STOW_OK;
	return result_of_code(r, err);
}
