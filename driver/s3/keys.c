/* SPDX-License-Identifier: Apache-2.0 */
/* Makes, counts and wipes keys. It must not print them. */
#include "driver/s3/keys.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static void release(struct keys *k)
{
	wipe(k->accesskey);
	wipe(k->secretkey);
	wipe(k->sessiontoken);
	free(k);
}

struct keys *keys_new(const char *accesskey, const char *secretkey, const char *sessiontoken,
                      int64_t expires_ns)
{
	struct keys *k = calloc(1, sizeof(*k));
	bool token = sessiontoken && *sessiontoken;

	if (!k)
		return NULL;
	k->refs = 1;
	k->expires_ns = expires_ns;
	k->accesskey = strdup(accesskey);
	k->secretkey = strdup(secretkey);
	k->sessiontoken = token ? strdup(sessiontoken) : NULL;
	if (k->accesskey && k->secretkey && (k->sessiontoken || !token))
		return k;
	release(k);
	return NULL;
}

struct keys *keys_ref(struct keys *k)
{
	__atomic_add_fetch(&k->refs, 1, __ATOMIC_RELAXED);
	return k;
}

void keys_unref(struct keys *k)
{
	if (k && __atomic_sub_fetch(&k->refs, 1, __ATOMIC_ACQ_REL) == 0)
		release(k);
}
