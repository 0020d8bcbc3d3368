/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probe: conditions that must fail, and do they?  What is asked for, and is it done?
 * It must not know servers by name, nor what is done where one lacks something.
 */
#include "driver/s3/probe.h"

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/text.h"
#include "driver/s3/describe.h"
#include "driver/s3/multipart.h"
#include "driver/s3/park.h"

#define NO_VERSION "\"00000000000000000000000000000000\"" /* no object's ETag */
#define FIRST "stowage probe"                             /* what the object must hold */
#define OTHER "stowage probe, overwritten"

struct probe {
	struct s3 *s3;
	const struct stow_op *op;
	char key[sizeof(PARK_PROBES) + 32], copy[sizeof(PARK_PROBES) + 32];
	char etag[80]; /* of what was written first */
	uint32_t can, cannot;
	int64_t ahead_ns; /* the store's clock, of ours */
	bool copied;      /* there is a copy to take away */
	bool refuses_all; /* a condition that holds is refused, too, as if all were the same */
	bool dark;        /* an attempt of the last PUT may have written */
	bool stop;        /* no telling, now: nobody answers, or we may not */
	struct stow_error why;
};

int probe_sum_check(const struct s3 *s3, const void *data, size_t len, const struct stow_put *put,
                    const char *where, const char *key, struct stow_error *err)
{
	uint8_t sum[32];

	if (!put || !put->sha256 || !ability_lacks(&s3->abilities, ABILITY_SHA256))
		return STOW_OK;
	hash_sha256(data, len, sum);
	if (hash_equal(sum, put->sha256, sizeof(sum)))
		return STOW_OK;
	return error_set(err, STOW_ECORRUPT, where,
	                 "bucket %s, key %s%s: the bytes have another SHA-256 than announced",
	                 s3->o.bucket, s3->root, key);
}

/* ---- asking ---- */

static void found(struct probe *p, uint32_t one, bool can)
{
	if (p->stop)
		return;
	p->can = can ? p->can | one : p->can & ~one;
	p->cannot = can ? p->cannot & ~one : p->cannot | one;
}

static void note_clock(struct probe *p, struct call *c)
{
	char text[64];
	int64_t seconds;

	if (!http_request_header(c->http, "Date", text, sizeof(text)))
		return;
	seconds = text_http_date(text);
	if (seconds > 0 && seconds < INT64_MAX / CLOCK_SECOND)
		p->ahead_ns = seconds * CLOCK_SECOND - clock_host_now(p->s3->host);
}

static bool is_fine(int http)
{
	return http / 100 == 2;
}

/* The HTTP status of the answer; an answer that says nothing about the question stops the probe. */
static int ask(struct probe *p, struct call *c)
{
	int http = 0;

	if (p->stop)
		return 0;
	call_run(c, p->op, &c->error);
	if (c->finished && c->http) {
		http = http_request_status(c->http);
		note_clock(p, c);
	}
	p->stop = http == 0 || http == 401 || http == 403 || http == 409 || http == 429 ||
	          (http >= 500 && http != 501);
	if (!is_fine(http))
		p->why = c->error;
	return http;
}

/* ---- writes ---- */

static int put(struct probe *p, const char *key, const char *body, const char *condition,
               const char *value, char ret_etag[80])
{
	cleanup_call struct call c = { 0 };
	int http;

	describe_put(&c, p->s3, key, body, strlen(body), NULL);
	if (condition)
		call_header(&c, condition, value);
	http = ask(p, &c);
	p->dark = c.maybe;
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

	describe_get(&c, p->s3, p->key, p->etag[0] ? p->etag : NULL, body, sizeof(body) - 1);
	p->refuses_all = ask(p, &c) == 412;
	*ret_known = c.finished && finish_get(&c, &len, NULL, NULL) == STOW_OK;
	return *ret_known && len == strlen(FIRST) && memcmp(body, FIRST, len) == 0;
}

