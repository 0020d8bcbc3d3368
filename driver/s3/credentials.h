/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of an instance.  They come from the first of these that is set:
 *
 *   1. the options accesskey and secretkey, with sessiontoken;
 *   2. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN;
 *   3. AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN: the role, for whom the token speaks;
 *   4. a profile of the shared files (source-profile.c): awsprofile, else AWS_PROFILE, else
 *      "default", of the file that AWS_SHARED_CREDENTIALS_FILE names (~/.aws/credentials) or
 *      AWS_CONFIG_FILE (~/.aws/config);
 *   5. AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI: the container's endpoint;
 *   6. the instance metadata service, unless AWS_EC2_METADATA_DISABLED is true.
 *
 * Option awsprofile takes 2 and 3 out.  What is set and does not work is an error: no other way is
 * tried then, since it might lead to the rights of somebody else.
 *
 * It promises: opening makes no request; keys that expire are fetched anew ahead of that, by one
 * caller for all; where that fails, the old ones serve as long as they live; no error shows a key.
 * It must not know what is signed.
 */
#ifndef DRIVER_S3_CREDENTIALS_H
#define DRIVER_S3_CREDENTIALS_H

#include "driver/s3/source.h"

struct credentials;

/* STOW_EINVAL with a line where there are none, or half of a pair.  Sources that send requests get
 * a client of their own, with these options but few connections; http may be NULL for others.
 * skew_ns is what to add to the host's clock, read atomically, and may be NULL, like host. */
int credentials_open(const struct source_settings *, const struct stow_host *,
                     const struct http_client_options *http, const int64_t *skew_ns,
                     struct credentials **ret, struct stow_error *);
void credentials_close(struct credentials *); /* takes NULL */
/* A reference to keys that are good now.  Blocks where they must be fetched first. */
int credentials_get(struct credentials *, const struct stow_op *, struct keys **ret,
                    struct stow_error *);
/* The store has refused a request that these signed.  True where others may be had: somebody has
 * fetched them already, or, where it was the keys that were refused for sure, the next
 * credentials_get does. */
bool credentials_refused(struct credentials *, const struct keys *, bool sure);

#endif
