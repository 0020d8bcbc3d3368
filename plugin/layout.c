/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys of the bucket, made from checked parts and taken apart again.
 * It must not know stores, nor what lies under a key.
 */
#include "plugin/layout.h"

#include <inttypes.h>

#include "common/text.h"
#include "plugin/name.h"

_Static_assert(sizeof(LAYOUT_REPOSITORIES) + STOW_NAME_MAX + sizeof("/_manifests/tags/") +
                               STOW_TAG_MAX + sizeof("/index/") + STOW_DIGEST_MAX +
                               sizeof("/link") <=
                       LAYOUT_KEY_MAX,
               "the longest key fits");
_Static_assert(sizeof(LAYOUT_REPOSITORIES) + STOW_NAME_MAX + sizeof("/_stowage/referrers/") +
                               2 * (STOW_DIGEST_MAX + 1) + sizeof("/descriptor") <=
                       LAYOUT_KEY_MAX,
               "and so does a referrer's");
_Static_assert(sizeof(LAYOUT_REPOSITORIES) + STOW_NAME_MAX + sizeof("/_manifests/revisions/") +
                               sizeof("/signatures/") + 2 * STOW_DIGEST_MAX + sizeof("/link") <=
                       LAYOUT_KEY_MAX,
               "and a signature's");

static const char *room_path(enum layout_room room)
{
	return room == LAYOUT_LAYERS ? "_layers" : "_manifests/revisions";
}

void layout_data(struct layout_key *ret, const struct digest *digest)
{
	const char *hex = digest_hex(digest);

	(void)text_format(ret->text, sizeof(ret->text), LAYOUT_ROOT "blobs/%s/%.2s/%s/data",
	                  hash_name(digest->algorithm), hex, hex);
}

void layout_link(struct layout_key *ret, const char *name, enum layout_room room,
                 const struct digest *digest)
{
	(void)text_format(ret->text, sizeof(ret->text), LAYOUT_REPOSITORIES "%s/%s/%s/%s/link",
	                  name, room_path(room), hash_name(digest->algorithm), digest_hex(digest));
}

void layout_tag_current(struct layout_key *ret, const char *name, const char *tag)
{
	(void)text_format(ret->text, sizeof(ret->text),
	                  LAYOUT_REPOSITORIES "%s/_manifests/tags/%s/current/link", name, tag);
}

void layout_tag_index(struct layout_key *ret, const char *name, const char *tag,
                      const struct digest *digest)
{
	(void)text_format(ret->text, sizeof(ret->text),
	                  LAYOUT_REPOSITORIES "%s/_manifests/tags/%s/index/%s/%s/link", name, tag,
	                  hash_name(digest->algorithm), digest_hex(digest));
}

void layout_segment(struct layout_key *ret, const char *name, const char *uuid,
                    const struct segment_id *id)
{
	(void)text_format(ret->text, sizeof(ret->text),
	                  LAYOUT_REPOSITORIES "%s/_stowage/uploads/%s/%" PRId64 "-%016" PRIx64
	                                      "-%016" PRIx64,
	                  name, uuid, id->start, id->parent, id->nonce);
}

void layout_tags_prefix(struct layout_key *ret, const char *name)
{
	(void)text_format(ret->text, sizeof(ret->text), LAYOUT_REPOSITORIES "%s/_manifests/tags/",
	                  name);
}

void layout_tag_prefix(struct layout_key *ret, const char *name, const char *tag)
{
	(void)text_format(ret->text, sizeof(ret->text),
	                  LAYOUT_REPOSITORIES "%s/_manifests/tags/%s/", name, tag);
}

void layout_upload_prefix(struct layout_key *ret, const char *name, const char *uuid)
{
	(void)text_format(ret->text, sizeof(ret->text),
	                  LAYOUT_REPOSITORIES "%s/_stowage/uploads/%s/", name, uuid);
}

void layout_referrers_prefix(struct layout_key *ret, const char *name, const struct digest *subject)
{
	(void)text_format(ret->text, sizeof(ret->text),
	                  LAYOUT_REPOSITORIES "%s/_stowage/referrers/%s/%s/", name,
	                  hash_name(subject->algorithm), digest_hex(subject));
}

void layout_referrer(struct layout_key *ret, const char *name, const struct digest *subject,
                     const struct digest *referrer)
{
	(void)text_format(ret->text, sizeof(ret->text),
	                  LAYOUT_REPOSITORIES "%s/_stowage/referrers/%s/%s/%s/%s/descriptor", name,
	                  hash_name(subject->algorithm), digest_hex(subject),
	                  hash_name(referrer->algorithm), digest_hex(referrer));
}

void layout_subjects_prefix(struct layout_key *ret, const char *name)
{
	(void)text_format(ret->text, sizeof(ret->text),
	                  LAYOUT_REPOSITORIES "%s/_stowage/referrers/", name);
}

