/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of users that is replaced whole, a few remembered logins, and turns at the hash.  Nothing
 * is hashed under the lock.
 */
#include "host/serve/htpasswd.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/file.h"
#include "common/hash.h"
#include "common/text.h"
#include "common/thread.h"

#define WHERE "htpasswd"
#define FILE_MAX ((size_t)4 << 20)
#define USERS_MAX 100000
#define USER_LEN_MAX 255
#define HASH_LEN 60     /* $2y$, two digits, $, 22 of salt, 31 of value */
#define SALT_LEN 29     /* all before the value */
#define PASSWORD_MAX 72 /* what bcrypt looks at */
#define COST_MAX 14     /* some seconds */
#define GOOD_FOR (60 * CLOCK_SECOND)
#define LOOK_EVERY CLOCK_SECOND
#define WAITING_MAX 32 /* for a turn, at most */
#define LINES_TOLD 8
#define KNOWN_SLOTS 4 /* places of one login among those that are remembered */

struct user {
	const char *name, *hash; /* in the table's text; hash NULL: let in by no password */
};

/* Lines that a log tells of: how many, and the first of them. */
struct lines {
	size_t n;
	size_t first[LINES_TOLD];
};

struct table {
	unsigned refs;
	struct buf text; /* the file, cut up */
	struct user *users;
	size_t n;
	int cost;           /* the highest */
	struct lines unfit; /* no bcrypt hash, or one of a cost out of bounds */
	struct file_mark mark;
};

struct known {
	uint8_t mac[32];
	int64_t until_ns;
};

/* A hash under way: the same login that comes meanwhile takes its verdict. */
struct hashing {
	uint8_t mac[32];
	bool used, ended;
	int status;
	unsigned waiters;
};

struct htpasswd {
	char *path;
	const struct sink *sink;
	unsigned turns, places; /* hashes at once, and those that wait for a turn */
	unsigned joins;         /* that wait for another's verdict */
	uint8_t key[32];
	bool have_lock, have_cond;
	struct mutex lock;
	struct cond turn;
	struct table *table GUARDED_BY(lock);
	int64_t looked_ns GUARDED_BY(lock);
	bool complained GUARDED_BY(lock);
	unsigned running GUARDED_BY(lock);
	unsigned waiting GUARDED_BY(lock);
	unsigned joined GUARDED_BY(lock);
	struct hashing hashing[HTPASSWD_CHECKS_MAX] GUARDED_BY(lock);
	struct known known[HTPASSWD_KNOWN_MAX] GUARDED_BY(lock);
};

/* ---- the file ---- */

static int cost_of(const char *hash)
{
	static const char alphabet[] =
		"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	if (strlen(hash) != HASH_LEN || hash[0] != '$' || hash[1] != '2' ||
	    !strchr("aby", hash[2]) || hash[3] != '$' || hash[6] != '$' ||
	    strspn(hash + 7, alphabet) != HASH_LEN - 7 || hash[4] < '0' || hash[4] > '9' ||
	    hash[5] < '0' || hash[5] > '9')
		return 0;
	return (hash[4] - '0') * 10 + (hash[5] - '0');
}

/* One line, cut into its two parts; an empty one and a comment are passed over. A name with another
 * hash stays, so that a later line of that name does not count. */
static int add_line(struct table *t, const char *path, size_t number, char *line,
                    struct stow_error *err)
{
	char *colon;
	size_t len;
	int cost;

	line += strspn(line, " \t");
	len = strlen(line);
	while (len && strchr(" \t\r", line[len - 1]))
		line[--len] = '\0';
	if (*line == '\0' || *line == '#')
		return STOW_OK;
	colon = strchr(line, ':');
	if (!colon || colon == line || colon - line > USER_LEN_MAX)
		return error_set(err, STOW_EINVAL, WHERE, "%s, line %zu: expected NAME:HASH", path,
		                 number);
	*colon = '\0';
	/* further fields are nobody's concern, neither Apache's nor Distribution's */
	colon[1 + strcspn(colon + 1, ":")] = '\0';
	cost = cost_of(colon + 1);
	if (t->n == USERS_MAX)
		return error_set(err, STOW_EINVAL, WHERE, "%s: more than %d users", path,
		                 USERS_MAX);
	t->users[t->n++] = (struct user){ .name = line };
	if (cost < 4 || cost > COST_MAX) {
		if (t->unfit.n++ < LINES_TOLD)
			t->unfit.first[t->unfit.n - 1] = number;
		return STOW_OK;
	}
	t->users[t->n - 1].hash = colon + 1;
	if (cost > t->cost)
		t->cost = cost;
	return STOW_OK;
}

