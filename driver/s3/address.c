/* SPDX-License-Identifier: Apache-2.0 */
/*
 * address.h by the forms of Amazon's host names and of URLs.
 * It must not resolve anything.
 */
#include "driver/s3/address.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/text.h"

#define HOST_MAX 300
#define PATH_MAX_LEN 300

static int bad(const char *option, const char *must, struct stow_error *err)
{
	return error_set(err, STOW_EINVAL, "s3.open", "option %s must be %s", option, must);
}

bool address_is_host(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._:[]",
		            *s))
			return false;
	return true;
}

bool address_is_loopback(const char *host)
{
	static const char name[] = "localhost";
	const size_t name_len = sizeof(name) - 1;
	size_t len = strcspn(host, ":");
	const char *tail = host + (len < name_len ? 0 : len - name_len);

	if (text_starts(host, "[::1]"))
		return host[5] == '\0' || host[5] == ':';
	if (text_starts(host, "127."))
		return strspn(host, "0123456789.") == len;
	/* a bucket may stand before it */
	return len >= name_len && strncasecmp(tail, name, name_len) == 0 &&
	       (len == name_len || tail[-1] == '.');
}

const char *address_domain(const char *region)
{
	static const char *const partitions[][2] = {
		{ "cn-", "amazonaws.com.cn" },    { "us-iso-", "c2s.ic.gov" },
		{ "us-isob-", "sc2s.sgov.gov" },  { "eu-isoe-", "cloud.adc-e.uk" },
		{ "us-isof-", "csp.hci.ic.gov" }, { "eusc-", "amazonaws.eu" },
	};

	for (size_t i = 0; i < sizeof(partitions) / sizeof(partitions[0]); i++) {
		if (text_starts(region, partitions[i][0]))
			return partitions[i][1];
	}
	return "amazonaws.com";
}

static int amazon(const struct address_options *o, char host[HOST_MAX], struct stow_error *err)
{
	const char *dual = o->dualstack ? "dualstack." : "";
	bool fits;

	if (!o->region)
		return error_set(err, STOW_EINVAL, "s3.open",
		                 "option region is required where regionendpoint is not set");
	if (strcmp(o->region, "auto") == 0)
		return bad("region", "a region of Amazon's where regionendpoint is not set", err);
	if (o->accelerate && o->fips)
		return bad("accelerate", "no with usefipsendpoint = yes", err);
	if (o->accelerate)
		fits = text_format(host, HOST_MAX, "s3-accelerate.%s%s", dual,
		                   address_domain(o->region));
	else
		fits = text_format(host, HOST_MAX, "s3%s.%s%s.%s", o->fips ? "-fips" : "", dual,
		                   o->region, address_domain(o->region));
	return fits && address_is_host(host)
	               ? STOW_OK
	               : bad("region", "a region's name such as eu-west-1", err);
}

/* "/some/path" of an endpoint: names of plain letters, parted by one slash each. */
static bool is_path(const char *s)
{
	for (const char *p = s; *p; p++) {
		if (*p == '/' && (p[1] == '/' || p[1] == '.' || p[1] == '\0'))
			return false;
		if (!strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~/",
		            *p))
			return false;
	}
	return true;
}

/* An endpoint taken apart. */
static int own(const struct address_options *o, char host[HOST_MAX], char path[PATH_MAX_LEN],
               bool *ret_tls, struct stow_error *err)
{
	static const char must[] = "host[:port][/path] or a URL of it";
	const char *given = o->endpoint, *slash;
	size_t len;

	/* dualstack says nothing that the endpoint would not say: it is passed over */
	if (o->accelerate || o->fips)
		return error_set(err, STOW_EINVAL, "s3.open",
		                 "options accelerate and usefipsendpoint are for Amazon's own "
		                 "endpoints, not for regionendpoint");
	if (strncasecmp(given, "http://", 7) == 0) {
		*ret_tls = false;
		given += 7;
	} else if (strncasecmp(given, "https://", 8) == 0) {
		*ret_tls = true;
		given += 8;
	}
	slash = strchr(given, '/');
	len = slash ? (size_t)(slash - given) : strlen(given);
	if (!text_format(host, HOST_MAX, "%.*s", (int)len, given) || !address_is_host(host) ||
	    host[0] == ':' || !text_copy(path, PATH_MAX_LEN, slash ? slash : ""))
		return bad("regionendpoint", must, err);
	len = strlen(path);
	while (len && path[len - 1] == '/')
		path[--len] = '\0';
	return is_path(path) ? STOW_OK : bad("regionendpoint", must, err);
}

