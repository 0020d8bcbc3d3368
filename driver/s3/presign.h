/* SPDX-License-Identifier: Apache-2.0 */
/* Presigned URLs: the check of their options at open. s3_presign is in s3.h. */
#ifndef DRIVER_S3_PRESIGN_H
#define DRIVER_S3_PRESIGN_H

#include "driver/s3/s3.h"

/* Is redirectendpoint, where it is set, a scheme, a host and nothing else? */
int presign_check(struct s3 *, struct stow_error *);

#endif
