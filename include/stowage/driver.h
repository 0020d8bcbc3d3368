/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver ABI, major 1: what a store implements and any host may load.
 *
 * A driver is a shared object that exports one function, stow_driver_v1(), and nothing else.  It
 * stores objects: bytes under a key, with a size, a time and, where the store has one, an ETag.
 * It knows nothing of registries, repositories or digests, and links nothing of a host.
 *
 * Rules that hold for every call:
 *
 * Threads    An instance may be used by any number of threads at once.  A reader, a writer or a
 *            list belongs to one thread at a time.  Calls block; parallelism is the driver's.
 * Outputs    What is named ret_ is written on success only, the error on failure only.  The
 *            ret_stat of put, get, read_open and write_commit and the ret_count of
 *            purge_writes may be NULL.
 * Ownership  The callee copies what it keeps; pointers passed in are valid for the call.  What a
 *            call returns by handle is ended by the matching close, which takes NULL too.
 * Deadline   Each call heeds op->deadline_ns and op->cancel and returns within 100 ms of either,
 *            but only when no thread of the driver can touch the caller's buffers any more.
 *            STOW_ERROR_MAYBE is set where a write may have taken effect all the same.
 * Keys       Components joined by '/': none empty, none "." or "..", no NUL, each at most 255
 *            bytes, all together at most 1,024.  A driver that cannot store another key answers
 *            STOW_EINVAL before it touches anything.  No key is also a folder of another.
 * Durable    What a put, copy, write_commit or remove has acknowledged survives a crash of the
 *            host and, as far as the store can promise it, of the store.
 * Atomic     Readers see the old object or the new one, whole; never a part, never a mixture.
 * Fork       open comes after fork.  A call in a forked child fails with STOW_EINVAL at once.
 * Unloading  never: drivers are linked -z nodelete.
 */
#ifndef STOWAGE_DRIVER_H
#define STOWAGE_DRIVER_H

#include <stowage/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * 1.0  first
 * 1.1  probe
 * Append at the end of struct stow_driver and raise the minor; anything else is a new entry
 * symbol.  Structs without a size field are frozen within the major; struct stow_call grows by
 * the stride that the caller passes.
 */
#define STOW_DRIVER_MAJOR 1
#define STOW_DRIVER_MINOR 1
#define STOW_DRIVER_ENTRY "stow_driver_v1"

#define STOW_KEY_MAX 1024          /* bytes of a key, without the NUL */
#define STOW_KEY_COMPONENT_MAX 255 /* bytes between two slashes */

/* ---- capabilities: what the vtable offers (caps) and this instance honours (instance_caps) ---- */
#define STOW_CAP_CREATE (1u << 0)          /* STOW_PUT_CREATE on put and write_commit */
#define STOW_CAP_PUT_IF_MATCH (1u << 1)    /* stow_put.if_match on put and write_commit */
#define STOW_CAP_REMOVE_IF_MATCH (1u << 2) /* if_match of remove, remove_many, batch removes */
#define STOW_CAP_COPY_IF_MATCH (1u << 3)   /* if_match on a copy's or write_copy's source */
#define STOW_CAP_GET_IF_MATCH (1u << 4)    /* if_match of get and read_open */
#define STOW_CAP_PARALLEL (1u << 5)        /* batch runs its calls side by side */
#define STOW_CAP_SHARED (1u << 6)          /* other processes may use the same store at once */
#define STOW_CAP_DURABLE (1u << 7)         /* objects outlive the process */

/* ---- options ---- */
enum stow_option_type {
	STOW_OPTION_STRING = 1,
	STOW_OPTION_SIZE = 2, /* bytes: 8388608, 8M, 1.5G (units of 1,024) */
	STOW_OPTION_TIME = 3, /* 30s, 500ms, 5m, 1h, 7d; a bare number is seconds */
	STOW_OPTION_BOOL = 4, /* yes no true false on off 1 0 */
	STOW_OPTION_COUNT = 5 /* a whole number, 0 or more */
};
#define STOW_OPTION_REQUIRED 1u
#define STOW_OPTION_SECRET 2u  /* shown as ***, never logged */
#define STOW_OPTION_IGNORED 4u /* taken for compatibility, has no effect, a warning says so */
#define STOW_OPTION_DERIVE 8u  /* a host may derive keys of its own from the value */