static void unref(struct table *t)
{
	if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	if (t->text.data)
		explicit_bzero(t->text.data, t->text.cap);
	buf_done(&t->text);
	free(t->users);
	free(t);
}

/* By name, and of one name in the order of the file. */
static int compare(const void *a, const void *b)
{
	const struct user *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : x->name < y->name ? -1 : 1;
}

static int read_lines(struct table *t, const char *path, struct stow_error *err)
{
	size_t number = 0, lines = 1;
	int status = STOW_OK;

	if (memchr(t->text.data, '\0', t->text.len))
		return error_set(err, STOW_EINVAL, WHERE, "%s holds NUL bytes", path);
	for (const char *p = t->text.data; (p = strchr(p, '\n')); p++)
		lines++;
	t->users = calloc(lines, sizeof(*t->users));
	if (!t->users)
		return error_nomem(err, WHERE);
	for (char *line = t->text.data, *end; line && status == STOW_OK; line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		status = add_line(t, path, ++number, line, err);
	}
	if (status == STOW_OK)
		qsort(t->users, t->n, sizeof(*t->users), compare);
	return status;
}

static int read_table(const char *path, struct table **ret, struct stow_error *err)
{
	struct table *t = calloc(1, sizeof(*t));
	int status;

	if (!t)
		return error_nomem(err, WHERE);
	t->refs = 1;
	t->cost = 4;
	status = file_read(path, FILE_MAX, WHERE, &t->text, &t->mark, err);
	if (status == STOW_OK)
		status = read_lines(t, path, err);
	if (status == STOW_OK)
		*ret = t;
	else
		unref(t);
	return status;
}

static void replace_locked(struct htpasswd *h, struct table *t) REQUIRES(h->lock);
static void replace_locked(struct htpasswd *h, struct table *t)
{
	struct table *old = h->table;

	h->table = t;
	h->complained = false;
	memset(h->known, 0, sizeof(h->known)); /* who is known was so by the old file */
	unref(old);
}

/* Whom no password lets in, as it is with Distribution. */
static void tell_unfit(const struct htpasswd *h, const struct lines *unfit)
{
	struct buf cleanup_buf list = { 0 };
	size_t told = unfit->n < LINES_TOLD ? unfit->n : LINES_TOLD;

	if (unfit->n == 0)
		return;
	buf_init(&list, 256);
	for (size_t i = 0; i < told; i++)
		buf_addf(&list, "%s%zu", i ? ", " : "", unfit->first[i]);
	sink_event(
		h->sink, STOW_LOG_WARNING, "auth", NULL,
		"%s: these are let in by no password, since they have no bcrypt hash ($2y$) of a "
		"cost of 4 to %d: line %s%s",
		h->path, COST_MAX, buf_text(&list), told < unfit->n ? " and others" : "");
}

int htpasswd_reload(struct htpasswd *h, struct stow_error *err)
{
	struct table *t = NULL;
	int status = read_table(h->path, &t, err);

	if (!t)
		return status;
	tell_unfit(h, &t->unfit);
	mutex_lock(&h->lock);
	replace_locked(h, t);
	mutex_unlock(&h->lock);
	return STOW_OK;
}

