/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request from its headers to its answer: a small state machine between the thread that
 * moves the connection's bytes, which never waits, and workers, which do one bounded step at a
 * time.
 *
 *   begin+ -> body* -> end+ -> reply [-> read*] -> over
 *
 * It promises that at most one worker is in an exchange at a time, that nothing of an action but
 * its labels is used and no byte of a body taken before auth.h has let the request through, that a
 * client that went away before its body was whole ends it without its upload being sealed, that a
 * body is taken only when the action wants it, that a fault in mid-body is answered after the rest
 * of the body was read or ends the connection, that a body for which the store's driver has no memory
 * waits without a worker, and that what it suspended it resumes.  (Who goes
 * between the end of the body and the answer leaves a sealed segment, which a purge takes away.)
 * It knows neither the HTTP library nor the registry: the actions know the one, the server the
 * other.
 */
#ifndef SERVE_EXCHANGE_H
#define SERVE_EXCHANGE_H

#include <stdbool.h>
#include <sys/types.h>
#include <stdint.h>
#include <stowage/registry.h>

#include "common/buf.h"
#include "common/thread.h"
#include "host/serve/auth.h"
#include "host/serve/headers.h"
#include "host/serve/log.h"
#include "host/serve/origin.h"
#include "host/serve/parking.h"
#include "host/serve/pump.h"
#include "host/serve/reply.h"
#include "host/serve/request.h"
#include "host/serve/workers.h"

struct exchange;
struct health;
struct redirection;

/* What all exchanges of a host share; filled before the first and not changed after, but for what is atomic. */
struct service {
	struct stow_registry *registry;
	struct workers *workers;
	struct parking *parking;
	const struct sink *sink;
	struct auth *auth;     /* NULL: everybody may do all */
	struct health *health; /* NULL: the store is taken to be there */
	bool draining;         /* atomic: takes no new connection any more */
	bool read_only;
	const struct redirection *redirection;   /* NULL: blobs are served from here */
	int64_t request_timeout, commit_timeout; /* ns */
	int64_t max_discard;
	int64_t max_blob; /* 0: no limit */
	int64_t manifest_memory;
	const struct origin_rules *origin;
	const struct headers *headers; /* of every answer */
	int64_t held;                  /* bytes of manifest_memory in use; atomic */
};

enum exchange_body {
	BODY_DISCARD = 0, /* the action wants none */
	BODY_COLLECT,     /* whole in memory, up to STOW_MANIFEST_MAX */
	BODY_STREAM       /* handed to write as it comes */
};

/* What a route does for a method.  All but check run in a worker and may wait for the store. */
struct action {
	int kind;   /* enum route_kind */
	int method; /* enum method; HEAD goes where GET does */
	const char *label;
	int body; /* enum exchange_body; check may choose another in the exchange */
	/* What needs no store, in the connection's thread or a worker. false: the reply is made. NULL: nothing
	 * to do. */
	bool (*check)(struct exchange *);
	/* Before the body is taken. false: the reply is made. NULL: nothing to do. */
	bool (*start)(struct exchange *);
	/* Likewise. Or sets again, and has taken nothing yet: it is called anew after a while. */
	bool (*write)(struct exchange *, const char *data, size_t len);
	/* After the body; makes the reply. Or sets park_key, once, and makes none: it is then called
	 * again, leading those that are parked under that key, or when their leader sent it on. */
	void (*finish)(struct exchange *);
};

/* The connection's side of waiting. Both are called under the exchange's lock. */
struct exchange_hooks {
	void (*suspend)(void *arg);
	void (*resume)(void *arg);
	void *arg;
};

/* What a tag stands on, for those that one of them reads it for. */
struct exchange_tag {
	bool asked, known;
	int status;
	struct stow_error err;
	char digest[STOW_DIGEST_MAX + 1];
};

struct exchange {
	struct work work;
	struct service *service;
	struct exchange_hooks hooks;
	char trace[REQUEST_ID_MAX + 1];
	int64_t begun_ns;
	bool begun; /* the connection's: check was made */

	/* Set before begin, then read by all. */
	struct request request;
	struct origin origin;
	const struct action *action;
	int body;            /* enum exchange_body; from the time that it is authorized on */
	struct identity who; /* likewise */

	/* The one worker's, and the server's once the reply is made. */
	struct reply reply;
	struct buf collected;
	int64_t held;       /* of service.held */
	size_t held_answer; /* and of these, for the reply's body */
	int64_t body_len;   /* bytes that write has taken */
	bool again;         /* set by write */
	struct stow_upload *upload;
	struct stow_reader *reader;
	int64_t offset;      /* of the upload's token */
	int64_t first, last; /* Content-Range; first -1 if there is none */
	int64_t queued_for;  /* ns that this step waited for a worker, was parked, or put off */
	char *park_key;      /* set by finish; taken when it is parked */
	struct parked parked;
	struct exchange_tag tag;

	uint32_t cancel;   /* atomic; the word of every call's op */
	uint64_t requests; /* atomic; what the store was asked */

	struct mutex lock;
	struct pump pump;
	unsigned refs;
	bool authorized; /* or refused: who asks is known */
	bool started;
	bool failed;    /* reply made before the body ended */
	bool whole;     /* the body has ended */
	bool replied;   /* reply made, to be sent now */
	bool working;   /* queued or in a worker */
	bool gone;      /* the connection will not look again */
	bool stopping;  /* never suspend again */
	bool read_over; /* the reader ended, or broke */
	bool broken;
	int waiting; /* enum: what the suspended connection waits for */
	int64_t received, discarded;
	int64_t sent, read_len;
	int64_t queued_ns; /* since when it waits for a worker */
};

enum exchange_want {
	EXCHANGE_MORE,  /* go on with what comes next */
	EXCHANGE_WAIT,  /* suspended by the hook; ask again when resumed */
	EXCHANGE_REPLY, /* reply is complete: send it */
	EXCHANGE_CLOSE  /* end the connection without an answer */
};

/* NULL where memory ran out. The caller holds one reference until exchange_leave. */
struct exchange *exchange_new(struct service *, const struct exchange_hooks *, const char *trace);

/* The connection's side; one thread. */
/* The head is complete and action chosen (NULL: reply is already made). To be asked again after
 * each wait. */
enum exchange_want exchange_begin(struct exchange *);
/* Takes bytes of the body; *len becomes what was left over. */
enum exchange_want exchange_take(struct exchange *, const char *data, size_t *len);
/* The body has ended. To be asked again after each wait. */
enum exchange_want exchange_end(struct exchange *);
/* Bytes of the streamed answer: more than 0, 0 for a wait, -1 where it broke off. */
ssize_t exchange_read(struct exchange *, char *buf, size_t cap);
/* The connection is done with it, one way or the other. */
void exchange_leave(struct exchange *);
/* From any thread: is it now the client's turn, to send more of the body or to take more of a
 * streamed answer?  *ret_bytes of both so far, always; *ret_body: it is the body. */
bool exchange_waits_for_client(struct exchange *, int64_t *ret_bytes, bool *ret_body);
/* From any thread: gives up what is under way, never suspends again. */
void exchange_stop(struct exchange *);

/* For actions, and the body's collection: bytes more of what manifests and lists hold in memory
 * together, counted until the exchange is over.  false, and the reply made, where that is too much. */
bool exchange_hold(struct exchange *, int64_t more);
/* For actions: likewise, for as much as the reply's body has grown since. */
bool exchange_hold_answer(struct exchange *);
/* For actions: the circumstances of a call from now on. */
struct stow_op exchange_op(struct exchange *, int64_t timeout);

#endif
