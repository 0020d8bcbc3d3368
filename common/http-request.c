/* SPDX-License-Identifier: Apache-2.0 */
/*
 * http-request.h over a curl easy handle.
 * It must not know threads nor queues, nor what a request means.
 *
 * The waiter's lock guards what the caller's thread and curl's callbacks share.
 */
#include "common/http-request.h"

#include <inttypes.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/http-head.h"
#include "common/http-waiter.h"
#include "common/text.h"

#define HEADERS_MAX ((size_t)64 << 10)
#define ERROR_BODY_MAX ((size_t)64 << 10)
#define BIG_BODY ((size_t)128 << 10) /* from here on curl gets larger buffers */

/* ---- its end ---- */

void http_request_detach(struct http_request *r)
{
	mutex_lock(&r->waiter->lock);
	r->detached = true;
	mutex_unlock(&r->waiter->lock);
}

void http_request_ref(struct http_request *r)
{
	atomic_fetch_add(&r->refs, 1);
}

void http_request_unref(struct http_request *r)
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

void http_request_finish(struct http_request *r, CURLcode code)
{
	long size = 0, os_errno = 0, connects = 0;
	curl_off_t took = 0;

	if (curl_easy_getinfo(r->easy, CURLINFO_REQUEST_SIZE, &size) != CURLE_OK)
		size = 1;
	if (curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &os_errno) != CURLE_OK)
		os_errno = 0;
	if (curl_easy_getinfo(r->easy, CURLINFO_NUM_CONNECTS, &connects) != CURLE_OK)
		connects = 1;
	if (curl_easy_getinfo(r->easy, CURLINFO_TOTAL_TIME_T, &took) != CURLE_OK)
		took = 0;
	mutex_lock(&r->waiter->lock);
	r->code = code;
	r->os_errno = os_errno;
	r->connects = connects;
	r->took_us = took;
	r->sent = size > 0;
	r->done = true;
	if (r->ended && !r->detached)
		r->ended(r->ended_arg, code == CURLE_OK && !r->refusal ? r->status : 0);
	http_waiter_report(r->waiter);
	mutex_unlock(&r->waiter->lock);
}

