/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes driver/s3/xml: documents, cut ones among them, and texts that are escaped and come back.
 * It must not know what the elements mean.
 */
#include "driver/s3/xml.h"

#include <stowage/types.h>

#include "common/cleanup.h"
#include "tests/fuzz/fuzz.h"

#define TEXT_MAX ((size_t)1 << 20)
#define NODES_MAX 4096
#define LEVELS_MAX 256 /* of an answer, by the library */

static void check_text(const struct xml_node *n)
{
	struct buf cleanup_buf text = { 0 };
	char small[8];

	buf_init(&text, TEXT_MAX);
	(void)xml_add_text(n, &text);
	REQUIRE(strlen(buf_text(&text)) == text.len);
	if (!xml_text(n, "Key", small, sizeof(small)))
		REQUIRE(small[0] == '\0');
	REQUIRE(strlen(small) < sizeof(small));
}

/* All elements, without recursion: of each level at most one sibling waits. */
static void walk(const struct xml_node *root)
{
	const struct xml_node *stack[LEVELS_MAX + 2];
	size_t depth = 0, seen = 0;

	if (root)
		stack[depth++] = root;
	while (depth > 0 && seen++ < NODES_MAX) {
		const struct xml_node *n = stack[--depth], *key = xml_child(n, "Key");

		check_text(n);
		REQUIRE(!key || xml_is(key, "Key"));
		if (xml_after(n))
			stack[depth++] = xml_after(n);
		if (xml_first(n))
			stack[depth++] = xml_first(n);
		REQUIRE(depth <= LEVELS_MAX);
	}
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Where an encoding of more than one octet begins, a NUL or a mark stands among the first. */
static bool is_utf16(const uint8_t *data, size_t len)
{
	while (len > 0 && is_blank(data[0])) {
		data++;
		len--;
	}
	return len > 1 && (data[0] == '\0' || data[1] == '\0' || data[0] >= 0xfe);
}

static void check_document(const uint8_t *data, size_t len)
{
	struct xml *x = xml_parse((const char *)data, len);

	if (!x)
		return;
	walk(xml_root(x, "ListBucketResult"));
	walk(xml_root(x, "Error"));
	xml_free(x);
	REQUIRE(!memmem(data, len, "<!DOCTYPE", 9));
	/* no byte of it was passed over: it is the whole answer or none; UTF-16 has its NULs */
	if (is_utf16(data, len))
		return;
	REQUIRE(!memchr(data, '\0', len));
	while (len > 0 && is_blank(data[len - 1]))
		len--;
	x = xml_parse((const char *)data, len - 1);
	REQUIRE(!x);
}

/* What can be written is read as it was. */
static void check_escape(const char *text)
{
	struct buf cleanup_buf document = { 0 }, back = { 0 };
	struct xml *x;

	buf_init(&document, TEXT_MAX);
	buf_init(&back, TEXT_MAX);
	buf_adds(&document, "<Delete><Key>");
	if (!xml_escape(&document, text))
		return;
	buf_adds(&document, "</Key></Delete>");
	if (buf_status(&document) != STOW_OK)
		return;
	x = xml_parse(document.data, document.len);
	REQUIRE(x);
	REQUIRE(xml_add_text(xml_child(xml_root(x, "Delete"), "Key"), &back) == STOW_OK);
	REQUIRE(strcmp(buf_text(&back), text) == 0);
	xml_free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	cleanup_free char *text = fuzz_text(data, len);

	check_document(data, len);
	check_escape(text);
	return 0;
}