/* The object; false where it cannot be had, not even without a condition. */
static bool begin(struct probe *p)
{
	int http = put(p, p->key, FIRST, "if-none-match", "*", p->etag);

	/* the answer to an attempt that wrote was lost, and the next one found it there */
	if (http == 412 && p->dark) {
		found(p, ABILITY_CREATE, true);
		http = put(p, p->key, FIRST, NULL, NULL, p->etag);
		return is_fine(http);
	}
	if (is_fine(http))
		return true;
	if (p->stop)
		return false;
	/* the condition was refused where it holds; or is it the write? */
	http = put(p, p->key, FIRST, NULL, NULL, p->etag);
	if (!is_fine(http))
		return false;
	found(p, ABILITY_CREATE, false);
	return true;
}

static void try_writes(struct probe *p)
{
	const uint32_t both = ABILITY_CREATE | ABILITY_PUT_IF_MATCH;
	bool known = false;
	int http;

	if (!(p->cannot & ABILITY_CREATE)) {
		http = put(p, p->key, OTHER, "if-none-match", "*", NULL);
		found(p, ABILITY_CREATE, http == 412);
	}
	http = p->stop ? 0 : put(p, p->key, OTHER, "if-match", NO_VERSION, NULL);
	found(p, ABILITY_PUT_IF_MATCH, http == 412);
	/* what is absent is no version either: some stores look only at what is there */
	http = p->stop ? 0 : put(p, p->copy, OTHER, "if-match", NO_VERSION, NULL);
	p->copied = is_fine(http);
	if (p->copied)
		found(p, ABILITY_PUT_IF_MATCH, false);
	/* one that said 412 and wrote all the same is none to rely on in either */
	if (!p->stop && (p->can & both) == both &&
	    ((!is_unchanged(p, &known) && known) || p->refuses_all))
		found(p, both, false);
}

static void try_get(struct probe *p)
{
	char body[sizeof(OTHER) + 1];
	cleanup_call struct call c = { 0 };

	describe_get(&c, p->s3, p->key, NO_VERSION, body, sizeof(body));
	found(p, ABILITY_GET_IF_MATCH, ask(p, &c) == 412 && !p->refuses_all);
}

static void try_sha256(struct probe *p)
{
	static const uint8_t wrong[32] = { 0 };
	cleanup_call struct call c = { 0 };

	describe_put(&c, p->s3, p->key, OTHER, strlen(OTHER), NULL);
	c.sha256 = wrong;
	found(p, ABILITY_SHA256, !is_fine(ask(p, &c)));
}

/* ---- copies ---- */

static void try_copy(struct probe *p)
{
	char source[COPY_SOURCE_MAX];
	cleanup_call struct call c = { 0 };
	bool offered;
	int http;

	if (p->stop ||
	    describe_copy(&c, p->s3, p->key, NO_VERSION, p->copy, NULL, source, NULL) != STOW_OK)
		return;
	http = ask(p, &c);
	p->copied |= is_fine(http);
	offered = http != 501 && http != 405;
	found(p, ABILITY_COPY, offered);
	/* where there are no copies at all, reading and writing through heeds the condition */
	found(p, ABILITY_COPY_IF_MATCH,
	      http == 412 || (!offered && (p->can & ABILITY_GET_IF_MATCH)));
}

/* The copy of a part, on a condition that must fail, and without one. */
static void try_part_copy(struct probe *p, struct multipart *upload)
{
	struct multipart_job job = { .number = 1 };
	char source[COPY_SOURCE_MAX];
	int64_t size = (int64_t)strlen(FIRST);
	int http;

	if (copy_source(p->s3, p->key, "s3.probe", source, NULL) != STOW_OK)
		return;
	multipart_describe_copy(upload, &job, 1, source, NO_VERSION, 0, size);
	http = ask(p, &job.call);
	call_done(&job.call);
	if (is_fine(http))
		found(p, ABILITY_COPY_IF_MATCH, false);
	if (http == 501 || http == 405)
		found(p, ABILITY_PART_COPY, false);
	if (p->stop || (p->cannot & ABILITY_PART_COPY))
		return;
	multipart_describe_copy(upload, &job, 1, source, NULL, 0, size);
	http = ask(p, &job.call);
	/* a range of so little may be refused where others are not: that tells nothing */
	if (http != 400)
		found(p, ABILITY_PART_COPY, job.call.status == STOW_OK && job.etag[0]);
	call_done(&job.call);
}

