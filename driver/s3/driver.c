/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The S3 driver's entry, its options, and an instance's beginning and end.
 * It must not know what the operations do; those are in the files of s3.h.
 */
#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/key.h"
#include "common/log.h"
#include "common/option.h"
#include "common/text.h"
#include "driver/s3/park.h"
#include "driver/s3/presign.h"
#include "driver/s3/probe.h"

#define ALWAYS (STOW_CAP_PARALLEL | STOW_CAP_SHARED | STOW_CAP_DURABLE)
#define CAPS                                                                                       \
	(ALWAYS | STOW_CAP_CREATE | STOW_CAP_PUT_IF_MATCH | STOW_CAP_GET_IF_MATCH |                \
	 STOW_CAP_COPY_IF_MATCH | STOW_CAP_REMOVE_IF_MATCH)
#define TIMEOUT_MOST (INT64_C(3600) * CLOCK_SECOND)

static const struct stow_option options[] = {
	{ "accesskey", STOW_OPTION_STRING, 0, NULL,
	  "access key id; unset: keys of the environment, a profile, a role" },
	{ "secretkey", STOW_OPTION_STRING, STOW_OPTION_SECRET | STOW_OPTION_DERIVE, NULL,
	  "secret access key" },
	{ "sessiontoken", STOW_OPTION_STRING, STOW_OPTION_SECRET, NULL,
	  "session token of temporary keys" },
	{ "awsprofile", STOW_OPTION_STRING, 0, NULL,
	  "profile of ~/.aws/credentials or ~/.aws/config to take keys from" },
	{ "region", STOW_OPTION_STRING, 0, NULL,
	  "region of the bucket; us-east-1 where regionendpoint is set" },
	{ "regionendpoint", STOW_OPTION_STRING, 0, NULL,
	  "host[:port][/path] or http(s)://host[:port][/path] of another store than AWS" },
	{ "forcepathstyle", STOW_OPTION_STRING, 0, "auto",
	  "bucket in the path of the URL (yes) or before the host (no); auto: yes with "
	  "regionendpoint, else no where the bucket's name can be there" },
	{ "usedualstack", STOW_OPTION_BOOL, 0, "no", "Amazon's endpoints for IPv4 and IPv6" },
	{ "accelerate", STOW_OPTION_BOOL, 0, "no", "Amazon's transfer acceleration" },
	{ "usefipsendpoint", STOW_OPTION_BOOL, 0, "no", "Amazon's endpoints of FIPS 140" },
	{ "bucket", STOW_OPTION_STRING, STOW_OPTION_REQUIRED | STOW_OPTION_DERIVE, NULL,
	  "name of the bucket; it must exist" },
	{ "secure", STOW_OPTION_BOOL, 0, "yes", "https where regionendpoint names no scheme" },
	{ "skipverify", STOW_OPTION_BOOL, 0, "no", "take any TLS certificate" },
	{ "cafile", STOW_OPTION_STRING, 0, NULL,
	  "PEM file of the trusted authorities, in place of the system's" },
	{ "rootdirectory", STOW_OPTION_STRING, 0, NULL, "prefix of all keys" },
	{ "chunksize", STOW_OPTION_SIZE, 0, "8M", "size of an upload's parts, 5M to 5G" },
	{ "multipartcopychunksize", STOW_OPTION_SIZE, 0, "32M",
	  "largest part that the store copies at once, 5M to 5G" },
	{ "multipartcopymaxconcurrency", STOW_OPTION_COUNT, 0, "100",
	  "parts copied side by side, 1 or more; maxconnections bounds it too" },
	{ "multipartcopythresholdsize", STOW_OPTION_SIZE, 0, "32M",
	  "larger objects are copied in parts, at most 5G" },
	{ "storageclass", STOW_OPTION_STRING, 0, NULL,
	  "class of new objects; unset or none: the bucket's" },
	{ "objectacl", STOW_OPTION_STRING, 0, NULL,
	  "canned ACL of new objects; unset: none is sent" },
	{ "encrypt", STOW_OPTION_BOOL, 0, "no",
	  "the store encrypts new objects, with its own keys" },
	{ "keyid", STOW_OPTION_STRING, 0, NULL, "with encrypt: the KMS key instead" },
	{ "ssecustomerkey", STOW_OPTION_STRING, STOW_OPTION_SECRET, NULL,
	  "32 octets in base64 that the store encrypts all objects with (SSE-C)" },
	{ "contentmd5", STOW_OPTION_STRING, 0, "auto",
	  "Content-MD5 with every body; auto: once the store asks for it" },
	{ "unsignedpayload", STOW_OPTION_STRING, 0, "auto",
	  "parts of uploads go without their SHA-256; auto: over TLS" },
	{ "serverprofile", STOW_OPTION_STRING, 0, "auto",
	  "what the store can do: aws, minio, ceph, r2, garage, seaweedfs, gcs, scaleway, storj, "
	  "plain; auto: it is tried" },
	{ "memory", STOW_OPTION_SIZE, 0, "256M",
	  "for all buffers of reads and writes, at least four times chunksize" },
	{ "maxretries", STOW_OPTION_COUNT, 0, "5", "further attempts after a failure" },
	{ "requestrate", STOW_OPTION_COUNT, 0, "0", "requests a second at most; 0: no limit" },
	{ "connecttimeout", STOW_OPTION_TIME, 0, "5s", "for a connection, up to 1h" },
	{ "readtimeout", STOW_OPTION_TIME, 0, "60s",
	  "gives up when no byte moved for so long, up to 1h" },
	{ "maxconnections", STOW_OPTION_COUNT, 0, "64", "connections at once, 1 to 4096" },
	{ "iothreads", STOW_OPTION_COUNT, 0, "1", "threads that move bytes, 1 to 64" },
	{ "redirectendpoint", STOW_OPTION_STRING, 0, NULL,
	  "http(s)://host[:port] that presigned URLs name, and are signed for" },
	{ "useragent", STOW_OPTION_STRING, 0, NULL, "added to the User-Agent header" },
	{ "v4auth", STOW_OPTION_BOOL, STOW_OPTION_IGNORED, NULL, "always version 4" },
	{ "loglevel", STOW_OPTION_STRING, STOW_OPTION_IGNORED, NULL, "see [log]" },
	{ NULL, 0, 0, NULL, NULL },
};

