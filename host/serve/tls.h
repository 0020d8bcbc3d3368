/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS for the server's connections: the certificate, its key and the client authority from [http],
 * the versions and ciphers, and what a client certificate says.
 *
 * It promises that files that changed are taken up within seconds and that those that are of no
 * use change nothing; that a connection keeps what it began with; that a client certificate is
 * verified (chain, dates, purpose) before the handshake ends; and that a handshake that waits for
 * the client costs no work, and is over when the time of an idle connection is.  It must not know
 * requests.
 */
#ifndef SERVE_TLS_H
#define SERVE_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stowage/config.h>

#include "host/serve/log.h"

#define TLS_NAME_MAX 256 /* bytes of a client's name, with the NUL */

struct MHD_Connection;
struct MHD_OptionItem;
struct tls;
struct tls_connection;

/*
 * NULL in *ret where no certificate is configured. An error names option and file: one that cannot
 * be read or used, a key of another certificate, ciphers that are none. Configuration and
 * sink must outlive it. Warnings (an expired certificate, a key that others can read) go to the
 * sink.
 */
int tls_open(const struct stow_config *, const struct sink *, struct tls **ret,
             struct stow_error *err);
/*
 * Reads certificate, key and client authority anew, for connections to come; says in the log where
 * they changed. On failure what was in force stays. Any thread.
 */
int tls_reload(struct tls *, struct stow_error *err);
/* Ends handshakes whose time is over and, every few seconds, reloads where files changed; a failure
 * goes to the log once. To be called every second or so, by one thread. NULL is fine. */
void tls_tick(struct tls *);
/* Ends the handshakes that wait; before the library's threads are stopped. NULL is fine. */
void tls_stop(struct tls *);
/* After all connections. NULL is fine. */
void tls_close(struct tls *);

/* What the library is to be started with, beside its flag for TLS. */
const struct MHD_OptionItem *tls_options(const struct tls *);
/* A new connection, in its thread and before its first byte. Where it is NULL memory ran out, and
 * the handshake will fail. */
struct tls_connection *tls_connect(struct tls *, struct MHD_Connection *);
/* The connection has ended. NULL is fine. */
void tls_disconnect(struct tls_connection *);
/*
 * The name in the verified client certificate: the first common name of its subject, or where there
 * is none the first URI, mail address or DNS name among its alternative names. "" if there is no
 * certificate. UTF-8 without control characters. For requests of the connection, in its thread. NULL
 * is fine.
 */
const char *tls_client_name(const struct tls_connection *);

#endif