/* Looks at the file, where nobody has for a while. */
static void refresh(struct htpasswd *h)
{
	struct stow_error err = { 0 };
	struct file_mark mark;
	int64_t now = clock_monotonic();
	bool changed, complained;

	mutex_lock(&h->lock);
	if (now - h->looked_ns < LOOK_EVERY) {
		mutex_unlock(&h->lock);
		return;
	}
	h->looked_ns = now; /* the others go on with the users that there are */
	mutex_unlock(&h->lock);
	changed = !file_mark(h->path, &mark);
	mutex_lock(&h->lock);
	changed = changed || !file_mark_equal(&mark, &h->table->mark);
	complained = h->complained;
	mutex_unlock(&h->lock);
	if (!changed)
		return;
	if (htpasswd_reload(h, &err) == STOW_OK) {
		sink_event(h->sink, STOW_LOG_INFO, "auth", NULL, "%s was read anew", h->path);
		return;
	}
	if (!complained)
		sink_event(h->sink, STOW_LOG_ERROR, "auth", NULL, "the users stay as they were: %s",
		           err.message);
	mutex_lock(&h->lock);
	h->complained = true;
	mutex_unlock(&h->lock);
}

/* ---- remembered logins ---- */

/* Of the whole password, and not only of what bcrypt looks at. */
static bool mac_of(const struct htpasswd *h, const char *user, const char *password,
                   uint8_t ret[32])
{
	uint8_t both[USER_LEN_MAX + 1 + 32];
	size_t len = strlen(user);

	if (len > USER_LEN_MAX)
		return false;
	memcpy(both, user, len + 1);
	hash_hmac_sha256(h->key, sizeof(h->key), password, strlen(password), both + len + 1);
	hash_hmac_sha256(h->key, sizeof(h->key), both, len + 1 + 32, ret);
	return true;
}

/* Its own place, else the one that has been good for the least time. */
static struct known *slot_locked(struct htpasswd *h, const uint8_t mac[32]) REQUIRES(h->lock);
static struct known *slot_locked(struct htpasswd *h, const uint8_t mac[32])
{
	unsigned set = (mac[0] | (unsigned)mac[1] << 8) % (HTPASSWD_KNOWN_MAX / KNOWN_SLOTS);
	struct known *first = &h->known[(size_t)set * KNOWN_SLOTS], *oldest = first;

	for (struct known *k = first; k < first + KNOWN_SLOTS; k++) {
		if (hash_equal(k->mac, mac, sizeof(k->mac)))
			return k;
		if (k->until_ns < oldest->until_ns)
			oldest = k;
	}
	return oldest;
}

static bool knows_locked(struct htpasswd *h, const uint8_t mac[32]) REQUIRES(h->lock);
static bool knows_locked(struct htpasswd *h, const uint8_t mac[32])
{
	struct known *k = slot_locked(h, mac);
	int64_t now = clock_monotonic();

	if (now >= k->until_ns || !hash_equal(k->mac, mac, sizeof(k->mac)))
		return false;
	k->until_ns = now + GOOD_FOR; /* who goes on working need not queue with strangers */
	return true;
}

bool htpasswd_knows(struct htpasswd *h, const char *user, const char *password)
{
	uint8_t mac[32];
	bool knows;

	if (!mac_of(h, user, password, mac))
		return false;
	mutex_lock(&h->lock);
	/* when it is time to look at the file, that is done where waiting is allowed */
	knows = clock_monotonic() - h->looked_ns < LOOK_EVERY && knows_locked(h, mac);
	mutex_unlock(&h->lock);
	return knows;
}

/* ---- hashing ---- */

/* Does the password make that hash? In as long as its cost takes. STOW_EDENIED: no. */
static int try_hash(const char *password, const char *hash, struct stow_error *err)
{
	struct crypt_data *data = calloc(1, sizeof(*data)); /* 32 KiB: not on a stack */
	const char *made;
	int status;

	if (!data)
		return error_nomem(err, WHERE);
	errno = 0;
	made = crypt_rn(password, hash, data, (int)sizeof(*data));
	if (!made || strlen(made) != HASH_LEN)
		status = error_errno(err, errno ? errno : EIO, WHERE, "bcrypt fails");
	else if (hash_equal(made + SALT_LEN, hash + SALT_LEN, HASH_LEN - SALT_LEN))
		status = STOW_OK; /* the value alone: the library writes some salts otherwise */
	else
		status = error_set(err, STOW_EDENIED, WHERE, "no such name, or another password");
	explicit_bzero(data, sizeof(*data));
	free(data);
	return status;
}