#define SLOT(name)                                                                                 \
	{                                                                                          \
#name, offsetof(struct s3_options, name)                                           \
	}
static const struct option_slot slots[] = {
	SLOT(accesskey),
	SLOT(secretkey),
	SLOT(sessiontoken),
	SLOT(awsprofile),
	SLOT(region),
	SLOT(regionendpoint),
	SLOT(forcepathstyle),
	SLOT(usedualstack),
	SLOT(accelerate),
	SLOT(usefipsendpoint),
	SLOT(bucket),
	SLOT(secure),
	SLOT(skipverify),
	SLOT(cafile),
	SLOT(rootdirectory),
	SLOT(chunksize),
	SLOT(multipartcopychunksize),
	SLOT(multipartcopymaxconcurrency),
	SLOT(multipartcopythresholdsize),
	SLOT(storageclass),
	SLOT(objectacl),
	SLOT(encrypt),
	SLOT(keyid),
	SLOT(ssecustomerkey),
	SLOT(contentmd5),
	SLOT(unsignedpayload),
	SLOT(requestrate),
	SLOT(serverprofile),
	SLOT(memory),
	SLOT(maxretries),
	SLOT(connecttimeout),
	SLOT(readtimeout),
	SLOT(maxconnections),
	SLOT(iothreads),
	SLOT(redirectendpoint),
	SLOT(useragent),
	{ NULL, 0 },
};

char *s3_full_key(const struct s3 *s3, const char *key)
{
	size_t root = strlen(s3->root), len = strlen(key);
	char *full = malloc(root + len + 1);

	if (!full)
		return NULL;
	memcpy(full, s3->root, root);
	memcpy(full + root, key, len + 1);
	return full;
}

int s3_key_check(const struct s3 *s3, const char *key, const char *where, struct stow_error *err)
{
	int r = key_check(key, where, err);

	if (r == STOW_OK && strlen(s3->root) + strlen(key) > STOW_KEY_MAX)
		return error_set(err, STOW_EINVAL, where,
		                 "key %s%s: over the %d bytes that a store takes", s3->root, key,
		                 STOW_KEY_MAX);
	if (r == STOW_OK && park_is_hidden(key))
		return error_set(err, STOW_EINVAL, where, "key %s: %s is the driver's own", key,
		                 PARK_FOLDER);
	return r;
}

static int out_of_bounds(const char *name, const char *bounds, struct stow_error *err)
{
	return error_set(err, STOW_EINVAL, "s3.open", "option %s must be %s", name, bounds);
}

