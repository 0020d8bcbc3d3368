/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of plugin/manifest.c, plugin/json-scan.c and plugin/faults.c: which bytes are a manifest
 * of which kind, what they refer to, and what is said of those that are none.  They must not need
 * a store.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/buf.h"
#include "common/json-scan.h"
#include "common/text.h"
#include "plugin/manifest.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define DESC(d, n) "{\"mediaType\":\"x/y\",\"digest\":\"" d "\",\"size\":" #n "}"
#define OCI "application/vnd.oci.image.manifest.v1+json"
#define INDEX "application/vnd.oci.image.index.v1+json"
#define DOCKER "application/vnd.docker.distribution.manifest.v2+json"
#define LIST "application/vnd.docker.distribution.manifest.list.v2+json"
#define FOREIGN "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
#define IMAGE(type, layers)                                                                        \
	"{\"schemaVersion\":2," type "\"config\":" DESC(D1, 3) ",\"layers\":[" layers "]}"
#define MEDIA(t) "\"mediaType\":\"" t "\","

/* How many faults; the manifest is given out where it is wanted. */
static size_t faults_of(const char *type, const char *text, size_t len, struct manifest *ret,
                        int *ret_kind)
{
	struct stow_faults *faults = NULL;
	struct manifest manifest;
	struct stow_fault fault;
	size_t n;

	assert_int_equal(faults_new(&faults, NULL), STOW_OK);
	assert_int_equal(manifest_parse(&manifest, NULL, type, text, len, faults, NULL), STOW_OK);
	n = stow_faults_count(faults);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(stow_faults_at(faults, i, &fault), STOW_OK);
		assert_true(fault.message[0] != '\0');
	}
	assert_int_equal(stow_faults_at(faults, n, &fault), STOW_ERANGE);
	if (ret_kind) {
		*ret_kind = 0;
		if (stow_faults_at(faults, 0, &fault) == STOW_OK)
			*ret_kind = fault.kind;
	}
	stow_faults_free(faults);
	if (ret)
		*ret = manifest;
	else
		manifest_done(&manifest);
	return n;
}

static size_t count(const char *type, const char *text)
{
	return faults_of(type, text, strlen(text), NULL, NULL);
}

