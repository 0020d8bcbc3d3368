/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libmicrohttpd's callbacks, turned into the calls of exchange.h.  It must not know routes,
 * registries or what an answer means.
 */
#include "host/serve/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/text.h"
#include "host/serve/connections.h"
#include "host/serve/head.h"
#include "host/serve/listen.h"

/* What the library copies at a time of a streamed answer. */
#define BLOCK ((size_t)64 * 1024)

/* One request as the library sees it. */
struct transfer {
	struct server *server;
	struct MHD_Connection *connection;
	char *target;
	struct exchange *exchange; /* from the headers' end on */
	bool begun;                /* what comes now is its body */
	bool queued;               /* the answer is the library's */
	bool own;                  /* and its body was a buffer of `body_len` bytes */
	int64_t body_len;
	struct connection *on; /* NULL where memory ran out when it began */
	int fd;
	bool handed;  /* atomic; the answer is the library's, and it has all of the body */
	int64_t left; /* bytes that the client had acknowledged by then */
	/* the sweep's */
	bool suspect;                /* at the last one the client had ended its side */
	int64_t last_bytes;          /* at the last one */
	int64_t last_ns;             /* of the last one; 0: there was none */
	int64_t turn_ns, turn_bytes; /* of the client's turns in this period */
	struct transfer *next, *prev;
};

struct server {
	struct service *service;
	struct server_options options;
	struct MHD_Daemon *daemon;
	char address[LISTEN_ADDRESS_MAX];
	uint64_t boot;    /* random: request ids of two runs differ */
	uint64_t counter; /* atomic */
	bool quiesced;    /* atomic */
	int listener;     /* after quiesce: ours to close; else -1 */
	struct mutex lock;
	struct transfer *first;
	size_t busy;
	bool stopping;
	struct connections connections;
};

static void suspend(void *arg)
{
	struct transfer *t = arg;

	MHD_suspend_connection(t->connection);
}

static void resume(void *arg)
{
	struct transfer *t = arg;

	MHD_resume_connection(t->connection);
}

/* ---- a request comes in ---- */

/* What notice made of it. */
static struct connection *connection_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

/* The library (0.9.75) does not say of every head that it is over: not of one that it has refused for
 * the number of its query's arguments. */
static void forget_head(struct connection *c)
{
	if (!c->head)
		return;
	free(c->head->target);
	free(c->head);
	c->head = NULL;
}

/* The raw target, before the library decodes anything of it. */
static void *take_target(void *cls, const char *target, struct MHD_Connection *connection)
{
	struct transfer *t = calloc(1, sizeof *t);
	struct connection *c;

	if (!t)
		return NULL;
	t->server = cls;
	t->connection = connection;
	t->target = strdup(target);
	c = connection_of(connection);
	if (c) {
		forget_head(c);
		c->head = t;
	}
	return t;
}

/* The router decodes; the library must not cut at what it decoded. */
static size_t keep_escapes(void *cls, struct MHD_Connection *connection, char *s)
{
	(void)cls;
	(void)connection;
	return strlen(s);
}

struct head_walk {
	struct request *request;
	struct head head;
};

static enum MHD_Result take_header(void *cls, enum MHD_ValueKind kind, const char *name,
                                   const char *value)
{
	struct head_walk *walk = cls;

	(void)kind;
	head_line(&walk->head, name, value);
	return request_header(walk->request, name, value) ? MHD_YES : MHD_NO;
}

static int socket_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

/* Where the client is and believes us to be; the request's headers are there. */
static bool find_origin(struct transfer *t)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		t->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	struct exchange *x = t->exchange;
	struct origin_peer peer = {
		.address = info ? info->client_addr : NULL,
		.tls = x->request.tls,
	};

	origin_find(&x->origin, x->service->origin, &x->request, &peer);
	x->request.remote = strdup(x->origin.client);
	return x->request.remote != NULL;
}

/* Counted while it is in the list; false while the server stops or has too much to do. */
static bool enlist(struct transfer *t, bool *ret_stopping)
{
	struct server *s = t->server;
	size_t waiting = workers_waiting(s->service->workers);
	bool room;

	mutex_lock(&s->lock);
	*ret_stopping = s->stopping;
	room = s->busy < (size_t)s->options.max_requests && waiting <= (size_t)s->options.max_queue;
	s->busy++;
	t->next = s->first;
	if (t->next)
		t->next->prev = t;
	s->first = t;
	mutex_unlock(&s->lock);
	return room;
}