/* Takes the time of that cost and lets nobody in. */
static int take_time(const char *password, int cost, struct stow_error *err)
{
	char nobody[HASH_LEN + 1];
	int status;

	/* no password makes it: a value ends in one of sixteen characters, and '/' is not among them */
	text_format(nobody, sizeof(nobody), "$2b$%02d$abcdefghijklmnopqrstuu%s", cost,
	            "///////////////////////////////");
	status = try_hash(password, nobody, err);
	return status == STOW_OK ? STOW_EDENIED : status;
}

static const char *find(const struct table *t, const char *user)
{
	size_t low = 0, high = t->n;

	/* the first of that name */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(t->users[middle].name, user) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->n && strcmp(t->users[low].name, user) == 0 ? t->users[low].hash : NULL;
}

/*
 * What is refused takes the time of the file's highest cost, whoever is asked for: an unknown name is
 * hashed for, and a hash of less is followed by others that take up the rest, since
 * 2^c + 2^c + 2^(c+1) + ... + 2^(highest-1) = 2^highest.
 */
static int is_right(const struct table *t, const char *user, const char *whole,
                    struct stow_error *err)
{
	const char *hash = find(t, user);
	char password[PASSWORD_MAX + 1] = "";
	int status;

	/* bcrypt would not look at the rest, and the library refuses what is far too long */
	memcpy(password, whole, strnlen(whole, PASSWORD_MAX));
	if (hash) {
		status = try_hash(password, hash, err);
		for (int c = cost_of(hash); status == STOW_EDENIED && c < t->cost; c++)
			status = take_time(password, c, err);
	} else {
		status = take_time(password, t->cost, err);
	}
	explicit_bzero(password, sizeof(password));
	return status;
}

static int busy(unsigned n, struct stow_error *err)
{
	int status = error_set(err, STOW_EBUSY, WHERE, "%u logins wait for their hash already", n);

	error_flag(err, STOW_ERROR_RETRYABLE);
	return status;
}

/* The hash of that login that is under way; NULL: there is none. */
static struct hashing *hashing_locked(struct htpasswd *h, const uint8_t mac[32]) REQUIRES(h->lock);
static struct hashing *hashing_locked(struct htpasswd *h, const uint8_t mac[32])
{
	for (size_t i = 0; i < HTPASSWD_CHECKS_MAX; i++) {
		struct hashing *one = &h->hashing[i];

		if (one->used && !one->ended && hash_equal(one->mac, mac, sizeof(one->mac)))
			return one;
	}
	return NULL;
}

/* A cluster's nodes begin with one login, all at once: one hash does for them. */
static int join_locked(struct htpasswd *h, struct hashing *one, struct stow_error *err)
	REQUIRES(h->lock);
static int join_locked(struct htpasswd *h, struct hashing *one, struct stow_error *err)
{
	int status;

	if (h->joined == h->joins)
		return busy(h->joins, err);
	h->joined++;
	one->waiters++;
	while (!one->ended)
		cond_wait(&h->turn, &h->lock);
	status = one->status;
	h->joined--;
	if (--one->waiters == 0)
		one->used = false;
	return status == STOW_OK ? STOW_OK
	                         : error_set(err, status, WHERE, "as the same login just before");
}

/* What others may join; NULL where there is no place for it. */
static struct hashing *begin_locked(struct htpasswd *h, const uint8_t mac[32]) REQUIRES(h->lock);
static struct hashing *begin_locked(struct htpasswd *h, const uint8_t mac[32])
{
	for (size_t i = 0; i < HTPASSWD_CHECKS_MAX; i++) {
		struct hashing *one = &h->hashing[i];

		if (one->used)
			continue;
		*one = (struct hashing){ .used = true };
		memcpy(one->mac, mac, sizeof(one->mac));
		return one;
	}
	return NULL;
}

/* A verdict without a hash of one's own, or a turn at it: *ret is the table then, to be hashed with;
 * *ret_one what others join. */