struct stow_option { /* a table ends with a NULL name */
	const char *name;
	int32_t type;
	uint32_t flags;
	const char *fallback; /* the default as text; NULL is unset */
	const char *help;     /* one line */
};

/* ---- objects ---- */
struct stow_stat {
	int64_t size;
	int64_t mtime_ns; /* wall clock of the store since 1970; 0 if unknown */
	char etag[80];    /* opaque, with its quotes as the store writes it; "" if there is none or
	                   * it does not fit */
	uint64_t reserved[2];
};

/* Conditions and facts that go with a write; a NULL pointer to one means none. */
struct stow_put {
	uint32_t size;            /* sizeof(struct stow_put) */
	uint32_t flags;           /* STOW_PUT_* */
	const char *if_match;     /* only if the object has this ETag, else STOW_ECHANGED, or
	                           * STOW_ENOTFOUND where it is absent; NULL is no condition */
	const char *content_type; /* NULL is application/octet-stream */
	int64_t length;           /* write_open: of the whole object, -1 if unknown; copy: of the
	                           * source, 0 or -1 if unknown. Ignored by put */
	const uint8_t *sha256;    /* 32 octets of the whole object to be checked, else NULL. Who
	                           * hashes a stream anyway leaves it out: a driver may have to
	                           * hash or read every byte once more for it */
	const void *parked;       /* write_open: state from write_park, go on where it stopped */
	size_t parked_len;
};
#define STOW_PUT_CREATE 1u /* only if the key is absent; else STOW_EEXIST */
#define STOW_PUT_RESUME                                                                            \
	2u                  /* write_open: go on with the key's newest unfinished write, found by
                            * the key alone; STOW_ENOTFOUND if there is none */
#define STOW_PUT_PRIVATE 4u /* where the store has modes, none but its owner may read (0600) */

enum stow_call_verb {
	STOW_CALL_STAT = 1,
	STOW_CALL_GET = 2,
	STOW_CALL_PUT = 3,
	STOW_CALL_REMOVE = 4,
	STOW_CALL_COPY = 5
};

/* One small call of a batch.  The driver writes status and, on success, the ret_ fields. */
struct stow_call {
	int32_t verb;
	int32_t status;
	const char *key;
	const char *from;           /* copy: the source */
	const char *if_match;       /* of the key (get, remove) or of the source (copy) */
	const struct stow_put *put; /* put, copy */
	const void *data;           /* put */
	void *buf;                  /* get */
	size_t len;                 /* put: of data; get: capacity of buf */
	size_t ret_len;             /* get */
	struct stow_stat ret_stat;  /* stat, get, put */
	struct stow_error *err;     /* filled where status is not STOW_OK; may be NULL */
};

struct stow_entry {
	const char *key;    /* borrowed until the next list_next or list_close */
	int64_t size;       /* 0 for a folder */
	int64_t mtime_ns;   /* 0 for a folder */
	const char *etag;   /* "" where the listing does not tell; borrowed like key */
	uint32_t is_folder; /* with STOW_LIST_FOLDERS: key ends with '/' and stands for all below */
	uint32_t reserved;
};
#define STOW_LIST_FOLDERS 1u /* group at the next '/' after the prefix */

struct stow_driver {
	uint32_t size; /* sizeof(struct stow_driver) as the driver was built */
	uint16_t major, minor;
	uint64_t caps; /* STOW_CAP_*: what an instance may at best honour */
	const char *name, *version, *summary;
	const struct stow_option *options;

