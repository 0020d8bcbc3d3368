/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles of the files that Amazon's tools share: ~/.aws/credentials ("[name]") and ~/.aws/config
 * ("[profile name]", "[default]").  It promises that a file is read within a bound, and that a
 * line which it cannot read is named by its number, never shown.  It must not know what keys
 * are for.
 */
#ifndef DRIVER_S3_PROFILE_H
#define DRIVER_S3_PROFILE_H

#include <stdbool.h>
#include <stowage/types.h>

#include "common/buf.h"

#define PROFILE_FILE_MAX ((size_t)1 << 20)

struct profile_file {
	struct buf text; /* as read */
	char *path;
	bool config; /* sections are "[profile name]" */
};

/* STOW_ENOTFOUND where there is no such file. */
int profile_open(struct profile_file *ret, const char *path, bool config, struct stow_error *);
void profile_close(struct profile_file *); /* overwrites; takes one that was zeroed */
bool profile_exists(const struct profile_file *, const char *name);
/* The key's value, without blanks around it, copied to ret (a buf); false where there is none. The
 * last one counts. */
bool profile_value(const struct profile_file *, const char *name, const char *key, struct buf *ret);

#endif
