/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes driver/s3/park: heads of park records of key "k", as a bucket may hold them.  What is
 * taken is within its bounds, and written again it says the same.
 * It must not know of tails, nor of the store.
 */
#include "driver/s3/park.h"

#include <stowage/types.h>

#include "common/cleanup.h"
#include "tests/fuzz/fuzz.h"

/* As multipart_done, without what sends requests. */
static void drop(struct multipart *m)
{
	free(m->id);
	free(m->parts);
}

static void check_bounds(const struct park *p, const struct multipart *m)
{
	REQUIRE(memchr(p->upload, '\0', sizeof(p->upload)));
	REQUIRE(p->part_size >= S3_PART_MIN && p->part_size <= S3_PART_MAX);
	REQUIRE(p->in_parts >= 0 && p->in_parts <= S3_OBJECT_MAX);
	REQUIRE(p->tail >= 0 && p->tail <= S3_PART_MAX);
	REQUIRE(p->hash_len <= HASH_STATE_MAX);
	REQUIRE(p->n_parts <= S3_PARTS_MAX && m->n == p->n_parts);
	REQUIRE(p->upload[0] ? m->id && strcmp(m->id, p->upload) == 0 : !m->id && m->n == 0);
	for (size_t i = 0; i < m->n; i++)
		REQUIRE(m->parts[i].etag[0] &&
		        memchr(m->parts[i].etag, '\0', sizeof(m->parts[i].etag)));
}

static void check_again(const struct park *p, const struct multipart *m)
{
	struct buf cleanup_buf head = { 0 };
	struct multipart other = { 0 };
	struct park q = { .n_parts = 0 };

	buf_init(&head, PARK_HEAD_MAX);
	REQUIRE(park_head(p, "k", m->parts, &head) == STOW_OK);
	REQUIRE(park_head_len(buf_text(&head)) == head.len);
	REQUIRE(park_parse(buf_text(&head), head.len, "k", &q, &other));
	REQUIRE(memcmp(p->nonce, q.nonce, sizeof(q.nonce)) == 0);
	REQUIRE(strcmp(p->upload, q.upload) == 0);
	REQUIRE(p->part_size == q.part_size && p->in_parts == q.in_parts && p->tail == q.tail);
	REQUIRE(p->hash_len == q.hash_len && memcmp(p->hash, q.hash, q.hash_len) == 0);
	REQUIRE(m->n == other.n);
	for (size_t i = 0; i < m->n; i++)
		REQUIRE(strcmp(m->parts[i].etag, other.parts[i].etag) == 0);
	drop(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *head = (const char *)data;
	struct multipart m = { 0 };
	struct park p = { .n_parts = 0 }, start = { .n_parts = 0 };
	uint8_t nonce[PARK_NONCE];

	if (len >= PARK_MARK_LEN)
		REQUIRE(park_head_len(head) <= PARK_HEAD_MAX);
	if (park_parse(head, len, "k", &p, &m)) {
		check_bounds(&p, &m);
		check_again(&p, &m);
		/* what needs the start only sees the same */
		REQUIRE(park_parse(head, len, "k", &start, NULL));
		REQUIRE(strcmp(start.upload, p.upload) == 0 && start.n_parts == p.n_parts);
	}
	drop(&m);
	(void)park_state_check(data, len, "k", nonce, NULL);
	return 0;
}