	/*
	 * Options by name, as text; unknown names and values that do not parse are STOW_EINVAL
	 * with a line that names the option.  Asks nothing of the store and leaves it as it is: who
	 * only looks at a configuration opens it, too.  What it takes to begin, the first call does.
	 * The host must outlive the instance; it may be NULL.
	 */
	int (*open)(const struct stow_host *, const struct stow_kv *, size_t n, void **ret_self,
	            struct stow_error *);
	/* Joins every thread of the instance. No call may be under way, no handle open. */
	void (*close)(void *self);

	/* ---- small objects: whole, atomic ---- */

	/* STOW_ENOTFOUND for an absent key, in one request. A folder is not an object. */
	int (*stat)(void *self, const struct stow_op *, const char *key, struct stow_stat *ret,
	            struct stow_error *);
	/* The whole object. STOW_ERANGE if it is larger than cap, and then *ret_len is its size. */
	int (*get)(void *self, const struct stow_op *, const char *key, const char *if_match,
	           void *buf, size_t cap, size_t *ret_len, struct stow_stat *ret_stat,
	           struct stow_error *);
	/* Replaces what is there unless a condition forbids it. put may be NULL. Of ret_stat the
	 * size and, where the store tells it, the ETag are set; ret_stat may be NULL. */
	int (*put)(void *self, const struct stow_op *, const char *key, const void *data,
	           size_t len, const struct stow_put *, struct stow_stat *ret_stat,
	           struct stow_error *);
	/* STOW_OK also where there was none, in one request. With if_match, STOW_ECHANGED where
	 * another version is there. */
	int (*remove)(void *self, const struct stow_op *, const char *key, const char *if_match,
	              struct stow_error *);

	/* ---- big objects: a reader is pulled ---- */

	/*
	 * length -1 is to the end; a length beyond the end is cut.  offset equal to the size gives
	 * an empty reader, beyond it STOW_ERANGE.  ret_stat is of the whole object.  All that the
	 * reader gives comes from that one version: STOW_ECHANGED where it is replaced meanwhile
	 * and the store can no longer give the old one.
	 */
	int (*read_open)(void *self, const struct stow_op *, const char *key, const char *if_match,
	                 int64_t offset, int64_t length, void **ret_reader,
	                 struct stow_stat *ret_stat, struct stow_error *);
	/* What is ready, at least one byte, without waiting to fill buf; *ret_len 0 at the end.
	 * A failure with STOW_ERROR_AGAIN (STOW_OP_NOWAIT) is none of the reader's. */
	int (*read)(void *reader, const struct stow_op *, void *buf, size_t cap, size_t *ret_len,
	            struct stow_error *);
	void (*read_close)(void *reader);

	/* ---- big objects: a writer is pushed ---- */

	/* Nothing is visible under the key before write_commit. *ret_offset is how many bytes the
	 * write holds already: 0 unless it goes on with an unfinished one. */
	int (*write_open)(void *self, const struct stow_op *, const char *key,
	                  const struct stow_put *, void **ret_writer, int64_t *ret_offset,
	                  struct stow_error *);
	/* Takes all of data or fails; blocks while the store is slower than the caller. After a
	 * failure only write_close is allowed, but where STOW_ERROR_AGAIN is set (STOW_OP_NOWAIT).
	 * STOW_EBUSY, retryable, may also be the end of a writer whose caller stood still for long
	 * while others needed its memory. */
	int (*write)(void *writer, const struct stow_op *, const void *data, size_t len,
	             struct stow_error *);
	/* Appends length bytes of another object from offset on, by the store itself where it can.
	 * NULL where it cannot: the host reads and writes through.
	 * STOW_ECHANGED if if_match is given and the source is another version, STOW_ENOTFOUND if
	 * it is gone, STOW_ERANGE if it is too short. */
	int (*write_copy)(void *writer, const struct stow_op *, const char *from,
	                  const char *if_match, int64_t offset, int64_t length,
	                  struct stow_error *);
	/* The object is whole, visible and durable when this returns STOW_OK. STOW_ECORRUPT where
	 * the announced length or sha256 is not that of the bytes: then nothing is visible. */
	int (*write_commit)(void *writer, const struct stow_op *, struct stow_stat *ret_stat,
	                    struct stow_error *);
	/* Ends the handle. Without a write_commit or write_park that succeeded it also takes away
	 * what was written, in bounded time: op's deadline, else 10 s. Of a write that went on with
	 * an unfinished one and failed, that is what came since: what was parked before can be gone
	 * on with again. It is all of it where no call failed, and where one answered
	 * STOW_ECORRUPT, STOW_EEXIST or STOW_ECHANGED. */
	void (*write_close)(void *writer, const struct stow_op *);

