/* SPDX-License-Identifier: Apache-2.0 */
/* Time, deadlines and the cancel word of a call. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <stowage/types.h>

#define CLOCK_SECOND INT64_C(1000000000)
#define CLOCK_MILLISECOND INT64_C(1000000)

int64_t clock_monotonic(void); /* CLOCK_MONOTONIC, ns */
int64_t clock_real(void);      /* CLOCK_REALTIME, ns */
int64_t clock_boottime(void);  /* CLOCK_BOOTTIME, ns: goes on while the machine sleeps */
/* The host's now_ns where it has one, else clock_real. host may be NULL. */
int64_t clock_host_now(const struct stow_host *host);

/* STOW_OK, STOW_ECANCELED or STOW_ETIMEOUT, with err filled. op may be NULL. */
int clock_op_check(const struct stow_op *op, const char *where, struct stow_error *err);
/* Nanoseconds until the deadline, at most `most`; 0 if it has passed. op may be NULL. */
int64_t clock_op_left(const struct stow_op *op, int64_t most);
/* Adds n to op->requests. */
void clock_op_count(const struct stow_op *op, uint64_t n);

#endif
