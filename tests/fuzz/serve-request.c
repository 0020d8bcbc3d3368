/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes host/serve/request: lines with the method and the target, then "Name: value" headers.
 * It must not know what a request is answered with.
 */
#include "host/serve/request.h"

#include "common/cleanup.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"

static bool is_digits(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0';
}

/* One length and no other: what two servers could read differently is refused. */
static void check_frame(struct request *r)
{
	const char *length = r->header[HEADER_CONTENT_LENGTH], *why = NULL;
	const char *coding = r->header[HEADER_TRANSFER_ENCODING];

	if (!request_frame(r, &why)) {
		REQUIRE(why && why[0]);
		return;
	}
	REQUIRE(!length || !coding);
	REQUIRE(!coding || (r->length == -1 && text_equal_nocase(coding, "chunked")));
	REQUIRE(!length || (r->length >= 0 && is_digits(length)));
	REQUIRE(length || coding || r->length == 0);
}

/* An upload's state in a log would let its reader go on with the upload. */
static void check_log(const struct request *r)
{
	cleanup_free char *line = request_loggable(r);
	char *p;

	if (!line)
		return;
	p = strchr(line, '?');
	while (p) {
		p++;
		if (text_starts(p, "_state="))
			REQUIRE(text_starts(p + 7, "***") && (p[10] == '&' || p[10] == '\0'));
		p = strchr(p, '&');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup_free char *text = fuzz_text(data, len);
	char *rest = text, *method = fuzz_line(&rest), *target = fuzz_line(&rest);
	struct request r = { 0 };

	r.method = request_method(method);
	REQUIRE(r.method == METHOD_OTHER || (r.method & (r.method - 1)) == 0);
	r.target = strdup(target);
	REQUIRE(r.target && route_parse(&r.route, target));
	while (*rest) {
		char *name = fuzz_line(&rest), *value = strchr(name, ':');

		if (value)
			*value++ = '\0';
		/* as the HTTP library gives it: blanks cut */
		while (value && *value == ' ')
			value++;
		REQUIRE(request_header(&r, name, value));
	}
	for (int i = 0; i < HEADER_COUNT; i++)
		REQUIRE((r.header[i] != NULL) == (r.header_times[i] > 0));
	check_frame(&r);
	(void)request_expects(&r);
	check_log(&r);
	request_done(&r);
	return 0;
}
