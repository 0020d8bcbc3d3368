/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The open connections, and what no request shows: a head that does not become whole.
 *
 * It promises that a connection on which a head was begun, and is not whole when the patience is
 * over, is shut down at the next sweep, however its bytes trickle, and so is one whose client
 * closed its side in the middle of a head or after a request; that one with a request under way is
 * left alone; and
 * that whoever speaks the other of HTTP and TLS is told so.  It must not know the HTTP library nor
 * what a head says.
 */
#ifndef SERVE_CONNECTIONS_H
#define SERVE_CONNECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/thread.h"
#include "host/serve/log.h"

struct tls_connection;
struct transfer;

struct connection {
	int fd;                     /* the library's */
	struct tls_connection *tls; /* the caller's; NULL without TLS */
	struct transfer *head; /* the caller's; NULL where no head has begun, or one is whole */
	bool busy;             /* a head is whole, and its request not over */
	bool suspect;          /* at the last sweep the client had ended its side */
	int64_t idle_bytes;    /* received when the last request was over */
	int64_t last_bytes;    /* received at the last sweep */
	int64_t begun_ns;      /* of the sweep that first saw more than that; 0: none has */
	struct connection *next, *prev;
};

struct connections {
	const struct sink *sink;
	int64_t patience; /* ns from the first byte of a head to its last */
	struct mutex lock;
	struct connection *first GUARDED_BY(lock);
};

/* 0 or an errno. */
int connections_init(struct connections *, const struct sink *, int64_t patience);
/* After all connections. */
void connections_done(struct connections *);
/* Shuts down those whose time is over. To be called every second or so. */
void connections_sweep(struct connections *, int64_t now_ns);

/* A new one, whose descriptor stays open until connection_free. NULL where memory ran out. */
struct connection *connection_new(struct connections *, int fd);
/* NULL is fine. */
void connection_free(struct connections *, struct connection *);
/* A head is whole; its request is over. NULL is fine. */
void connection_begin(struct connections *, struct connection *);
void connection_end(struct connections *, struct connection *);

/* Has the client closed its side, with nothing left to read? */
bool connection_ended(int fd);
/* Bytes of the connection that the client's system has acknowledged; 0 where it cannot be told. */
int64_t connection_acknowledged(int fd);
/* The connection has bytes to read, and they begin as a TLS handshake does. */
bool connection_speaks_tls(int fd);
/* Reads what there is, sends 400 with that text and shuts the connection down. */
void connection_refuse(int fd, const char *text);

#endif
