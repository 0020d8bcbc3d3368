/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine of curl-multi threads behind http-client.h.  It must not know what a request means,
 * nor hold any caller's memory once the request was freed.
 *
 * Locks: a waiter's lock guards the state of its requests, a thread's lock its queues; neither is
 * ever taken while the other is held.  A request has two owners, the caller and the engine, and
 * goes when both have let go.
 *
 * A paused request keeps its connection for a while, then it is ended and its caller asks again
 * for the rest: stores hold a lock on what is being read, and close what does not move.  Where
 * requests wait for a connection it is ended soon.
 */
#include "common/http-client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/http-proxy.h"
#include "common/http-request.h"
#include "common/text.h"
#include "common/thread.h"

#define IDLE_SECONDS 15L /* servers close idle connections after 20 s and more */
/* how long a paused request keeps its connection: where others wait, and where none does */
#define HELD_LEAST (200 * CLOCK_MILLISECOND)
#define HELD_MOST (5 * CLOCK_SECOND)

struct http_engine {
	struct http_client *client;
	pthread_t thread;
	bool started, inited;
	CURLM *multi;
	unsigned active, max_active; /* the thread's own */
	bool was_patient;            /* likewise: the last one from the queue */

	struct mutex lock;
	bool stop;
	struct http_request *queue, *queue_tail;
	struct http_request *running;
	bool drops;   /* some running one was dropped */
	bool resumes; /* some running one may go on */
};

struct http_client {
	pid_t pid;
	unsigned n;
	atomic_uint turn;
	struct http_client_options options;
	char *ca_file, *user_agent;
	char *http_proxy, *no_proxy; /* of the environment, where curl would not look or heed it */
	struct http_engine engines[];
};

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

static void retire(struct http_engine *e, struct http_request *r)
{
	curl_multi_remove_handle(e->multi, r->easy);
	mutex_lock(&e->lock);
	unlink_locked(&e->running, NULL, r);
	r->place = HTTP_REQUEST_ENDED;
	mutex_unlock(&e->lock);
	e->active--;
	http_request_unref(r);
}

static struct http_request *next_dropped(struct http_engine *e)
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

static struct http_request *next_resumed(struct http_engine *e)
{
	struct http_request *r = NULL;

	mutex_lock(&e->lock);
	if (e->resumes)
		for (r = e->running; r && !r->resumed; r = r->next)
			;
	if (r)
		r->resumed = false;
	else
		e->resumes = false;
	mutex_unlock(&e->lock);
	return r;
}

/* The one that has paused longest, where that is too long. */
static struct http_request *next_yielding(struct http_engine *e)
{
	struct http_request *found = NULL;
	int64_t before = clock_monotonic();

	mutex_lock(&e->lock);
	before -= e->queue && e->active >= e->max_active ? HELD_LEAST : HELD_MOST;
	for (struct http_request *r = e->running; r; r = r->next)
		if (r->held_since && r->held_since < before && !r->resumed) {
			before = r->held_since;
			found = r;
		}
	mutex_unlock(&e->lock);
	return found;
}

/* The next one from the queue becomes a running one. */
static struct http_request *next_queued(struct http_engine *e)
{
	struct http_request *r;

	if (e->active >= e->max_active)
		return NULL;
	mutex_lock(&e->lock);
	r = e->queue;
	if (e->was_patient)
		while (r && r->patient)
			r = r->next;
	r = r ? r : e->queue;
	if (r) {
		e->was_patient = r->patient;
		unlink_locked(&e->queue, &e->queue_tail, r);
		r->next = e->running;
		if (r->next)
			r->next->prev = r;
		e->running = r;
		r->place = HTTP_REQUEST_RUNNING;
	}
	mutex_unlock(&e->lock);
	return r;
}

static void start_queued(struct http_engine *e)
{
	struct http_request *r;

	while ((r = next_queued(e))) {
		e->active++;
		if (curl_multi_add_handle(e->multi, r->easy) != CURLM_OK) {
			http_request_finish(r, CURLE_OUT_OF_MEMORY);
			retire(e, r);
		}
	}
}

static void take_work(struct http_engine *e)
{
	struct http_request *r;

	while ((r = next_dropped(e)))
		retire(e, r);
	while ((r = next_resumed(e))) {
		r->held_since = 0;
		curl_easy_pause(r->easy, CURLPAUSE_CONT);
	}
	start_queued(e);
	/* each makes room for one that waits, if there is one */
	while ((r = next_yielding(e))) {
		http_request_yield(r);
		retire(e, r);
		start_queued(e);
	}
}

/* For how many milliseconds nothing has to be done unless something comes. */
static int rest(struct http_engine *e)
{
	int64_t now = clock_monotonic(), until = now + CLOCK_SECOND;

	mutex_lock(&e->lock);
	if (e->queue) {
		until = now + CLOCK_SECOND / 10;
		for (struct http_request *r = e->running; r; r = r->next)
			if (r->held_since && r->held_since + HELD_LEAST < until)
				until = r->held_since + HELD_LEAST;
	}
	mutex_unlock(&e->lock);
	return until > now ? (int)((until - now) / CLOCK_MILLISECOND) + 1 : 1;
}

static bool stopping(struct http_engine *e)
{
	bool stop;

	mutex_lock(&e->lock);
	stop = e->stop;
	mutex_unlock(&e->lock);
	return stop;
}

