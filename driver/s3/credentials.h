/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where keys come from, first come, first served:
 *
 *   1. the options accesskey and secretkey, with sessiontoken;
 *   2. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, unless awsprofile is set;
 *   3. a profile of the shared files: awsprofile, else AWS_PROFILE, else "default", of the file that
 *      AWS_SHARED_CREDENTIALS_FILE names (~/.aws/credentials) or AWS_CONFIG_FILE (~/.aws/config).
 *
 * They are read when an instance is opened.  It promises that no error shows a key, and that one
 * which finds nothing says where it looked.  It must not know what is signed.
 */
#ifndef DRIVER_S3_CREDENTIALS_H
#define DRIVER_S3_CREDENTIALS_H

#include <stowage/types.h>

#include "driver/s3/keys.h"

struct credentials_sources {
	const char *accesskey, *secretkey, *sessiontoken, *profile; /* options; NULL where unset */
	const char *(*variable)(void *arg, const char *name);       /* of the environment */
	void *arg;
};

/* STOW_EINVAL with a line where there are none, or half of a pair. */
int credentials_find(const struct credentials_sources *, struct keys **ret, struct stow_error *);

#endif
