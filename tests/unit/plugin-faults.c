/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The core over a store that fails at each of its calls in turn, loses answers, lies about sizes,
 * or is written by another host meanwhile: what may be seen afterwards, and that trying again helps.
 */
#include "tests/unit/memory-fixture.h"

#include <pthread.h>

#include "common/clock.h"
#include "plugin/registry.h"
#include "plugin/layout.h"
#include "plugin/repository-lock.h"

#define BODY "hello, world"

static int setup(void **state)
{
	static const char *const more[][3] = { { "manifests", "immutable_tags", "once/**:*" },
		                               { NULL, NULL, NULL } };
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	memory_fixture_configure(f, more);
	f->store = wrap_open(f->config, &f->host);
	check_ok(f, stow_registry_open(f->store, f->config, &f->host, &f->registry, &f->err));
	*state = f;
	return 0;
}

static int end(void **state)
{
	fixture_close(*state);
	free(*state);
	return 0;
}

/* ---- one failure at each call ---- */

/* Every tag that is listed leads to a manifest, and what it refers to is there. */
static void check_sound(struct fixture *f, const char *name)
{
	struct stow_names *names = NULL;
	const char *tag;
	int status = stow_tags_open(f->registry, &f->op, name, NULL, &names, &f->err);

	if (status == STOW_ENOTFOUND)
		return;
	check_ok(f, status);
	while (stow_names_next(names, &f->op, &tag, &f->err) == STOW_OK) {
		struct stow_manifest *manifest = NULL;

		check_ok(f, stow_manifest_get(f->registry, &f->op, name, tag, &manifest, &f->err));
		stow_manifest_free(manifest);
	}
	stow_names_close(names);
}

struct flow {
	struct fixture *f;
	int (*run)(struct flow *);     /* begins anew or goes on where it failed */
	void (*check)(struct flow *);  /* after a failure */
	void (*finish)(struct flow *); /* after it went through */
	struct session session;
	int step;
	char digest[STOW_DIGEST_MAX + 1];
};

/* With each call failing in turn, in both ways, until the flow no longer has so many. */
static void run_flow(struct fixture *f, struct flow flow, int least)
{
	static const int statuses[] = { STOW_EIO, STOW_EBUSY, STOW_ETIMEOUT };

	for (int fault = WRAP_BEFORE; fault <= WRAP_AFTER; fault++) {
		int n = 0, status;

		do {
			struct flow one = flow;

			one.f = f;
			wrap.calls = 0;
			wrap.fail_at = ++n;
			wrap.fault = (enum wrap_fault)fault;
			wrap.status = statuses[n % 3];
			status = one.run(&one);
			wrap.fail_at = 0;
			if (status != STOW_OK) {
				assert_true(f->err.message[0] != '\0');
				if (one.check)
					one.check(&one);
				check_ok(f, one.run(&one));
			}
			one.finish(&one);
		} while (wrap.calls >= n && n < 200);
		assert_in_range(n, least, 199);
	}
}

static int run_push(struct flow *flow)
{
	struct stow_descriptor descriptor;
	struct fixture *f = flow->f;
	int status = STOW_OK;

	if (flow->step == 0) {
		sha256(BODY, strlen(BODY), flow->digest);
		begin(f, "a", &flow->session);
		flow->step = 1;
	}
	if (flow->step == 1) {
		status = patch(f, "a", &flow->session, BODY, 5);
		flow->step += status == STOW_OK;
	}
	if (flow->step == 2) {
		status = patch(f, "a", &flow->session, &BODY[5], 3);
		flow->step += status == STOW_OK;
	}
	if (flow->step == 3) {
		status = finish(f, "a", &flow->session, &BODY[8], strlen(BODY) - 8, flow->digest,
		                &descriptor);
		flow->step += status == STOW_OK;
	}
	return status;
}

static void check_push(struct flow *flow)
{
	int64_t size = stat_blob(flow->f, "a", flow->digest);

	if (size == STOW_ENOTFOUND)
		return;
	assert_int_equal(flow->step, 3); /* the commit's own answer was lost */
	check_blob(flow->f, "a", flow->digest, BODY, strlen(BODY));
}

