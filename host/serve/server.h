/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTP server: a listening socket, the library's threads, and the way from its callbacks to
 * exchanges.  It promises that its threads never wait for the store; it knows no routes.
 */
#ifndef SERVE_SERVER_H
#define SERVE_SERVER_H

#include "host/serve/exchange.h"
#include "host/serve/tls.h"

struct server;

struct server_options {
	const char *listen; /* host:port or [v6]:port */
	int64_t threads, max_connections, max_requests, max_queue;
	int64_t idle_timeout;    /* ns */
	int64_t max_per_address; /* connections; 0: no limit */
	int64_t max_header;      /* octets */
	int64_t min_rate;        /* octets a second; 0: none */
	int64_t min_rate_time;   /* ns of a client's turns over which it holds, a second or more */
	struct tls *tls;         /* NULL: plain HTTP; must outlive the server */
	/* chooses x->action or makes the reply that refuses */
	void (*route)(struct exchange *x);
};

/* The service must outlive the server. */
int server_start(const struct server_options *, struct service *, struct server **ret,
                 struct stow_error *err);
/* "127.0.0.1:5000": where it really listens. */
const char *server_address(const struct server *);
/* Takes no new connection from now on; those that are open are told to close. */
void server_quiesce(struct server *);
/* Requests under way. */
size_t server_busy(struct server *);
/* Ends requests whose client went away unnoticed, or is too slow. To be called every second or so. */
void server_sweep(struct server *);
/* Gives up what is still under way and ends the threads. Stop the workers after it. */
void server_stop(struct server *);

#endif
