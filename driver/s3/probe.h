/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this store does not do, though the protocol has it.
 *
 * The probe finds out by ten requests at most, on an object of its own under PARK_FOLDER that it
 * takes away.  It promises to take something away from the instance only where the store showed
 * that it does not do it: what could not be tried, for want of rights or of an answer, stays as
 * offered.  It must not know who asks for what.
 */
#ifndef DRIVER_S3_PROBE_H
#define DRIVER_S3_PROBE_H

#include "driver/s3/s3.h"

/* Once an instance; whether the store is fit for use does not depend on it. */
void probe_run(struct s3 *, const struct stow_op *);
/* STOW_CAP_* that the store was seen not to honour. */
uint64_t probe_lacks(const struct s3 *);
/* Where the store does not compare a body with the hash that goes with it, this does:
 * STOW_ECORRUPT. */
int probe_sum_check(const struct s3 *, const void *data, size_t len, const struct stow_put *,
                    const char *where, const char *key, struct stow_error *);

#endif