static int check_bounds(const struct s3_options *o, struct stow_error *err)
{
	if (o->chunksize < S3_PART_MIN || o->chunksize > S3_PART_MAX)
		return out_of_bounds("chunksize", "5M to 5G", err);
	if (o->multipartcopychunksize < S3_PART_MIN || o->multipartcopychunksize > S3_PART_MAX)
		return out_of_bounds("multipartcopychunksize", "5M to 5G", err);
	if (o->multipartcopymaxconcurrency < 1)
		return out_of_bounds("multipartcopymaxconcurrency", "1 or more", err);
	if (o->multipartcopythresholdsize > S3_PART_MAX)
		return out_of_bounds("multipartcopythresholdsize", "at most 5G", err);
	if (o->memory / 4 < o->chunksize || (uint64_t)o->memory > SIZE_MAX / 2)
		return error_set(
			err, STOW_EINVAL, "s3.open",
			"option memory must be at least four times chunksize: %lld for %lld",
			(long long)o->chunksize * 4, (long long)o->chunksize);
	if (o->connecttimeout < CLOCK_MILLISECOND || o->connecttimeout > TIMEOUT_MOST)
		return out_of_bounds("connecttimeout", "1ms to 1h", err);
	if (o->readtimeout < CLOCK_SECOND || o->readtimeout > TIMEOUT_MOST)
		return out_of_bounds("readtimeout", "1s to 1h", err);
	if (o->maxconnections < 1 || o->maxconnections > 4096)
		return out_of_bounds("maxconnections", "1 to 4096", err);
	if (o->iothreads < 1 || o->iothreads > 64)
		return out_of_bounds("iothreads", "1 to 64", err);
	if (o->maxretries > 100)
		return out_of_bounds("maxretries", "at most 100", err);
	if (o->requestrate > 1000000)
		return out_of_bounds("requestrate", "at most 1000000", err);
	return STOW_OK;
}

static int check_options(struct s3_options *o, struct stow_error *err)
{
	if (!o->bucket)
		return error_set(err, STOW_EINVAL, "s3.open", "option bucket is required");
	if (!o->bucket[0] || strchr(o->bucket, '/') || strlen(o->bucket) > 255)
		return out_of_bounds("bucket", "the name of a bucket", err);
	if (!o->region && o->regionendpoint) {
		o->region = strdup("us-east-1");
		if (!o->region)
			return error_nomem(err, "s3.open");
	}
	if (o->region && !place_is_region(o->region))
		return out_of_bounds("region", "a region's name such as eu-west-1", err);
	return check_bounds(o, err);
}

static const char *variable(void *arg, const char *name)
{
	(void)arg;
	return secure_getenv(name);
}

static int make_place(const struct s3 *s3, const char *region, struct place **ret,
                      struct stow_error *err)
{
	const struct s3_options *o = &s3->o;
	struct address_options a = {
		.endpoint = o->regionendpoint,
		.region = region,
		.bucket = o->bucket,
		.secure = o->secure,
		.dualstack = o->usedualstack,
		.accelerate = o->accelerate,
		.fips = o->usefipsendpoint,
	};
	bool path = false;

	if (strcmp(o->forcepathstyle, "auto") == 0)
		a.style = ADDRESS_AUTO;
	else if (option_bool(o->forcepathstyle, &path))
		a.style = path ? ADDRESS_PATH : ADDRESS_HOST;
	else
		return out_of_bounds("forcepathstyle", "yes, no or auto", err);
	return place_make(&a, ret, err);
}

static int set_attributes(struct s3 *s3, struct stow_error *err)
{
	const struct s3_options *o = &s3->o;
	const struct address *a = &s3->place->address;
	const struct attributes_options given = {
		.storageclass = o->storageclass,
		.objectacl = o->objectacl,
		.keyid = o->keyid,
		.ssecustomerkey = o->ssecustomerkey,
		.contentmd5 = o->contentmd5,
		.unsignedpayload = o->unsignedpayload,
		.encrypt = o->encrypt,
		.private = a->tls || address_is_loopback(a->host),
	};

	return attributes_make(&s3->attributes, &given, err);
}

int s3_process_check(const struct s3 *s3, const char *where, struct stow_error *err)
{
	if (s3->pid == getpid())
		return STOW_OK;
	return error_set(err, STOW_EINVAL, where,
	                 "the store was opened before fork: open it in this process");
}

/* ---- what answers teach ---- */

struct place *s3_place(struct s3 *s3)
{
	struct place *place;

	mutex_lock(&s3->lock);
	place = place_ref(s3->place);
	mutex_unlock(&s3->lock);
	return place;
}

