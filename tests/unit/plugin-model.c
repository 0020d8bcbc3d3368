/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two registries on one bucket, each with a store and a cache of its own, against a model of what is
 * there: random pushes, mounts, tags, deletes and reads, with a clock that jumps.
 *
 * A reader may be behind another registry's delete by the life of an entry, never by more, and
 * never behind its own; what is there is never denied; a manifest is accepted if and only if all
 * that it refers to is there; an acknowledged tag is where it was put.
 */
#include "tests/unit/memory-fixture.h"

#include "common/clock.h"
#include "plugin/registry.h"

#define REPOSITORIES 3
#define BLOBS 5
#define IMAGES 6
#define TAGS 3
#define ROUNDS 30000
#define AGE (60 * CLOCK_SECOND)

struct thing { /* a link of a repository */
	bool there;
	int64_t until;      /* when it was there last, if it is not */
	bool own_delete[2]; /* that registry took it away itself, and has not been told otherwise */
};

static struct model {
	struct fixture f;
	struct stow_store *stores[2]; /* instances that share their objects */
	struct stow_registry *registries[2];
	int who;
	int64_t now_ns;
	uint64_t random;
	struct thing blobs[REPOSITORIES][BLOBS], images[REPOSITORIES][IMAGES];
	int tags[REPOSITORIES][TAGS]; /* image, -1 is none */
	char blob_digest[BLOBS][STOW_DIGEST_MAX + 1], image_digest[IMAGES][STOW_DIGEST_MAX + 1];
	char blob[BLOBS][40], image[IMAGES][1024];
	unsigned stale, fresh, refused, accepted;
} m;

static int64_t model_now(void *arg)
{
	(void)arg;
	return m.now_ns;
}

static unsigned draw(unsigned n)
{
	m.random = m.random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(m.random >> 33) % n;
}

static const char *repository(unsigned i)
{
	static const char *const names[] = { "one", "two/nested", "three" };

	return names[i];
}

static const char *tag_name(unsigned i)
{
	static const char *const names[] = { "v1", "v1.0", "latest" };

	return names[i];
}

/* Image i refers to two blobs. */
static unsigned part(unsigned i, unsigned which)
{
	return (i + which * (1 + i % 2)) % BLOBS;
}

static void make_contents(void)
{
	for (unsigned i = 0; i < BLOBS; i++) {
		assert_true(text_format(m.blob[i], sizeof(m.blob[i]), "blob number %u", i));
		sha256(m.blob[i], strlen(m.blob[i]), m.blob_digest[i]);
	}
	for (unsigned i = 0; i < IMAGES; i++) {
		unsigned config = part(i, 0), layer = part(i, 1);

		assert_true(text_format(
			m.image[i], sizeof(m.image[i]),
			"{\"schemaVersion\":2,\"number\":%u,\"config\":{\"mediaType\":\"x/y\","
			"\"digest\":\"%s\",\"size\":%zu},\"layers\":[{\"mediaType\":\"x/z\","
			"\"digest\":\"%s\",\"size\":%zu}]}",
			i, m.blob_digest[config], strlen(m.blob[config]), m.blob_digest[layer],
			strlen(m.blob[layer])));
		sha256(m.image[i], strlen(m.image[i]), m.image_digest[i]);
	}
}

/* ---- the model ---- */

static void appears(struct thing *t)
{
	t->there = true;
	t->own_delete[0] = t->own_delete[1] = false;
}

static void goes(struct thing *t)
{
	t->until = t->there ? m.now_ns : t->until;
	t->there = false;
	t->own_delete[m.who] = true;
}

/* Is the answer of a read one that may be given? */
static void judge(struct thing *t, int64_t status)
{
	if (status == STOW_ENOTFOUND) {
		assert_false(t->there);
		m.fresh++;
		return;
	}
	assert_true(status >= 0);
	if (t->there)
		return;
	m.stale++;
	assert_true(t->until > 0 && m.now_ns - t->until < AGE);
	assert_false(t->own_delete[m.who]);
}

/* ---- what is done ---- */

static void push(unsigned r, unsigned b)
{
	push_blob(&m.f, repository(r), m.blob[b], strlen(m.blob[b]), m.blob_digest[b]);
	appears(&m.blobs[r][b]);
}

static void mount(unsigned r, unsigned from, unsigned b)
{
	struct stow_descriptor descriptor;
	int status = stow_blob_mount(m.f.registry, &m.f.op, repository(r), repository(from),
	                             m.blob_digest[b], &descriptor, &m.f.err);

	assert_int_equal(status, m.blobs[from][b].there ? STOW_OK : STOW_ENOTFOUND);
	if (status == STOW_OK)
		appears(&m.blobs[r][b]);
}

static void read_blob(unsigned r, unsigned b)
{
	struct stow_descriptor descriptor;
	struct stow_reader *reader = NULL;
	char found[64];
	size_t at = 0, len = 1;
	int status;

	if (draw(2)) {
		judge(&m.blobs[r][b], stat_blob(&m.f, repository(r), m.blob_digest[b]));
		return;
	}
	status = stow_blob_open(m.f.registry, &m.f.op, repository(r), m.blob_digest[b], 0, -1,
	                        &reader, &descriptor, &m.f.err);
	judge(&m.blobs[r][b], status);
	for (; status == STOW_OK && len; at += len)
		check_ok(&m.f, stow_reader_read(reader, &m.f.op, found + at, sizeof(found) - at,
		                                &len, &m.f.err));
	stow_reader_close(reader);
	if (status == STOW_OK) {
		assert_int_equal(at, strlen(m.blob[b]));
		assert_memory_equal(found, m.blob[b], at);
	}
}

