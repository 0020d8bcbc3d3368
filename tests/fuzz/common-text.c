/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes common/text, option and key: encodings that must undo each other, numbers, times, keys.
 * It must not know who uses them.
 */
#include "common/cleanup.h"
#include "common/key.h"
#include "common/option.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"

static bool is_hex_upper(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

static bool is_encoded(const char *s, bool keep_slash)
{
	for (; *s; s++) {
		if (*s == '%') {
			if (!is_hex_upper(s[1]) || !is_hex_upper(s[2]))
				return false;
			s += 2;
		} else if (!((*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z') ||
		             (*s >= '0' && *s <= '9') || strchr("-._~", *s) ||
		             (keep_slash && *s == '/'))) {
			return false;
		}
	}
	return true;
}

static void check_percent(const char *text, bool keep_slash)
{
	size_t len = text_percent_encode(NULL, 0, text, keep_slash);
	cleanup_free char *encoded = malloc(len + 1), *cut = malloc(len + 1);

	REQUIRE(encoded && cut);
	REQUIRE(text_percent_encode(encoded, len + 1, text, keep_slash) == len);
	REQUIRE(strlen(encoded) == len);
	REQUIRE(is_encoded(encoded, keep_slash));
	/* what does not fit is cut at an escape's edge */
	for (size_t cap = 1; cap <= len && cap < 8; cap++) {
		REQUIRE(text_percent_encode(cut, cap, text, keep_slash) == len);
		REQUIRE(strlen(cut) < cap && is_encoded(cut, keep_slash));
		REQUIRE(text_starts(encoded, cut));
	}
	REQUIRE(text_percent_decode(encoded));
	REQUIRE(strcmp(encoded, text) == 0);
}

/* What decodes, and is encoded again, decodes to the same. */
static void check_decode(const char *text)
{
	cleanup_free char *once = strdup(text), *again = NULL;
	size_t len;

	REQUIRE(once);
	if (!text_percent_decode(once))
		return;
	REQUIRE(strlen(once) <= strlen(text));
	len = text_percent_encode(NULL, 0, once, false);
	again = malloc(len + 1);
	REQUIRE(again);
	text_percent_encode(again, len + 1, once, false);
	REQUIRE(text_percent_decode(again) && strcmp(again, once) == 0);
}

static void check_octets(const uint8_t *data, size_t len)
{
	cleanup_free char *text = malloc(TEXT_BASE64_LEN(len) + 2 * len + 1);
	cleanup_free uint8_t *back = malloc(len + 1);

	REQUIRE(text && back);
	text_base64url(text, data, len);
	REQUIRE(strlen(text) <= TEXT_BASE64_LEN(len));
	REQUIRE(text_unbase64url(back, len, text, strlen(text)) == (ssize_t)len);
	REQUIRE(len == 0 || memcmp(back, data, len) == 0);
	if (len > 0)
		REQUIRE(text_unbase64url(back, len - 1, text, strlen(text)) == -1);
	text_base64(text, data, len);
	REQUIRE(strlen(text) == TEXT_BASE64_LEN(len));
	text_hex(text, data, len);
	REQUIRE(text_unhex(back, text, 2 * len));
	REQUIRE(len == 0 || memcmp(back, data, len) == 0);
}

/* There is one text for the same octets and no other: a token cannot be spelled twice. */
static void check_unbase64(const char *text)
{
	size_t len = strlen(text);
	cleanup_free uint8_t *octets = malloc(len + 1);
	cleanup_free char *back = malloc(TEXT_BASE64_LEN(len) + 1);
	ssize_t n = text_unbase64url(octets, len + 1, text, len);

	REQUIRE(octets && back);
	if (n < 0)
		return;
	text_base64url(back, octets, (size_t)n);
	REQUIRE(strcmp(back, text) == 0);
}

static void check_numbers(const char *text)
{
	char back[32];
	int64_t n = -1;
	bool on;

	if (text_to_int64(text, &n)) {
		while (text[0] == '0' && text[1])
			text++;
		REQUIRE(n >= 0 && text_format(back, sizeof(back), "%lld", (long long)n));
		REQUIRE(strcmp(back, text) == 0);
	}
	REQUIRE(!option_size(text, &n) || n >= 0);
	REQUIRE(!option_time(text, &n) || n >= 0);
	REQUIRE(!option_count(text, &n) || n >= 0);
	(void)option_bool(text, &on);
}

static void check_dates(const char *text)
{
	int64_t ns = text_rfc3339(text), seconds = text_http_date(text);
	char back[21];

	REQUIRE(ns >= -1 && seconds >= -1);
	if (ns < 0)
		return;
	text_format_rfc3339(back, ns / 1000000000);
	REQUIRE(text_rfc3339(back) == ns / 1000000000 * 1000000000);
}

static void check_key(const char *text)
{
	struct stow_error err = { 0 };
	size_t component = 0;
	const char *p;

	if (key_check(text, "fuzz", &err) != STOW_OK) {
		REQUIRE(err.status == STOW_EINVAL && err.message[0] && fuzz_is_line(err.message));
		return;
	}
	REQUIRE(strlen(text) <= STOW_KEY_MAX);
	for (p = text;; p += component + 1) {
		component = strcspn(p, "/");
		REQUIRE(component > 0 && component <= STOW_KEY_COMPONENT_MAX);
		REQUIRE(!(component == 1 && p[0] == '.'));
		REQUIRE(!(component == 2 && p[0] == '.' && p[1] == '.'));
		if (!p[component])
			break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup_free char *text = fuzz_text(data, len);

	check_percent(text, false);
	check_percent(text, true);
	check_decode(text);
	check_octets(data, len);
	check_unbase64(text);
	check_numbers(text);
	check_dates(text);
	check_key(text);
	return 0;
}