static void finish_push(struct flow *flow)
{
	struct fixture *f = flow->f;

	check_blob(f, "a", flow->digest, BODY, strlen(BODY));
	check_ok(f, stow_blob_delete(f->registry, &f->op, "a", flow->digest, &f->err));
}

static void test_push(void **state)
{
	run_flow(*state,
	         (struct flow){ .run = run_push, .check = check_push, .finish = finish_push }, 20);
}

static int run_direct(struct flow *flow)
{
	struct stow_descriptor descriptor;
	struct fixture *f = flow->f;

	sha256(BODY, strlen(BODY), flow->digest);
	begin(f, "a", &flow->session);
	flow->step = 3;
	return finish(f, "a", &flow->session, BODY, strlen(BODY), flow->digest, &descriptor);
}

static void test_direct(void **state)
{
	run_flow(*state,
	         (struct flow){ .run = run_direct, .check = check_push, .finish = finish_push }, 4);
}

static const char empty_index[] = "{\"schemaVersion\":2,\"manifests\":[]}";
static const char other_index[] = "{\"schemaVersion\":2,\"manifests\":[] }";

static int put_index(struct fixture *f, const char *tag, const char *text)
{
	struct stow_descriptor descriptor;

	return put_manifest(f, "a", tag, OCI_INDEX, text, strlen(text), &descriptor, NULL);
}

static int run_manifest(struct flow *flow)
{
	return put_index(flow->f, "v1", empty_index);
}

static void check_manifest_push(struct flow *flow)
{
	check_sound(flow->f, "a");
}

static void finish_manifest(struct flow *flow)
{
	struct fixture *f = flow->f;
	char digest[STOW_DIGEST_MAX + 1];

	check_sound(f, "a");
	sha256(empty_index, strlen(empty_index), digest);
	check_ok(f, stow_manifest_delete_tagged(f->registry, &f->op, "a", digest, &f->err));
}

static void test_manifest(void **state)
{
	run_flow(*state,
	         (struct flow){ .run = run_manifest,
	                        .check = check_manifest_push,
	                        .finish = finish_manifest },
	         4);
}

/* ---- immutable tags ---- */

static int put_in(struct fixture *f, const char *name, const char *tag, const char *text)
{
	struct stow_descriptor descriptor;

	return put_manifest(f, name, tag, OCI_INDEX, text, strlen(text), &descriptor, NULL);
}

static int put_once(struct fixture *f, const char *tag, const char *text)
{
	return put_in(f, "once/a", tag, text);
}

/* Each round in a repository of its own, since the tag cannot be taken away again. */
static int run_once(struct flow *flow)
{
	static int n;

	if (flow->step == 0)
		assert_true(text_format(flow->digest, sizeof(flow->digest), "once/r%d", n++));
	flow->step = 1;
	return put_in(flow->f, flow->digest, "v1", empty_index);
}

static void check_once(struct flow *flow)
{
	check_sound(flow->f, flow->digest);
}

static void finish_once(struct flow *flow)
{
	struct fixture *f = flow->f;
	char digest[STOW_DIGEST_MAX + 1], found[STOW_DIGEST_MAX + 1];

	assert_int_equal(put_in(f, flow->digest, "v1", other_index), STOW_EEXIST);
	check_ok(f, stow_tag_get(f->registry, &f->op, flow->digest, "v1", found, &f->err));
	assert_string_equal(found, sha256(empty_index, strlen(empty_index), digest));
	check_sound(f, flow->digest);
}

/* Wherever a push fails, or its answer is lost, the next one ends it and the tag does not move. */
static void test_once(void **state)
{
	struct flow flow = { .run = run_once, .check = check_once, .finish = finish_once };

	run_flow(*state, flow, 5);
	wrap.caps &= ~STOW_CAP_CREATE;
	run_flow(*state, flow, 6);
}

static void check_cost(struct fixture *f, int (*put)(struct fixture *, const char *, const char *),
                       const char *tag, const char *text, int status, int calls)
{
	wrap.calls = 0;
	assert_int_equal(put(f, tag, text), status);
	assert_int_equal(wrap.calls, calls);
}

