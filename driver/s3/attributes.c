/* SPDX-License-Identifier: Apache-2.0 */
/* attributes.h: checks of the options, and pairs. It must not send anything. */
#include "driver/s3/attributes.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/hash.h"
#include "common/option.h"
#include "common/text.h"

#define CUSTOMER_KEY_LEN 32

static int bad(const char *option, const char *must, struct stow_error *err)
{
	return error_set(err, STOW_EINVAL, "s3.open", "option %s must be %s", option, must);
}

static bool given(const char *s)
{
	return s && *s;
}

/* In capitals, as stores know classes; which there are is theirs to say. */
static int set_class(struct attributes *a, const char *name, struct stow_error *err)
{
	if (!given(name) || text_equal_nocase(name, "none"))
		return STOW_OK;
	if (!text_copy(a->class, sizeof(a->class), name))
		return bad("storageclass", "the name of a storage class, or none", err);
	for (char *p = a->class; *p; p++) {
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", *p))
			return bad("storageclass", "the name of a storage class, or none", err);
	}
	return STOW_OK;
}

static int set_acl(struct attributes *a, const char *name, struct stow_error *err)
{
	static const char *const acls[] = {
		"private",
		"public-read",
		"public-read-write",
		"authenticated-read",
		"aws-exec-read",
		"bucket-owner-read",
		"bucket-owner-full-control",
	};

	if (!given(name))
		return STOW_OK;
	for (size_t i = 0; i < sizeof(acls) / sizeof(acls[0]); i++)
		if (strcmp(name, acls[i]) == 0)
			a->acl = acls[i];
	return a->acl ? STOW_OK
	              : bad("objectacl",
	                    "private, public-read, public-read-write, authenticated-read, "
	                    "aws-exec-read, bucket-owner-read or bucket-owner-full-control",
	                    err);
}

/* Decodes base64 of exactly len octets. */
static bool from_base64(uint8_t *ret, size_t len, const char *text)
{
	char url[TEXT_BASE64_LEN(CUSTOMER_KEY_LEN) + 1];
	size_t n = strlen(text);

	while (n && text[n - 1] == '=')
		n--;
	if (n >= sizeof(url))
		return false;
	for (size_t i = 0; i < n; i++)
		url[i] = text[i] == '+' ? '-' : (char)(text[i] == '/' ? '_' : text[i]);
	return text_unbase64url(ret, len, url, n) == (ssize_t)len;
}

static int set_customer_key(struct attributes *a, const struct attributes_options *o,
                            struct stow_error *err)
{
	uint8_t key[CUSTOMER_KEY_LEN], sum[16];
	int status = STOW_OK;

	if (!given(o->ssecustomerkey))
		return STOW_OK;
	if (o->encrypt)
		return bad("ssecustomerkey", "unset where encrypt = yes", err);
	if (!o->private)
		return bad("ssecustomerkey",
		           "unset where the store is spoken to without TLS: it would be seen", err);
	if (!from_base64(key, sizeof(key), o->ssecustomerkey))
		return bad("ssecustomerkey", "32 octets in base64", err);
	a->customer_key = malloc(TEXT_BASE64_LEN(sizeof(key)) + 1);
	if (!a->customer_key)
		status = error_nomem(err, "s3.open");
	else if (!hash_md5(key, sizeof(key), sum))
		status = error_set(err, STOW_ENOTSUP, "s3.open",
		                   "ssecustomerkey needs MD5, which this OpenSSL does not do");
	if (status == STOW_OK) {
		text_base64(a->customer_key, key, sizeof(key));
		text_base64(a->customer_md5, sum, sizeof(sum));
	}
	explicit_bzero(key, sizeof(key));
	return status;
}

static int choose(const char *option, const char *text, enum attributes_choice *ret,
                  struct stow_error *err)
{
	bool on = false;

	*ret = ATTRIBUTES_AUTO;
	if (!given(text) || strcmp(text, "auto") == 0)
		return STOW_OK;
	if (!option_bool(text, &on))
		return bad(option, "auto, on or off", err);
	*ret = on ? ATTRIBUTES_ON : ATTRIBUTES_OFF;
	return STOW_OK;
}

int attributes_make(struct attributes *a, const struct attributes_options *o,
                    struct stow_error *err)
{
	int status;

	*a = (struct attributes){ .acl = NULL };
	for (const char *p = o->keyid ? o->keyid : ""; *p; p++)
		if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f)
			return bad("keyid", "the id or the ARN of a key", err);
	if (o->encrypt) {
		a->encryption = given(o->keyid) ? "aws:kms" : "AES256";
		a->keyid = given(o->keyid) ? o->keyid : NULL;
	}
	status = set_class(a, o->storageclass, err);
	if (status == STOW_OK)
		status = set_acl(a, o->objectacl, err);
	if (status == STOW_OK)
		status = choose("contentmd5", o->contentmd5, &a->md5, err);
	if (status == STOW_OK)
		status = choose("unsignedpayload", o->unsignedpayload, &a->unsigned_payload, err);
	if (status == STOW_OK)
		status = set_customer_key(a, o, err);
	if (status != STOW_OK)
		attributes_done(a);
	return status;
}

void attributes_done(struct attributes *a)
{
	if (a->customer_key)
		explicit_bzero(a->customer_key, strlen(a->customer_key));
	free(a->customer_key);
	a->customer_key = NULL;
}

size_t attributes_headers(const struct attributes *a, unsigned kind, struct sign_pair *to)
{
	size_t n = 0;

	if (kind & ATTRIBUTES_MADE) {
		if (a->class[0])
			to[n++] = (struct sign_pair){ "x-amz-storage-class", a->class };
		if (a->acl)
			to[n++] = (struct sign_pair){ "x-amz-acl", a->acl };
		if (a->encryption)
			to[n++] = (struct sign_pair){ "x-amz-server-side-encryption",
				                      a->encryption };
		if (a->keyid)
			to[n++] = (struct sign_pair){ "x-amz-server-side-encryption-aws-kms-key-id",
				                      a->keyid };
	}
	if (!a->customer_key)
		return n;
#define CUSTOMER(of) "x-amz-" of "server-side-encryption-customer-"
	if (kind & ATTRIBUTES_KEY) {
		to[n++] = (struct sign_pair){ CUSTOMER("") "algorithm", "AES256" };
		to[n++] = (struct sign_pair){ CUSTOMER("") "key", a->customer_key };
		to[n++] = (struct sign_pair){ CUSTOMER("") "key-md5", a->customer_md5 };
	}
	if (kind & ATTRIBUTES_SOURCE) {
		to[n++] = (struct sign_pair){ CUSTOMER("copy-source-") "algorithm", "AES256" };
		to[n++] = (struct sign_pair){ CUSTOMER("copy-source-") "key", a->customer_key };
		to[n++] = (struct sign_pair){ CUSTOMER("copy-source-") "key-md5", a->customer_md5 };
	}
#undef CUSTOMER
	return n;
}
