/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a bucket is: scheme, host and what of the path stands before the key, from the options that
 * say so.  There is no list of regions: what is new tomorrow has the form of what is there today.
 * It sends nothing and knows nothing of keys.
 */
#ifndef DRIVER_S3_ADDRESS_H
#define DRIVER_S3_ADDRESS_H

#include <stdbool.h>
#include <stowage/types.h>

enum address_style { ADDRESS_AUTO = 0, ADDRESS_PATH, ADDRESS_HOST };

struct address_options {
	const char *endpoint; /* host[:port][/path], with or without scheme; NULL: Amazon's */
	const char *region, *bucket;
	enum address_style style; /* AUTO: in the path at an endpoint of one's own, else in the
	                           * host where the bucket's name can be one */
	bool secure;              /* where the endpoint names no scheme */
	bool dualstack, accelerate, fips;
};

struct address {
	char *base;       /* "https://host[:port]" */
	const char *host; /* the part of base that is the Host header */
	char *path;       /* before "/key", encoded: "", "/bucket", "/path/bucket" */
	bool in_host;     /* the bucket is; its own path is path and a slash */
	bool tls;
};

/* STOW_EINVAL names the option that is wrong. */
int address_make(struct address *ret, const struct address_options *, struct stow_error *);
void address_done(struct address *); /* takes one that was zeroed */
/* Does the Host header's value name this machine? */
bool address_is_loopback(const char *host);
/* The domain of the partition that a region is in, by how its name begins. */
const char *address_domain(const char *region);
/* Host and port: letters, digits, '-', '.', ':' and an IPv6 address in brackets. */
bool address_is_host(const char *);

#endif
