/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every interface of Stowage speaks in: statuses, errors, the circumstances of a call, the
 * services of a host.  It promises that these layouts hold within major 1 of the driver ABI; it
 * knows nothing of drivers, buckets or registries.
 */
#ifndef STOWAGE_TYPES_H
#define STOWAGE_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define STOW_EXPORT __attribute__((visibility("default")))
#else
#define STOW_EXPORT
#endif

/*
 * Every function that can fail returns one of these: 0, or a negative status.  They are cut by
 * what the caller does next, not by what went wrong below.
 */
enum stow_status {
	STOW_OK = 0,
	STOW_ENOTFOUND = -1,  /* no such object, link, tag, upload: an answer, not a fault */
	STOW_EEXIST = -2,     /* a create-only write met an object */
	STOW_ECHANGED = -3,   /* an if-match write or read met another version */
	STOW_EINVAL = -4,     /* the caller broke the contract: never retry as it is */
	STOW_ERANGE = -5,     /* offset, length or buffer does not fit */
	STOW_EDENIED = -6,    /* the store refused the credentials */
	STOW_ENOTSUP = -7,    /* optional operation not offered, or switched off */
	STOW_EBUSY = -8,      /* throttled or out of budget: retry later */
	STOW_ETIMEOUT = -9,   /* the deadline of the call, or a time limit below it, has passed */
	STOW_ECANCELED = -10, /* the cancel word was set */
	STOW_ECORRUPT = -11,  /* digest, size or format mismatch */
	STOW_EIO = -12,       /* everything else that a store can do to us */
	STOW_ENOMEM = -13     /* an allocation failed */
};

/*
 * Filled when a call fails, left alone when it succeeds.  The caller owns it; nothing in it is
 * allocated, every string ends with NUL and is cut where it does not fit.  A NULL pointer to one
 * is allowed everywhere.
 */
struct stow_error {
	int32_t status;          /* the value that was returned */
	int32_t backend;         /* HTTP status or errno of the store; 0 if none */
	uint32_t retry_after_ms; /* how long the store asked us to wait; 0 if it did not */
	uint32_t flags;          /* STOW_ERROR_* */
	char where[32];          /* the operation: "s3.put", "tag.get" */
	char request[64];        /* the store's request id; "" if none */
	char message[512];       /* one line: bucket, key, cause; never a secret */
};
#define STOW_ERROR_RETRYABLE 1u /* the same call may succeed later */
#define STOW_ERROR_MAYBE 2u     /* a write that may still take effect, or has */
#define STOW_ERROR_AGAIN 4u     /* STOW_OP_NOWAIT: nothing has failed, ask again later */

/*
 * One call's circumstances; it and all it points to need live only until the call returns.
 * A NULL pointer to one means: no deadline, no cancel, no count, no name.
 */
struct stow_op {
	uint32_t size;          /* sizeof(struct stow_op) */
	uint32_t flags;         /* STOW_OP_*; one that is not known has no effect */
	int64_t deadline_ns;    /* CLOCK_MONOTONIC; 0 is none */
	const uint32_t *cancel; /* read atomically; non-zero gives up within 100 ms; may be NULL */
	uint64_t *requests;     /* the driver adds each request it sends to the store, atomically,
	                         * retries included; may be NULL */
	const char *trace;      /* a request id for log lines; may be NULL */
};
/*
 * A write that would wait for memory until other callers are done fails at once with STOW_EBUSY and
 * STOW_ERROR_AGAIN.  Its handle is whole and keeps its turn: the same call, with the same bytes, is to
 * be made again after a while, and no other but close.  It may still wait for the store.  A read that
 * finds nothing ready, and nothing comes at once, does so, too.
 */
#define STOW_OP_NOWAIT 1u

enum stow_level { STOW_LOG_ERROR = 0, STOW_LOG_WARNING = 1, STOW_LOG_INFO = 2, STOW_LOG_DEBUG = 3 };

struct stow_driver; /* driver.h */
struct stow_kv {
	const char *key;
	const char *value;
};

/*
 * What a host offers to a driver and to the core.  Each may be called from any thread and may be
 * NULL; none may call back into the driver.  The host keeps the struct alive until close.
 */
struct stow_host {
	uint32_t size; /* sizeof(struct stow_host) */
	uint32_t reserved;
	void *arg; /* the first argument of each */
	/* one line without a line end; level is one of enum stow_level */
	void (*log)(void *arg, int32_t level, const char *component, const char *line);
	void (*count)(void *arg, const char *metric, int64_t add);
	/* CLOCK_REALTIME in nanoseconds: dates of signatures, ages of objects. A test may put its
	 * own here. Deadlines never use it. */
	int64_t (*now_ns)(void *arg);
	/* for wrapping drivers: opens another driver underneath, closed by that driver's close */
	int (*open_driver)(void *arg, const char *name, const struct stow_kv *, size_t n,
	                   const struct stow_driver **ret_driver, void **ret_self,
	                   struct stow_error *);
};

#ifdef __cplusplus
}
#endif
#endif
