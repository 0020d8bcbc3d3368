/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what texts make of an instance of the S3 driver: addresses by options and by the redirects
 * of a hostile store (driver/s3/place.h), and headers by options (driver/s3/attributes.h).
 * It must not know of requests.
 *
 * The input: lines "name value".  Names are those of options, and "location" for a redirect.
 */
#include <strings.h>

#include "common/cleanup.h"
#include "common/option.h"
#include "common/text.h"
#include "driver/s3/attributes.h"
#include "driver/s3/place.h"
#include "tests/fuzz/fuzz.h"

static struct {
	const char *endpoint, *region, *bucket, *location;
	const char *secure, *dualstack, *accelerate, *fips, *style, *encrypt;
	struct attributes_options attributes;
} given;

static void take_line(char *line)
{
	const struct {
		const char *name, **to;
	} names[] = {
		{ "regionendpoint", &given.endpoint },
		{ "region", &given.region },
		{ "bucket", &given.bucket },
		{ "location", &given.location },
		{ "secure", &given.secure },
		{ "usedualstack", &given.dualstack },
		{ "accelerate", &given.accelerate },
		{ "usefipsendpoint", &given.fips },
		{ "forcepathstyle", &given.style },
		{ "encrypt", &given.encrypt },
		{ "storageclass", &given.attributes.storageclass },
		{ "objectacl", &given.attributes.objectacl },
		{ "keyid", &given.attributes.keyid },
		{ "ssecustomerkey", &given.attributes.ssecustomerkey },
		{ "contentmd5", &given.attributes.contentmd5 },
		{ "unsignedpayload", &given.attributes.unsignedpayload },
	};
	char *name = fuzz_word(&line);

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i].name, name) == 0)
			*names[i].to = line;
}

static bool is_on(const char *text)
{
	bool on = false;

	return text && option_bool(text, &on) && on;
}

/* ---- addresses ---- */

/* Without the port, and of an address in brackets without the last one. */
static size_t name_len(const char *host)
{
	return strcspn(host, host[0] == '[' ? "]" : ":");
}

static bool is_number(const char *host, size_t len)
{
	return host[0] == '[' || strspn(host, "0123456789.") >= len;
}

/* How many bytes at the end of both are the same, from where a label begins. */
static size_t same_end(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t n = 0, labels = 0;

	while (n < a_len && n < b_len &&
	       strncasecmp(a + a_len - n - 1, b + b_len - n - 1, 1) == 0) {
		n++;
		if ((n == a_len || a[a_len - n - 1] == '.') &&
		    (n == b_len || b[b_len - n - 1] == '.'))
			labels = n;
	}
	return labels;
}

/* Is it a name of somebody's, not one below which everybody may have one? */
static bool is_owned(const char *end, size_t len)
{
	static const char *const common[] = { "co.uk",  "org.uk", "com.cn", "com.au",
		                              "com.br", "co.jp",  "co.nz",  "com.tr" };

	if (!memchr(end, '.', len))
		return false;
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		if (len == strlen(common[i]) && strncasecmp(end, common[i], len) == 0)
			return false;
	return true;
}

static void check_address(const struct address *a)
{
	const char *scheme = a->tls ? "https://" : "http://";

	REQUIRE(fuzz_is_line(a->base) && fuzz_is_line(a->path));
	REQUIRE(text_starts(a->base, scheme) && a->host == a->base + strlen(scheme));
	REQUIRE(a->host[0] && a->host[strcspn(a->host, "/?#@\\ %")] == '\0');
	REQUIRE(a->path[strcspn(a->path, "?# ")] == '\0');
	REQUIRE(!a->path[0] || a->path[0] == '/');
}

