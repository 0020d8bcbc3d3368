/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probe: conditions that must fail, and do they?
 * It must not know servers by name, nor what is done where one lacks something.
 */
#include "driver/s3/probe.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/text.h"
#include "driver/s3/describe.h"
#include "driver/s3/park.h"

#define NO_VERSION "\"00000000000000000000000000000000\"" /* no object's ETag */
#define FIRST "stowage probe"                             /* what the object must hold */
#define OTHER "stowage probe, overwritten"

/* of s3->probed, beside STOW_CAP_* that are lacking */
#define DONE (UINT32_C(1) << 31)
#define NO_SHA256 (UINT32_C(1) << 30) /* the body is not compared with x-amz-content-sha256 */
#define CONDITIONS                                                                                 \
	(STOW_CAP_CREATE | STOW_CAP_PUT_IF_MATCH | STOW_CAP_GET_IF_MATCH | STOW_CAP_COPY_IF_MATCH)

struct probe {
	struct s3 *s3;
	const struct stow_op *op;
	char key[sizeof(PARK_FOLDER) + 32], copy[sizeof(PARK_FOLDER) + 32];
	char etag[80]; /* of what was written first */
	uint32_t lacks;
	bool stop; /* no telling, now: nobody answers, or we may not */
};

uint64_t probe_lacks(const struct s3 *s3)
{
	return __atomic_load_n(&s3->probed, __ATOMIC_RELAXED) & CONDITIONS;
}

int probe_sum_check(const struct s3 *s3, const void *data, size_t len, const struct stow_put *put,
                    const char *where, const char *key, struct stow_error *err)
{
	uint8_t sum[32];

	if (!put || !put->sha256 || !(__atomic_load_n(&s3->probed, __ATOMIC_RELAXED) & NO_SHA256))
		return STOW_OK;
	hash_sha256(data, len, sum);
	if (hash_equal(sum, put->sha256, sizeof(sum)))
		return STOW_OK;
	return error_set(err, STOW_ECORRUPT, where,
	                 "bucket %s, key %s%s: the bytes have another SHA-256 than announced",
	                 s3->o.bucket, s3->root, key);
}

/* The HTTP status of the answer; an answer that says nothing about the question stops the probe. */
static int ask(struct probe *p, struct call *c)
{
	int http = 0;

	if (p->stop)
		return 0;
	call_run(c, p->op, &c->error);
	if (c->finished && c->http)
		http = http_request_status(c->http);
	p->stop = http == 0 || http == 401 || http == 403 || http == 409 || http == 429 ||
	          (http >= 500 && http != 501);
	return http;
}

static bool is_fine(int http)
{
	return http / 100 == 2;
}

static int put(struct probe *p, const char *body, const char *condition, const char *value,
               char ret_etag[80])
{
	cleanup_call struct call c = { 0 };
	int http;

	describe_put(&c, p->s3, p->key, body, strlen(body), NULL);
	if (condition)
		call_header(&c, condition, value);
	http = ask(p, &c);
	if (ret_etag && is_fine(http))
		answer_etag(&c, ret_etag);
	return http;
}

/* Is the object still what was written first? */
static bool is_unchanged(struct probe *p, bool *ret_known)
{
	char body[sizeof(OTHER) + 1] = "";
	cleanup_call struct call c = { 0 };
	size_t len = 0;

	describe_get(&c, p->s3, p->key, NULL, body, sizeof(body) - 1);
	ask(p, &c);
	*ret_known = c.finished && finish_get(&c, &len, NULL, NULL) == STOW_OK;
	return *ret_known && len == strlen(FIRST) && memcmp(body, FIRST, len) == 0;
}

/* The object; false where it cannot be had, not even without a condition. */
static bool begin(struct probe *p)
{
	int http = put(p, FIRST, "if-none-match", "*", p->etag);

	if (is_fine(http))
		return true;
	if (p->stop)
		return false;
	/* the condition was refused where it holds; or is it the write? */
	http = put(p, FIRST, NULL, NULL, p->etag);
	if (!is_fine(http))
		return false;
	p->lacks |= STOW_CAP_CREATE;
	return true;
}

