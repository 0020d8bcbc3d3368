/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IP addresses from text and from sockets, and sets of networks to look them up in.
 * It promises that an IPv4 address is one however it came (::ffff:192.0.2.1 is 192.0.2.1), and that
 * an IPv4 address is in no IPv6 network.  It must not know what a set is for.
 */
#ifndef SERVE_NETWORKS_H
#define SERVE_NETWORKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stowage/types.h>

/* Networks of one set. */
#define NETWORKS_MAX 256
/* "[v6]:port" and a NUL. */
#define ADDRESS_TEXT_MAX 64

struct sockaddr;

struct address {
	bool v4;                 /* the first 4 bytes count */
	unsigned char bytes[16]; /* in network order */
};

struct network {
	struct address address;
	unsigned bits;
};

struct networks {
	struct network *list;
	size_t n;
};

/* false for other families and NULL. */
bool address_from_socket(struct address *ret, const struct sockaddr *);
/* "192.0.2.1", "2001:db8::1", each with ":port" behind it or not, the latter then in brackets,
 * which it may have without a port too. *ret_port is 0 where there is none. */
bool address_parse(struct address *ret, unsigned *ret_port, const char *text);
/* The form that address_parse takes, without the port where it is 0. text takes
 * ADDRESS_TEXT_MAX bytes. */
void address_format(const struct address *, unsigned port, char *text);

/* Addresses and networks ("10.0.0.0/8", "::1"), parted by commas; NULL or "" is the empty set.
 * STOW_EINVAL with a line that begins with what, and ret is empty. */
int networks_parse(struct networks *ret, const char *what, const char *text, struct stow_error *);
bool networks_have(const struct networks *, const struct address *);
void networks_done(struct networks *);

#endif