/* Never to other people, and never from TLS to none. */
static void check_redirect(const struct place *from, const struct place *to, const char *bucket,
                           const char *path)
{
	const char *a = from->address.host, *b = to->address.host;
	size_t a_len = name_len(a), b_len = name_len(b), n = same_end(a, a_len, b, b_len);
	size_t before = from->address.in_host ? strlen(bucket) + 1 : 0;

	check_address(&to->address);
	REQUIRE(to->address.tls || !from->address.tls);
	REQUIRE(strcmp(to->region, from->region) == 0);
	REQUIRE(strcmp(to->address.path, from->address.path) == 0);
	REQUIRE((!path[0] || path[0] == '/') && !strpbrk(path, "?#"));
	if (n == a_len && n == b_len)
		return;
	REQUIRE(!is_number(a, a_len) && !is_number(b, b_len));
	/* one below a host without a domain is still that host's, with or without a bucket */
	REQUIRE(is_owned(a + a_len - n, n) || n >= a_len - before);
}

static void check_places(void)
{
	const struct address_options o = {
		.endpoint = given.endpoint,
		.region = given.region,
		.bucket = given.bucket ? given.bucket : "bucket",
		.secure = is_on(given.secure),
		.dualstack = is_on(given.dualstack),
		.accelerate = is_on(given.accelerate),
		.fips = is_on(given.fips),
		.style = !given.style         ? ADDRESS_AUTO
		         : is_on(given.style) ? ADDRESS_PATH
		                              : ADDRESS_HOST,
	};
	struct place *from = NULL, *to = NULL;
	struct stow_error err = { 0 };
	char *path = NULL;

	/* as the driver does before */
	if (!o.bucket[0] || strchr(o.bucket, '/') || strlen(o.bucket) > 255 ||
	    (o.region && !place_is_region(o.region)))
		return;
	if (place_make(&o, &from, &err) != STOW_OK) {
		REQUIRE(!from && err.status < 0 && fuzz_is_line(err.message));
		return;
	}
	check_address(&from->address);
	if (given.location) {
		if (place_redirect(from, given.location, &to, &path, &err) == STOW_OK)
			check_redirect(from, to, o.bucket, path);
		else
			REQUIRE(!to && !path && fuzz_is_line(err.message));
	}
	free(path);
	place_unref(to);
	place_unref(from);
}

/* ---- headers ---- */

static void check_headers(const struct attributes *a, unsigned kind)
{
	struct sign_pair pairs[ATTRIBUTES_MOST];
	size_t n = attributes_headers(a, kind, pairs);

	REQUIRE(n <= ATTRIBUTES_MOST);
	for (size_t i = 0; i < n; i++) {
		REQUIRE(text_starts(pairs[i].name, "x-amz-"));
		REQUIRE(pairs[i].value[0] && fuzz_is_line(pairs[i].value));
		REQUIRE(!strchr(pairs[i].value, ' '));
		if (strstr(pairs[i].name, "customer"))
			REQUIRE(given.attributes.ssecustomerkey && given.attributes.private &&
			        !given.attributes.encrypt);
		for (size_t k = 0; k < i; k++)
			REQUIRE(strcmp(pairs[i].name, pairs[k].name) != 0);
	}
}

static void check_attributes(void)
{
	const char *key = given.attributes.ssecustomerkey;
	struct stow_error err = { 0 };
	struct attributes a;

	given.attributes.encrypt = is_on(given.encrypt);
	given.attributes.private = is_on(given.secure);
	if (attributes_make(&a, &given.attributes, &err) != STOW_OK) {
		REQUIRE(err.status == STOW_EINVAL && fuzz_is_line(err.message));
		REQUIRE(!key || strlen(key) < 30 || !strstr(err.message, key));
		REQUIRE(!a.customer_key);
		return;
	}
	for (unsigned kind = 0; kind < 8; kind++)
		check_headers(&a, kind);
	attributes_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup_free char *text = fuzz_text(data, len);
	char *rest = text;

	memset(&given, 0, sizeof(given));
	while (*rest)
		take_line(fuzz_line(&rest));
	check_places();
	check_attributes();
	return 0;
}