static void *engine_run(void *arg)
{
	struct http_engine *e = arg;

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
			http_request_finish(r, msg->data.result);
			retire(e, r);
			running = -1; /* room for another: look at the queue before sleeping */
		}
		if (running >= 0)
			curl_multi_poll(e->multi, NULL, 0, rest(e), NULL);
	}
	for (struct http_request *r = e->running; r; r = e->running) {
		http_request_finish(r, CURLE_ABORTED_BY_CALLBACK);
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

static int engine_open(struct http_engine *e, struct http_client *c, unsigned connections,
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

/* NULL where it is empty, too. */
static const char *variable(const char *name)
{
	const char *value = secure_getenv(name);

	return value && value[0] ? value : NULL;
}

/*
 * As the environment is when the client is opened.  HTTP_PROXY is a header of the request where a
 * program is a CGI script: there it is left alone, as curl does everywhere.
 */
static bool take_proxies(struct http_client *c)
{
	const char *none = variable("no_proxy"), *http = variable("HTTP_PROXY");

	if (!none)
		none = variable("NO_PROXY");
	if (variable("http_proxy") || variable("REQUEST_METHOD"))
		http = NULL;
	c->no_proxy = none ? strdup(none) : NULL;
	c->http_proxy = http ? strdup(http) : NULL;
	return (c->no_proxy || !none) && (c->http_proxy || !http);
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
	if ((o->ca_file && !c->ca_file) || !c->user_agent || !take_proxies(c)) {
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

static void engine_close(struct http_engine *e)
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
	free(c->http_proxy);
	free(c->no_proxy);
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

/* Does NO_PROXY name the URL's host? */
static bool is_excepted(const struct http_client *c, const char *url)
{
	CURLU *u = curl_url();
	char *host = NULL, *port = NULL, *name;
	int64_t number = 0;
	bool found = false;

	if (c->no_proxy && u && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
	    text_to_int64(port, &number)) {
		name = host + (host[0] == '[');
		name[strcspn(name, "]")] = '\0';
		found = http_proxy_excepts(c->no_proxy, name, (unsigned)number);
	}
	curl_free(host);
	curl_free(port);
	curl_url_cleanup(u);
	return found;
}

static bool set_proxy(CURL *h, const struct http_client *c, const char *url)
{
	CURLcode bad = CURLE_OK;

	if (c->http_proxy && text_starts(url, "http:"))
		HTTP_REQUEST_SET(h, bad, CURLOPT_PROXY, c->http_proxy);
	HTTP_REQUEST_SET(h, bad, CURLOPT_NOPROXY, is_excepted(c, url) ? "*" : "");
	return bad == CURLE_OK;
}

static bool set_transport(CURL *h, const struct http_client *c)
{
	const struct http_client_options *o = &c->options;
	CURLcode bad = CURLE_OK;

#define SET(option, value) HTTP_REQUEST_SET(h, bad, option, value)
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PATH_AS_IS, 1L);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L); /* a proxy's answer is not the server's */
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L); /* a slow name server must not hold up the engine */
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_MAXAGE_CONN, IDLE_SECONDS);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)(o->connect_timeout_ns / CLOCK_MILLISECOND));
	SET(CURLOPT_USERAGENT, c->user_agent);
	if (o->skip_verify) {
		SET(CURLOPT_SSL_VERIFYPEER, 0L);
		SET(CURLOPT_SSL_VERIFYHOST, 0L);
	}
	if (c->ca_file) {
		SET(CURLOPT_CAINFO, c->ca_file);
		if (!o->ca_beside)
			SET(CURLOPT_CAPATH, NULL);
	}
#undef SET
	return bad == CURLE_OK;
}

int http_request_start(struct http_client *c, struct http_waiter *w, const struct http_exchange *x,
                       struct http_request **ret, struct stow_error *err)
{
	struct http_request *r;
	struct http_engine *e;

	if (c->pid != getpid())
		return error_set(err, STOW_EINVAL, "http.start",
		                 "the store was opened before fork: open it in this process");
	r = http_request_new(w, x);
	if (!r || !set_transport(r->easy, c) || !(x->direct || set_proxy(r->easy, c, x->url))) {
		http_request_unref(r);
		return error_nomem(err, "http.start");
	}
	r->stall_ns = c->options.stall_timeout_ns;
	e = r->engine = &c->engines[atomic_fetch_add(&c->turn, 1) % c->n];
	http_request_ref(r); /* the engine's */
	mutex_lock(&e->lock);
	r->place = HTTP_REQUEST_QUEUED;
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
	struct http_engine *e;
	bool unqueued = false, wake = false;

	if (!r)
		return;
	http_request_detach(r);
	e = r->engine;
	mutex_lock(&e->lock);
	if (r->place == HTTP_REQUEST_QUEUED) {
		unlink_locked(&e->queue, &e->queue_tail, r);
		r->place = HTTP_REQUEST_ENDED;
		unqueued = true;
	} else if (r->place == HTTP_REQUEST_RUNNING) {
		r->dropped = e->drops = wake = true;
	}
	mutex_unlock(&e->lock);
	if (unqueued)
		http_request_unref(r);
	if (wake)
		curl_multi_wakeup(e->multi);
	http_request_unref(r);
}

void http_client_resume(struct http_request *r)
{
	struct http_engine *e = r->engine;

	mutex_lock(&e->lock);
	r->resumed = e->resumes = true;
	mutex_unlock(&e->lock);
	curl_multi_wakeup(e->multi);
}
