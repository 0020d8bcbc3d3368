/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of which manifests of an index have to be there, by configuration and through a push.
 */
#include "tests/unit/memory-fixture.h"

#include "plugin/policy.h"

static int read_policy(struct policy *policy, const char *index, const char *platforms,
                       struct stow_error *err)
{
	struct stow_config *config = NULL;
	int status;

	assert_int_equal(stow_config_new(&config, NULL), STOW_OK);
	wrap_driver_path(config);
	assert_int_equal(stow_config_set(config, "storage", "driver", "memory", NULL), STOW_OK);
	assert_int_equal(stow_config_set(config, "manifests", "index", index, NULL), STOW_OK);
	if (platforms)
		assert_int_equal(stow_config_set(config, "manifests", "platforms", platforms, NULL),
		                 STOW_OK);
	assert_int_equal(stow_config_check(config, err), STOW_OK);
	status = policy_init(policy, config, err);
	stow_config_free(config);
	return status;
}

static bool allows(const char *allow, const char *deny, const char *url)
{
	struct stow_config *config = NULL;
	struct policy p;
	bool ret;

	assert_int_equal(stow_config_new(&config, NULL), STOW_OK);
	wrap_driver_path(config);
	assert_int_equal(stow_config_set(config, "storage", "driver", "memory", NULL), STOW_OK);
	assert_int_equal(stow_config_set(config, "manifests", "urlallow", allow, NULL), STOW_OK);
	assert_int_equal(stow_config_set(config, "manifests", "urldeny", deny, NULL), STOW_OK);
	assert_int_equal(stow_config_check(config, NULL), STOW_OK);
	assert_int_equal(policy_init(&p, config, NULL), STOW_OK);
	ret = policy_allows_url(&p, url);
	policy_done(&p);
	stow_config_free(config);
	return ret;
}

static void urls(void **state)
{
	char longest[POLICY_URL_MAX + 2] = "http://";

	(void)state;
	assert_true(allows("", "", "http://c"));
	assert_true(allows("^https://", "", "https://a/b"));
	assert_false(allows("^https://", "", "http://c"));
	assert_false(allows("", "^https?://(c|d)", "http://c"));
	assert_true(allows("", "^https?://(c|d)", "http://a"));
	assert_true(allows("^https://x\\.org/", "/c$", "https://x.org/b"));
	assert_false(allows("^https://x\\.org/", "/c$", "https://x.org/c"));
	assert_false(allows("^https://x\\.org/", "", "https://x-org/b"));
	memset(longest + 7, 'a', POLICY_URL_MAX - 7);
	assert_true(policy_allows_url(NULL, longest));
	longest[POLICY_URL_MAX] = 'a';
	assert_false(policy_allows_url(NULL, longest));
}

static void bad_patterns(void **state)
{
	struct stow_config *config = NULL;
	struct stow_error e = { 0 };
	struct policy p;

	(void)state;
	assert_int_equal(stow_config_new(&config, NULL), STOW_OK);
	wrap_driver_path(config);
	assert_int_equal(stow_config_set(config, "storage", "driver", "memory", NULL), STOW_OK);
	assert_int_equal(stow_config_set(config, "manifests", "urldeny", "(", NULL), STOW_OK);
	assert_int_equal(stow_config_check(config, NULL), STOW_OK);
	assert_int_equal(policy_init(&p, config, &e), STOW_EINVAL);
	assert_non_null(strstr(e.message, "[manifests] urldeny"));
	policy_done(&p);
	stow_config_free(config);
}

static void reads_the_keys(void **state)
{
	struct stow_error e = { 0 };
	struct policy p;

	(void)state;
	assert_int_equal(read_policy(&p, "all", NULL, &e), STOW_OK);
	assert_true(policy_requires(&p, "linux/amd64") && policy_requires(&p, ""));
	policy_done(&p);
	assert_int_equal(read_policy(&p, "none", "linux/amd64", &e), STOW_OK);
	assert_false(policy_requires(&p, "linux/amd64") || policy_requires(&p, ""));
	policy_done(&p);
	assert_int_equal(read_policy(&p, "platforms", " linux/amd64, ,linux/arm64", &e), STOW_OK);
	assert_true(policy_requires(&p, "linux/amd64") && policy_requires(&p, "linux/arm64"));
	assert_true(policy_requires(&p, ""));
	assert_false(policy_requires(&p, "linux/arm") || policy_requires(&p, "inux/amd64"));
	policy_done(&p);
	assert_int_equal(read_policy(&p, "some", NULL, &e), STOW_EINVAL);
	assert_non_null(strstr(e.message, "[manifests] index"));
	assert_int_equal(read_policy(&p, "platforms", "amd64", &e), STOW_EINVAL);
	assert_non_null(strstr(e.message, "\"amd64\""));
	policy_done(&p);
}

static int push_image_without_blobs(struct fixture *f, const char *sparse)
{
	static const char text[] =
		"{\"schemaVersion\":2,\"config\":{\"size\":9,\"digest\":\"sha256:"
		"1111111111111111111111111111111111111111111111111111111111111111\"},"
		"\"layers\":[]}";
	const char *const more[][3] = { { "manifests", "sparse", sparse }, { NULL } };
	struct stow_descriptor descriptor;
	int status;

	*f = (struct fixture){ .now_ns = 1 };
	memory_fixture_open(f, more);
	status = put_manifest(f, "a", "v1", OCI_IMAGE, text, strlen(text), &descriptor, NULL);
	fixture_close(f);
	return status;
}

static void sparse_images(void **state)
{
	struct fixture f;

	(void)state;
	assert_int_equal(push_image_without_blobs(&f, "no"), STOW_ECORRUPT);
	assert_int_equal(push_image_without_blobs(&f, "yes"), STOW_OK);
}

static int push_sparse(struct fixture *f, const char *index, const char *platforms)
{
	static const char text[] =
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" OCI_IMAGE "\",\"size\":9,"
		"\"digest\":\"sha256:"
		"1111111111111111111111111111111111111111111111111111111111111111\","
		"\"platform\":{\"os\":\"linux\",\"architecture\":\"s390x\"}}]}";
	const char *const more[][3] = { { "manifests", "index", index },
		                        { "manifests", "platforms", platforms },
		                        { NULL } };
	struct stow_descriptor descriptor;
	int status;

	*f = (struct fixture){ .now_ns = 1 };
	memory_fixture_open(f, more);
	status = put_manifest(f, "a", "v1", OCI_INDEX, text, strlen(text), &descriptor, NULL);
	fixture_close(f);
	return status;
}

static void sparse_indexes(void **state)
{
	struct fixture f;

	(void)state;
	assert_int_equal(push_sparse(&f, "all", ""), STOW_ECORRUPT);
	assert_int_equal(push_sparse(&f, "none", ""), STOW_OK);
	assert_int_equal(push_sparse(&f, "platforms", "linux/amd64"), STOW_OK);
	assert_int_equal(push_sparse(&f, "platforms", "linux/amd64,linux/s390x"), STOW_ECORRUPT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls),           cmocka_unit_test(bad_patterns),
		cmocka_unit_test(reads_the_keys), cmocka_unit_test(sparse_indexes),
		cmocka_unit_test(sparse_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