int s3_learn_region(struct s3 *s3, const struct place *from, const char *region,
                    struct stow_error *err)
{
	struct place *place = NULL;
	bool is_news;
	int r = make_place(s3, region, &place, err);

	if (r != STOW_OK)
		return r;
	mutex_lock(&s3->lock);
	is_news = strcmp(s3->place->region, region) != 0;
	if (is_news) {
		place_unref(s3->place);
		s3->place = place_ref(place);
	}
	mutex_unlock(&s3->lock);
	place_unref(place);
	if (is_news)
		log_line(s3->host, STOW_LOG_WARNING, "s3",
		         "bucket %s is in region %s, not %s: going on there; option region should "
		         "say so",
		         s3->o.bucket, region, from->region);
	return STOW_OK;
}

int64_t s3_now(const struct s3 *s3)
{
	return clock_host_now(s3->host) + __atomic_load_n(&s3->skew_ns, __ATOMIC_RELAXED);
}

bool s3_has_learned(const struct s3 *s3, uint32_t what)
{
	return (__atomic_load_n(&s3->learned, __ATOMIC_RELAXED) & what) != 0;
}

bool s3_learn(struct s3 *s3, uint32_t what)
{
	return (__atomic_fetch_or(&s3->learned, what, __ATOMIC_RELAXED) & what) == 0;
}

/* ---- beginning and end ---- */

/* As Distribution makes keys: no slash at the start, one behind the root. */
static int set_root(struct s3 *s3, struct stow_error *err)
{
	const char *given = s3->o.rootdirectory ? s3->o.rootdirectory : "";
	size_t len;

	while (*given == '/')
		given++;
	len = strlen(given);
	while (len && given[len - 1] == '/')
		len--;
	if (len > STOW_KEY_MAX / 2)
		return out_of_bounds("rootdirectory", "at most 512 bytes", err);
	s3->root = malloc(len + 2);
	if (!s3->root)
		return error_nomem(err, "s3.open");
	memcpy(s3->root, given, len);
	if (len)
		s3->root[len++] = '/';
	s3->root[len] = '\0';
	return STOW_OK;
}

static int set_http(struct s3 *s3, struct stow_error *err)
{
	const struct s3_options *o = &s3->o;
	const struct source_settings settings = { .accesskey = o->accesskey,
		                                  .secretkey = o->secretkey,
		                                  .sessiontoken = o->sessiontoken,
		                                  .profile = o->awsprofile,
		                                  .region = o->region,
		                                  .fips = o->usefipsendpoint,
		                                  .variable = variable };
	char agent[300];
	const struct http_client_options http = { .threads = (unsigned)o->iothreads,
		                                  .max_connections = (unsigned)o->maxconnections,
		                                  .connect_timeout_ns = o->connecttimeout,
		                                  .stall_timeout_ns = o->readtimeout,
		                                  .ca_file = o->cafile,
		                                  .skip_verify = o->skipverify,
		                                  .user_agent = agent };
	struct http_client_options of_keys = http;
	int r;

	if (!text_format(agent, sizeof(agent), "stowage/1%s%s", o->useragent ? " " : "",
	                 o->useragent ? o->useragent : ""))
		return out_of_bounds("useragent", "at most 280 bytes", err);
	/* else the first request would tell, as trouble of the store's */
	if (o->cafile && o->cafile[0] && access(o->cafile, R_OK) != 0)
		return error_errno(err, errno, "s3.open", "option cafile: %s", o->cafile);
	r = http_client_open(&http, &s3->http, err);
	/* what is said of the store's certificate is not said of the service of keys */
	of_keys.skip_verify = false;
	of_keys.ca_beside = true;
	if (r == STOW_OK)
		r = credentials_open(&settings, s3->host, &of_keys, &s3->skew_ns, &s3->credentials,
		                     err);
	return r;
}

static void s3_close(void *self)
{
	struct s3 *s3 = self;

	if (!s3)
		return;
	http_client_close(s3->http);
	credentials_close(s3->credentials);
	budget_done(&s3->budget);
	pace_done(&s3->pace);
	attributes_done(&s3->attributes);
	place_unref(s3->place);
	option_free(options, slots, &s3->o);
	if (s3->inited)
		mutex_done(&s3->lock);
	free(s3->root);
	free(s3);
}

static int set_lock(struct s3 *s3, struct stow_error *err)
{
	if (mutex_init(&s3->lock) != 0)
		return error_nomem(err, "s3.open");
	s3->inited = true;
	return STOW_OK;
}

