/* SPDX-License-Identifier: Apache-2.0 */
/* It must not know more than quotes. */
#include "host/serve/challenge.h"

/* A quoted string (RFC 9110 section 5.6.4); what may not stand in one becomes '?'. */
static void add(struct buf *b, const char *name, const char *value)
{
	buf_addf(b, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			buf_addc(b, '\\');
		buf_addc(b, (unsigned char)*value < 0x20 || *value == 0x7f ? '?' : *value);
	}
	buf_addc(b, '"');
}

void challenge_basic(struct buf *b, const char *realm)
{
	add(b, "Basic realm", realm);
}

void challenge_bearer(struct buf *b, const char *realm, const char *service, const char *scope,
                      const char *error)
{
	add(b, "Bearer realm", realm);
	add(b, ",service", service);
	if (*scope)
		add(b, ",scope", scope);
	if (error)
		add(b, ",error", error);
}