static bool put_part(struct probe *p, struct multipart *upload, unsigned number, const char *body)
{
	struct multipart_job job = { .number = number };
	struct stow_error e = { 0 };
	int r;

	multipart_describe(upload, &job, number, body, strlen(body));
	ask(p, &job.call);
	r = job.call.status == STOW_OK ? multipart_note(upload, &job, &e) : job.call.status;
	call_done(&job.call);
	return !p->stop && r == STOW_OK;
}

static int accept_parts(struct call *c, struct stow_error *err)
{
	cleanup_xml struct xml *x = NULL;
	int64_t *ret_size = c->arg;
	const struct xml_node *part;
	char text[32];
	int r = answer_xml(c, "ListPartsResult", &x, err);

	part = r == STOW_OK ? xml_child(xml_root(x, "ListPartsResult"), "Part") : NULL;
	if (part && xml_text(part, "Size", text, sizeof(text)))
		(void)text_to_int64(text, ret_size);
	return r;
}

/* The first part was copied or sent, and sent anew: of which of the two is it?  Stores that do not tell are taken
 * for what nearly all are. */
static void try_replaced_part(struct probe *p, struct multipart *upload)
{
	cleanup_call struct call c = { 0 };
	int64_t size = -1;

	call_init(&c, p->s3, "s3.probe", "GET", p->key);
	call_query(&c, "uploadId", upload->id);
	c.answer_cap = S3_ANSWER_MAX;
	c.accept = accept_parts;
	c.arg = &size;
	if (is_fine(ask(p, &c)) && size >= 0)
		found(p, ABILITY_REPLACE_PART, size == (int64_t)strlen(OTHER));
}

/* The conditions of writes hold at the end of an upload, too, or are no such abilities. */
static void try_complete(struct probe *p, struct multipart *upload)
{
	struct stow_put create = { .size = sizeof(create), .flags = STOW_PUT_CREATE };
	struct stow_put other = { .size = sizeof(other), .if_match = NO_VERSION };
	struct stow_error e = { 0 };
	struct stow_stat st;
	unsigned number = 0;
	bool gone = false;
	int r;

	if (p->stop || multipart_number(upload, &number, NULL) != STOW_OK ||
	    (!(p->can & ABILITY_PART_COPY) && !put_part(p, upload, number, FIRST)) ||
	    !put_part(p, upload, number, OTHER))
		return;
	try_replaced_part(p, upload);
	if (p->stop)
		return;
	r = multipart_complete(upload, p->op, &create, (int64_t)strlen(OTHER), &st, &gone, &e);
	if (r == STOW_OK || r == STOW_ENOTSUP)
		found(p, r == STOW_OK ? ABILITY_CREATE | ABILITY_PUT_IF_MATCH : ABILITY_CREATE,
		      false);
	if (r == STOW_OK || gone)
		return; /* some stores end an upload whose condition fails */
	r = multipart_complete(upload, p->op, &other, (int64_t)strlen(OTHER), &st, &gone, &e);
	if (r == STOW_OK || r == STOW_ENOTSUP)
		found(p, ABILITY_PUT_IF_MATCH, false);
}

/* An upload of the object that is there. */
static void try_upload(struct probe *p)
{
	struct multipart upload = { .s3 = p->s3, .key = p->key };
	struct stow_error e = { 0 };

	if (p->stop)
		return;
	if (multipart_begin(&upload, p->op, NULL, &e) != STOW_OK) {
		p->stop = e.status != STOW_ENOTSUP;
		p->why = e;
		found(p, ABILITY_PART_COPY, false);
		return;
	}
	try_part_copy(p, &upload);
	try_complete(p, &upload);
	if (multipart_abort(p->s3, p->op, p->key, upload.id, NULL, &e) != STOW_OK)
		log_line(p->s3->host, STOW_LOG_WARNING, "s3",
		         "an upload that the probe has begun stays until it is purged: %s",
		         e.message);
	multipart_done(&upload);
}

/* ---- listings ---- */

