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
		if ((unsigned char)*s <= ' ' || (unsigned char)*s >= 0x7f || *s == '/')
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

/* The name alone, from where its last two labels begin; of an address, all of it. */
static size_t domain_of(const char *host, size_t *ret_len)
{
	size_t len = strcspn(host, ":"), at = len;
	unsigned dots = 0;

	if (host[0] == '[')
		len = at = strcspn(host, "]");
	*ret_len = len;
	if (strspn(host, "0123456789.") == len || host[0] == '[')
		return 0;
	while (at > 0 && !(host[at - 1] == '.' && ++dots == 2))
		at--;
	return at;
}

/* Keys are only ever shown to whom the operator has named, or to others of the same domain. */
static bool same_domain(const char *a, const char *b)
{
	size_t a_len, b_len, i = domain_of(a, &a_len), j = domain_of(b, &b_len);

	return a_len - i == b_len - j && strncasecmp(a + i, b + j, a_len - i) == 0;
}

int place_redirect(const struct place *from, const char *url, struct place **ret, char **ret_path,
                   struct stow_error *err)
{
	bool tls = text_starts(url, "https://");
	const char *host = strstr(url, "://"), *path;
	cleanup_free char *name = NULL;
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
	if (!address_is_host(name) || (from->address.tls && !tls) ||
	    !same_domain(name, from->address.host)) {
		free(p);
		return error_set(err, STOW_EIO, "s3", "a redirect to %.200s, which is not followed",
		                 url);
	}
	p->address.tls = tls;
	p->address.in_host = from->address.in_host;
	p->address.path = strdup(from->address.path);
	p->address.base = strndup(url, (size_t)(path - url));
	*ret_path = strndup(path, strcspn(path, "?#"));
	if (!p->address.path || !p->address.base || !*ret_path) {
		free(*ret_path);
		place_unref(p);
		return error_nomem(err, "s3");
	}
	p->address.host = p->address.base + (host - url);
	*ret = p;
	return STOW_OK;
}