/* What a push costs: data, two links, the current link. */
static void test_once_requests(void **state)
{
	struct fixture *f = *state;

	check_cost(f, put_index, "v1", empty_index, STOW_OK, 4);
	check_cost(f, put_index, "v1", other_index, STOW_OK, 4);
	check_cost(f, put_once, "v1", empty_index, STOW_OK, 5);
	check_cost(f, put_once, "v1", empty_index, STOW_OK, 4);
	check_cost(f, put_once, "v1", other_index, STOW_EEXIST, 2);
	wrap.caps &= ~STOW_CAP_CREATE;
	check_cost(f, put_index, "v1", empty_index, STOW_OK, 4);
	check_cost(f, put_once, "v2", empty_index, STOW_OK, 6);
	check_cost(f, put_once, "v2", empty_index, STOW_OK, 4);
	check_cost(f, put_once, "v2", other_index, STOW_EEXIST, 2);
}

struct beside { /* another host, at a push's write of the current link */
	struct stow_registry *registry;
	const char *text;
	int status;
};

static void put_beside(void *arg)
{
	struct beside *b = arg;
	struct stow_descriptor descriptor;

	b->status = stow_manifest_put(b->registry, NULL, "once/a", "v1", OCI_INDEX, b->text,
	                              strlen(b->text), &descriptor, NULL, NULL);
}

/* Another host sets the tag after this one has looked: it wins, and this one is told; where it set
 * the same, both are done. */
static void test_once_beside(void **state)
{
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1], found[STOW_DIGEST_MAX + 1];
	struct beside other = { .text = other_index };
	struct stow_manifest *manifest = NULL;

	check_ok(f, stow_registry_open(f->store, f->config, &f->host, &other.registry, &f->err));
	wrap.put_hook = put_beside;
	wrap.hook_arg = &other;
	wrap.hook_key = "/tags/v1/current/link";
	assert_int_equal(put_once(f, "v1", empty_index), STOW_EEXIST);
	assert_null(wrap.put_hook);
	assert_int_equal(other.status, STOW_OK);
	check_ok(f, stow_tag_get(f->registry, &f->op, "once/a", "v1", found, &f->err));
	assert_string_equal(found, sha256(other_index, strlen(other_index), digest));
	sha256(empty_index, strlen(empty_index), digest);
	check_ok(f, stow_manifest_get(f->registry, &f->op, "once/a", digest, &manifest, &f->err));
	stow_manifest_free(manifest);
	check_ok(f, store_remove(f->store, NULL,
	                         V2 "repositories/once/a/_manifests/tags/v1/current/link", NULL,
	                         &f->err));
	wrap.put_hook = put_beside;
	check_ok(f, put_once(f, "v1", other_index));
	assert_int_equal(other.status, STOW_OK);
	stow_registry_close(other.registry);
}

/* A current link that names nothing, as a crash can leave it, is mended. */
static void test_once_broken(void **state)
{
	static const char key[] = V2 "repositories/once/a/_manifests/tags/v1/current/link";
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		check_ok(f, store_put(f->store, NULL, key, "", 0, NULL, NULL, &f->err));
		check_ok(f, put_once(f, "v1", empty_index));
		assert_int_equal(put_once(f, "v1", other_index), STOW_EEXIST);
		wrap.caps &= ~STOW_CAP_CREATE;
	}
}

/* Two tags on the manifest, one that was; the delete is tried until it says so. */
static int run_delete(struct flow *flow)
{
	struct fixture *f = flow->f;
	int status;

	if (flow->step == 0) {
		int fail_at = wrap.fail_at;

		wrap.fail_at = 0;
		check_ok(f, put_index(f, "moved", empty_index));
		check_ok(f, put_index(f, "v1", other_index));
		check_ok(f, put_index(f, "v1", empty_index));
		check_ok(f, put_index(f, "v2", empty_index));
		check_ok(f, put_index(f, "moved", other_index));
		sha256(empty_index, strlen(empty_index), flow->digest);
		wrap.calls = 0;
		wrap.fail_at = fail_at;
		flow->step = 1;
	}
	status = stow_manifest_delete_tagged(f->registry, &f->op, "a", flow->digest, &f->err);
	/* its answer was lost: it is done */
	return status == STOW_ENOTFOUND && wrap.fail_at == 0 ? STOW_OK : status;
}

