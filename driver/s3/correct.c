/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a refusal teaches about how the request should have been: the region, the clock, newer keys,
 * a hash, another host.  The instance remembers what holds for all requests.
 * It must not retry what may pass by itself: that is call.c's.
 */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/text.h"
#include "driver/s3/call.h"

#define CORRECT_REGION 1u
#define CORRECT_CLOCK 2u
#define CORRECT_KEYS 4u
#define CORRECT_MD5 8u
#define CORRECT_HOST 16u
#define CORRECT_BARE 32u /* what a bare 400 means was asked by a GET */

/* The year 2200: no clock is right that says so, and nanoseconds of 64 bits end soon after. */
#define DATE_MOST INT64_C(7258118400)
#define SKEW_LEAST 300 /* seconds; stores take 15 minutes */

static bool first_time(struct call *c, unsigned what)
{
	if (c->corrected & what)
		return false;
	c->corrected |= what;
	return true;
}

static bool has_code(const struct call *c, const char *const *codes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(c->code, codes[i]) == 0)
			return true;
	return false;
}

/* What follows from the place is made anew. */
static void move_to(struct call *c, struct place *place, char *path)
{
	place_unref(c->place);
	free(c->path);
	c->place = place;
	c->path = path;
}

/* ---- region ---- */

/* Somebody else has learned it since this one was signed. */
static bool moved_already(struct call *c)
{
	struct place *now = s3_place(c->s3);
	bool moved = strcmp(now->region, c->place->region) != 0;

	if (moved && first_time(c, CORRECT_REGION)) {
		move_to(c, now, NULL);
		return true;
	}
	place_unref(now);
	return false;
}

static bool correct_region(struct call *c, int http)
{
	if (http != 301 && http != 307 && http != 400)
		return false;
	if (!c->region[0])
		return answer_is_bare(c) && moved_already(c);
	if (!place_is_region(c->region) || strcmp(c->region, c->place->region) == 0 ||
	    !first_time(c, CORRECT_REGION) ||
	    s3_learn_region(c->s3, c->place, c->region, NULL) != STOW_OK)
		return false;
	move_to(c, s3_place(c->s3), NULL);
	return true;
}

/*
 * The answer to a HEAD has no body, so that one signed for another region, or with an old token, is
 * a bare 400.  The same question as a GET of one byte brings the words.  Where those teach nothing,
 * it is not asked again.
 */
static bool ask_by_get(struct call *c, int http)
{
	if (http != 400 || c->region[0] || !answer_is_bare(c) || c->n_headers == CALL_PAIRS ||
	    s3_has_learned(c->s3, S3_LEARNED_BARE) || !first_time(c, CORRECT_BARE))
		return false;
	c->method = "GET";
	call_header(c, "range", "bytes=0-0");
	c->asking = true;
	return true;
}

static void end_asking(struct call *c)
{
	c->method = "HEAD";
	c->n_headers--;
	c->asking = false;
}

/* ---- clock ---- */

/* The store's time, by its own word, in seconds; -1 where it does not say. */
static int64_t date_of(struct call *c)
{
	char text[64];

	return http_request_header(c->http, "Date", text, sizeof(text)) ? text_http_date(text) : -1;
}

/* It is tried in this call first: who answers in the store's place may have a clock of his own. */
static bool correct_clock(struct call *c, int http)
{
	int64_t date, ahead;
	bool said = strcmp(c->code, "RequestTimeTooSkewed") == 0;

	if (!said && !(http == 403 && !c->code[0]))
		return false;
	date = date_of(c);
	if (date <= 0 || date > DATE_MOST)
		return false;
	ahead = date - c->signed_at;
	if (ahead > -SKEW_LEAST && ahead < SKEW_LEAST && !said)
		return false;
	if (!first_time(c, CORRECT_CLOCK))
		return false;
	c->skew_ns = date * CLOCK_SECOND - clock_host_now(c->s3->host);
	c->skewed = true;
	return true;
}

