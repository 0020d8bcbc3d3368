/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the store there?  A thread asks it every so often, and what is told at once is what that found.
 *
 * It promises: whoever asks never waits, and makes the store no request; it takes so many failures
 * in a row to be not ready, and one success to be ready again; each change is one line in the log.
 * It must not know HTTP.
 */
#ifndef SERVE_HEALTH_H
#define SERVE_HEALTH_H

#include <stdbool.h>
#include <stowage/config.h>
#include <stowage/store.h>

#include "host/serve/log.h"

struct health;

/* Are the values of [health] within their bounds? STOW_EINVAL names the key. */
int health_check(const struct stow_config *, struct stow_error *);
/* From [health]; STOW_EINVAL names the key.  ready: what the start found.  The store is to outlive
 * it. */
int health_start(const struct stow_config *, const struct sink *, struct stow_store *, bool ready,
                 struct health **ret, struct stow_error *);
/* Any thread; true for NULL. */
bool health_ready(struct health *);
/* Waits for the check that is under way, which is cancelled. */
void health_stop(struct health *);

#endif
