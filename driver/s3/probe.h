/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds out what the store can do, by some twenty small requests on objects of its own under
 * PARK_PROBES, which it takes away.
 *
 * It promises that what could not be tried, for want of rights or of an answer, stays as not known.
 * It must not know who asks for what.
 */
#ifndef DRIVER_S3_PROBE_H
#define DRIVER_S3_PROBE_H

#include "driver/s3/s3.h"

/* Once an instance, and only with serverprofile = auto; whether the store is fit for use does not
 * depend on it. */
void probe_once(struct s3 *, const struct stow_op *);
/* Where the store does not compare a body with the hash that goes with it, this does:
 * STOW_ECORRUPT. */
int probe_sum_check(const struct s3 *, const void *data, size_t len, const struct stow_put *,
                    const char *where, const char *key, struct stow_error *);
/* driver.h's probe. */
int s3_probe(void *self, const struct stow_op *, char *buf, size_t cap, size_t *ret_len,
             struct stow_error *);

#endif
