/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes away what uploads that nobody goes on with have left: segments of our own, and what
 * Distribution keeps of an upload under _uploads.
 *
 * One of ours is as old as its newest object.  One of Distribution's is as old as its startedat
 * says, else as its newest object, and never taken before the age at which Distribution itself
 * gives it up.  It must not know tokens, nor look into blobs.
 */
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/log.h"
#include "common/text.h"
#include "plugin/layout.h"
#include "plugin/names.h"
#include "plugin/removal.h"
#include "plugin/rooms.h"

#define WHERE "uploads.purge"
#define DISTRIBUTION_AGE (168 * 3600 * CLOCK_SECOND)
#define STARTED_MAX 64

enum owner { NOBODY = 0, OURS = 1, DISTRIBUTIONS = 2 };

struct purge {
	struct stow_registry *registry;
	const struct stow_op *op;
	int64_t now_ns, age_ns;
	bool dry_run;
	struct stow_purge *ret;

	/* the upload that the walk is in */
	enum owner owner;
	char name[STOW_NAME_MAX + 1], uuid[64];
	struct stow_names keys;
	int64_t newest_ns;
	char started_key[LAYOUT_KEY_MAX + 1]; /* "" if it has none */
};

/* Distribution's own word on when it began; -1 if there is none that can be read. */
static int started(struct purge *p, int64_t *ret_ns, struct stow_error *err)
{
	char text[STARTED_MAX + 1];
	size_t len = 0;
	int status;

	*ret_ns = -1;
	if (!p->started_key[0])
		return STOW_OK;
	status = store_get(p->registry->store, p->op, p->started_key, NULL, text, STARTED_MAX, &len,
	                   NULL, err);
	if (status == STOW_ENOTFOUND || status == STOW_ERANGE)
		return STOW_OK;
	if (status != STOW_OK)
		return status;
	text[len] = '\0';
	*ret_ns = text_rfc3339(text);
	return STOW_OK;
}

static int is_old(struct purge *p, bool *ret, struct stow_error *err)
{
	int64_t age = p->age_ns, since = p->newest_ns, began = -1;
	int status = STOW_OK;

	if (p->owner == DISTRIBUTIONS) {
		age = age > DISTRIBUTION_AGE ? age : DISTRIBUTION_AGE;
		status = started(p, &began, err);
		if (began >= 0)
			since = began;
	}
	*ret = p->now_ns - since >= age;
	return status;
}

/* The walk has left an upload: it stays or goes, whole. */
static int judge(struct purge *p, struct stow_error *err)
{
	bool old = false;
	int status = STOW_OK;

	if (p->owner)
		status = is_old(p, &old, err);
	if (status == STOW_OK && old) {
		if (!p->dry_run)
			status = removal_keys(p->registry->store, p->op, &p->keys, err);
		if (status == STOW_OK) {
			*(p->owner == OURS ? &p->ret->uploads : &p->ret->distribution) += 1;
			p->ret->objects += p->keys.n;
			log_line(p->registry->host, STOW_LOG_INFO, "uploads",
			         "%s upload %s of %s, %zu objects",
			         p->dry_run ? "would take away" : "took away", p->uuid, p->name,
			         p->keys.n);
		}
	}
	p->owner = NOBODY;
	names_done(&p->keys);
	names_init(&p->keys);
	return status;
}

/* Whose upload is the key of, and which one? */
static enum owner owner_of(const struct room *room, char *ret_uuid, size_t cap,
                           const char **ret_rest)
{
	const char *rest = room->rest, *slash;
	enum owner owner = NOBODY;

	if (strcmp(room->room, "_uploads") == 0) {
		owner = DISTRIBUTIONS;
	} else if (strcmp(room->room, "_stowage") == 0 && text_starts(rest, "uploads/")) {
		owner = OURS;
		rest += strlen("uploads/");
	}
	slash = owner ? strchr(rest, '/') : NULL;
	if (!slash || slash == rest || (size_t)(slash - rest) >= cap)
		return NOBODY;
	memcpy(ret_uuid, rest, (size_t)(slash - rest));
	ret_uuid[slash - rest] = '\0';
	*ret_rest = slash + 1;
	return owner;
}

static int visit(void *arg, const struct room *room, const struct stow_entry *entry,
                 enum room_want *ret_want, struct stow_error *err)
{
	struct purge *p = arg;
	char uuid[sizeof(p->uuid)] = "";
	const char *rest = "";
	enum owner owner = owner_of(room, uuid, sizeof(uuid), &rest);
	int status = STOW_OK;

	*ret_want = strcmp(room->room, "_uploads") == 0 || strcmp(room->room, "_stowage") == 0
	                    ? ROOM_ALL
	                    : ROOM_NEXT;
	if (owner != p->owner || strcmp(uuid, p->uuid) != 0 || strcmp(room->name, p->name) != 0) {
		status = judge(p, err);
		p->owner = owner;
		p->newest_ns = INT64_MIN;
		p->started_key[0] = '\0';
		(void)text_copy(p->name, sizeof(p->name), room->name);
		(void)text_copy(p->uuid, sizeof(p->uuid), uuid);
	}
	if (status != STOW_OK || !owner)
		return status;
	if (entry->mtime_ns > p->newest_ns)
		p->newest_ns = entry->mtime_ns;
	if (owner == DISTRIBUTIONS && strcmp(rest, "startedat") == 0)
		(void)text_copy(p->started_key, sizeof(p->started_key), entry->key);
	return names_add(&p->keys, entry->key, strlen(entry->key), err);
}

/* Multipart uploads and the like that the store holds and lists apart. */
static int purge_writes(struct purge *p, struct stow_error *err)
{
	int64_t age = p->age_ns > DISTRIBUTION_AGE ? p->age_ns : DISTRIBUTION_AGE;
	struct stow_error fault = { 0 };
	int status;

	if (p->dry_run)
		return STOW_OK;
	status = store_purge_writes(p->registry->store, p->op, LAYOUT_ROOT, age, &p->ret->writes,
	                            &fault);
	return status == STOW_OK || status == STOW_ENOTSUP ? STOW_OK : error_copy(err, &fault);
}

int stow_uploads_purge(struct stow_registry *registry, const struct stow_op *op, int64_t age_ns,
                       uint32_t flags, struct stow_purge *ret, struct stow_error *err)
{
	struct stow_purge counts = { 0 };
	struct purge p = { .registry = registry,
		           .op = op,
		           .now_ns = clock_host_now(registry->host),
		           .age_ns = age_ns,
		           .dry_run = (flags & STOW_PURGE_DRY_RUN) != 0,
		           .ret = &counts };
	int status;

	/* a token that is still good must find what it stands for */
	if (age_ns < registry->upload_age_ns)
		return error_set(err, STOW_EINVAL, WHERE,
		                 "younger than [uploads] age: their tokens are still good");
	names_init(&p.keys);
	status = rooms_each(registry, op, visit, &p, err);
	if (status == STOW_OK)
		status = judge(&p, err);
	names_done(&p.keys);
	if (status == STOW_OK)
		status = purge_writes(&p, err);
	*ret = counts;
	return status;
}
