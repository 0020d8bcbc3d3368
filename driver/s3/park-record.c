/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The text of park records, and the state that stands for one.  It must not know how a record
 * gets into the bucket or out of it: that is park.c and write-park.c.
 */
#include <inttypes.h>

#include "common/error.h"
#include "common/text.h"
#include "driver/s3/park.h"

#define MARK "stowage parked write 1 "
#define STATE_MARK "s3p1"

bool park_is_hidden(const char *key)
{
	size_t len = sizeof(PARK_FOLDER) - 2; /* without the slash */

	return strncmp(key, PARK_FOLDER, len) == 0 && (key[len] == '/' || key[len] == '\0');
}

/* ---- the head ---- */

static void add_escaped(struct buf *to, const char *text)
{
	size_t cap = strlen(text) * 3 + 1;

	if (buf_reserve(to, cap) != STOW_OK)
		return;
	to->len += text_percent_encode(to->data + to->len, cap, text, false);
	to->data[to->len] = '\0';
}

static void add_hex(struct buf *to, const uint8_t *data, size_t len)
{
	char hex[2 * HASH_STATE_MAX + 1];

	text_hex(hex, data, len);
	buf_adds(to, hex);
}

int park_head(const struct park *p, const char *key, const struct multipart_part *parts,
              struct buf *to)
{
	char mark[PARK_MARK_LEN + 1];

	text_format(mark, sizeof(mark), MARK "%08x\n", 0u);
	buf_add(to, mark, PARK_MARK_LEN);
	buf_adds(to, "nonce ");
	add_hex(to, p->nonce, PARK_NONCE);
	buf_adds(to, "\nkey ");
	add_escaped(to, key);
	buf_adds(to, "\nupload ");
	add_escaped(to, p->upload);
	buf_addf(to, "\npartsize %" PRId64 "\ninparts %" PRId64 "\ntail %" PRId64 "\nhash ",
	         p->part_size, p->in_parts, p->tail);
	add_hex(to, p->hash, p->hash_len);
	buf_addf(to, "\nparts %zu\n", p->n_parts);
	for (size_t i = 0; i < p->n_parts; i++) {
		add_escaped(to, parts[i].etag);
		buf_addc(to, '\n');
	}
	if (buf_status(to) != STOW_OK)
		return buf_status(to);
	text_format(mark, sizeof(mark), MARK "%08zx\n", to->len);
	memcpy(to->data, mark, PARK_MARK_LEN);
	return STOW_OK;
}

size_t park_head_len(const char *mark)
{
	uint8_t octets[4];
	size_t len = 0;

	if (memcmp(mark, MARK, sizeof(MARK) - 1) != 0 || mark[PARK_MARK_LEN - 1] != '\n' ||
	    !text_unhex(octets, mark + sizeof(MARK) - 1, 8))
		return 0;
	for (unsigned i = 0; i < 4; i++)
		len = len << 8 | octets[i];
	return len > PARK_MARK_LEN && len <= PARK_HEAD_MAX ? len : 0;
}

/* A head as it is read, line by line. */
struct lines {
	const char *at, *end;
	char value[3 * STOW_KEY_MAX + 16]; /* of the last line, without its name */
};

/* The next line, which begins with that name; false if it is another or too long. */
static bool next_line(struct lines *l, const char *name)
{
	size_t name_len = strlen(name), len;
	const char *nl = memchr(l->at, '\n', (size_t)(l->end - l->at));

	if (!nl || (size_t)(nl - l->at) < name_len || memcmp(l->at, name, name_len) != 0)
		return false;
	len = (size_t)(nl - l->at) - name_len;
	if (len >= sizeof(l->value) || memchr(l->at, '\0', (size_t)(nl - l->at)))
		return false;
	memcpy(l->value, l->at + name_len, len);
	l->value[len] = '\0';
	l->at = nl + 1;
	return true;
}