	/* ---- listings are pulled too ---- */

	/*
	 * Keys that begin with prefix ("" is all) and sort after `after` ("" or NULL: from the
	 * start), in byte order of the whole key.  With STOW_LIST_FOLDERS all keys that go on with
	 * a '/' after the prefix appear as one entry up to that '/', sorted as that text, and left
	 * out where that text does not sort after `after`.  A listing under way while keys come and
	 * go gives each key that was there throughout exactly once.
	 */
	int (*list_open)(void *self, const struct stow_op *, const char *prefix, const char *after,
	                 uint32_t flags, void **ret_list, struct stow_error *);
	/* STOW_ENOTFOUND at the end. */
	int (*list_next)(void *list, const struct stow_op *, struct stow_entry *ret,
	                 struct stow_error *);
	void (*list_close)(void *list);

	/* ---- optional: NULL where not offered; the host emulates batch, copy, remove_many ---- */

	/* Runs n small calls, no key twice, in no order; item i lies at (char *)calls + i * stride.
	 * STOW_OK when each item has its status; anything else: no item was begun. */
	int (*batch)(void *self, const struct stow_op *, struct stow_call *calls, size_t n,
	             size_t stride, struct stow_error *);
	/* Any size. put's conditions and content type are of the target; may be NULL. */
	int (*copy)(void *self, const struct stow_op *, const char *from, const char *from_if_match,
	            const char *to, const struct stow_put *, struct stow_error *);
	/* if_match may be NULL, or hold a NULL for a key. One status a key; absent is STOW_OK. */
	int (*remove_many)(void *self, const struct stow_op *, const char *const *keys,
	                   const char *const *if_match, size_t n, int *ret_status,
	                   struct stow_error *);
	/* Makes all bytes taken so far durable as an unfinished write and gives the state to go on
	 * from (stow_put.parked); STOW_ERANGE if it is over cap (512 always suffice). Then only
	 * write_close is allowed, which leaves the unfinished write in place. */
	int (*write_park)(void *writer, const struct stow_op *, void *buf, size_t cap,
	                  size_t *ret_len, struct stow_error *);
	/* Takes away unfinished writes of keys with that prefix whose last change is older than
	 * older_than_ns (an age, by the store's clock). */
	int (*purge_writes)(void *self, const struct stow_op *, const char *prefix,
	                    int64_t older_than_ns, uint64_t *ret_count, struct stow_error *);
	/* A URL that answers method ("GET", "HEAD") on key for that many seconds without keys. */
	int (*presign)(void *self, const struct stow_op *, const char *key, const char *method,
	               int64_t seconds, char *buf, size_t cap, struct stow_error *);
	/* Is the store there and does it let us in?  An error without STOW_ERROR_RETRYABLE is a
	 * mistake of configuration that time does not mend. */
	int (*check)(void *self, const struct stow_op *, struct stow_error *);
	/* What this instance honours of caps, as known now; NULL: all of caps. */
	uint64_t (*instance_caps)(void *self);

	/* ---- since 1.1 ---- */

	/* Asks the store what it can do, by writing, reading and removing objects of its own, and
	 * gives lines "name TAB value TAB words": what was asked, "yes", "no", "unknown" or a text,
	 * and what it means. STOW_ERANGE if they are over cap (64 KiB always suffice). NULL where
	 * there is nothing to ask. */
	int (*probe)(void *self, const struct stow_op *, char *buf, size_t cap, size_t *ret_len,
	             struct stow_error *);
};

typedef const struct stow_driver *stow_driver_entry(void);

#ifdef __cplusplus
}
#endif
#endif
