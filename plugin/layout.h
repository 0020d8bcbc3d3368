/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bucket's layout: every key that the core touches is made here, and read here again where a
 * listing gives one back.
 *
 * It is CNCF Distribution's v2 layout, and what that has no place for lies under "_stowage", where
 * Distribution never looks.  It promises that a key made from checked parts fits, keeps the grammar
 * of driver.h, and is never also the folder of another.  It touches no store.
 */
#ifndef PLUGIN_LAYOUT_H
#define PLUGIN_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "plugin/digest.h"
#include "plugin/segment-id.h"

/* The longest: a repository of 255, a tag of 128, a digest of 128, and what stands between. */
#define LAYOUT_KEY_MAX 639
struct layout_key {
	char text[LAYOUT_KEY_MAX + 1];
};

enum layout_room { LAYOUT_LAYERS, LAYOUT_REVISIONS };

#define LAYOUT_ROOT "docker/registry/v2/"
#define LAYOUT_REPOSITORIES "docker/registry/v2/repositories/"
#define LAYOUT_SECRET "docker/registry/v2/_stowage/secret"

void layout_data(struct layout_key *ret, const struct digest *);
void layout_link(struct layout_key *ret, const char *name, enum layout_room, const struct digest *);
void layout_tag_current(struct layout_key *ret, const char *name, const char *tag);
void layout_tag_index(struct layout_key *ret, const char *name, const char *tag,
                      const struct digest *);
void layout_segment(struct layout_key *ret, const char *name, const char *uuid,
                    const struct segment_id *);
/* A signature of a revision of schema 1, beside its link. */
void layout_signature(struct layout_key *ret, const char *name, const struct digest *revision,
                      const struct digest *signature);

/* The descriptor of a referrer, under its subject's digest. */
void layout_referrer(struct layout_key *ret, const char *name, const struct digest *subject,
                     const struct digest *referrer);

/* Prefixes for listings; each ends so that no sibling shares it. */
void layout_tags_prefix(struct layout_key *ret, const char *name);
void layout_tag_prefix(struct layout_key *ret, const char *name, const char *tag);
void layout_upload_prefix(struct layout_key *ret, const char *name, const char *uuid);
void layout_referrers_prefix(struct layout_key *ret, const char *name,
                             const struct digest *subject);
void layout_signatures_prefix(struct layout_key *ret, const char *name,
                              const struct digest *revision);
/* Of all subjects of a repository. */
void layout_subjects_prefix(struct layout_key *ret, const char *name);
/* Tags and revisions: what makes a repository one. */
void layout_manifests_prefix(struct layout_key *ret, const char *name);

/* What a key that a listing gave says behind such a prefix; false if it is nothing of ours. */

/* "<tag>/current/link" */
bool layout_is_current(const char *rest, size_t *ret_tag_len);
/* "<tag>/index/<algorithm>/<hex>/link" */
bool layout_is_index(const char *rest, size_t *ret_tag_len, struct digest *ret);
/* "<algorithm>/<hex>/descriptor" */
bool layout_is_referrer(const char *rest, struct digest *ret);
/* "<algorithm>/<hex>/..." behind the prefix of all subjects */
bool layout_is_subject(const char *rest, struct digest *ret);
/* "<algorithm>/<hex>/link" */
bool layout_is_signature(const char *rest, struct digest *ret);
/* "<start>-<parent nonce>-<nonce>" */
bool layout_is_segment(const char *rest, struct segment_id *ret);
/* Behind LAYOUT_REPOSITORIES: "<name>/_<room>/..."; the room begins at ret_room. */
bool layout_is_repository(const char *rest, size_t *ret_name_len, const char **ret_room);

#endif