static void try_writes(struct probe *p)
{
	bool known = false;

	if (!(p->lacks & STOW_CAP_CREATE) && put(p, OTHER, "if-none-match", "*", NULL) != 412 &&
	    !p->stop)
		p->lacks |= STOW_CAP_CREATE;
	if (!p->stop && put(p, OTHER, "if-match", NO_VERSION, NULL) != 412 && !p->stop)
		p->lacks |= STOW_CAP_PUT_IF_MATCH;
	/* one that said 412 and wrote all the same is none to rely on in either */
	if (!p->stop && (p->lacks & (STOW_CAP_CREATE | STOW_CAP_PUT_IF_MATCH)) == 0 &&
	    !is_unchanged(p, &known) && known)
		p->lacks |= STOW_CAP_CREATE | STOW_CAP_PUT_IF_MATCH;
}

static void try_get(struct probe *p)
{
	char body[sizeof(OTHER) + 1];
	cleanup_call struct call c = { 0 };

	describe_get(&c, p->s3, p->key, NO_VERSION, body, sizeof(body));
	if (ask(p, &c) != 412 && !p->stop)
		p->lacks |= STOW_CAP_GET_IF_MATCH;
}

static int remove_object(struct probe *p, const char *key)
{
	cleanup_call struct call c = { 0 };

	describe_remove(&c, p->s3, key);
	return call_run(&c, p->op, NULL);
}

static void try_copy(struct probe *p)
{
	char source[COPY_SOURCE_MAX];
	cleanup_call struct call c = { 0 };
	int http;

	if (p->stop ||
	    describe_copy(&c, p->s3, p->key, NO_VERSION, p->copy, NULL, source, NULL) != STOW_OK)
		return;
	http = ask(p, &c);
	if (p->stop || http == 412)
		return;
	/* where there are no copies at all, reading and writing through heeds the condition */
	if (http != 501 && http != 405)
		p->lacks |= STOW_CAP_COPY_IF_MATCH;
	if (is_fine(http))
		remove_object(p, p->copy);
}

static void try_sha256(struct probe *p)
{
	static const uint8_t wrong[32] = { 0 };
	cleanup_call struct call c = { 0 };

	describe_put(&c, p->s3, p->key, OTHER, strlen(OTHER), NULL);
	c.sha256 = wrong;
	if (is_fine(ask(p, &c)))
		p->lacks |= NO_SHA256;
}

static void tell(const struct probe *p)
{
	struct place *place = s3_place(p->s3);
	static const struct {
		uint32_t what;
		const char *words;
	} names[] = {
		{ STOW_CAP_CREATE, "create-only writes" },
		{ STOW_CAP_PUT_IF_MATCH, "writes on condition of an ETag" },
		{ STOW_CAP_GET_IF_MATCH, "reads on condition of an ETag" },
		{ STOW_CAP_COPY_IF_MATCH, "copies on condition of the source's ETag" },
		{ NO_SHA256, "comparison of a body with its SHA-256" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (p->lacks & names[i].what)
			log_line(p->s3->host, STOW_LOG_WARNING, "s3",
			         "the store at %s does not do %s: done without",
			         place->address.base, names[i].words);
	place_unref(place);
}

void probe_run(struct s3 *s3, const struct stow_op *op)
{
	struct probe p = { .s3 = s3, .op = op };
	uint8_t nonce[8];
	char hex[2 * sizeof(nonce) + 1];

	if (__atomic_load_n(&s3->probed, __ATOMIC_RELAXED) & DONE ||
	    !hash_random(nonce, sizeof(nonce)))
		return;
	text_hex(hex, nonce, sizeof(nonce));
	text_format(p.key, sizeof(p.key), PARK_FOLDER "probe-%s", hex);
	text_format(p.copy, sizeof(p.copy), PARK_FOLDER "probe-%sc", hex);
	if (!begin(&p)) {
		log_line(s3->host, STOW_LOG_INFO, "s3",
		         "what the store of bucket %s can do is not probed: no object can be "
		         "written",
		         s3->o.bucket);
		return;
	}
	try_writes(&p);
	try_get(&p);
	try_copy(&p);
	try_sha256(&p);
	remove_object(&p, p.key);
	tell(&p);
	__atomic_fetch_or(&s3->probed, p.lacks | (p.stop ? 0 : DONE), __ATOMIC_RELAXED);
}