static void delete_blob(unsigned r, unsigned b)
{
	int status = stow_blob_delete(m.f.registry, &m.f.op, repository(r), m.blob_digest[b],
	                              &m.f.err);

	assert_int_equal(status, m.blobs[r][b].there ? STOW_OK : STOW_ENOTFOUND);
	if (status == STOW_OK)
		goes(&m.blobs[r][b]);
}

static void put(unsigned r, unsigned i, int tag)
{
	bool whole = m.blobs[r][part(i, 0)].there && m.blobs[r][part(i, 1)].there;
	struct stow_descriptor descriptor;
	int status = put_manifest(&m.f, repository(r),
	                          tag < 0 ? m.image_digest[i] : tag_name((unsigned)tag), OCI_IMAGE,
	                          m.image[i], strlen(m.image[i]), &descriptor, NULL);

	assert_int_equal(status, whole ? STOW_OK : STOW_ECORRUPT);
	m.accepted += whole;
	m.refused += !whole;
	if (!whole)
		return;
	appears(&m.images[r][i]);
	if (tag >= 0)
		m.tags[r][tag] = (int)i;
}

static int get(unsigned r, const char *reference, int image)
{
	struct stow_manifest *manifest = NULL;
	int status = stow_manifest_get(m.f.registry, &m.f.op, repository(r), reference, &manifest,
	                               &m.f.err);

	if (status == STOW_OK) {
		assert_true(image >= 0);
		assert_string_equal(stow_manifest_descriptor(manifest)->digest,
		                    m.image_digest[image]);
		assert_memory_equal(stow_manifest_data(manifest), m.image[image],
		                    strlen(m.image[image]));
	}
	stow_manifest_free(manifest);
	return status;
}

static void get_by_tag(unsigned r, unsigned t)
{
	int status = get(r, tag_name(t), m.tags[r][t]);

	assert_int_equal(status, m.tags[r][t] >= 0 ? STOW_OK : STOW_ENOTFOUND);
}

static void delete_image(unsigned r, unsigned i)
{
	int status = stow_manifest_delete_tagged(m.f.registry, &m.f.op, repository(r),
	                                         m.image_digest[i], &m.f.err);

	assert_int_equal(status, m.images[r][i].there ? STOW_OK : STOW_ENOTFOUND);
	if (status != STOW_OK)
		return;
	goes(&m.images[r][i]);
	for (unsigned t = 0; t < TAGS; t++)
		if (m.tags[r][t] == (int)i)
			m.tags[r][t] = -1;
}

static void delete_tag(unsigned r, unsigned t)
{
	int status = stow_tag_delete(m.f.registry, &m.f.op, repository(r), tag_name(t), &m.f.err);

	assert_int_equal(status, m.tags[r][t] >= 0 ? STOW_OK : STOW_ENOTFOUND);
	m.tags[r][t] = -1;
}

static void step(void)
{
	unsigned r = draw(REPOSITORIES), b = draw(BLOBS), i = draw(IMAGES), t = draw(TAGS);

	m.who = (int)draw(2);
	m.f.registry = m.registries[m.who];
	switch (draw(14)) {
	case 0:
	case 1:
		push(r, b);
		break;
	case 2:
		mount(r, draw(REPOSITORIES), b);
		break;
	case 3:
		delete_blob(r, b);
		break;
	case 4:
		put(r, i, -1);
		break;
	case 5:
	case 6:
		put(r, i, (int)t);
		break;
	case 7:
		if (draw(2))
			delete_image(r, i);
		else
			delete_tag(r, t);
		break;
	case 8:
	case 9:
		get_by_tag(r, t);
		break;
	case 10:
		judge(&m.images[r][i], get(r, m.image_digest[i], (int)i));
		break;
	case 11:
		m.now_ns += draw(20) * CLOCK_SECOND;
		break;
	default:
		read_blob(r, b);
	}
}

static void two_registries(void **state)
{
	static const char *const shared[][3] = { { "memory", "name", "bucket" },
		                                 { NULL, NULL, NULL } };
	struct fixture *f = &m.f;
	const char *seed = getenv("SEED");

	(void)state;
	m.random = seed ? strtoull(seed, NULL, 10) : 1;
	m.now_ns = 1000 * CLOCK_SECOND;
	memory_fixture_configure(f, shared);
	for (int i = 0; i < 2; i++) {
		check_ok(f, stow_store_open(f->config, &f->host, &m.stores[i], &f->err));
		check_ok(f, stow_registry_open(m.stores[i], f->config, &f->host, &m.registries[i],
		                               &f->err));
		cache_set_clock(m.registries[i]->cache, model_now, NULL);
	}
	make_contents();
	memset(m.tags, -1, sizeof(m.tags));
	for (int i = 0; i < ROUNDS; i++)
		step();
	/* or it has tested nothing */
	assert_true(m.stale > 20 && m.fresh > 1000 && m.refused > 500 && m.accepted > 500);
	for (int i = 0; i < 2; i++) {
		stow_registry_close(m.registries[i]);
		stow_store_close(m.stores[i]);
	}
	stow_config_free(f->config);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(two_registries) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
