/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets to listen on.  It must not know who accepts from them.
 */
#include "host/serve/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"

static const char where[] = "http.listen";

bool listen_format(const struct sockaddr *address, char *text)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	char number[INET6_ADDRSTRLEN];

	switch (address ? address->sa_family : AF_UNSPEC) {
	case AF_INET:
		memcpy(&v4, address, sizeof v4);
		return inet_ntop(AF_INET, &v4.sin_addr, number, sizeof number) &&
		       text_format(text, LISTEN_ADDRESS_MAX, "%s:%u", number,
		                   (unsigned)ntohs(v4.sin_port));
	case AF_INET6:
		memcpy(&v6, address, sizeof v6);
		return inet_ntop(AF_INET6, &v6.sin6_addr, number, sizeof number) &&
		       text_format(text, LISTEN_ADDRESS_MAX, "[%s]:%u", number,
		                   (unsigned)ntohs(v6.sin6_port));
	default:
		return false;
	}
}

/* Splits "host:port" at the last colon; brackets around the host are taken off. */
static bool split(const char *text, char *host, size_t cap, const char **ret_port)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;
	int64_t port;

	if (!colon || !text_to_int64(colon + 1, &port) || port > 65535)
		return false;
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	} else if (memchr(text, ':', len)) {
		return false;
	}
	*ret_port = colon + 1;
	return text_format(host, cap, "%.*s", (int)len, text);
}

static int listen_on(const struct addrinfo *a)
{
	int cleanup_fd fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
	                           a->ai_protocol);
	int one = 1;

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
	    bind(fd, a->ai_addr, a->ai_addrlen) != 0 || listen(fd, 1024) != 0)
		return -1;
	return take_fd(&fd);
}

int listen_check(const char *text, struct stow_error *err)
{
	char host[256];
	const char *port;

	if (split(text, host, sizeof host, &port))
		return STOW_OK;
	return error_set(err, STOW_EINVAL, where,
	                 "[http] listen = %s: expected host:port or [v6]:port", text);
}

int listen_open(const char *text, int *ret_fd, char *ret_address, struct stow_error *err)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC,
		                  .ai_socktype = SOCK_STREAM,
		                  .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	struct sockaddr_storage bound;
	socklen_t len = sizeof bound;
	char host[256];
	const char *port;
	int fd = -1, e, errnum = 0;

	if (!split(text, host, sizeof host, &port))
		return listen_check(text, err);
	e = getaddrinfo(host[0] ? host : NULL, port, &hints, &list);
	if (e != 0)
		return error_set(err, STOW_EINVAL, where, "[http] listen = %s: %s", text,
		                 gai_strerror(e));
	for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = listen_on(a);
		if (fd < 0)
			errnum = errno;
	}
	freeaddrinfo(list);
	if (fd < 0)
		return error_errno(err, errnum, where, "cannot listen on %s", text);
	if (getsockname(fd, (struct sockaddr *)&bound, &len) != 0 ||
	    !listen_format((const struct sockaddr *)&bound, ret_address)) {
		close(fd);
		return error_set(err, STOW_EIO, where, "cannot tell the address of %s", text);
	}
	*ret_fd = fd;
	return STOW_OK;
}

void listen_deferred(int fd)
{
	int seconds = 1;

	/* where it is refused they come as soon as they are made */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof seconds);
}
