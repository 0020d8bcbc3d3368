/* SPDX-License-Identifier: Apache-2.0 */
/* place.h: counted addresses. It must not send anything. */
#include "driver/s3/place.h"

#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"

bool place_is_region(const char *s)
{
	size_t len = strlen(s);

	if (len == 0 || len >= PLACE_REGION_MAX)
		return false;
	for (; *s; s++)
		if (!strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.",
		            *s))
			return false;
	return true;
}

int place_make(const struct address_options *o, struct place **ret, struct stow_error *err)
{
	struct place *p = calloc(1, sizeof(*p));
	int status;

	if (!p)
		return error_nomem(err, "s3.open");
	p->refs = 1;
	(void)text_copy(p->region, sizeof(p->region), o->region ? o->region : "");
	status = address_make(&p->address, o, err);
	if (status != STOW_OK) {
		free(p);
		return status;
	}
	*ret = p;
	return STOW_OK;
}

struct place *place_ref(struct place *p)
{
	__atomic_add_fetch(&p->refs, 1, __ATOMIC_RELAXED);
	return p;
}

void place_unref(struct place *p)
{
	if (!p || __atomic_sub_fetch(&p->refs, 1, __ATOMIC_ACQ_REL) != 0)
		return;
	address_done(&p->address);
	free(p);
}

/* ---- redirects ---- */

static size_t name_length(const char *host)
{
	return host[0] == '[' ? strcspn(host, "]") : strcspn(host, ":");
}

/* Is the host that, or below it? */
static bool is_below(const char *host, const char *domain, size_t len)
{
	size_t n = name_length(host);

	if (n < len || strncasecmp(host + n - len, domain, len) != 0)
		return false;
	if (n == len)
		return true;
	/* below an address, or in brackets, there are no names */
	return host[0] != '[' && host[n - len - 1] == '.' && strspn(domain, "0123456789.:[") < len;
}

/* Keys are only ever shown to whom the operator has named: the same host, one below it, or another
 * of Amazon's in the region's domain. */
static bool may_follow(const struct place *from, const char *host)
{
	const char *known = from->address.host, *amazon = address_domain(from->region);
	size_t label = from->address.in_host ? strcspn(known, ".") + 1 : 0;

	if (is_below(host, known + label, name_length(known + label)))
		return true;
	return is_below(known, amazon, strlen(amazon)) && is_below(host, amazon, strlen(amazon));
}

int place_redirect(const struct place *from, const char *url, struct place **ret, char **ret_path,
                   struct stow_error *err)
{
	bool tls = text_starts(url, "https://");
	const char *host = strstr(url, "://"), *path;
	cleanup_free char *name = NULL;
	char *rest;
	struct place *p;

	if (!host || !(tls || text_starts(url, "http://")))
		return error_set(err, STOW_EIO, "s3", "a redirect to no URL");
	host += strlen("://");
	path = host + strcspn(host, "/?#");
	name = strndup(host, (size_t)(path - host));
	p = name ? calloc(1, sizeof(*p)) : NULL;
	if (!p)
		return error_nomem(err, "s3");
	p->refs = 1;
	(void)text_copy(p->region, sizeof(p->region), from->region);
	if (!address_is_host(name) || (from->address.tls && !tls) || !may_follow(from, name)) {
		free(p);
		return error_set(err, STOW_EIO, "s3", "a redirect to %.200s, which is not followed",
		                 url);
	}
	p->address.tls = tls;
	p->address.in_host = from->address.in_host;
	p->address.path = strdup(from->address.path);
	p->address.base = strndup(url, (size_t)(path - url));
	rest = strndup(path, strcspn(path, "?#"));
	if (!p->address.path || !p->address.base || !rest) {
		free(rest);
		place_unref(p);
		return error_nomem(err, "s3");
	}
	p->address.host = p->address.base + (host - url);
	*ret_path = rest;
	*ret = p;
	return STOW_OK;
}