static int accept_listing(struct call *c, struct stow_error *err)
{
	cleanup_xml struct xml *x = NULL;
	bool *ret_second = c->arg;
	int r = answer_xml(c, "ListBucketResult", &x, err);

	if (r == STOW_OK)
		*ret_second = xml_child(xml_root(x, "ListBucketResult"), "KeyCount") ||
		              !xml_child(xml_root(x, "ListBucketResult"), "Marker");
	return r;
}

static void try_list(struct probe *p)
{
	cleanup_free char *prefix = s3_full_key(p->s3, p->key);
	cleanup_call struct call c = { 0 };
	bool second = false;
	int http;

	if (!prefix)
		return;
	call_init(&c, p->s3, "s3.list", "GET", NULL);
	call_query(&c, "list-type", "2");
	call_query(&c, "max-keys", "1");
	call_query(&c, "prefix", prefix);
	c.answer_cap = S3_ANSWER_MAX;
	c.accept = accept_listing;
	c.arg = &second;
	http = ask(p, &c);
	found(p, ABILITY_LIST_V2, is_fine(http) && second);
}

/* ---- removal, which comes last ---- */

static bool remove_one(struct probe *p, const char *key, const char *if_match, int *ret_http)
{
	cleanup_call struct call c = { 0 };

	describe_remove(&c, p->s3, key, if_match);
	*ret_http = ask(p, &c);
	return is_fine(*ret_http);
}

/* Neither may go by these conditions; what did not, goes then. */
static void try_remove(struct probe *p)
{
	const char *keys[2] = { p->key, p->copy };
	const char *wrong[1] = { NO_VERSION };
	int statuses[2] = { STOW_EIO, STOW_EIO }, http = 0;
	struct stow_error e = { 0 };
	int r;

	if (p->stop)
		return;
	remove_one(p, p->key, NO_VERSION, &http);
	found(p, ABILITY_REMOVE_IF_MATCH, http == 412 && !p->refuses_all);
	if (p->stop || !(p->can & ABILITY_REMOVE_IF_MATCH)) {
		found(p, ABILITY_MANY_IF_MATCH, false);
	} else {
		r = remove_listed(p->s3, p->op, keys, wrong, 1, statuses, &e);
		if (r == STOW_OK || r == STOW_ENOTSUP)
			found(p, ABILITY_MANY_IF_MATCH,
			      r == STOW_OK && statuses[0] == STOW_ECHANGED);
	}
	r = remove_listed(p->s3, p->op, keys, NULL, p->copied ? 2 : 1, statuses, &e);
	if (r == STOW_OK || r == STOW_ENOTSUP)
		found(p, ABILITY_REMOVE_MANY, r == STOW_OK && statuses[0] == STOW_OK);
}

static void take_away(struct probe *p, const struct stow_op *op, const char *key)
{
	cleanup_call struct call c = { 0 };

	describe_remove(&c, p->s3, key, NULL);
	if (call_run(&c, op, &c.error) != STOW_OK && c.status != STOW_ENOTFOUND)
		log_line(p->s3->host, STOW_LOG_WARNING, "s3",
		         "what the probe has written stays until it is purged: %s",
		         c.error.message);
}

static void clean_up(struct probe *p)
{
	struct stow_op mine = p->op ? *p->op : (struct stow_op){ .size = sizeof(mine) };
	int64_t limit = clock_monotonic() + 10 * CLOCK_SECOND;

	if (!mine.deadline_ns || mine.deadline_ns > limit)
		mine.deadline_ns = limit;
	if (!p->stop && (p->can & ABILITY_REMOVE_MANY))
		return;
	if (clock_op_check(p->op, "s3.probe", NULL) != STOW_OK) {
		log_line(p->s3->host, STOW_LOG_WARNING, "s3",
		         "what the probe has written stays until it is purged: there is no time");
		return;
	}
	take_away(p, &mine, p->key);
	if (p->copied)
		take_away(p, &mine, p->copy);
}

/* ---- all ---- */

