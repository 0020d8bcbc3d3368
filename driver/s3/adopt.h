/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Going on with an upload that left no record: another program's, or of a process that died.  It is
 * found by its key in the store's list of uploads, and what it holds by ListParts.
 *
 * It promises that only parts which are there in one row from the first on are counted, so that the
 * offset is right whatever was under way when it was left; the ETags that Complete names then prove
 * that they are still the same.  It must not know who began it.
 */
#ifndef DRIVER_S3_ADOPT_H
#define DRIVER_S3_ADOPT_H

#include "driver/s3/writer.h"

/* Fills a new writer from the key's newest open upload. STOW_ENOTFOUND where the store has none, or
 * does not list uploads. */
int adopt_upload(struct writer *, const struct stow_op *, struct stow_error *);

/*
 * Going on from a record, where the store is known to keep the first bytes of a part that is sent
 * again: STOW_ENOTFOUND if a part is there that the record does not know, since somebody has gone on
 * before and failed, and other bytes of that number would be lost without an error.
 */
int adopt_check(struct writer *, const struct stow_op *, struct stow_error *);

#endif