static void finish_delete(struct flow *flow)
{
	static const char *const tags[] = { "v1", "v2" };
	struct fixture *f = flow->f;
	struct stow_manifest *manifest = NULL;
	char digest[STOW_DIGEST_MAX + 1];

	check_sound(f, "a");
	assert_int_equal(
		stow_manifest_get(f->registry, &f->op, "a", flow->digest, &manifest, &f->err),
		STOW_ENOTFOUND);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(
			stow_manifest_get(f->registry, &f->op, "a", tags[i], &manifest, &f->err),
			STOW_ENOTFOUND);
	check_ok(f, stow_manifest_get(f->registry, &f->op, "a", "moved", &manifest, &f->err));
	stow_manifest_free(manifest);
	sha256(other_index, strlen(other_index), digest);
	check_ok(f, stow_manifest_delete_tagged(f->registry, &f->op, "a", digest, &f->err));
}

static void test_delete(void **state)
{
	struct flow flow = { .run = run_delete,
		             .check = check_manifest_push,
		             .finish = finish_delete };

	run_flow(*state, flow, 15);
	wrap.caps &= ~STOW_CAP_REMOVE_IF_MATCH;
	run_flow(*state, flow, 20);
}

static int run_tag_delete(struct flow *flow)
{
	struct fixture *f = flow->f;
	int status;

	if (flow->step == 0) {
		int fail_at = wrap.fail_at;

		wrap.fail_at = 0;
		check_ok(f, put_index(f, "v1", empty_index));
		wrap.calls = 0;
		wrap.fail_at = fail_at;
		flow->step = 1;
	}
	status = stow_tag_delete(f->registry, &f->op, "a", "v1", &f->err);
	return status == STOW_ENOTFOUND && wrap.fail_at == 0 ? STOW_OK : status;
}

static void finish_tag_delete(struct flow *flow)
{
	struct stow_manifest *manifest = NULL;
	struct fixture *f = flow->f;

	check_sound(f, "a");
	assert_int_equal(stow_manifest_get(f->registry, &f->op, "a", "v1", &manifest, &f->err),
	                 STOW_ENOTFOUND);
}

static void test_tag_delete(void **state)
{
	run_flow(*state,
	         (struct flow){ .run = run_tag_delete,
	                        .check = check_manifest_push,
	                        .finish = finish_tag_delete },
	         5);
}

static int run_mount(struct flow *flow)
{
	struct stow_descriptor descriptor;
	struct fixture *f = flow->f;

	return stow_blob_mount(f->registry, &f->op, "b", "a", sha256(BODY, 12, flow->digest),
	                       &descriptor, &f->err);
}

static void finish_mount(struct flow *flow)
{
	struct fixture *f = flow->f;

	check_blob(f, "b", flow->digest, BODY, 12);
	check_ok(f, stow_blob_delete(f->registry, &f->op, "b", flow->digest, &f->err));
}

static void test_mount(void **state)
{
	char digest[STOW_DIGEST_MAX + 1];

	push_blob(*state, "a", BODY, 12, sha256(BODY, 12, digest));
	run_flow(*state, (struct flow){ .run = run_mount, .finish = finish_mount }, 3);
}

/* ---- another host ---- */

struct other_host {
	struct stow_registry *registry;
	const char *tag, *text;
	int status;
};

static void push_beside(void *arg)
{
	struct other_host *other = arg;
	struct stow_descriptor descriptor;

	other->status = stow_manifest_put(other->registry, NULL, "a", other->tag, OCI_INDEX,
	                                  other->text, strlen(other->text), &descriptor, NULL,
	                                  NULL);
}

/* A tag is moved by another host between the look at it and its removal: it stays where that put
 * it, whether the store removes on condition or not. */