static void delist(struct transfer *t)
{
	struct server *s = t->server;

	mutex_lock(&s->lock);
	s->busy--;
	if (t->next)
		t->next->prev = t->prev;
	if (t->prev)
		t->prev->next = t->next;
	else
		s->first = t->next;
	mutex_unlock(&s->lock);
}

static void read_peer(struct transfer *t)
{
	struct request *r = &t->exchange->request;

	if (!t->server->options.tls)
		return;
	r->tls = true;
	text_copy(r->client_name, sizeof r->client_name,
	          tls_client_name(t->on ? t->on->tls : NULL));
}

/* Behind the head's empty line. */
static const char *end_of_head(struct transfer *t, const char *method)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(
		t->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

	return info ? method + info->header_size : method;
}

/* All three lie where the library has received them. */
static bool read_head(struct transfer *t, const char *method, const char *url, const char *version)
{
	struct request *r = &t->exchange->request;
	struct head_walk walk = { .request = r };
	int n;

	read_peer(t);
	r->method = request_method(method);
	text_copy(r->method_text, sizeof r->method_text, method);
	r->target = t->target;
	t->target = NULL;
	if (!r->target)
		return false;
	head_begin(&walk.head, url, strlen(r->target), version, end_of_head(t, method));
	n = MHD_get_connection_values(t->connection, MHD_HEADER_KIND, NULL, NULL);
	if (n < 0 ||
	    MHD_get_connection_values(t->connection, MHD_HEADER_KIND, take_header, &walk) != n)
		return false;
	if (strncmp(MHD_get_version(), "0.", 2) == 0 && !head_is_whole(&walk.head))
		r->malformed = true;
	return find_origin(t) &&
	       route_parse_below(&r->route, r->target, t->server->service->origin->prefix);
}

/* ---- an answer goes out ---- */

static ssize_t read_answer(void *cls, uint64_t pos, char *buf, size_t max)
{
	struct transfer *t = cls;
	ssize_t n = exchange_read(t->exchange, buf, max);

	(void)pos;
	return n < 0 ? MHD_CONTENT_READER_END_WITH_ERROR : n;
}

static struct MHD_Response *make_response(struct transfer *t)
{
	struct reply *r = &t->exchange->reply;
	struct MHD_Response *response;
	size_t len;
	char *data;

	reply_finish(r);
	if (buf_status(&r->body) != STOW_OK || buf_status(&r->headers) != STOW_OK ||
	    r->status == 0) {
		reply_reset(r);
		r->status = 500;
	}
	if (r->stream > 0)
		return MHD_create_response_from_callback((uint64_t)r->stream, BLOCK, read_answer, t,
		                                         NULL);
	len = r->body.len;
	if (len == 0)
		return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	data = buf_take(&r->body);
	response = MHD_create_response_from_buffer(len, data, MHD_RESPMEM_MUST_FREE);
	if (!response) {
		free(data);
		return NULL;
	}
	t->own = true;
	t->body_len = (int64_t)len;
	return response;
}

/* One that the answer has itself is not said twice. */
static bool has_header(const struct reply *r, const char *wanted)
{
	const char *name, *value;
	size_t cursor = 0;

	while (reply_next_header(r, &cursor, &name, &value)) {
		if (text_equal_nocase(name, wanted))
			return true;
	}
	return false;
}

static bool add_extra_headers(const struct exchange *x, struct MHD_Response *response)
{
	const char *name, *value;
	size_t cursor = 0;

	while (headers_next(x->service->headers, &cursor, &name, &value)) {
		if (!has_header(&x->reply, name) &&
		    MHD_add_response_header(response, name, value) != MHD_YES)
			return false;
	}
	return true;
}

static enum MHD_Result queue_reply(struct transfer *t)
{
	struct exchange *x = t->exchange;
	struct MHD_Response *response = make_response(t);
	const char *name, *value;
	size_t cursor = 0;
	enum MHD_Result result = MHD_YES;

