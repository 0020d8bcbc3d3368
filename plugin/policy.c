/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy.h over keys of the configuration.
 * It must not know where manifests are stored.
 */
#include "plugin/policy.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/error.h"

#define PLATFORMS_MAX ((size_t)4096)
#define WHERE "registry.open"

/* "linux/amd64, linux/arm64" -> ",linux/amd64,linux/arm64," */
static int read_platforms(struct policy *policy, const char *list, struct stow_error *err)
{
	cleanup_buf struct buf text = { 0 };

	buf_init(&text, PLATFORMS_MAX);
	buf_addc(&text, ',');
	while (*list) {
		size_t len = strcspn(list, ", ");

		if (len) {
			const char *slash = memchr(list, '/', len);

			if (!slash || slash == list || slash == list + len - 1)
				return error_set(err, STOW_EINVAL, WHERE,
				                 "[manifests] platforms: \"%.*s\" is not "
				                 "OS/ARCHITECTURE, such as linux/amd64",
				                 (int)len, list);
			buf_add(&text, list, len);
			buf_addc(&text, ',');
		}
		list += len + (list[len] != '\0');
	}
	if (buf_status(&text) == STOW_ERANGE)
		return error_set(err, STOW_EINVAL, WHERE, "[manifests] platforms is too long");
	if (buf_status(&text) != STOW_OK)
		return error_nomem(err, WHERE);
	policy->platforms = buf_take(&text);
	return policy->platforms ? STOW_OK : error_nomem(err, WHERE);
}

static int read_pattern(const struct stow_config *config, const char *key, regex_t *ret,
                        bool *ret_set, struct stow_error *err)
{
	const char *pattern = stow_config_string(config, "manifests", key);
	char why[128];
	int code;

	if (!pattern || *pattern == '\0')
		return STOW_OK;
	code = regcomp(ret, pattern, REG_EXTENDED | REG_NOSUB);
	if (code == 0) {
		*ret_set = true;
		return STOW_OK;
	}
	if (code == REG_ESPACE)
		return error_nomem(err, WHERE);
	(void)regerror(code, ret, why, sizeof(why));
	return error_set(err, STOW_EINVAL, WHERE, "[manifests] %s: \"%.80s\": %s", key, pattern,
	                 why);
}

static int read_index(struct policy *policy, const struct stow_config *config,
                      struct stow_error *err)
{
	const char *index = stow_config_string(config, "manifests", "index");
	const char *platforms = stow_config_string(config, "manifests", "platforms");

	if (!index || strcmp(index, "all") == 0)
		return STOW_OK;
	if (strcmp(index, "none") == 0) {
		policy->index = POLICY_NONE;
		return STOW_OK;
	}
	if (strcmp(index, "platforms") != 0)
		return error_set(err, STOW_EINVAL, WHERE,
		                 "[manifests] index is all, none or platforms, not \"%.40s\"",
		                 index);
	policy->index = POLICY_PLATFORMS;
	return read_platforms(policy, platforms ? platforms : "", err);
}

int policy_init(struct policy *policy, const struct stow_config *config, struct stow_error *err)
{
	int status;

	*policy = (struct policy){
		.index = POLICY_ALL,
		.blobs = stow_config_number(config, "manifests", "sparse") == 0,
		.schema1 = stow_config_number(config, "manifests", "schema1") != 0,
		.referrers_tag = stow_config_number(config, "manifests", "referrers_tag") != 0,
	};
	status = read_index(policy, config, err);
	if (status == STOW_OK)
		status = read_pattern(config, "urlallow", &policy->allow, &policy->has_allow, err);
	if (status == STOW_OK)
		status = read_pattern(config, "urldeny", &policy->deny, &policy->has_deny, err);
	if (status == STOW_OK)
		status = immutable_init(&policy->immutable,
		                        stow_config_string(config, "manifests", "immutable_tags"),
		                        err);
	if (status != STOW_OK)
		policy_done(policy);
	return status;
}

void policy_done(struct policy *policy)
{
	if (policy->has_allow)
		regfree(&policy->allow);
	if (policy->has_deny)
		regfree(&policy->deny);
	policy->has_allow = policy->has_deny = false;
	free(policy->platforms);
	policy->platforms = NULL;
	immutable_done(&policy->immutable);
}

bool policy_requires(const struct policy *policy, const char *platform)
{
	size_t len = strlen(platform);
	const char *at = policy->platforms;

	if (policy->index != POLICY_PLATFORMS)
		return policy->index == POLICY_ALL;
	if (len == 0)
		return true;
	for (; (at = strstr(at, platform)) != NULL; at++) {
		if (at[-1] == ',' && at[len] == ',')
			return true;
	}
	return false;
}

bool policy_allows_url(const struct policy *policy, const char *url)
{
	const char *host = strncmp(url, "https://", 8) == 0  ? url + 8
	                   : strncmp(url, "http://", 7) == 0 ? url + 7
	                                                     : "";

	if (strcspn(host, "/?") == 0 || strchr(url, '#') || strlen(url) > POLICY_URL_MAX)
		return false;
	for (const char *p = url; *p; p++) {
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return false;
	}
	if (!policy)
		return true;
	if (policy->has_allow && regexec(&policy->allow, url, 0, NULL, 0) != 0)
		return false;
	return !policy->has_deny || regexec(&policy->deny, url, 0, NULL, 0) == REG_NOMATCH;
}
