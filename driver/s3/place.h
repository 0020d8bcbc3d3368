/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the bucket is held to be: its region, which is signed for, and its address.  It is counted,
 * and nothing in it changes; what the store says of another region makes another place, which all
 * requests after it go to.  It must not know what is asked there.
 */
#ifndef DRIVER_S3_PLACE_H
#define DRIVER_S3_PLACE_H

#include <stdbool.h>

#include "driver/s3/address.h"

#define PLACE_REGION_MAX 64

struct place {
	unsigned refs; /* atomic */
	char region[PLACE_REGION_MAX];
	struct address address;
};

/* With one reference. STOW_EINVAL names the option that is wrong. */
int place_make(const struct address_options *, struct place **ret, struct stow_error *);
/* The place that a redirect names for one request: the URL's scheme and host, for the same region,
 * and *ret_path, to be freed, is what it has of a path.  STOW_EIO where it is no such URL, where it
 * leads from TLS to none, or to a host that is neither the one before, nor below it, nor Amazon's where that was. */
int place_redirect(const struct place *, const char *url, struct place **ret, char **ret_path,
                   struct stow_error *);
struct place *place_ref(struct place *);
void place_unref(struct place *); /* takes NULL */
/* Could it be the name of a region? */
bool place_is_region(const char *);

#endif