static void test_kinds(void **state)
{
	static const struct {
		const char *type, *text;
		enum manifest_kind kind;
		size_t n;
	} cases[] = {
		{ OCI, IMAGE("", DESC(D2, 4)), MANIFEST_OCI_IMAGE, 2 },
		{ OCI, IMAGE(MEDIA(OCI), DESC(D2, 4)), MANIFEST_OCI_IMAGE, 2 },
		{ OCI "; charset=utf-8", IMAGE("", ""), MANIFEST_OCI_IMAGE, 1 },
		{ "Application/vnd.OCI.image.manifest.v1+json", IMAGE("", ""), MANIFEST_OCI_IMAGE,
		  1 },
		{ NULL, IMAGE(MEDIA(OCI), ""), MANIFEST_OCI_IMAGE, 1 },
		{ "", IMAGE(MEDIA(DOCKER), ""), MANIFEST_DOCKER_IMAGE, 1 },
		{ DOCKER, IMAGE(MEDIA(DOCKER), DESC(D2, 4)), MANIFEST_DOCKER_IMAGE, 2 },
		{ INDEX, "{\"schemaVersion\":2,\"manifests\":[]}", MANIFEST_OCI_INDEX, 0 },
		{ INDEX, "{\"schemaVersion\":2,\"manifests\":null}", MANIFEST_OCI_INDEX, 0 },
		{ INDEX, "{\"schemaVersion\":2,\"manifests\":[" DESC(D1, 1) "," DESC(D2, 2) "]}",
		  MANIFEST_OCI_INDEX, 2 },
		{ LIST, "{\"schemaVersion\":2," MEDIA(LIST) "\"manifests\":[" DESC(D1, 1) "]}",
		  MANIFEST_DOCKER_LIST, 1 },
		/* one digest twice is one reference */
		{ OCI, IMAGE("", DESC(D2, 4) "," DESC(D2, 4) "," DESC(D1, 3)), MANIFEST_OCI_IMAGE,
		  2 },
		/* what JSON allows, if few write it */
		{ OCI, IMAGE("\"annotations\":{\"a\":\"\\u0000\"},", ""), MANIFEST_OCI_IMAGE, 1 },
		{ OCI, IMAGE("\"annotations\":{\"a\":\"\\ud83d\\ude00\"},", ""), MANIFEST_OCI_IMAGE,
		  1 },
		{ OCI, IMAGE("\"subject\":" DESC(D2, 9) ",\"artifactType\":\"a/b\",", ""),
		  MANIFEST_OCI_IMAGE, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum manifest_kind kind = 0;
		struct manifest manifest;

		assert_int_equal(faults_of(cases[i].type, cases[i].text, strlen(cases[i].text),
		                           &manifest, NULL),
		                 0);
		assert_int_equal(manifest.kind, cases[i].kind);
		assert_int_equal(manifest.n, cases[i].n);
		manifest_done(&manifest);
		assert_int_equal(
			manifest_recognise(&kind, cases[i].text, strlen(cases[i].text), NULL),
			STOW_OK);
		/* bytes that do not say so themselves are an image unless they have manifests */
		if (kind != cases[i].kind)
			assert_true(strstr(cases[i].text, "null") != NULL);
	}
}

static void test_order_and_elsewhere(void **state)
{
	static const char text[] = IMAGE(
		"", DESC(D2, 4) ",{\"mediaType\":\"" FOREIGN "\",\"digest\":\"sha256:"
				"3333333333333333333333333333333333333333333333333333333333333333"
				"\",\"size\":9,\"urls\":[\"https://example.org/x\"]}");
	static const char without[] = IMAGE("", "{\"mediaType\":\"" FOREIGN "\",\"digest\":\"" D2
	                                        "\",\"size\":9}");
	struct manifest manifest;

	(void)state;
	assert_int_equal(faults_of(OCI, text, strlen(text), &manifest, NULL), 0);
	assert_int_equal(manifest.n, 3);
	assert_string_equal(manifest.references[0].digest.text, D1);
	assert_int_equal(manifest.references[0].size, 3);
	assert_string_equal(manifest.references[1].digest.text, D2);
	assert_false(manifest.references[1].elsewhere);
	assert_true(manifest.references[2].elsewhere);
	manifest_done(&manifest);
	assert_int_equal(faults_of(OCI, without, strlen(without), &manifest, NULL), 0);
	assert_false(manifest.references[1].elsewhere);
	manifest_done(&manifest);
}

/* Of an image whose one layer has that list of URLs. */
static size_t url_faults(const char *urls)
{
	char text[4096];

	assert_true(text_format(text, sizeof(text),
	                        IMAGE("", "{\"mediaType\":\"" FOREIGN "\",\"digest\":\"" D2
	                                  "\",\"size\":9,\"urls\":%s}"),
	                        urls));
	return faults_of(OCI, text, strlen(text), NULL, NULL);
}

static void test_urls(void **state)
{
	static const char *const never[] = { "[\"\"]",
		                             "[\"ftp://a/b\"]",
		                             "[\"https://\"]",
		                             "[\"https:///a\"]",
		                             "[\"http://a b\"]",
		                             "[\"http://a/#b\"]",
		                             "[3]",
		                             "\"http://a/b\"",
		                             "[\"http://a/\\u0000b\"]",
		                             "[\"http://a/\\n\"]" };

	(void)state;
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		assert_int_equal(url_faults(never[i]), 1);
	assert_int_equal(url_faults("null"), 0);
	assert_int_equal(url_faults("[\"https://a/b\",\"http://c\"]"), 0);
	assert_int_equal(url_faults("[\"https://a/b\",\"c\",\"\"]"), 2);
}

static void test_refused(void **state)
{
	static const struct {
		const char *type, *text;
	} cases[] = {
		{ OCI, "" },
		{ OCI, "not json" },
		{ OCI, "[]" },
		{ OCI, "null" },
		{ OCI, IMAGE("", "") "x" },
		{ OCI, IMAGE("", "") "{}" },
		{ OCI, "{\"schemaVersion\":2,\"config\":" DESC(D1, 3) ",\"layers\":[" },
		{ NULL, IMAGE("", "") },
		{ NULL, IMAGE(MEDIA("text/plain"), "") },
		{ "text/plain", IMAGE("", "") },
		{ "application/json", IMAGE("", "") },
		{ OCI, IMAGE(MEDIA(DOCKER), "") },
		/* Distribution compares letter by letter, and would not read it back */
		{ OCI, IMAGE(MEDIA("application/vnd.OCI.image.manifest.v1+json"), "") },
		{ OCI, IMAGE(MEDIA(OCI "\\u0000"), "") },
		{ OCI, IMAGE("", DESC(D2 "\\u0000", 4)) },
		{ OCI, IMAGE("\"annotations\":{\"a\":\"\xff\"},", "") },
		{ OCI, IMAGE("\"annotations\":{\"a\\u0000\":\"\"},", "") },
		{ DOCKER, IMAGE("", "") },
		{ DOCKER, IMAGE(MEDIA(OCI), "") },
		{ INDEX, IMAGE("", "") },
		{ OCI, "{\"schemaVersion\":2,\"manifests\":[]}" },
		{ OCI, "{\"schemaVersion\":1,\"config\":" DESC(D1, 3) "}" },
		{ OCI, "{\"schemaVersion\":\"2\",\"config\":" DESC(D1, 3) "}" },
		{ OCI, "{\"config\":" DESC(D1, 3) "}" },
		{ OCI, "{\"schemaVersion\":2,\"layers\":[]}" },
		{ OCI, IMAGE("\"manifests\":[],", "") },
		{ OCI, IMAGE("\"mediaType\":5,", "") },
		{ OCI, IMAGE("\"subject\":{},", "") },
		{ OCI, IMAGE("\"subject\":7,", "") },
		{ OCI, IMAGE("\"artifactType\":7,", "") },
		{ OCI, IMAGE("", "7") },
		{ OCI, IMAGE("", DESC("sha256:zz", 3)) },
		{ OCI, IMAGE("", DESC("md5:d41d8cd98f00b204e9800998ecf8427e", 3)) },
		{ OCI, IMAGE("", DESC(D2, -1)) },
		{ OCI, IMAGE("", DESC(D2, 1.5)) },
		{ OCI, IMAGE("", DESC(D2, 99999999999999999999)) },
		{ OCI, IMAGE("", DESC(D2, 4) "," DESC(D2, 5)) },
		{ OCI, IMAGE("", "{\"digest\":\"" D2 "\"}") },
		{ OCI, IMAGE("\"schemaVersion\":2,", "") },
		{ INDEX, "{\"schemaVersion\":2}" },
		{ INDEX, "{\"schemaVersion\":2,\"manifests\":{}}" },
		{ INDEX, "{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}" },
		{ INDEX, "{\"schemaVersion\":2,\"manifests\":[],\"config\":{}}" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (count(cases[i].type, cases[i].text) == 0)
			fail_msg("accepted: %s", cases[i].text);
	}
}

static void test_all_faults(void **state)
{
	(void)state;
	assert_int_equal(count(OCI, IMAGE("", DESC("x", 1) "," DESC("y", 1) "," DESC("z", 1))), 3);
	assert_int_equal(count(OCI, "{\"schemaVersion\":3,\"manifests\":[],\"layers\":{}}"), 4);
}

static void add_nested(struct buf *b, size_t depth)
{
	(void)buf_adds(b, "{\"schemaVersion\":2,\"config\":" DESC(D1, 3) ",\"x\":");
	for (size_t i = 1; i < depth; i++)
		(void)buf_adds(b, "[");
	for (size_t i = 1; i < depth; i++)
		(void)buf_adds(b, "]");
	(void)buf_adds(b, "}");
}

static void test_limits(void **state)
{
	cleanup_buf struct buf text = { 0 };
	int kind = 0;

	(void)state;
	buf_init(&text, 8 * 1024 * 1024);
	add_nested(&text, 100);
	assert_int_equal(faults_of(OCI, text.data, text.len, NULL, NULL), 0);
	buf_reset(&text);
	add_nested(&text, 101);
	assert_int_equal(faults_of(OCI, text.data, text.len, NULL, &kind), 1);
	assert_int_equal(kind, STOW_FAULT_INVALID);
	/* a million levels cost no stack */
	buf_reset(&text);
	for (size_t i = 0; i < 1000000; i++)
		(void)buf_adds(&text, "[");
	assert_int_equal(faults_of(OCI, text.data, text.len, NULL, NULL), 1);
	buf_reset(&text);
	(void)buf_adds(&text, "{\"schemaVersion\":2,\"config\":" DESC(D1, 3) ",\"x\":[0");
	for (size_t i = 0; i < MANIFEST_VALUES_MAX; i++)
		(void)buf_adds(&text, ",0");
	(void)buf_adds(&text, "]}");
	assert_int_equal(faults_of(OCI, text.data, text.len, NULL, NULL), 1);

	buf_reset(&text);
	(void)buf_adds(&text, IMAGE("", ""));
	while (text.len < STOW_MANIFEST_MAX)
		(void)buf_addc(&text, ' ');
	assert_int_equal(buf_status(&text), STOW_OK);
	assert_int_equal(faults_of(OCI, text.data, text.len, NULL, NULL), 0);
	(void)buf_addc(&text, ' ');
	assert_int_equal(faults_of(OCI, text.data, text.len, NULL, &kind), 1);
	assert_int_equal(kind, STOW_FAULT_TOO_LARGE);
}

static void test_scan(void **state)
{
	static const char brackets[] = "{\"a\":\"[[[[\\\"[[[\",\"b\":[]}";

	(void)state;
	assert_null(json_scan("", 0, 1, 1));
	assert_null(json_scan(brackets, strlen(brackets), 2, 10));
	assert_non_null(json_scan(brackets, strlen(brackets), 1, 10));
	assert_null(json_scan("\"", 1, 1, 1));
	assert_null(json_scan("\"\\", 2, 1, 1));
	assert_null(json_scan("]]]]", 4, 1, 1));
}

static void test_recognise(void **state)
{
	enum manifest_kind kind = 0;
	static const char unknown[] = "{\"schemaVersion\":2,\"mediaType\":\"a/b\"}";
	static const char first[] = "{\"schemaVersion\":1,\"name\":\"a\"}";
	static const char third[] = "{\"schemaVersion\":3}";
	static const char nul[] = "{\"schemaVersion\":2,\"x\":\"\\u0000\"}";
	static const char cut[] = "{\"schemaVersion\":2,\"mediaType\":\"" OCI "\\u0000\"}";
	static const char number[] = "{\"schemaVersion\":2,\"mediaType\":5}";
	static const char twice[] = "{\"schemaVersion\":2,\"x\":1,\"x\":2}";

	(void)state;
	assert_int_equal(manifest_recognise(&kind, unknown, strlen(unknown), NULL), STOW_ECORRUPT);
	assert_int_equal(manifest_recognise(&kind, third, strlen(third), NULL), STOW_ECORRUPT);
	assert_int_equal(manifest_recognise(&kind, first, strlen(first), NULL), STOW_OK);
	assert_int_equal(kind, MANIFEST_SCHEMA1);
	assert_int_equal(manifest_recognise(&kind, "x", 1, NULL), STOW_ECORRUPT);
	assert_int_equal(manifest_recognise(&kind, "[]", 2, NULL), STOW_ECORRUPT);
	assert_int_equal(manifest_recognise(&kind, twice, strlen(twice), NULL), STOW_OK);
	assert_int_equal(manifest_recognise(&kind, nul, strlen(nul), NULL), STOW_OK);
	assert_int_equal(manifest_recognise(&kind, cut, strlen(cut), NULL), STOW_ECORRUPT);
	assert_int_equal(manifest_recognise(&kind, number, strlen(number), NULL), STOW_ECORRUPT);
}

static void test_many_faults(void **state)
{
	struct stow_faults *faults = NULL;
	struct stow_fault fault;

	(void)state;
	assert_int_equal(faults_new(&faults, NULL), STOW_OK);
	for (int i = 0; i < FAULTS_MAX + 10; i++)
		faults_add(faults, STOW_FAULT_INVALID, D1, "fault %d\n\x01\xc3", i);
	assert_int_equal(stow_faults_count(faults), FAULTS_MAX);
	assert_int_equal(stow_faults_at(faults, FAULTS_MAX - 1, &fault), STOW_OK);
	assert_string_equal(fault.message, "fault 4095???");
	assert_int_equal(stow_faults_at(faults, 0, &fault), STOW_OK);
	assert_string_equal(fault.message, "fault 0???");
	assert_string_equal(fault.digest, D1);
	stow_faults_free(faults);
	stow_faults_free(NULL);
	assert_int_equal(stow_faults_count(NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),       cmocka_unit_test(test_order_and_elsewhere),
		cmocka_unit_test(test_urls),        cmocka_unit_test(test_refused),
		cmocka_unit_test(test_all_faults),  cmocka_unit_test(test_limits),
		cmocka_unit_test(test_scan),        cmocka_unit_test(test_recognise),
		cmocka_unit_test(test_many_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