static int take_turn(struct htpasswd *h, const uint8_t mac[32], struct table **ret,
                     struct hashing **ret_one, struct stow_error *err)
{
	struct hashing *other = NULL;
	bool known;
	int status = STOW_OK;

	mutex_lock(&h->lock);
	known = knows_locked(h, mac);
	if (!known && !(other = hashing_locked(h, mac)) && h->running == h->turns &&
	    h->waiting == h->places)
		status = busy(h->places, err);
	h->waiting++;
	while (status == STOW_OK && !known && !other && h->running == h->turns) {
		cond_wait(&h->turn, &h->lock);
		known = knows_locked(h, mac);
		other = known ? NULL : hashing_locked(h, mac);
	}
	h->waiting--;
	if (other) {
		status = join_locked(h, other, err);
	} else if (status == STOW_OK && !known) {
		h->running++;
		*ret_one = begin_locked(h, mac);
		*ret = h->table;
		__atomic_add_fetch(&h->table->refs, 1, __ATOMIC_RELAXED);
	}
	mutex_unlock(&h->lock);
	return status;
}

static void end_turn(struct htpasswd *h, struct hashing *one, const uint8_t mac[32],
                     const struct table *table, int status)
{
	mutex_lock(&h->lock);
	h->running--;
	if (status == STOW_OK && table == h->table) {
		struct known *k = slot_locked(h, mac);

		memcpy(k->mac, mac, sizeof(k->mac));
		k->until_ns = clock_monotonic() + GOOD_FOR;
	}
	if (one) {
		one->ended = true;
		one->status = status;
		one->used = one->waiters > 0;
	}
	/* all, since those that wait may be known now */
	cond_broadcast(&h->turn);
	mutex_unlock(&h->lock);
}

int htpasswd_check(struct htpasswd *h, const char *user, const char *password,
                   struct stow_error *err)
{
	struct table *table = NULL;
	struct hashing *one = NULL;
	uint8_t mac[32];
	int status;

	refresh(h);
	if (!mac_of(h, user, password, mac))
		return error_set(err, STOW_EDENIED, WHERE, "the name is too long");
	status = take_turn(h, mac, &table, &one, err);
	if (!table)
		return status;
	status = is_right(table, user, password, err);
	end_turn(h, one, mac, table, status);
	unref(table);
	return status;
}

/* ---- all ---- */

static unsigned at_most(size_t n, unsigned most)
{
	return n < most ? (unsigned)n : most;
}

int htpasswd_open(const char *path, size_t threads, const struct sink *sink, struct htpasswd **ret,
                  struct stow_error *err)
{
	struct htpasswd *h = calloc(1, sizeof(*h));
	int status;

	if (!h)
		return error_nomem(err, WHERE);
	h->have_lock = mutex_init(&h->lock) == 0;
	h->have_cond = h->have_lock && cond_init(&h->turn) == 0;
	h->sink = sink;
	h->turns = at_most(threads < 4 ? 1 : threads / 4, HTPASSWD_CHECKS_MAX);
	h->places = at_most(threads / 4, WAITING_MAX);
	/* a quarter of the threads is left for others in any case */
	h->joins = (unsigned)(threads - threads / 4) - h->turns - h->places;
	h->path = strdup(path);
	if (!h->have_cond || !h->path)
		status = error_nomem(err, WHERE);
	else if (!hash_random(h->key, sizeof(h->key)))
		status = error_set(err, STOW_EIO, WHERE, "no random numbers to be had");
	else
		status = htpasswd_reload(h, err);
	if (status == STOW_OK)
		*ret = h;
	else
		htpasswd_free(h);
	return status;
}

void htpasswd_free(struct htpasswd *h)
{
	if (!h)
		return;
	if (h->have_lock) {
		mutex_lock(&h->lock);
		unref(h->table);
		mutex_unlock(&h->lock);
	}
	if (h->have_cond)
		cond_done(&h->turn);
	if (h->have_lock)
		mutex_done(&h->lock);
	explicit_bzero(h->key, sizeof(h->key));
	free(h->path);
	free(h);
}
