/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies between a head's lines.  It must not know what a header means.
 */
#include "host/serve/head.h"

#include <string.h>

void head_begin(struct head *h, const char *target, size_t target_len, const char *version,
                const char *end)
{
	h->at = version + strlen(version);
	h->end = end;
	h->odd = version != target + target_len + 1;
}

void head_line(struct head *h, const char *name, const char *value)
{
	const char *at = h->at;

	/* a line ends by CR and LF or by LF; with an empty line at least that and one more follow */
	if (h->odd || at >= h->end || h->end - at <= 2 ||
	    (name != at + 1 && (name != at + 2 || at[1]))) {
		h->odd = true;
		return;
	}
	at = name + strlen(name) + 1;
	while (at < h->end && (*at == ' ' || *at == '\t'))
		at++;
	if (at >= h->end || value != at)
		h->odd = true;
	else
		h->at = value + strlen(value);
}

bool head_is_whole(const struct head *h)
{
	const char *at = h->at;

	if (h->odd || at >= h->end || h->end - at < 2 || h->end - at > 4)
		return false;
	while (at < h->end && !*at)
		at++;
	return at == h->end;
}
