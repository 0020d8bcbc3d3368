/* SPDX-License-Identifier: Apache-2.0 */
/* ability.h: two sets, and the table of profiles. It must not know why something is asked. */
#include "driver/s3/ability.h"

#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/text.h"

#define READS (ABILITY_GET_IF_MATCH | ABILITY_COPY_IF_MATCH)
#define WRITES (ABILITY_CREATE | ABILITY_PUT_IF_MATCH)
#define REST                                                                                       \
	(ABILITY_SHA256 | ABILITY_COPY | ABILITY_PART_COPY | ABILITY_LIST_V2 |                     \
	 ABILITY_REMOVE_MANY | ABILITY_UNEVEN_PARTS | ABILITY_REPLACE_PART)

static const struct {
	const char *name;
	uint32_t can;
	unsigned parts_most;
} profiles[] = {
	{ "aws", ABILITY_ALL, 10000 },
	{ "minio", READS | WRITES | REST, 10000 },
	{ "ceph", ABILITY_GET_IF_MATCH | REST, 10000 },
	{ "r2", READS | WRITES | (REST & ~ABILITY_UNEVEN_PARTS), 10000 },
	{ "garage", READS | REST, 10000 },
	{ "seaweedfs", READS | WRITES | REST, 10000 },
	{ "gcs", REST & ~ABILITY_PART_COPY, 10000 },
	{ "scaleway", READS | WRITES | REST, 1000 },
	{ "storj", READS | (REST & ~ABILITY_PART_COPY), 10000 },
	{ "plain", 0, 1000 },
};
#define PROFILES (sizeof(profiles) / sizeof(profiles[0]))

/* What no small question shows. */
static const struct {
	const char *suffix;
	uint32_t cannot;
	unsigned parts_most;
} hosts[] = {
	{ ".r2.cloudflarestorage.com", ABILITY_UNEVEN_PARTS, 10000 },
	{ ".scw.cloud", 0, 1000 },
};

static const struct {
	uint32_t one;
	const char *name, *words;
} names[] = {
	{ ABILITY_CREATE, "create", "create-only writes" },
	{ ABILITY_PUT_IF_MATCH, "put-if-match", "writes on condition of an ETag" },
	{ ABILITY_GET_IF_MATCH, "get-if-match", "reads on condition of an ETag" },
	{ ABILITY_COPY_IF_MATCH, "copy-if-match", "copies on condition of the source's ETag" },
	{ ABILITY_REMOVE_IF_MATCH, "remove-if-match", "removal on condition of an ETag" },
	{ ABILITY_MANY_IF_MATCH, "remove-many-if-match", "removal of many on such conditions" },
	{ ABILITY_SHA256, "sha256", "comparison of a body with its SHA-256" },
	{ ABILITY_COPY, "copy", "copies of objects" },
	{ ABILITY_PART_COPY, "part-copy", "copies of ranges as parts of an upload" },
	{ ABILITY_LIST_V2, "list-v2", "listings of version 2" },
	{ ABILITY_REMOVE_MANY, "remove-many", "removal of many objects at once" },
	{ ABILITY_UNEVEN_PARTS, "uneven-parts", "parts of different sizes" },
	{ ABILITY_REPLACE_PART, "replace-part", "replacement of parts that are sent again" },
};

int abilities_init(struct abilities *a, const char *profile, const char *host,
                   struct stow_error *err)
{
	char known[200] = "auto";
	size_t len = strcspn(host, ":");

	*a = (struct abilities){ .parts_most = 10000, .profile = "auto" };
	if (strcmp(profile, "auto") == 0) {
		for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
			size_t n = strlen(hosts[i].suffix);

			if (len <= n || strncasecmp(host + len - n, hosts[i].suffix, n) != 0)
				continue;
			a->cannot = hosts[i].cannot;
			a->parts_most = hosts[i].parts_most;
		}
		return STOW_OK;
	}
	for (size_t i = 0; i < PROFILES; i++) {
		if (strcmp(profiles[i].name, profile) == 0) {
			a->profile = profiles[i].name;
			a->can = profiles[i].can;
			a->cannot = ABILITY_ALL & ~profiles[i].can;
			a->parts_most = profiles[i].parts_most;
			return STOW_OK;
		}
		(void)text_format(known + strlen(known), sizeof(known) - strlen(known), ", %s",
		                  profiles[i].name);
	}
	return error_set(err, STOW_EINVAL, "s3.open", "option serverprofile must be one of %s",
	                 known);
}

bool abilities_auto(const struct abilities *a)
{
	return strcmp(a->profile, "auto") == 0;
}

bool ability_has(const struct abilities *a, uint32_t one)
{
	return (__atomic_load_n(&a->can, __ATOMIC_RELAXED) & one) == one;
}

bool ability_lacks(const struct abilities *a, uint32_t one)
{
	return (__atomic_load_n(&a->cannot, __ATOMIC_RELAXED) & one) != 0;
}

bool ability_known(const struct abilities *a, uint32_t one)
{
	return ability_has(a, one) || ability_lacks(a, one);
}

void ability_set(struct abilities *a, uint32_t one, bool can)
{
	if (!abilities_auto(a))
		return;
	__atomic_fetch_or(can ? &a->can : &a->cannot, one, __ATOMIC_RELAXED);
	__atomic_fetch_and(can ? &a->cannot : &a->can, ~one, __ATOMIC_RELAXED);
}

static size_t find(uint32_t one)
{
	size_t i = 0;

	while (i + 1 < sizeof(names) / sizeof(names[0]) && names[i].one != one)
		i++;
	return i;
}

const char *ability_name(uint32_t one)
{
	return names[find(one)].name;
}

const char *ability_words(uint32_t one)
{
	return names[find(one)].words;
}