static int set_all(struct s3 *s3, struct stow_error *err)
{
	int r = set_lock(s3, err);

	if (r == STOW_OK)
		r = check_options(&s3->o, err);
	if (r == STOW_OK)
		r = make_place(s3, s3->o.region, &s3->place, err);
	if (r == STOW_OK)
		r = abilities_init(&s3->abilities, s3->o.serverprofile, s3->place->address.host,
		                   err);
	if (r == STOW_OK) {
		s3->direct = address_is_loopback(s3->place->address.host);
		r = set_attributes(s3, err);
	}
	if (r == STOW_OK)
		r = presign_check(s3, err);
	if (r == STOW_OK)
		r = set_root(s3, err);
	if (r == STOW_OK)
		r = budget_init(&s3->budget, (size_t)s3->o.memory, err);
	if (r == STOW_OK)
		r = pace_init(&s3->pace, s3->o.requestrate, err);
	if (r == STOW_OK)
		r = set_http(s3, err);
	return r;
}

static void warn(const struct s3 *s3)
{
	if (s3->o.skipverify && s3->place->address.tls)
		log_line(s3->host, STOW_LOG_WARNING, "s3",
		         "skipverify = yes: any certificate is taken for %s",
		         s3->place->address.base);
	if (s3->o.usedualstack && s3->o.regionendpoint)
		log_line(s3->host, STOW_LOG_WARNING, "s3",
		         "usedualstack = yes: it has no effect beside regionendpoint");
	if (s3->o.keyid && s3->o.keyid[0] && !s3->o.encrypt)
		log_line(s3->host, STOW_LOG_WARNING, "s3",
		         "keyid is set, but encrypt is not: it has no effect");
}

static int s3_open(const struct stow_host *host, const struct stow_kv *pairs, size_t n,
                   void **ret_self, struct stow_error *err)
{
	struct s3 *s3 = calloc(1, sizeof(*s3));
	int r;

	if (!s3)
		return error_nomem(err, "s3.open");
	s3->host = host;
	s3->pid = getpid();
	r = option_load(options, slots, pairs, n, &s3->o, "s3.open", err);
	if (r == STOW_OK)
		r = set_all(s3, err);
	if (r != STOW_OK) {
		s3_close(s3);
		return r;
	}
	warn(s3);
	*ret_self = s3;
	return STOW_OK;
}

static uint64_t s3_instance_caps(void *self)
{
	static const struct {
		uint64_t cap;
		uint32_t one;
	} rows[] = {
		{ STOW_CAP_CREATE, ABILITY_CREATE },
		{ STOW_CAP_PUT_IF_MATCH, ABILITY_PUT_IF_MATCH },
		{ STOW_CAP_GET_IF_MATCH, ABILITY_GET_IF_MATCH },
		{ STOW_CAP_COPY_IF_MATCH, ABILITY_COPY_IF_MATCH },
		{ STOW_CAP_REMOVE_IF_MATCH, ABILITY_REMOVE_IF_MATCH },
	};
	const struct s3 *s3 = self;
	uint64_t caps = ALWAYS;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (ability_has(&s3->abilities, rows[i].one))
			caps |= rows[i].cap;
	return caps;
}

static const struct stow_driver driver = {
	.size = sizeof(struct stow_driver),
	.major = STOW_DRIVER_MAJOR,
	.minor = STOW_DRIVER_MINOR,
	.caps = CAPS,
	.name = "s3",
	.version = "1",
	.summary = "a bucket of Amazon S3 or of a store that speaks its protocol",
	.options = options,
	.open = s3_open,
	.close = s3_close,
	.stat = s3_stat,
	.get = s3_get,
	.put = s3_put,
	.remove = s3_remove,
	.read_open = s3_read_open,
	.read = s3_read,
	.read_close = s3_read_close,
	.write_open = s3_write_open,
	.write = s3_write,
	.write_copy = s3_write_copy,
	.write_commit = s3_write_commit,
	.write_close = s3_write_close,
	.list_open = s3_list_open,
	.list_next = s3_list_next,
	.list_close = s3_list_close,
	.batch = s3_batch,
	.copy = s3_copy,
	.remove_many = s3_remove_many,
	.write_park = s3_write_park,
	.purge_writes = s3_purge_writes,
	.presign = s3_presign,
	.check = s3_check,
	.instance_caps = s3_instance_caps,
	.probe = s3_probe,
};

STOW_EXPORT const struct stow_driver *stow_driver_v1(void);
const struct stow_driver *stow_driver_v1(void)
{
	return &driver;
}