static void test_moved_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct other_host other = { .tag = "v1", .text = other_index };
	char digest[STOW_DIGEST_MAX + 1], newer[STOW_DIGEST_MAX + 1];

	sha256(empty_index, strlen(empty_index), digest);
	sha256(other_index, strlen(other_index), newer);
	check_ok(f, stow_registry_open(f->store, f->config, &f->host, &other.registry, &f->err));
	for (int round = 0; round < 4; round++) {
		struct stow_manifest *manifest = NULL;

		if (round == 1)
			wrap.caps &= ~STOW_CAP_REMOVE_IF_MATCH;
		if (round == 2) /* the other digest is in the tag's history from before */
			check_ok(f, put_index(f, "v1", other_index));
		if (round == 3)
			wrap.caps &= ~STOW_CAP_CREATE;
		check_ok(f, put_index(f, "v0", empty_index));
		check_ok(f, put_index(f, "v1", empty_index));
		check_ok(f, put_index(f, "v2", empty_index));
		f->now_ns += 1000000000;
		wrap.hook = push_beside;
		wrap.hook_arg = &other;
		wrap.hook_key = "/tags/v1/current/link";
		check_ok(f, stow_manifest_delete_tagged(f->registry, &f->op, "a", digest, &f->err));
		assert_null(wrap.hook);
		assert_int_equal(other.status, STOW_OK);
		check_ok(f, stow_manifest_get(f->registry, &f->op, "a", "v1", &manifest, &f->err));
		assert_string_equal(stow_manifest_descriptor(manifest)->digest, newer);
		stow_manifest_free(manifest);
		check_sound(f, "a");
		assert_int_equal(
			stow_manifest_get(f->registry, &f->op, "a", "v0", &manifest, &f->err),
			STOW_ENOTFOUND);
		assert_int_equal(
			stow_manifest_get(f->registry, &f->op, "a", "v2", &manifest, &f->err),
			STOW_ENOTFOUND);
		check_ok(f, stow_manifest_delete_tagged(f->registry, &f->op, "a", newer, &f->err));
	}
	stow_registry_close(other.registry);
}

/* ---- this process ---- */

struct pusher {
	struct fixture *f;
	const char *text;
	pthread_t thread;
	int status;
	bool started, done;
};