void layout_signature(struct layout_key *ret, const char *name, const struct digest *revision,
                      const struct digest *signature)
{
	(void)text_format(ret->text, sizeof(ret->text),
	                  LAYOUT_REPOSITORIES "%s/_manifests/revisions/%s/%s/signatures/%s/%s/link",
	                  name, hash_name(revision->algorithm), digest_hex(revision),
	                  hash_name(signature->algorithm), digest_hex(signature));
}

void layout_signatures_prefix(struct layout_key *ret, const char *name,
                              const struct digest *revision)
{
	(void)text_format(ret->text, sizeof(ret->text),
	                  LAYOUT_REPOSITORIES "%s/_manifests/revisions/%s/%s/signatures/", name,
	                  hash_name(revision->algorithm), digest_hex(revision));
}

void layout_manifests_prefix(struct layout_key *ret, const char *name)
{
	(void)text_format(ret->text, sizeof(ret->text), LAYOUT_REPOSITORIES "%s/_manifests/", name);
}

/* Steps over a tag that ends at a slash; NULL if it is none. */
static const char *skip_tag(const char *rest, size_t *ret_len)
{
	char tag[STOW_TAG_MAX + 1];
	const char *slash = strchr(rest, '/');
	size_t len;

	if (!slash)
		return NULL;
	len = (size_t)(slash - rest);
	if (len > STOW_TAG_MAX)
		return NULL;
	memcpy(tag, rest, len);
	tag[len] = '\0';
	if (!name_is_tag(tag))
		return NULL;
	*ret_len = len;
	return slash + 1;
}

bool layout_is_current(const char *rest, size_t *ret_tag_len)
{
	const char *p = skip_tag(rest, ret_tag_len);

	return p && strcmp(p, "current/link") == 0;
}

/* "<algorithm>/<hex>" and the ending, all of p. */
static bool read_digest(const char *p, const char *ending, struct digest *ret)
{
	char text[STOW_DIGEST_MAX + 1];
	char *slash;
	size_t len = strlen(p);

	if (!text_ends(p, ending))
		return false;
	len -= strlen(ending);
	if (len > STOW_DIGEST_MAX)
		return false;
	memcpy(text, p, len);
	text[len] = '\0';
	slash = strchr(text, '/');
	if (!slash)
		return false;
	*slash = ':';
	return digest_parse(ret, text, len);
}

bool layout_is_index(const char *rest, size_t *ret_tag_len, struct digest *ret)
{
	const char *p = skip_tag(rest, ret_tag_len);

	return p && text_starts(p, "index/") && read_digest(p + strlen("index/"), "/link", ret);
}

bool layout_is_referrer(const char *rest, struct digest *ret)
{
	return read_digest(rest, "/descriptor", ret);
}

bool layout_is_subject(const char *rest, struct digest *ret)
{
	char text[STOW_DIGEST_MAX + 1];
	const char *slash = strchr(rest, '/');
	const char *end = slash ? strchr(slash + 1, '/') : NULL;
	size_t len = end ? (size_t)(end - rest) : 0;

	if (len == 0 || len > STOW_DIGEST_MAX)
		return false;
	memcpy(text, rest, len);
	text[slash - rest] = ':';
	return digest_parse(ret, text, len);
}

bool layout_is_signature(const char *rest, struct digest *ret)
{
	return read_digest(rest, "/link", ret);
}

/* Sixteen lower-case hex digits, as layout_segment writes them. */
static bool read_nonce(const char *p, uint64_t *ret)
{
	uint64_t value = 0;

	for (int i = 0; i < 16; i++) {
		uint64_t digit;

		if (p[i] >= '0' && p[i] <= '9')
			digit = (uint64_t)(p[i] - '0');
		else if (p[i] >= 'a' && p[i] <= 'f')
			digit = (uint64_t)(p[i] - 'a') + 10;
		else
			return false;
		value = value << 4 | digit;
	}
	*ret = value;
	return true;
}

bool layout_is_segment(const char *rest, struct segment_id *ret)
{
	const char *dash = strchr(rest, '-');
	struct segment_id id;

	/* one spelling a number: a key that is taken apart is the key that is put together */
	if (!dash || (rest[0] == '0' && dash != rest + 1) ||
	    !text_to_int64_n(rest, (size_t)(dash - rest), &id.start))
		return false;
	if (!read_nonce(dash + 1, &id.parent) || dash[17] != '-' ||
	    !read_nonce(dash + 18, &id.nonce) || dash[34] != '\0')
		return false;
	*ret = id;
	return true;
}

bool layout_is_repository(const char *rest, size_t *ret_name_len, const char **ret_room)
{
	char name[STOW_NAME_MAX + 1];
	const char *room = strstr(rest, "/_");
	size_t len;

	if (!room)
		return false;
	len = (size_t)(room - rest);
	if (len > STOW_NAME_MAX)
		return false;
	memcpy(name, rest, len);
	name[len] = '\0';
	if (!name_is_repository(name))
		return false;
	*ret_name_len = len;
	*ret_room = room + 1;
	return true;
}
