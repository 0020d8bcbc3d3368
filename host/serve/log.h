/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where lines go: events to standard error, one line a request to standard output, as key=value or
 * JSON.  Each is written whole, or not at all where there is no room for it and the descriptor does
 * not block; of one that is longer than PIPE_BUF the rest is waited for, 100 ms at most, and a line
 * that was left half is ended before the next one.  Control characters never reach a line; secrets
 * are never given to it.  It knows nothing of requests but their fields.
 */
#ifndef SERVE_LOG_H
#define SERVE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stowage/config.h>

struct sink_levels;
struct sink_ends;

struct sink {
	struct sink_levels *levels; /* what is written of each component; NULL: nothing */
	struct sink_ends *ends;     /* how lines end there; NULL: nothing is written */
	bool json;
	bool access;
	int events, requests; /* descriptors */
};

/* From [log]; STOW_EINVAL names the key. */
int sink_open(struct sink *, const struct stow_config *, struct stow_error *);
/* Takes the levels of [log] anew, while others write; after an error the old ones hold. */
int sink_reload(const struct sink *, const struct stow_config *, struct stow_error *);
void sink_close(struct sink *);
/* The form of stow_host.log; arg is the sink. */
void sink_write(void *arg, int32_t level, const char *component, const char *line);
/* trace is a request's id, "" or NULL where there is none. */
void sink_event(const struct sink *, int32_t level, const char *component, const char *trace,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));

struct sink_request {
	const char *trace, *remote, *user, *method, *target, *agent; /* any may be NULL */
	int status;             /* 0: the client went away, or nothing could be answered */
	bool broken;            /* the answer did not reach the client whole */
	int64_t received, sent; /* bytes of bodies */
	int64_t duration_ns;
	uint64_t store_requests;
};
void sink_request(const struct sink *, const struct sink_request *);

#endif