static bool next_number(struct lines *l, const char *name, int64_t most, int64_t *ret)
{
	return next_line(l, name) && text_to_int64(l->value, ret) && *ret <= most;
}

static bool next_text(struct lines *l, const char *name, char *ret, size_t cap)
{
	return next_line(l, name) && text_percent_decode(l->value) && text_copy(ret, cap, l->value);
}

static bool read_parts(struct lines *l, const struct park *p, struct multipart *parts)
{
	struct multipart_part *list = calloc(p->n_parts ? p->n_parts : 1, sizeof(*list));

	if (!list)
		return false;
	for (size_t i = 0; i < p->n_parts; i++) {
		if (!next_text(l, "", list[i].etag, sizeof(list[i].etag)) || !list[i].etag[0]) {
			free(list);
			return false;
		}
	}
	if (l->at != l->end) {
		free(list);
		return false;
	}
	parts->id = p->upload[0] ? strdup(p->upload) : NULL;
	parts->parts = list;
	parts->n = parts->room = p->n_parts;
	return !p->upload[0] || parts->id;
}

bool park_parse(const char *head, size_t len, const char *key, struct park *ret,
                struct multipart *parts)
{
	struct lines l = { .at = head + PARK_MARK_LEN, .end = head + len };
	struct park p = { .hash_len = 0 };
	char name[STOW_KEY_MAX + 1];
	int64_t n;

	if (len < PARK_MARK_LEN || !next_line(&l, "nonce ") ||
	    strlen(l.value) != 2 * sizeof(p.nonce) ||
	    !text_unhex(p.nonce, l.value, 2 * sizeof(p.nonce)))
		return false;
	if (!next_text(&l, "key ", name, sizeof(name)) || strcmp(name, key) != 0 ||
	    !next_text(&l, "upload ", p.upload, sizeof(p.upload)) ||
	    !next_number(&l, "partsize ", S3_PART_MAX, &p.part_size) ||
	    !next_number(&l, "inparts ", S3_OBJECT_MAX, &p.in_parts) ||
	    !next_number(&l, "tail ", S3_PART_MAX, &p.tail) || !next_line(&l, "hash "))
		return false;
	p.hash_len = strlen(l.value) / 2;
	if (p.hash_len > sizeof(p.hash) || !text_unhex(p.hash, l.value, 2 * p.hash_len) ||
	    l.value[2 * p.hash_len])
		return false;
	if (!next_number(&l, "parts ", S3_PARTS_MAX, &n) || p.part_size < S3_PART_MIN)
		return false;
	p.n_parts = (size_t)n;
	/* no upload, no parts; and no bytes without one */
	if ((p.n_parts > 0 && !p.upload[0]) || (p.in_parts > 0) != (p.n_parts > 0))
		return false;
	if (parts && !read_parts(&l, &p, parts))
		return false;
	*ret = p;
	return true;
}

/* ---- the state ---- */

void park_state(const struct park *p, const char *key, uint8_t ret[PARK_STATE])
{
	for (size_t i = 0; i < 4; i++)
		ret[i] = (uint8_t)STATE_MARK[i];
	memcpy(ret + 4, p->nonce, PARK_NONCE);
	hash_sha256(key, strlen(key), ret + 4 + PARK_NONCE);
}

int park_state_check(const void *state, size_t len, const char *key, uint8_t ret_nonce[PARK_NONCE],
                     struct stow_error *err)
{
	const uint8_t *s = state;
	uint8_t sum[PARK_SUM];

	hash_sha256(key, strlen(key), sum);
	if (len != PARK_STATE || memcmp(s, STATE_MARK, 4) != 0 ||
	    memcmp(s + 4 + PARK_NONCE, sum, sizeof(sum)) != 0)
		return error_set(err, STOW_EINVAL, "s3.write",
		                 "key %s: what is to be gone on with is no state of a write of it",
		                 key);
	memcpy(ret_nonce, s + 4, PARK_NONCE);
	return STOW_OK;
}
