/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads clocks and the circumstances of a call.
 * Knows no driver; it never sleeps.
 */
#include "common/clock.h"

#include <time.h>

#include "common/error.h"

static int64_t read_clock(clockid_t id)
{
	struct timespec ts;

	/* cannot fail for the two clocks that every Linux has */
	if (clock_gettime(id, &ts) != 0)
		return 0;
	return (int64_t)ts.tv_sec * CLOCK_SECOND + ts.tv_nsec;
}

int64_t clock_monotonic(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_real(void)
{
	return read_clock(CLOCK_REALTIME);
}

int64_t clock_boottime(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

int64_t clock_host_now(const struct stow_host *host)
{
	return host && host->now_ns ? host->now_ns(host->arg) : clock_real();
}

int clock_op_check(const struct stow_op *op, const char *where, struct stow_error *err)
{
	if (!op)
		return STOW_OK;
	if (op->cancel && __atomic_load_n(op->cancel, __ATOMIC_ACQUIRE))
		return error_set(err, STOW_ECANCELED, where, "cancelled by the caller");
	if (op->deadline_ns && clock_monotonic() >= op->deadline_ns) {
		error_set(err, STOW_ETIMEOUT, where, "the deadline of the call has passed");
		error_flag(err, STOW_ERROR_RETRYABLE);
		return STOW_ETIMEOUT;
	}
	return STOW_OK;
}

int64_t clock_op_left(const struct stow_op *op, int64_t most)
{
	if (!op || !op->deadline_ns)
		return most;
	int64_t left = op->deadline_ns - clock_monotonic();
	if (left < 0)
		return 0;
	return left < most ? left : most;
}

void clock_op_count(const struct stow_op *op, uint64_t n)
{
	if (op && op->requests)
		__atomic_fetch_add(op->requests, n, __ATOMIC_RELAXED);
}
