/* SPDX-License-Identifier: Apache-2.0 */
/* A listening TCP socket from text, and addresses as text. Knows nothing of HTTP. */
#ifndef SERVE_LISTEN_H
#define SERVE_LISTEN_H

#include <stdbool.h>
#include <stowage/types.h>
#include <sys/socket.h>

#define LISTEN_ADDRESS_MAX 80

/* host:port or [v6]:port; ":port" is all addresses. ret_address takes LISTEN_ADDRESS_MAX bytes
 * and gets the address with the port that the socket really has. */
int listen_open(const char *text, int *ret_fd, char *ret_address, struct stow_error *err);
/* Connections are to be accepted with their first bytes, or a second or two later without any. */
void listen_deferred(int fd);
/* Is it such a text? Nothing is looked up. */
int listen_check(const char *text, struct stow_error *err);
/* "127.0.0.1:5000", "[::1]:5000"; text takes LISTEN_ADDRESS_MAX. false for other families. */
bool listen_format(const struct sockaddr *address, char *text);

#endif