static void *push_body(void *arg)
{
	struct pusher *p = arg;
	struct stow_descriptor descriptor;

	p->status = stow_manifest_put(p->f->registry, NULL, "a", "v1", OCI_INDEX, p->text,
	                              strlen(p->text), &descriptor, NULL, NULL);
	__atomic_store_n(&p->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void push_by_thread(void *arg)
{
	struct pusher *p = arg;

	p->started = pthread_create(&p->thread, NULL, push_body, p) == 0;
	usleep(100000); /* it must not come through meanwhile */
	p->status = __atomic_load_n(&p->done, __ATOMIC_ACQUIRE) ? STOW_ECHANGED : STOW_OK;
}

/* The same manifest is pushed by a thread while it is deleted: the push comes after, whole. */
static void test_push_waits(void **state)
{
	struct fixture *f = *state;
	struct pusher pusher = { .f = f, .text = empty_index };
	struct stow_manifest *manifest = NULL;
	char digest[STOW_DIGEST_MAX + 1];

	sha256(empty_index, strlen(empty_index), digest);
	check_ok(f, put_index(f, "v1", empty_index));
	wrap.hook = push_by_thread;
	wrap.hook_arg = &pusher;
	wrap.hook_key = "/link";
	check_ok(f, stow_manifest_delete_tagged(f->registry, &f->op, "a", digest, &f->err));
	assert_true(pusher.started);
	assert_int_equal(pthread_join(pusher.thread, NULL), 0);
	assert_int_equal(pusher.status, STOW_OK);
	check_ok(f, stow_manifest_get(f->registry, &f->op, "a", "v1", &manifest, &f->err));
	stow_manifest_free(manifest);
}

/* Waiting for a repository ends with the deadline or the cancel word, and blocks nobody after. */
static void test_lock_in_time(void **state)
{
	struct fixture *f = *state;
	struct repository_locks *locks = &f->registry->locks;
	struct repository_lock *held = NULL, *other = NULL, *joined = NULL;
	uint32_t cancel = 1;

	check_ok(f, repository_lock_shared(locks, NULL, "a", &held, &f->err));
	check_ok(f, repository_lock_shared(locks, NULL, "a", &other, &f->err));
	repository_unlock(other);
	f->op.deadline_ns = clock_monotonic() + 20 * CLOCK_MILLISECOND;
	assert_int_equal(repository_lock_alone(locks, &f->op, "a", &other, &f->err), STOW_ETIMEOUT);
	check_ok(f, repository_lock_shared(locks, NULL, "a", &joined, &f->err));
	repository_unlock(joined);
	repository_unlock(held);
	check_ok(f, repository_lock_alone(locks, NULL, "a", &held, &f->err));
	f->op.deadline_ns = 0;
	f->op.cancel = &cancel;
	assert_int_equal(repository_lock_shared(locks, &f->op, "a", &other, &f->err),
	                 STOW_ECANCELED);
	assert_int_equal(repository_lock_alone(locks, &f->op, "a", &other, &f->err),
	                 STOW_ECANCELED);
	repository_unlock(held);
}

/* ---- a store that lies ---- */

static int read_all(struct fixture *f, const char *digest)
{
	struct stow_descriptor descriptor;
	struct stow_reader *reader = NULL;
	size_t len = 0;
	char buf[64];
	int status;

	status = stow_blob_open(f->registry, &f->op, "a", digest, 0, -1, &reader, &descriptor,
	                        &f->err);
	do {
		if (status == STOW_OK)
			status = stow_reader_read(reader, &f->op, buf, sizeof(buf), &len, &f->err);
	} while (status == STOW_OK && len > 0);
	stow_reader_close(reader);
	return status;
}

/* A body that ends before the promised size is a failure, not an end. */
static void test_short_read(void **state)
{
	struct fixture *f = *state;
	char digest[STOW_DIGEST_MAX + 1];

	push_blob(f, "a", BODY, 12, sha256(BODY, 12, digest));
	wrap.cut_reads = true;
	assert_int_equal(read_all(f, digest), STOW_ECORRUPT);
	wrap.cut_reads = false;
	wrap.lie = 1;
	assert_int_equal(read_all(f, digest), STOW_ECORRUPT);
	wrap.lie = 0;
	check_ok(f, read_all(f, digest));
	wrap.cut_reads = true;
	check_ok(f, read_all(f, digest)); /* from the cache */
}

/* The store calls a copy done, and then has another size there: the upload is not done, no link is
 * written, and it can be tried again.  The digest is not at fault. */
static void test_lying_copy(void **state)
{
	struct fixture *f = *state;
	struct stow_descriptor descriptor;
	char digest[STOW_DIGEST_MAX + 1];
	struct session session;

	sha256(BODY, 12, digest);
	begin(f, "a", &session);
	check_ok(f, patch(f, "a", &session, BODY, 12));
	wrap.lie = 1;
	assert_int_equal(finish(f, "a", &session, "", 0, digest, &descriptor), STOW_EIO);
	assert_int_equal(finish(f, "a", &session, "x", 1, digest, &descriptor), STOW_ECORRUPT);
	wrap.lie = 0;
	assert_int_equal(stat_blob(f, "a", digest), STOW_ENOTFOUND);
	check_ok(f, finish(f, "a", &session, "", 0, digest, &descriptor));
	check_blob(f, "a", digest, BODY, 12);
}

/* What the store has wrong is never told to a client as a mistake of its digest. */
static void test_corrupt_is_not_mismatch(void **state)
{
	struct fixture *f = *state;
	struct stow_descriptor descriptor;
	char digest[STOW_DIGEST_MAX + 1];
	struct layout_key link;
	struct digest parsed;
	struct session session;

	sha256(BODY, 12, digest);
	assert_true(digest_parse(&parsed, digest, strlen(digest)));
	begin(f, "a", &session);
	check_ok(f, patch(f, "a", &session, BODY, 12));
	check_ok(f, finish(f, "a", &session, "", 0, digest, &descriptor));
	layout_link(&link, "a", LAYOUT_LAYERS, &parsed);
	check_ok(f, store_put(f->store, NULL, link.text, "junk", 4, NULL, NULL, &f->err));
	assert_int_equal(finish(f, "a", &session, "", 0, digest, &descriptor), STOW_EIO);
	/* a new push mends it */
	push_blob(f, "a", BODY, 12, digest);
	check_blob(f, "a", digest, BODY, 12);
}

/* ---- what a call does not wait for ---- */

/* A chunk, each of whose writes is put off twice. */
static void put_off_chunk(struct fixture *f, struct session *session, const char *data, size_t len,
                          const char *digest)
{
	const struct stow_op nowait = { .size = sizeof(nowait), .flags = STOW_OP_NOWAIT };
	struct stow_upload *upload = NULL;
	struct stow_descriptor descriptor;
	int64_t offset;
	int status, times = 0;

	check_ok(f, stow_upload_open(f->registry, &f->op, "a", session->uuid, session->token,
	                             (int64_t)len, digest, &upload, &f->err));
	for (size_t at = 0; at < len; at += 2) {
		size_t n = len - at < 2 ? len - at : 2;

		while ((status = stow_upload_write(upload, &nowait, data + at, n, &f->err)) !=
		       STOW_OK) {
			assert_int_equal(status, STOW_EBUSY);
			assert_int_equal(f->err.flags, STOW_ERROR_RETRYABLE | STOW_ERROR_AGAIN);
			times++;
		}
	}
	assert_true(times >= (int)len);
	if (digest)
		check_ok(f, stow_upload_commit(upload, &f->op, &descriptor, &f->err));
	else
		check_ok(f, stow_upload_seal(upload, &f->op, session->token, &offset, &f->err));
	stow_upload_close(upload, &f->op);
}

static void test_put_off(void **state)
{
	struct fixture *f = *state;
	struct session session;
	char digest[STOW_DIGEST_MAX + 1];

	sha256(BODY, strlen(BODY), digest);
	wrap.again = 3;
	/* in chunks, each of which reads the small ones before it; and all at once */
	begin(f, "a", &session);
	put_off_chunk(f, &session, BODY, 5, NULL);
	put_off_chunk(f, &session, &BODY[5], 3, NULL);
	put_off_chunk(f, &session, &BODY[8], strlen(BODY) - 8, digest);
	check_blob(f, "a", digest, BODY, strlen(BODY));
	sha256(BODY, 4, digest);
	begin(f, "a", &session);
	put_off_chunk(f, &session, BODY, 4, digest);
	check_blob(f, "a", digest, BODY, 4);
}

static void test_put_off_reads(void **state)
{
	const struct stow_op nowait = { .size = sizeof(nowait), .flags = STOW_OP_NOWAIT };
	struct fixture *f = *state;
	struct stow_reader *reader = NULL;
	struct stow_descriptor descriptor;
	char digest[STOW_DIGEST_MAX + 1], to[sizeof(BODY)];
	size_t len = 0, n = 0;
	int status, times = 0;

	sha256(BODY, strlen(BODY), digest);
	push_blob(f, "a", BODY, strlen(BODY), digest);
	wrap.again = 3;
	check_ok(f, stow_blob_open(f->registry, &f->op, "a", digest, 0, -1, &reader, &descriptor,
	                           &f->err));
	while (len < strlen(BODY)) {
		status = stow_reader_read(reader, &nowait, to + len, 5, &n, &f->err);
		if (status == STOW_OK) {
			len += n;
			continue;
		}
		assert_int_equal(status, STOW_EBUSY);
		assert_int_equal(f->err.flags, STOW_ERROR_RETRYABLE | STOW_ERROR_AGAIN);
		assert_true(++times < 100);
	}
	assert_memory_equal(to, BODY, len);
	assert_true(times >= 4);
	stow_reader_close(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(test) { #test, test, setup, end, NULL }
		TEST(test_push),
		TEST(test_direct),
		TEST(test_manifest),
		TEST(test_once),
		TEST(test_once_requests),
		TEST(test_once_beside),
		TEST(test_once_broken),
		TEST(test_delete),
		TEST(test_tag_delete),
		TEST(test_mount),
		TEST(test_moved_meanwhile),
		TEST(test_push_waits),
		TEST(test_lock_in_time),
		TEST(test_short_read),
		TEST(test_lying_copy),
		TEST(test_corrupt_is_not_mismatch),
		TEST(test_put_off),
		TEST(test_put_off_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
