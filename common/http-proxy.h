/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which hosts NO_PROXY keeps from a proxy, as most programs read it; libcurl knows no ports in it, and
 * networks not in each version.
 * It must not know requests, and asks no name server: a network holds for hosts given by number.
 */
#ifndef COMMON_HTTP_PROXY_H
#define COMMON_HTTP_PROXY_H

#include <stdbool.h>

/*
 * The list's words are parted by commas or blanks: "*"; a domain, with or without a dot or "*." before
 * it, which stands for all below it, too; an address; a network such as 10.0.0.0/8.  Behind domain
 * and address ":port" may stand, and an IPv6 address in brackets.  The host has none.
 */
bool http_proxy_excepts(const char *list, const char *host, unsigned port);

#endif
