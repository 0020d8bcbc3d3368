/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store can do beyond the least that there is in every one.
 *
 * Each is known to be there, known to be lacking, or not known.  They come from the profile that
 * option serverprofile names, or with "auto" from the probe and from answers; and where a provider's
 * host is one of a few that are known to differ in what no small question shows, from its name.
 * Nothing is offered to others that is not known to be there, and nothing is left out by the driver
 * itself that is not known to be lacking.  It must not send anything.
 */
#ifndef DRIVER_S3_ABILITY_H
#define DRIVER_S3_ABILITY_H

#include <stdbool.h>
#include <stdint.h>
#include <stowage/types.h>

#define ABILITY_CREATE 1u           /* PUT and Complete with If-None-Match: * */
#define ABILITY_PUT_IF_MATCH 2u     /* and with If-Match */
#define ABILITY_GET_IF_MATCH 4u     /* GET with If-Match */
#define ABILITY_COPY_IF_MATCH 8u    /* copies with a condition on their source */
#define ABILITY_REMOVE_IF_MATCH 16u /* DELETE with If-Match */
#define ABILITY_MANY_IF_MATCH 32u   /* DeleteObjects with an ETag for each key */
#define ABILITY_SHA256 64u          /* a body is compared with x-amz-content-sha256 */
#define ABILITY_COPY 128u           /* CopyObject */
#define ABILITY_PART_COPY 256u      /* UploadPartCopy */
#define ABILITY_LIST_V2 512u        /* ListObjectsV2 */
#define ABILITY_REMOVE_MANY 1024u   /* DeleteObjects */
#define ABILITY_UNEVEN_PARTS 2048u  /* parts of an upload may differ in size */
#define ABILITY_REPLACE_PART 4096u  /* a part that is sent again takes the first one's place */
#define ABILITY_ALL 8191u

struct abilities {
	uint32_t can, cannot; /* atomic */
	unsigned parts_most;  /* of one upload */
	const char *profile;  /* its name; "auto" */
};

/* host: that of the endpoint. STOW_EINVAL names the profiles that there are. */
int abilities_init(struct abilities *, const char *profile, const char *host, struct stow_error *);
bool abilities_auto(const struct abilities *);
bool ability_known(const struct abilities *, uint32_t one);
bool ability_has(const struct abilities *, uint32_t one);   /* known to be there */
bool ability_lacks(const struct abilities *, uint32_t one); /* known to be lacking */
/* As an answer shows; a named profile is not changed. */
void ability_set(struct abilities *, uint32_t one, bool can);
/* Words for it. */
const char *ability_name(uint32_t one);  /* "part-copy" */
const char *ability_words(uint32_t one); /* "copies of parts" */

#endif