	if (!response)
		return MHD_NO;
	while (reply_next_header(&x->reply, &cursor, &name, &value)) {
		if (MHD_add_response_header(response, name, value) != MHD_YES)
			result = MHD_NO;
	}
	if (!add_extra_headers(x, response))
		result = MHD_NO;
	if (x->request.route.v2 &&
	    MHD_add_response_header(response, "Docker-Distribution-Api-Version", "registry/2.0") !=
	            MHD_YES)
		result = MHD_NO;
	if (MHD_add_response_header(response, "X-Request-Id", x->trace) != MHD_YES)
		result = MHD_NO;
	if ((x->reply.close || __atomic_load_n(&t->server->quiesced, __ATOMIC_RELAXED)) &&
	    MHD_add_response_header(response, "Connection", "close") != MHD_YES)
		result = MHD_NO;
	if (result == MHD_YES)
		result = MHD_queue_response(t->connection, (unsigned)x->reply.status, response);
	t->queued = result == MHD_YES;
	if (t->queued && t->own) {
		t->left = connection_acknowledged(t->fd);
		__atomic_store_n(&t->handed, true, __ATOMIC_RELEASE);
	}
	MHD_destroy_response(response);
	return result;
}

/* ---- the library's callbacks ---- */

static enum MHD_Result open_exchange(struct transfer *t, const char *method, const char *url,
                                     const char *version)
{
	struct exchange_hooks hooks = { suspend, resume, t };
	struct server *s = t->server;
	char trace[REQUEST_ID_MAX + 1];
	uint64_t id;
	bool stopping, room;

	id = s->boot + __atomic_add_fetch(&s->counter, 1, __ATOMIC_RELAXED);
	text_format(trace, sizeof trace, "%016llx", (unsigned long long)id);
	t->exchange = exchange_new(s->service, &hooks, trace);
	if (!t->exchange)
		return MHD_NO;
	t->fd = socket_of(t->connection);
	t->on = connection_of(t->connection);
	if (t->on)
		t->on->head = NULL;
	connection_begin(&s->connections, t->on);
	room = enlist(t, &stopping);
	if (stopping || !read_head(t, method, url, version))
		return MHD_NO;
	if (request_id(&t->exchange->request))
		text_copy(t->exchange->trace, sizeof(t->exchange->trace),
		          request_id(&t->exchange->request));
	s->options.route(t->exchange);
	/* whether it is alive can be told however much there is to do */
	if (!room && t->exchange->action && t->exchange->request.route.kind != ROUTE_LIVE &&
	    t->exchange->request.route.kind != ROUTE_READY) {
		t->exchange->action = NULL;
		reply_header(&t->exchange->reply, "Retry-After", "1");
		reply_error(&t->exchange->reply, 503, "UNAVAILABLE", "too many requests at once",
		            NULL);
	}
	return MHD_YES;
}

/* Called until the body is wanted or refused; so long the library reads none of it. */
static enum MHD_Result begin(struct transfer *t)
{
	switch ((int)exchange_begin(t->exchange)) {
	case EXCHANGE_MORE:
		t->begun = true;
		return MHD_YES;
	case EXCHANGE_REPLY:
		t->begun = true;
		return queue_reply(t);
	case EXCHANGE_WAIT:
		return MHD_YES;
	default:
		return MHD_NO;
	}
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data,
                              size_t *len, void **context)
{
	struct transfer *t = *context;

	(void)cls;
	(void)connection;
	if (!t)
		return MHD_NO;
	if (!t->exchange && open_exchange(t, method, url, version) != MHD_YES)
		return MHD_NO;
	if (!t->begun)
		return begin(t);
	if (t->queued) {
		*len = 0;
		return MHD_YES;
	}
	if (*len > 0)
		return exchange_take(t->exchange, data, len) == EXCHANGE_CLOSE ? MHD_NO : MHD_YES;
	switch ((int)exchange_end(t->exchange)) {
	case EXCHANGE_REPLY:
		return queue_reply(t);
	case EXCHANGE_CLOSE:
		return MHD_NO;
	default:
		return MHD_YES;
	}
}

static void log_request(const struct transfer *t, bool whole)
{
	struct exchange *x = t->exchange;
	bool body = x->request.method != METHOD_HEAD;
	char *target;
	struct sink_request line = {
		.trace = x->trace,
		.remote = x->request.remote,
		.method = x->request.method_text,
		.agent = x->request.header[HEADER_USER_AGENT],
		.status = t->queued ? x->reply.status : 0,
		.broken = !whole,
		.duration_ns = clock_monotonic() - x->begun_ns,
		.store_requests = __atomic_load_n(&x->requests, __ATOMIC_RELAXED),
	};

	mutex_lock(&x->lock);
	line.received = x->received;
	line.user = x->authorized && x->who.user[0] ? x->who.user : x->request.client_name;
	line.sent = t->own && body ? t->body_len : x->sent;
	mutex_unlock(&x->lock);
	target = request_loggable(&x->request);
	line.target = target;
	sink_request(x->service->sink, &line);
	free(target);
}

