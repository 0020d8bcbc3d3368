/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes host/serve/credentials: one text as an Authorization header; and what is taken from it is
 * found again when it is written anew.  It must not know users.
 */
#include "host/serve/credentials.h"

#include "common/cleanup.h"
#include "common/text.h"
#include "tests/fuzz/fuzz.h"

static void check_basic(const struct credentials *c)
{
	size_t len = strlen(c->user) + 1 + strlen(c->password);
	cleanup_free char *both = malloc(len + 1), *header = malloc(len * 2 + 16);
	struct credentials again;

	REQUIRE(both && header && len <= CREDENTIALS_BASIC_MAX);
	REQUIRE(!strchr(c->user, ':') && fuzz_is_line(c->user) && fuzz_is_line(c->password));
	text_format(both, len + 1, "%s:%s", c->user, c->password);
	memcpy(header, "Basic ", 6);
	text_base64(header + 6, both, len);
	credentials_parse(header, &again);
	REQUIRE(again.kind == CREDENTIALS_BASIC && strcmp(again.user, c->user) == 0 &&
	        strcmp(again.password, c->password) == 0);
	credentials_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup_free char *text = fuzz_text(data, len);
	struct credentials c;

	credentials_parse(text, &c);
	REQUIRE(c.kind != CREDENTIALS_NONE);
	REQUIRE((c.kind == CREDENTIALS_BASIC) == (c.user && c.password));
	REQUIRE((c.kind == CREDENTIALS_BEARER) == (c.token != NULL));
	if (c.kind == CREDENTIALS_BASIC)
		check_basic(&c);
	if (c.kind == CREDENTIALS_BEARER)
		REQUIRE(*c.token && strlen(c.token) <= CREDENTIALS_BEARER_MAX &&
		        strstr(text, c.token));
	credentials_done(&c);
	return 0;
}
