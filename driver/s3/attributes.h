/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The headers that options make of every object: its class, ACL and encryption, the customer's key
 * (SSE-C) that each read and write must show then, and what of a body is hashed.
 *
 * It promises that what is not asked for is not sent: no ACL, no class and no key's name unless an
 * option says so.  It must not know a request beyond what goes with it.
 */
#ifndef DRIVER_S3_ATTRIBUTES_H
#define DRIVER_S3_ATTRIBUTES_H

#include <stdbool.h>
#include <stowage/types.h>

#include "driver/s3/sign.h"

#define ATTRIBUTES_MADE 1u   /* of requests that make an object */
#define ATTRIBUTES_KEY 2u    /* of requests that read or write an object's bytes */
#define ATTRIBUTES_SOURCE 4u /* of requests that copy from one */
#define ATTRIBUTES_MOST 10   /* headers that these make at most */

enum attributes_choice { ATTRIBUTES_AUTO = 0, ATTRIBUTES_ON, ATTRIBUTES_OFF };

struct attributes_options {
	const char *storageclass, *objectacl, *keyid, *ssecustomerkey, *contentmd5,
		*unsignedpayload; /* as in the options; NULL where unset */
	bool encrypt;
	bool private; /* the bytes go over TLS, or do not leave this machine */
};

struct attributes {
	char class[40];
	const char *acl, *encryption, *keyid;
	char *customer_key; /* in base64; NULL: none */
	char customer_md5[25];
	enum attributes_choice md5, unsigned_payload;
};

/* Texts of the options are borrowed. STOW_EINVAL names the option that is wrong. */
int attributes_make(struct attributes *, const struct attributes_options *, struct stow_error *);
void attributes_done(struct attributes *);
/* Appends what goes with a request of that kind; the number. Values are borrowed. */
size_t attributes_headers(const struct attributes *, unsigned kind, struct sign_pair *to);

#endif