static void complete(void *cls, struct MHD_Connection *connection, void **context,
                     enum MHD_RequestTerminationCode code)
{
	struct transfer *t = *context;
	struct connection *c;

	(void)cls;
	*context = NULL;
	if (!t)
		return;
	c = connection_of(connection);
	if (c && c->head == t)
		c->head = NULL;
	if (t->exchange) {
		log_request(t, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
		delist(t);
		connection_end(&t->server->connections, t->on);
		exchange_leave(t->exchange);
	}
	free(t->target);
	free(t);
}

static void notice(void *cls, struct MHD_Connection *connection, void **context,
                   enum MHD_ConnectionNotificationCode code)
{
	struct server *s = cls;
	struct connection *c = *context;
	struct tls_connection *tls;
	int fd;

	if (code != MHD_CONNECTION_NOTIFY_STARTED) {
		tls = c ? c->tls : NULL;
		if (c)
			forget_head(c);
		connection_free(&s->connections, c);
		tls_disconnect(tls);
		*context = NULL;
		return;
	}
	fd = socket_of(connection);
	c = connection_new(&s->connections, fd);
	*context = c;
	if (s->options.tls) {
		/* without it the handshake fails */
		if (c)
			c->tls = tls_connect(s->options.tls, connection);
	} else if (connection_speaks_tls(fd)) {
		/* the library would close without an answer, which who tries both takes ill */
		connection_refuse(fd, "This port speaks HTTP: use http instead of https");
	}
}

static void log_library(void *cls, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));
static void log_library(void *cls, const char *fmt, va_list ap)
{
	const struct server *s = cls;
	char line[512];
	size_t len;

	/* its lines are about single clients, and end with a line end */
	if (vsnprintf(line, sizeof line, fmt, ap) < 0)
		return;
	len = strlen(line);
	while (len > 0 && line[len - 1] == '\n')
		line[--len] = '\0';
	sink_event(s->service->sink, STOW_LOG_DEBUG, "http", NULL, "%s", line);
}

/* ---- start and stop ---- */

static int start_daemon(struct server *s, int fd, struct stow_error *err)
{
	const struct server_options *o = &s->options;
	struct MHD_OptionItem pool[] = {
		{ MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)o->threads, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};
	const struct MHD_OptionItem plain[] = { { MHD_OPTION_END, 0, NULL } };
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
	                 MHD_USE_ERROR_LOG;
	int64_t idle = (o->idle_timeout + CLOCK_SECOND - 1) / CLOCK_SECOND;

	if (o->threads < 2)
		pool[0] = pool[1];
	if (o->tls)
		flags |= MHD_USE_TLS;
	s->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, handle, s, MHD_OPTION_EXTERNAL_LOGGER, log_library, s,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)o->max_header, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
		(unsigned)o->max_per_address, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)o->max_connections, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)idle,
		MHD_OPTION_NOTIFY_COMPLETED, complete, s, MHD_OPTION_URI_LOG_CALLBACK, take_target,
		s, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, s, MHD_OPTION_SIGPIPE_HANDLED_BY_APP,
		1, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION, notice, s,
		MHD_OPTION_ARRAY, pool, MHD_OPTION_ARRAY, o->tls ? tls_options(o->tls) : plain,
		MHD_OPTION_END);
	if (s->daemon)
		return STOW_OK;
	return error_errno(err, errno, "http.start", "cannot start the HTTP server on %s",
	                   s->address);
}

static void free_server(struct server *s)
{
	connections_done(&s->connections);
	mutex_done(&s->lock);
	free(s);
}

int server_start(const struct server_options *options, struct service *service, struct server **ret,
                 struct stow_error *err)
{
	struct server *s = calloc(1, sizeof *s);
	int fd = -1, status;

