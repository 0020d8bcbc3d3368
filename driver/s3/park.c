/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of park records, and their end.  It must not know what a record says beyond whose
 * upload it names, nor how a writer comes to one or goes on from it.
 */
#include "driver/s3/park.h"

#include "common/cleanup.h"
#include "common/error.h"
#include "common/text.h"
#include "driver/s3/describe.h"

int park_key(const struct s3 *s3, const char *key, char **ret, struct stow_error *err)
{
	size_t len = strlen(key) + sizeof(PARK_FOLDER);
	char *full;

	if (strlen(s3->root) + len - 1 > STOW_KEY_MAX)
		return error_set(err, STOW_EINVAL, "s3.park",
		                 "over %zu bytes, too long to be parked: bucket %s, key %s%s",
		                 STOW_KEY_MAX - strlen(s3->root) - (sizeof(PARK_FOLDER) - 1),
		                 s3->o.bucket, s3->root, key);
	full = malloc(len);
	if (!full)
		return error_nomem(err, "s3.park");
	text_format(full, len, "%s%s", PARK_FOLDER, key);
	*ret = full;
	return STOW_OK;
}

/* ---- their end ---- */

int park_remove(struct s3 *s3, const struct stow_op *op, const char *key, struct stow_error *err)
{
	cleanup_free char *record = NULL;
	cleanup_call struct call c = { 0 };
	int r = park_key(s3, key, &record, err);

	if (r != STOW_OK)
		return r;
	describe_remove(&c, s3, record, NULL);
	call_run(&c, op, &c.error);
	if (!c.finished)
		return error_copy(err, &c.error);
	return finish_remove(&c, err);
}

/* The start of a record, without its parts: whose upload is it?  ret->upload stays "" where it is
 * gone, or is no record. */
static int read_start(struct s3 *s3, const struct stow_op *op, const char *record, const char *key,
                      struct park *ret, int64_t *ret_mtime_ns, struct stow_error *err)
{
	struct stow_stat st = { .size = 0 };
	char head[PARK_HEAD_FIRST];
	size_t len = 0, n = 1;
	void *reader = NULL;
	int r;

	r = s3_read_any(s3, op, record, NULL, 0, sizeof(head), &reader, &st, err);
	while (r == STOW_OK && n && len < sizeof(head)) {
		r = s3_read(reader, op, head + len, sizeof(head) - len, &n, err);
		if (r == STOW_OK)
			len += n;
	}
	s3_read_close(reader);
	if (r == STOW_ENOTFOUND || r == STOW_ECHANGED)
		return STOW_OK; /* it goes with its write, or has just been made anew */
	if (r != STOW_OK)
		return r;
	*ret_mtime_ns = st.mtime_ns;
	if (len < PARK_MARK_LEN || park_head_len(head) == 0 ||
	    !park_parse(head, len, key, ret, NULL))
		ret->upload[0] = '\0';
	return STOW_OK;
}

bool park_is(struct s3 *s3, const struct stow_op *op, const char *record, const char *key,
             const uint8_t nonce[PARK_NONCE])
{
	struct park p = { .n_parts = 0 };
	int64_t mtime_ns;

	return read_start(s3, op, record, key, &p, &mtime_ns, NULL) == STOW_OK &&
	       hash_equal(p.nonce, nonce, PARK_NONCE);
}

static int purge_one(struct s3 *s3, const struct stow_op *op, const struct stow_entry *entry,
                     int64_t before_ns, struct buf *ids, uint64_t *count, struct stow_error *err)
{
	/* the entry's key lives until the list's next step only */
	cleanup_free char *record = strdup(entry->key);
	int64_t mtime_ns = entry->mtime_ns;
	struct park p = { .n_parts = 0 };
	const char *key;
	int r;

	if (!record)
		return error_nomem(err, "s3.purge");
	if (strlen(record) <= sizeof(PARK_FOLDER) - 1)
		return STOW_OK;
	key = record + sizeof(PARK_FOLDER) - 1;
	if (park_is_hidden(key)) /* a probe that was cut off has left it */
		return mtime_ns > before_ns ? STOW_OK : park_remove(s3, op, key, err);
	/* the time is that of what was read: the write may have been parked anew since the list */
	r = read_start(s3, op, record, key, &p, &mtime_ns, err);
	if (r != STOW_OK)
		return r; /* an upload that it may name must not be taken for nobody's */
	if (p.upload[0] && buf_add(ids, p.upload, strlen(p.upload) + 1) != STOW_OK)
		return error_nomem(err, "s3.purge");
	if (mtime_ns > before_ns)
		return STOW_OK;
	r = p.upload[0] ? multipart_abort(s3, op, key, p.upload, NULL, err) : STOW_OK;
	if (r == STOW_OK)
		r = park_remove(s3, op, key, err);
	if (r == STOW_OK)
		++*count;
	return r;
}

static int purge_below(struct s3 *s3, const struct stow_op *op, const char *below,
                       int64_t before_ns, struct buf *ids, uint64_t *count, struct stow_error *err)
{
	struct stow_entry entry;
	void *list = NULL;
	int r = s3_list_any(s3, op, below, NULL, 0, &list, err);

	if (r != STOW_OK)
		return r;
	while ((r = s3_list_next(list, op, &entry, err)) == STOW_OK) {
		r = purge_one(s3, op, &entry, before_ns, ids, count, err);
		if (r != STOW_OK)
			break;
	}
	s3_list_close(list);
	return r == STOW_ENOTFOUND ? STOW_OK : r;
}

int park_purge(struct s3 *s3, const struct stow_op *op, const char *prefix, int64_t before_ns,
               struct buf *ids, uint64_t *count, struct stow_error *err)
{
	cleanup_free char *below = NULL;
	int r = park_key(s3, prefix, &below, NULL);

	if (r == STOW_EINVAL)
		return STOW_OK; /* no key that long can be parked */
	if (r != STOW_OK)
		return error_nomem(err, "s3.purge");
	r = purge_below(s3, op, below, before_ns, ids, count, err);
	if (r == STOW_OK && prefix[0])
		r = purge_below(s3, op, PARK_PROBES, before_ns, ids, count, err);
	return r;
}
