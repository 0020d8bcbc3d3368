/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes host/serve/range: one text as Range, Content-Range, If-None-Match and If-Range.
 * It must not know what is served.
 */
#include "host/serve/range.h"

#include <inttypes.h>

#include "common/cleanup.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"

#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static bool same(struct range a, struct range b)
{
	return a.kind == b.kind && a.first == b.first && a.last == b.last;
}

static void check_range(const char *text)
{
	struct range r = range_parse(text);
	char again[64];

	switch (r.kind) {
	case RANGE_NONE:
		return;
	case RANGE_BACKWARD:
		REQUIRE(r.first == 0 && r.last == 0);
		return;
	case RANGE_FROM:
		REQUIRE(r.first >= 0 && (r.last == -1 || r.last >= r.first));
		if (r.last < 0)
			(void)text_format(again, sizeof(again), "bytes=%" PRId64 "-", r.first);
		else
			(void)text_format(again, sizeof(again), "bytes=%" PRId64 "-%" PRId64,
			                  r.first, r.last);
		break;
	default:
		REQUIRE(r.kind == RANGE_SUFFIX && r.first >= 0);
		(void)text_format(again, sizeof(again), "bytes=-%" PRId64, r.first);
		break;
	}
	REQUIRE(same(r, range_parse(again)));
	REQUIRE(!strchr(text, ','));
}

static void check_chunk(const char *text)
{
	int64_t first = -1, last = -1, a = -1, b = -1;
	char again[64];

	if (!range_parse_chunk(text, &first, &last))
		return;
	/* one more than last, the new offset, must not overflow */
	REQUIRE(first >= 0 && last >= first && last < INT64_MAX);
	REQUIRE(strspn(text, "0123456789-") == strlen(text));
	(void)text_format(again, sizeof(again), "%" PRId64 "-%" PRId64, first, last);
	REQUIRE(range_parse_chunk(again, &a, &b) && a == first && b == last);
}

static void check_tags(const char *text)
{
	size_t len = strlen(text);
	cleanup_free char *list = malloc(len + sizeof(DIGEST) + 8);

	REQUIRE(list);
	if (range_none_match(text, DIGEST))
		REQUIRE(strstr(text, DIGEST) || strchr(text, '*'));
	if (range_if_range(text, DIGEST))
		REQUIRE(strcmp(text, "\"" DIGEST "\"") == 0);
	/* first in a list it is found, whatever follows */
	(void)text_format(list, len + sizeof(DIGEST) + 8, "\"%s\", %s", DIGEST, text);
	REQUIRE(range_none_match(list, DIGEST));
	REQUIRE(!range_none_match(list, DIGEST "0") || strstr(text, DIGEST "0"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup_free char *text = fuzz_text(data, len);

	check_range(text);
	check_chunk(text);
	check_tags(text);
	return 0;
}
