/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the stress program share: many workers on one instance of a driver, each with
 * keys of its own, and for each key the contents that may be under it.  It reaches the driver by
 * the ABI alone and must not know which one it is.
 *
 * A write that failed with STOW_ERROR_MAYBE may take effect at any later time, and so may the first
 * request of one that needed two, behind whatever was written since.  No store of this kind can do
 * better, so a key whose last write ended in either way rests: it is read and never written again.
 */
#ifndef TESTS_DRIVER_STRESS_H
#define TESTS_DRIVER_STRESS_H

#include <stowage/driver.h>

#include <pthread.h>
#include <stdbool.h>

#include "common/clock.h"

#define STRESS_LIVE 3    /* keys of a worker that it writes to */
#define STRESS_RESTING 6 /* and those that it only reads */
#define STRESS_PIECE ((size_t)32 << 10)
#define STRESS_STATUSES 14
#define STRESS_LATE (2 * CLOCK_SECOND) /* behind a deadline: the call has failed to heed it */
#define STRESS_KEY 64

struct stress_content {
	uint64_t id;  /* all bytes follow from it */
	int64_t size; /* -1: there is no object */
};

struct stress_object {
	char key[STRESS_KEY];
	struct stress_content may[2]; /* the last is the newest */
	unsigned n;
	struct stress_content other; /* for messages: what was there before, or came meanwhile */
	char etag[80];               /* of may[0] where n is 1; "" where it was not told */
	int64_t booked;              /* of the bytes that all workers may keep */
};

enum stress_verb {
	STRESS_STAT,
	STRESS_GET,
	STRESS_PUT,
	STRESS_REMOVE,
	STRESS_COPY,
	STRESS_READ_OPEN,
	STRESS_READ,
	STRESS_READ_CLOSE,
	STRESS_WRITE_OPEN,
	STRESS_WRITE,
	STRESS_WRITE_COMMIT,
	STRESS_WRITE_CLOSE,
	STRESS_LIST_OPEN,
	STRESS_LIST_NEXT,
	STRESS_LIST_CLOSE,
	STRESS_PURGE,
	STRESS_VERBS
};

struct stress_tally {
	uint64_t calls[STRESS_VERBS], statuses[STRESS_STATUSES];
	uint64_t written, compared; /* bytes */
	uint64_t maybe, retried, replaced;
	uint64_t final;          /* EIO without STOW_ERROR_RETRYABLE */
	char final_message[200]; /* of the last one */
	int64_t latest_ns;       /* behind its deadline, of all calls */
};

struct stress {
	const struct stow_driver *driver;
	void *self;
	uint64_t caps;
	int64_t threads, seconds, seed, part, store, rss;
	bool talk;
	int64_t until_ns;  /* no new work after that */
	int64_t stored;    /* atomic: bytes booked */
	uint32_t calm;     /* atomic: the faults are off, the last look may begin */
	uint64_t faults;   /* atomic: what must not happen and did */
	uint64_t too_late; /* atomic: calls that came back behind STRESS_LATE, or did not yet */
};

struct stress_worker {
	struct stress *s;
	unsigned number;
	pthread_t thread;
	uint64_t random, versions, names;
	struct stress_object live[STRESS_LIVE], resting[STRESS_RESTING];
	unsigned n_resting;
	uint8_t *buf;        /* STRESS_PIECE */
	int64_t patience_ns; /* of the calls to come */
	struct stow_op op;   /* of the call that was made last, as the next two */
	struct stow_error err;
	uint64_t requests;
	int64_t due_ns; /* atomic: of the call under way, 0 is none */
	int verb;       /* atomic: which it is */
	bool reported;  /* atomic: as too late */
	struct stress_tally tally;
};

/* stress.c */

/* Counts what must not happen, and prints the first ones. o may be NULL. */
void stress_fault(struct stress_worker *, const struct stress_object *o, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
const char *stress_status(int status);
const char *stress_verb_name(int verb);

/* stress-model.c */

uint64_t stress_random(uint64_t *state);
/* len bytes from offset on. */
void stress_fill(uint64_t id, int64_t offset, void *buf, size_t len);
/* Those of o's contents, a bit each, that have that size; -1 asks for the absent one. */
unsigned stress_by_size(const struct stress_object *o, int64_t size);
/* Those of mask that have these bytes at offset; says what is wrong where none is left. */
unsigned stress_match(struct stress_worker *, const struct stress_object *o, unsigned mask,
                      int64_t offset, const void *buf, size_t len);
/* Only the contents of mask were seen: the newest alone means that the write has taken effect. */
void stress_saw(struct stress_object *o, unsigned mask);
bool stress_is_exact(const struct stress_object *o);
bool stress_is_present(const struct stress_object *o); /* of an exact one */

/* stress-work.c */

/* One piece of work, chosen at random. */
void stress_work(struct stress_worker *);
/* Reads every key once more, to the last byte, and takes all away. */
void stress_last_look(struct stress_worker *);
void stress_new_key(struct stress_worker *, struct stress_object *);
/* Takes away what is left below prefix; false, and a fault, if something stays. */
bool stress_sweep(struct stress_worker *, const char *prefix);

#endif
