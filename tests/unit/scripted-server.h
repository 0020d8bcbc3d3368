/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP server that answers from a script, one step a request in the order they come, and
 * remembers what it was asked.  For what a real server will not do on demand.
 */
#ifndef TESTS_UNIT_SCRIPTED_SERVER_H
#define TESTS_UNIT_SCRIPTED_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SCRIPT_STEPS 16
#define SCRIPT_CONNECTIONS 16
#define SCRIPT_REQUEST ((size_t)64 << 10)

enum script_after { SCRIPT_KEEP = 0, SCRIPT_CLOSE = 1, SCRIPT_SILENT = 2 };

struct script_step {
	const char *answer; /* sent as it is; NULL sends nothing */
	enum script_after after;
};

struct script_connection {
	int fd;
	char *text; /* what came, with a NUL */
	size_t len;
};

struct scripted_server {
	pthread_t thread;
	int listener, stop[2];
	int port;
	char endpoint[40];
	const struct script_step *steps;
	size_t n_steps;
	/* read by the test after script_stop, or between its own calls */
	char *requests[SCRIPT_STEPS]; /* head and body */
	size_t n_requests;
	struct script_connection connections[SCRIPT_CONNECTIONS];
	unsigned accepted;
};

/* The length of the whole request in text, 0 if it is not all there. */
static inline size_t script_request_len(const char *text, size_t len)
{
	const char *end = strstr(text, "\r\n\r\n"), *field;
	size_t head, body = 0;

	if (!end)
		return 0;
	head = (size_t)(end - text) + 4;
	field = strcasestr(text, "\r\nContent-Length:");
	if (field && field < end)
		body = strtoul(field + strlen("\r\nContent-Length:"), NULL, 10);
	return len >= head + body ? head + body : 0;
}

static inline void script_close(struct script_connection *c)
{
	close(c->fd);
	free(c->text);
	*c = (struct script_connection){ .fd = -1 };
}

static inline void script_answer(struct scripted_server *s, struct script_connection *c,
                                 size_t request_len)
{
	static const struct script_step none = { "HTTP/1.1 599 No step left\r\n"
		                                 "Content-Length: 0\r\n\r\n",
		                                 SCRIPT_KEEP };
	const struct script_step *step = s->n_requests < s->n_steps ? &s->steps[s->n_requests]
	                                                            : &none;

	if (s->n_requests < SCRIPT_STEPS)
		s->requests[s->n_requests] = strndup(c->text, request_len);
	__atomic_add_fetch(&s->n_requests, 1, __ATOMIC_RELEASE);
	memmove(c->text, c->text + request_len, c->len - request_len + 1);
	c->len -= request_len;
	if (step->answer) {
		const char *p = step->answer;
		size_t left = strlen(p);

		while (left) {
			ssize_t n = send(c->fd, p, left, MSG_NOSIGNAL);

			if (n <= 0)
				break;
			p += n;
			left -= (size_t)n;
		}
	}
	if (step->after == SCRIPT_CLOSE)
		script_close(c);
}

static inline void script_read(struct scripted_server *s, struct script_connection *c)
{
	size_t whole;
	ssize_t n = recv(c->fd, c->text + c->len, SCRIPT_REQUEST - c->len - 1, 0);

	if (n <= 0) {
		script_close(c);
		return;
	}
	c->len += (size_t)n;
	c->text[c->len] = '\0';
	whole = script_request_len(c->text, c->len);
	if (whole)
		script_answer(s, c, whole);
}

static inline void script_accept(struct scripted_server *s)
{
	int fd = accept(s->listener, NULL, NULL);

	for (size_t i = 0; fd >= 0 && i < SCRIPT_CONNECTIONS; i++) {
		struct script_connection *c = &s->connections[i];

		if (c->fd >= 0)
			continue;
		c->fd = fd;
		c->len = 0;
		c->text = calloc(1, SCRIPT_REQUEST);
		__atomic_add_fetch(&s->accepted, 1, __ATOMIC_RELEASE);
		if (c->text)
			return;
		script_close(c);
		return;
	}
	if (fd >= 0)
		close(fd);
}

static inline void *script_run(void *arg)
{
	struct scripted_server *s = arg;

	for (;;) {
		struct pollfd p[SCRIPT_CONNECTIONS + 2];

		for (size_t i = 0; i < SCRIPT_CONNECTIONS; i++)
			p[i] = (struct pollfd){ .fd = s->connections[i].fd, .events = POLLIN };
		p[SCRIPT_CONNECTIONS] = (struct pollfd){ .fd = s->listener, .events = POLLIN };
		p[SCRIPT_CONNECTIONS + 1] = (struct pollfd){ .fd = s->stop[0], .events = POLLIN };
		if (poll(p, SCRIPT_CONNECTIONS + 2, -1) < 0 || p[SCRIPT_CONNECTIONS + 1].revents)
			return NULL;
		for (size_t i = 0; i < SCRIPT_CONNECTIONS; i++)
			if (p[i].revents)
				script_read(s, &s->connections[i]);
		if (p[SCRIPT_CONNECTIONS].revents)
			script_accept(s);
	}
}

static inline bool script_start(struct scripted_server *s, const struct script_step *steps,
                                size_t n)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);

	*s = (struct scripted_server){ .steps = steps, .n_steps = n };
	for (size_t i = 0; i < SCRIPT_CONNECTIONS; i++)
		s->connections[i].fd = -1;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(s->listener, 16) < 0 ||
	    getsockname(s->listener, (struct sockaddr *)&a, &len) < 0 || pipe(s->stop) < 0)
		return false;
	s->port = ntohs(a.sin_port);
	snprintf(s->endpoint, sizeof(s->endpoint), "http://127.0.0.1:%d", s->port);
	return pthread_create(&s->thread, NULL, script_run, s) == 0;
}

/* Ends the thread; the requests stay to be looked at until script_free. */
static inline void script_stop(struct scripted_server *s)
{
	close(s->stop[1]);
	pthread_join(s->thread, NULL);
	close(s->stop[0]);
	close(s->listener);
	for (size_t i = 0; i < SCRIPT_CONNECTIONS; i++)
		if (s->connections[i].fd >= 0)
			script_close(&s->connections[i]);
}

static inline void script_free(struct scripted_server *s)
{
	for (size_t i = 0; i < SCRIPT_STEPS; i++)
		free(s->requests[i]);
}

#endif
