/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A set of keys that requests are signed with.  It is counted, and nothing in it changes: who signs
 * holds a reference while others may already sign with newer ones.  It must not know where keys
 * come from.
 */
#ifndef DRIVER_S3_KEYS_H
#define DRIVER_S3_KEYS_H

#include <stdint.h>

struct keys {
	unsigned refs; /* atomic */
	char *accesskey, *secretkey;
	char *sessiontoken; /* NULL: none */
	int64_t expires_ns; /* since 1970; 0: never */
};

/* Copies, with one reference; sessiontoken may be NULL or "". NULL without memory. */
struct keys *keys_new(const char *accesskey, const char *secretkey, const char *sessiontoken,
                      int64_t expires_ns);
struct keys *keys_ref(struct keys *);
/* The last one's overwrites and frees. Takes NULL. */
void keys_unref(struct keys *);

#endif