void http_request_yield(struct http_request *r)
{
	mutex_lock(&r->waiter->lock);
	r->refusal = STOW_EBUSY;
	mutex_unlock(&r->waiter->lock);
	http_request_finish(r, CURLE_OK);
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
	if (r->ring) {
		r->paused = !http_ring_put(r->ring, data, len);
		if (r->paused)
			return STOW_OK;
	} else if (r->answer) {
		memcpy(r->answer + r->arrived, data, len);
	} else if (buf_add(&r->kept, data, len) != STOW_OK) {
		return buf_status(&r->kept);
	}
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
	else if (r->paused)
		len = CURL_WRITEFUNC_PAUSE; /* and it comes again */
	r->held_since = r->paused ? clock_monotonic() : 0;
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

	r->moved_at = clock_monotonic();
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

/*
 * At least once a second.  curl's own watch over low speeds takes a few bytes now and then, as of a
 * store that says by blanks that it is still at work, for none.
 */
static int on_progress(void *arg, curl_off_t total_in, curl_off_t in, curl_off_t total_out,
                       curl_off_t out)
{
	struct http_request *r = arg;
	int64_t now = clock_monotonic();
	curl_off_t began = 0;

	(void)total_in;
	(void)total_out;
	/* until it is connected another limit holds; and a pause is the caller's */
	if (curl_easy_getinfo(r->easy, CURLINFO_PRETRANSFER_TIME_T, &began) != CURLE_OK ||
	    began == 0 || r->held_since || in + out != r->moved) {
		r->moved = in + out;
		r->moved_at = now;
	}
	if (r->stall_ns <= 0 || now - r->moved_at < r->stall_ns)
		return 0;
	mutex_lock(&r->waiter->lock);
	if (!r->refusal)
		r->refusal = STOW_ETIMEOUT;
	mutex_unlock(&r->waiter->lock);
	return 1;
}

/* ---- its beginning ---- */

static bool set_exchange(CURL *h, struct http_request *r, const struct http_exchange *x)
{
	bool put = strcmp(x->method, "PUT") == 0, post = strcmp(x->method, "POST") == 0;
	CURLcode bad = CURLE_OK;

#define SET(option, value) HTTP_REQUEST_SET(h, bad, option, value)
	SET(CURLOPT_URL, x->url);
	SET(CURLOPT_HTTPHEADER, r->headers);
	SET(CURLOPT_PRIVATE, (void *)r);
	SET(CURLOPT_ERRORBUFFER, r->failure);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, (void *)r);
	SET(CURLOPT_WRITEFUNCTION, on_write);
	SET(CURLOPT_WRITEDATA, (void *)r);
	SET(CURLOPT_XFERINFOFUNCTION, on_progress);
	SET(CURLOPT_XFERINFODATA, (void *)r);
	SET(CURLOPT_NOPROGRESS, 0L);
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
	if (x->fresh)
		SET(CURLOPT_FRESH_CONNECT, 1L);
	if (x->direct)
		SET(CURLOPT_PROXY, "");
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

struct http_request *http_request_new(struct http_waiter *w, const struct http_exchange *x)
{
	struct http_request *r = calloc(1, sizeof(*r));
	size_t most = x->answer || x->ring || x->answer_cap < ERROR_BODY_MAX ? ERROR_BODY_MAX
	                                                                     : x->answer_cap;
	bool ok;

	if (!r)
		return NULL;
	atomic_init(&r->refs, 1);
	http_waiter_ref(w);
	r->waiter = w;
	r->progress = x->progress;
	r->patient = x->patient;
	r->is_head = strcmp(x->method, "HEAD") == 0;
	r->body = x->body;
	r->body_len = x->body_len;
	r->answer = x->answer;
	r->ring = x->ring;
	r->answer_cap = x->answer_cap;
	r->ended = x->ended;
	r->ended_arg = x->ended_arg;
	buf_init(&r->head, HEADERS_MAX);
	buf_init(&r->kept, most);
	/* curl would wait for 100 Continue, and take the type for a form's */
	ok = add_header(r, "Expect:");
	for (const char *const *h = x->headers; ok && h && *h; h++)
		ok = add_header(r, *h);
	r->easy = ok ? curl_easy_init() : NULL;
	if (!r->easy || !set_exchange(r->easy, r, x)) {
		http_request_unref(r);
		return NULL;
	}
	return r;
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

bool http_request_stale(struct http_request *r)
{
	bool stale;

	mutex_lock(&r->waiter->lock);
	stale = r->done && !r->refusal && r->status == 0 && r->head.len == 0;
	/* curl rewinds for this reason alone, and may have connected anew by then */
	if (r->code != CURLE_SEND_FAIL_REWIND)
		stale = stale && r->connects == 0 &&
		        (r->code == CURLE_SEND_ERROR || r->code == CURLE_RECV_ERROR ||
		         r->code == CURLE_GOT_NOTHING);
	mutex_unlock(&r->waiter->lock);
	return stale;
}

unsigned http_request_connects(struct http_request *r)
{
	unsigned connects;

	mutex_lock(&r->waiter->lock);
	connects = r->connects > 0 ? (unsigned)r->connects : 0;
	mutex_unlock(&r->waiter->lock);
	return connects;
}

int64_t http_request_took(struct http_request *r)
{
	int64_t took;

	mutex_lock(&r->waiter->lock);
	took = (int64_t)r->took_us * 1000;
	mutex_unlock(&r->waiter->lock);
	return took;
}

bool http_request_header(struct http_request *r, const char *name, char *ret, size_t cap)
{
	bool found;

	mutex_lock(&r->waiter->lock);
	found = http_head_find(&r->head, name, ret, cap);
	mutex_unlock(&r->waiter->lock);
	return found;
}

size_t http_request_take(struct http_request *r, struct http_waiter *w, struct http_ring *ring,
                         void *buf, size_t cap)
{
	bool resume = false;
	size_t len;

	mutex_lock(&w->lock);
	len = http_ring_get(ring, buf, cap);
	if (r && r->paused && !r->done && http_ring_roomy(ring)) {
		r->paused = false;
		resume = true;
	}
	mutex_unlock(&w->lock);
	if (resume)
		http_client_resume(r);
	return len;
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
	if (refusal == STOW_ETIMEOUT) {
		error_set(err, STOW_ETIMEOUT, "http", "no byte moved for %" PRId64 " ms",
		          r->stall_ns / CLOCK_MILLISECOND);
		error_flag(err, STOW_ERROR_RETRYABLE);
		return STOW_ETIMEOUT;
	}
	if (refusal == STOW_EBUSY) {
		error_set(err, STOW_EBUSY, "http", "given up after a long pause");
		error_flag(err, STOW_ERROR_RETRYABLE);
		return STOW_EBUSY;
	}
	if (refusal)
		return error_set(err, refusal, "http", "given up");
	if (code == CURLE_OK && r->status == 0) { /* closed within the head of an answer */
		error_set(err, STOW_EIO, "http", "the answer ended within its header");
		error_flag(err, STOW_ERROR_RETRYABLE);
		return STOW_EIO;
	}
	if (code == CURLE_OK)
		return STOW_OK;
	return result_of_code(r, err);
}