void correct_confirm(struct call *c)
{
	int64_t before, seconds;

	if (!c->skewed)
		return;
	before = __atomic_exchange_n(&c->s3->skew_ns, c->skew_ns, __ATOMIC_RELAXED) / CLOCK_SECOND;
	seconds = c->skew_ns / CLOCK_SECOND;
	c->skewed = false;
	if (before - seconds < SKEW_LEAST && seconds - before < SKEW_LEAST)
		return;
	log_line(c->s3->host, STOW_LOG_WARNING, "s3",
	         "the clock of this machine is %lld seconds %s that of the store at %s: requests "
	         "are signed by the store's",
	         (long long)(seconds < 0 ? -seconds : seconds), seconds < 0 ? "ahead of" : "behind",
	         c->place->address.base);
}

/* ---- keys, hash ---- */

static bool correct_keys(struct call *c, int http)
{
	static const char *const codes[] = { "ExpiredToken", "ExpiredTokenException",
		                             "InvalidToken", "TokenRefreshRequired",
		                             "InvalidAccessKeyId" };

	bool sure = has_code(c, codes, sizeof(codes) / sizeof(codes[0]));

	/* a HEAD does not say what was refused */
	if (!c->keys || !(sure || (http == 403 && !c->code[0])) || (c->corrected & CORRECT_KEYS) ||
	    !credentials_refused(c->s3->credentials, c->keys, sure))
		return false;
	return first_time(c, CORRECT_KEYS);
}

static bool correct_md5(struct call *c, int http)
{
	static const char *const codes[] = { "InvalidRequest", "MissingContentMD5",
		                             "InvalidArgument" };

	if (http != 400 || !c->bytes || c->md5[0] || c->s3->attributes.md5 != ATTRIBUTES_AUTO ||
	    !has_code(c, codes, sizeof(codes) / sizeof(codes[0])) ||
	    !(strstr(c->error.message, "Content-MD5") || strstr(c->error.message, "ContentMD5")) ||
	    !first_time(c, CORRECT_MD5))
		return false;
	if (s3_learn(c->s3, S3_LEARNED_MD5))
		log_line(c->s3->host, STOW_LOG_INFO, "s3",
		         "bucket %s wants Content-MD5: it is sent from now on", c->s3->o.bucket);
	return true;
}

/* ---- redirects ---- */

/*
 * For this one request only.  The path must still name what was asked for, so that nobody is led to
 * another object; place_redirect says which hosts are not followed to.
 */
static bool correct_host(struct call *c, int http)
{
	char url[2048], what[ANSWER_SUBJECT_MAX];
	cleanup_free char *path = NULL, *key = NULL;
	struct place *place = NULL;

	if ((http != 301 && http != 302 && http != 307 && http != 308) ||
	    !http_request_header(c->http, "Location", url, sizeof(url)) || !c->key ||
	    !first_time(c, CORRECT_HOST))
		return false;
	if (place_redirect(c->place, url, &place, &path, NULL) != STOW_OK)
		return false;
	key = strdup(c->path + strlen(c->place->address.path));
	if (!key || !path[0] || !text_ends(path, key)) {
		place_unref(place);
		return false;
	}
	log_line(c->s3->host, STOW_LOG_INFO, "s3", "%s: the store leads to %s",
	         answer_subject(c, what), place->address.base);
	move_to(c, place, take(path));
	return true;
}

bool correct_call(struct call *c)
{
	int http = http_request_status(c->http);

	if (http == 0)
		return false;
	if (c->asking) {
		end_asking(c);
		if (!correct_region(c, http) && !correct_clock(c, http) && !correct_keys(c, http) &&
		    http / 100 != 5)
			s3_learn(c->s3, S3_LEARNED_BARE);
		return true; /* now to the HEAD again */
	}
	if (http / 100 == 2)
		return false;
	return correct_region(c, http) || ask_by_get(c, http) || correct_clock(c, http) ||
	       correct_keys(c, http) || correct_md5(c, http) || correct_host(c, http);
}