/* Of an address of numbers nothing can be a part. */
static bool is_number(const char *host)
{
	return host[0] == '[' || strspn(host, "0123456789.:") == strlen(host);
}

/* Can it stand before a host's name, under a certificate for "*.host"? */
static bool is_label(const char *bucket, bool tls)
{
	size_t len = strlen(bucket);

	return len >= 3 && len <= 63 &&
	       strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789-.") == len &&
	       bucket[0] != '-' && bucket[0] != '.' && bucket[len - 1] != '-' &&
	       bucket[len - 1] != '.' && !strstr(bucket, "..") && !(tls && strchr(bucket, '.'));
}

static int choose(const struct address_options *o, const char *host, bool tls, bool *ret,
                  struct stow_error *err)
{
	bool possible = !is_number(host) && is_label(o->bucket, tls);

	*ret = o->style == ADDRESS_HOST || (o->style == ADDRESS_AUTO && !o->endpoint && possible);
	if (*ret && !possible)
		return error_set(err, STOW_EINVAL, "s3.open",
		                 "option forcepathstyle must be yes: bucket %s cannot stand before "
		                 "the host %s",
		                 o->bucket, host);
	if (o->accelerate && !*ret)
		return error_set(err, STOW_EINVAL, "s3.open",
		                 "option accelerate takes a bucket in the host's name, and no dots "
		                 "in it");
	return STOW_OK;
}

/* The port of the scheme goes neither over the wire nor into the signature. */
static void drop_port(char *host, bool tls)
{
	const char *port = tls ? ":443" : ":80";

	if (text_ends(host, port))
		host[strlen(host) - strlen(port)] = '\0';
}

static int compose(struct address *ret, const char *bucket, const char *host, const char *path,
                   struct stow_error *err)
{
	const char *scheme = ret->tls ? "https://" : "http://";
	size_t base = strlen(scheme) + strlen(bucket) + strlen(host) + 2;
	size_t encoded = text_percent_encode(NULL, 0, bucket, false);
	size_t before = strlen(path);

	ret->base = malloc(base);
	ret->path = malloc(before + encoded + 2);
	if (!ret->base || !ret->path)
		return error_nomem(err, "s3.open");
	(void)text_format(ret->base, base, "%s%s%s%s", scheme, ret->in_host ? bucket : "",
	                  ret->in_host ? "." : "", host);
	ret->host = ret->base + strlen(scheme);
	memcpy(ret->path, path, before + 1);
	if (ret->in_host)
		return STOW_OK;
	ret->path[before++] = '/';
	(void)text_percent_encode(ret->path + before, encoded + 1, bucket, false);
	return STOW_OK;
}

int address_make(struct address *ret, const struct address_options *o, struct stow_error *err)
{
	char host[HOST_MAX] = "", path[PATH_MAX_LEN] = "";
	int status;

	memset(ret, 0, sizeof(*ret));
	ret->tls = o->secure;
	status = o->endpoint ? own(o, host, path, &ret->tls, err) : amazon(o, host, err);
	if (status == STOW_OK)
		status = choose(o, host, ret->tls, &ret->in_host, err);
	if (status != STOW_OK)
		return status;
	drop_port(host, ret->tls);
	status = compose(ret, o->bucket, host, path, err);
	if (status != STOW_OK)
		address_done(ret);
	return status;
}

void address_done(struct address *a)
{
	free(a->base);
	free(a->path);
	memset(a, 0, sizeof(*a));
}
