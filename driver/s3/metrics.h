/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host's count hears of each request:
 *
 *   s3.requests.OPERATION.STATUS    one, with the HTTP status, 0 where no answer came
 *   s3.nanoseconds.OPERATION        from when it left the queue until its end
 *   s3.bytes.sent, s3.bytes.received  of bodies
 *   s3.connections                  that were made
 *   s3.retries                      attempts after the first of a call
 *   s3.throttles                    answers that ask to slow down
 *
 * OPERATION is S3's own name: PutObject, UploadPart.  It must not know what the host makes of it.
 */
#ifndef DRIVER_S3_METRICS_H
#define DRIVER_S3_METRICS_H

#include "driver/s3/call.h"

/* S3's name of what the call asks for. */
const char *metrics_operation(const struct call *);
/* Of a request that has ended, or is given up. */
void metrics_request(const struct call *, bool ended);
void metrics_retry(const struct call *);
void metrics_throttle(const struct call *);

#endif