	if (!s)
		return error_nomem(err, "http.start");
	if (mutex_init(&s->lock) != 0) {
		free(s);
		return error_nomem(err, "http.start");
	}
	if (connections_init(&s->connections, service->sink, options->idle_timeout) != 0) {
		mutex_done(&s->lock);
		free(s);
		return error_nomem(err, "http.start");
	}
	s->options = *options;
	s->service = service;
	s->listener = -1;
	if (!hash_random(&s->boot, sizeof s->boot))
		status = error_set(err, STOW_EIO, "http.start", "no random numbers to be had");
	else
		status = listen_open(options->listen, &fd, s->address, err);
	/* so that what speaks TLS can be told apart before the library reads it */
	if (status == STOW_OK && !options->tls)
		listen_deferred(fd);
	if (status == STOW_OK)
		status = start_daemon(s, fd, err);
	if (status != STOW_OK) {
		if (fd >= 0)
			close(fd);
		free_server(s);
		return status;
	}
	*ret = s;
	return STOW_OK;
}

const char *server_address(const struct server *s)
{
	return s->address;
}

/* The library's threads may still have the socket in hand: it is closed when they have ended. */
void server_quiesce(struct server *s)
{
	__atomic_store_n(&s->quiesced, true, __ATOMIC_RELAXED);
	s->listener = MHD_quiesce_daemon(s->daemon);
	if (s->listener >= 0)
		shutdown(s->listener, SHUT_RDWR);
}

size_t server_busy(struct server *s)
{
	size_t n;

	mutex_lock(&s->lock);
	n = s->busy;
	mutex_unlock(&s->lock);
	return n;
}

/*
 * The library reads until it gets less than it asked for and then waits for the next edge of
 * epoll; an end that came together with the last bytes makes none, and the request would lie there
 * until its time is over.  Twice seen without a byte between, it is ended here: shutdown makes an
 * edge.
 */
static bool has_gone(struct transfer *t, bool body, int64_t bytes)
{
	bool ended = body && connection_ended(t->fd);
	bool gone = ended && t->suspect && bytes == t->last_bytes;

	t->suspect = ended;
	return gone;
}

/* The time in which the store or a worker has its turn is not the client's. */
static bool is_slow(const struct server *s, struct transfer *t, bool turn, int64_t bytes,
                    int64_t now)
{
	bool slow;

	if (t->last_ns && turn) {
		t->turn_ns += now - t->last_ns;
		t->turn_bytes += bytes - t->last_bytes;
	}
	t->last_ns = now;
	if (t->turn_ns < s->options.min_rate_time)
		return false;
	slow = t->turn_bytes / (t->turn_ns / CLOCK_SECOND) < s->options.min_rate;
	t->turn_ns = t->turn_bytes = 0;
	return slow;
}

/* Whose turn it is, and the bytes so far. */
static bool waits_for_client(struct transfer *t, int64_t *ret_bytes, bool *ret_body)
{
	bool turn = exchange_waits_for_client(t->exchange, ret_bytes, ret_body);

	if (!__atomic_load_n(&t->handed, __ATOMIC_ACQUIRE))
		return turn;
	*ret_body = false;
	*ret_bytes += connection_acknowledged(t->fd) - t->left;
	return true;
}

void server_sweep(struct server *s)
{
	int64_t now = clock_monotonic();

	mutex_lock(&s->lock);
	for (struct transfer *t = s->first; t; t = t->next) {
		int64_t bytes;
		bool body, turn = waits_for_client(t, &bytes, &body);
		bool slow = is_slow(s, t, turn, bytes, now);

		if (slow)
			sink_event(s->service->sink, STOW_LOG_INFO, "http", t->exchange->trace,
			           "closed: the client is slower than [http] minrate");
		if (has_gone(t, turn && body, bytes) || slow)
			shutdown(t->fd, SHUT_RDWR);
		t->last_bytes = bytes;
	}
	mutex_unlock(&s->lock);
	connections_sweep(&s->connections, now);
}

void server_stop(struct server *s)
{
	if (!s)
		return;
	/* nothing may be suspended when the library ends, and nothing may suspend any more */
	mutex_lock(&s->lock);
	s->stopping = true;
	for (struct transfer *t = s->first; t; t = t->next)
		exchange_stop(t->exchange);
	mutex_unlock(&s->lock);
	tls_stop(s->options.tls);
	MHD_stop_daemon(s->daemon);
	if (s->listener >= 0)
		close(s->listener);
	free_server(s);
}