/* False where no object can be written. */
static bool run(struct probe *p)
{
	uint8_t nonce[8];
	char hex[2 * sizeof(nonce) + 1];

	if (!hash_random(nonce, sizeof(nonce)))
		return false;
	text_hex(hex, nonce, sizeof(nonce));
	text_format(p->key, sizeof(p->key), PARK_PROBES "probe-%s", hex);
	text_format(p->copy, sizeof(p->copy), PARK_PROBES "probe-%sc", hex);
	if (!begin(p)) {
		if (p->why.flags & STOW_ERROR_MAYBE)
			clean_up(p);
		return false;
	}
	try_writes(p);
	try_get(p);
	try_copy(p);
	try_upload(p);
	try_sha256(p);
	try_list(p);
	try_remove(p);
	clean_up(p);
	return true;
}

void probe_once(struct s3 *s3, const struct stow_op *op)
{
	struct probe p = { .s3 = s3, .op = op };
	struct place *place;

	if (!abilities_auto(&s3->abilities) || s3_has_learned(s3, S3_LEARNED_PROBE))
		return;
	if (!run(&p)) {
		log_line(
			s3->host, STOW_LOG_INFO, "s3",
			"what the store of bucket %s can do is not probed, and conditions are done "
			"without: no object can be written: %s",
			s3->o.bucket, p.why.message);
		return;
	}
	place = s3_place(s3);
	for (uint32_t one = 1; one < ABILITY_ALL; one <<= 1) {
		if (p.can & one)
			ability_set(&s3->abilities, one, true);
		if (!(p.cannot & one))
			continue;
		ability_set(&s3->abilities, one, false);
		if (!(one & (ABILITY_REMOVE_IF_MATCH | ABILITY_MANY_IF_MATCH))) /* few do */
			log_line(s3->host, STOW_LOG_WARNING, "s3",
			         "the store at %s does not do %s: done without",
			         place->address.base, ability_words(one));
	}
	place_unref(place);
	if (!p.stop)
		s3_learn(s3, S3_LEARNED_PROBE);
}

/* ---- for people ---- */

static void report(const struct probe *p, struct buf *text)
{
	struct s3 *s3 = p->s3;
	struct place *place = s3_place(s3);
	char bound[32];

	buf_addf(text, "endpoint\t%s\twhere requests go\n", place->address.base);
	buf_addf(text, "region\t%s\tthat requests are signed for\n", place->region);
	buf_addf(text, "profile\t%s\tserverprofile\n", s3->abilities.profile);
	buf_addf(text, "clock\t%lld\tseconds that the store's clock is ahead of ours\n",
	         (long long)(p->ahead_ns / CLOCK_SECOND));
	for (uint32_t one = 1; one < ABILITY_ALL; one <<= 1) {
		const char *verdict = p->can & one ? "yes" : p->cannot & one ? "no" : "unknown";

		if (one == ABILITY_UNEVEN_PARTS) /* no small question shows it */
			verdict = ability_lacks(&s3->abilities, one) ? "no" : "assumed";
		buf_addf(text, "%s\t%s\t%s\n", ability_name(one), verdict, ability_words(one));
	}
	text_format(bound, sizeof(bound), "%u", s3->abilities.parts_most);
	buf_addf(text, "parts\t%s\tof one upload at most\n", bound);
	place_unref(place);
}

int s3_probe(void *self, const struct stow_op *op, char *buf, size_t cap, size_t *ret_len,
             struct stow_error *err)
{
	struct probe p = { .s3 = self, .op = op };
	cleanup_buf struct buf text = { 0 };

	if (!run(&p)) {
		if (!p.why.status)
			return error_set(err, STOW_EIO, "s3.probe",
			                 "bucket %s: no object can be written", p.s3->o.bucket);
		(void)error_prefix(&p.why, p.why.status, "no object can be written");
		return error_copy(err, &p.why);
	}
	buf_init(&text, (size_t)64 << 10);
	report(&p, &text);
	if (buf_status(&text) != STOW_OK)
		return error_nomem(err, "s3.probe");
	if (text.len > cap)
		return error_set(err, STOW_ERANGE, "s3.probe",
		                 "the report has %zu bytes, the buffer %zu", text.len, cap);
	memcpy(buf, text.data, text.len);
	*ret_len = text.len;
	return STOW_OK;
}
