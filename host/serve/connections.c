/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel counts of a connection tells what goes on outside of requests: more bytes than
 * there were when the last one was over are a head that was begun.
 */
#include "host/serve/connections.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/text.h"
#include "host/serve/listen.h"

/* The type of a TLS record that holds a message of the handshake (RFC 8446 section 5.1). */
#define TLS_HANDSHAKE 0x16

static bool read_info(int fd, struct tcp_info *ret)
{
	socklen_t len = sizeof *ret;

	memset(ret, 0, sizeof *ret);
	return fd >= 0 && getsockopt(fd, IPPROTO_TCP, TCP_INFO, ret, &len) == 0;
}

static int64_t received(int fd)
{
	struct tcp_info info;

	return read_info(fd, &info) ? (int64_t)info.tcpi_bytes_received : 0;
}

int64_t connection_acknowledged(int fd)
{
	struct tcp_info info;

	return read_info(fd, &info) ? (int64_t)info.tcpi_bytes_acked : 0;
}

bool connection_ended(int fd)
{
	char c;

	return fd >= 0 && recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

bool connection_speaks_tls(int fd)
{
	char c;

	return fd >= 0 && recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && c == TLS_HANDSHAKE;
}

void connection_refuse(int fd, const char *text)
{
	char scratch[4096], answer[512];

	/* what is not read when the connection closes would take the answer with it */
	for (int i = 0; i < 8 && recv(fd, scratch, sizeof scratch, MSG_DONTWAIT) > 0; i++)
		;
	if (text_format(answer, sizeof answer,
	                "HTTP/1.1 400 Bad Request\r\n"
	                "Content-Type: text/plain\r\n"
	                "Content-Length: %zu\r\n"
	                "Connection: close\r\n\r\n"
	                "%s",
	                strlen(text), text))
		(void)!send(fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)shutdown(fd, SHUT_RDWR);
}

int connections_init(struct connections *l, const struct sink *sink, int64_t patience)
{
	memset(l, 0, sizeof *l);
	l->sink = sink;
	l->patience = patience;
	return mutex_init(&l->lock);
}

void connections_done(struct connections *l)
{
	mutex_done(&l->lock);
}

struct connection *connection_new(struct connections *l, int fd)
{
	struct connection *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->fd = fd;
	mutex_lock(&l->lock);
	c->next = l->first;
	if (c->next)
		c->next->prev = c;
	l->first = c;
	mutex_unlock(&l->lock);
	return c;
}

void connection_free(struct connections *l, struct connection *c)
{
	if (!c)
		return;
	mutex_lock(&l->lock);
	if (c->next)
		c->next->prev = c->prev;
	if (c->prev)
		c->prev->next = c->next;
	else
		l->first = c->next;
	mutex_unlock(&l->lock);
	free(c);
}

void connection_begin(struct connections *l, struct connection *c)
{
	if (!c)
		return;
	mutex_lock(&l->lock);
	c->busy = true;
	c->suspect = false;
	c->begun_ns = 0;
	mutex_unlock(&l->lock);
}

void connection_end(struct connections *l, struct connection *c)
{
	int64_t bytes;

	if (!c)
		return;
	bytes = received(c->fd);
	mutex_lock(&l->lock);
	c->busy = false;
	c->idle_bytes = bytes;
	mutex_unlock(&l->lock);
}

/* Why it is to be shut down; NULL: it is not. */
static const char *judge(const struct connections *l, struct connection *c, int64_t now)
{
	int64_t bytes = received(c->fd);
	bool begun = bytes > c->idle_bytes, ended;

	if (begun && !c->begun_ns)
		c->begun_ns = now;
	if (begun && now - c->begun_ns >= l->patience)
		return "the head of a request took longer than [http] idletimeout";
	/* the library waits for an edge of epoll, which an end that came with bytes makes none of */
	ended = connection_ended(c->fd);
	if (ended && c->suspect && bytes == c->last_bytes)
		return begun ? "the client ended in the middle of a head" : "the client ended";
	c->suspect = ended;
	c->last_bytes = bytes;
	return NULL;
}

static void log_end(const struct connections *l, const struct connection *c, const char *why)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof peer;
	char address[LISTEN_ADDRESS_MAX];

	if (getpeername(c->fd, (struct sockaddr *)&peer, &len) != 0 ||
	    !listen_format((const struct sockaddr *)&peer, address))
		text_copy(address, sizeof address, "?");
	sink_event(l->sink, STOW_LOG_INFO, "http", NULL, "closed %s: %s", address, why);
}

void connections_sweep(struct connections *l, int64_t now)
{
	mutex_lock(&l->lock);
	for (struct connection *c = l->first; c; c = c->next) {
		const char *why = c->busy ? NULL : judge(l, c, now);

		if (!why)
			continue;
		log_end(l, c, why);
		(void)shutdown(c->fd, SHUT_RDWR);
		c->begun_ns = now; /* the library takes its time */
	}
	mutex_unlock(&l->lock);
}
