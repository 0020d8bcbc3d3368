/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A driver as it was written against ABI 1.0, frozen: objects in memory, in a sorted array.
 * It must not know of anything that came later; it is compiled against the headers beside it.
 */
#include "older-objects.h"

static int check_put(const struct stow_put *put, struct stow_error *err)
{
	if (put && put->size < sizeof(*put))
		return fail(err, STOW_EINVAL, NAME ": a stow_put of %u bytes", (unsigned)put->size);
	if (put && (put->parked || (put->flags & STOW_PUT_RESUME)))
		return fail(err, STOW_ENOTSUP, NAME ": keeps no unfinished writes");
	return STOW_OK;
}

static int check_sum(const struct stow_op *op, const char *key, const char *data, size_t len,
                     const struct stow_put *put, struct stow_error *err)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	int r = STOW_OK, hashed;
	EVP_MD_CTX *md;

	if (!put || !put->sha256)
		return STOW_OK;
	md = EVP_MD_CTX_new();
	hashed = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL);
	for (size_t at = 0; at < len && hashed && r == STOW_OK; at += STEP) {
		hashed = EVP_DigestUpdate(md, data + at, len - at < STEP ? len - at : STEP);
		r = in_time(op, err);
	}
	hashed = hashed && EVP_DigestFinal_ex(md, sum, NULL);
	EVP_MD_CTX_free(md);
	if (!hashed)
		return no_memory(err);
	if (r == STOW_OK && memcmp(sum, put->sha256, 32) != 0)
		r = fail(err, STOW_ECORRUPT, NAME ": %s: the bytes have another sha256", key);
	return r;
}

static int older_stat(void *self, const struct stow_op *op, const char *key, struct stow_stat *ret,
                      struct stow_error *err)
{
	struct object *object;
	int r = enter(self, op, key, err);

	if (r == STOW_OK)
		r = find(self, key, NULL, &object, err);
	if (r != STOW_OK)
		return r;
	tell_stat(object, ret);
	drop(object);
	return STOW_OK;
}

static int older_get(void *self, const struct stow_op *op, const char *key, const char *if_match,
                     void *buf, size_t cap, size_t *ret_len, struct stow_stat *ret_stat,
                     struct stow_error *err)
{
	struct object *object;
	int r = enter(self, op, key, err);

	if (r == STOW_OK)
		r = find(self, key, if_match, &object, err);
	if (r != STOW_OK)
		return r;
	if (object->len > cap) {
		r = fail(err, STOW_ERANGE, NAME ": %s: %zu bytes do not fit into %zu", key,
		         object->len, cap);
		*ret_len = object->len; /* the one output of a failure */
	} else {
		r = copy_bytes(op, buf, object->data, object->len, err);
		if (r == STOW_OK) {
			*ret_len = object->len;
			tell_stat(object, ret_stat);
		}
	}
	drop(object);
	return r;
}

static int older_put(void *self, const struct stow_op *op, const char *key, const void *data,
                     size_t len, const struct stow_put *put, struct stow_stat *ret_stat,
                     struct stow_error *err)
{
	struct object *object = NULL;
	char *copy;
	int r = enter(self, op, key, err);

	if (r == STOW_OK)
		r = check_put(put, err);
	if (r == STOW_OK)
		r = check_sum(op, key, data, len, put, err);
	if (r != STOW_OK)
		return r;
	copy = malloc(len ? len : 1);
	if (!copy)
		return no_memory(err);
	r = copy_bytes(op, copy, data, len, err);
	if (r == STOW_OK) {
		object = object_new(self, copy, len);
		r = object ? STOW_OK : no_memory(err);
	}
	if (r != STOW_OK) {
		free(copy);
		return r;
	}
	r = publish(self, key, object, put, err);
	if (r == STOW_OK)
		tell_stat(object, ret_stat);
	drop(object);
	return r;
}

static int older_remove(void *self, const struct stow_op *op, const char *key, const char *if_match,
                        struct stow_error *err)
{
	struct older *s = self;
	struct slot gone = { 0 };
	int r = enter(s, op, key, err);
	size_t i;

	if (r != STOW_OK)
		return r;
	pthread_rwlock_wrlock(&s->lock);
	i = seek(s, key);
	if (is_at(s, i, key)) {
		if (if_match && !has_etag(s->slots[i].object, if_match)) {
			r = fail(err, STOW_ECHANGED, NAME ": %s: is another version", key);
		} else {
			gone = s->slots[i];
			s->n--;
			memmove(&s->slots[i], &s->slots[i + 1], (s->n - i) * sizeof(gone));
		}
	}
	pthread_rwlock_unlock(&s->lock);
	drop(gone.object);
	free(gone.key);
	return r;
}

struct reader {
	struct older *older;
	struct object *object;
	size_t at, end;
};

static int older_read_open(void *self, const struct stow_op *op, const char *key,
                           const char *if_match, int64_t offset, int64_t length, void **ret_reader,
                           struct stow_stat *ret_stat, struct stow_error *err)
{
	struct reader *reader;
	struct object *object;
	int r = enter(self, op, key, err);

	if (r == STOW_OK && (offset < 0 || length < -1))
		r = fail(err, STOW_EINVAL, NAME ": %s: a range below 0", key);
	if (r == STOW_OK)
		r = find(self, key, if_match, &object, err);
	if (r != STOW_OK)
		return r;
	if ((uint64_t)offset > object->len) {
		drop(object);
		return fail(err, STOW_ERANGE, NAME ": %s: begins beyond its end", key);
	}
	reader = calloc(1, sizeof(*reader));
	if (!reader) {
		drop(object);
		return no_memory(err);
	}
	reader->older = self;
	reader->object = object;
	reader->at = (size_t)offset;
	reader->end = object->len;
	if (length >= 0 && (uint64_t)length < object->len - reader->at)
		reader->end = reader->at + (size_t)length;
	tell_stat(object, ret_stat);
	*ret_reader = reader;
	return STOW_OK;
}

static int older_read(void *handle, const struct stow_op *op, void *buf, size_t cap,
                      size_t *ret_len, struct stow_error *err)
{
	struct reader *reader = handle;
	size_t len = reader->end - reader->at;
	int r = enter(reader->older, op, NULL, err);

	if (r != STOW_OK)
		return r;
	if (len > cap)
		len = cap;
	if (len > STEP)
		len = STEP;
	if (len > 0)
		memcpy(buf, reader->object->data + reader->at, len);
	reader->at += len;
	*ret_len = len;
	return STOW_OK;
}

static void older_read_close(void *handle)
{
	struct reader *reader = handle;

	if (!reader)
		return;
	drop(reader->object);
	free(reader);
}

struct writer {
	struct older *older;
	char *key, *if_match, *data;
	size_t len, cap;
	struct stow_put put; /* the caller's conditions, kept */
	uint8_t sha256[32];
	bool ended;
};

static void older_write_close(void *handle, const struct stow_op *op)
{
	struct writer *w = handle;

	(void)op; /* nothing here takes time */
	if (!w)
		return;
	free(w->key);
	free(w->if_match);
	free(w->data);
	free(w);
}

static int older_write_open(void *self, const struct stow_op *op, const char *key,
                            const struct stow_put *put, void **ret_writer, int64_t *ret_offset,
                            struct stow_error *err)
{
	struct writer *w;
	int r = enter(self, op, key, err);

	if (r == STOW_OK)
		r = check_put(put, err);
	if (r != STOW_OK)
		return r;
	w = calloc(1, sizeof(*w));
	if (!w)
		return no_memory(err);
	w->older = self;
	w->key = strdup(key);
	w->put.size = sizeof(w->put);
	w->put.length = put ? put->length : -1;
	w->put.flags = put ? put->flags : 0;
	if (put && put->if_match)
		w->put.if_match = w->if_match = strdup(put->if_match);
	if (put && put->sha256) {
		memcpy(w->sha256, put->sha256, sizeof(w->sha256));
		w->put.sha256 = w->sha256;
	}
	if (!w->key || (put && put->if_match && !w->if_match)) {
		older_write_close(w, op);
		return no_memory(err);
	}
	*ret_writer = w;
	if (ret_offset)
		*ret_offset = 0;
	return STOW_OK;
}

static int append(struct writer *w, const struct stow_op *op, const char *data, size_t len,
                  struct stow_error *err)
{
	int r = STOW_OK;

	if (len > SIZE_MAX / 2 - w->len)
		r = fail(err, STOW_EIO, NAME ": %s: grows too large", w->key);
	if (r == STOW_OK && w->len + len > w->cap) {
		size_t cap = w->cap + w->cap / 2;
		char *more;

		if (cap < w->len + len)
			cap = w->len + len;
		more = realloc(w->data, cap);
		if (more) {
			w->data = more;
			w->cap = cap;
		} else {
			r = no_memory(err);
		}
	}
	if (r == STOW_OK && len > 0)
		r = copy_bytes(op, w->data + w->len, data, len, err);
	if (r == STOW_OK)
		w->len += len;
	return r;
}

/* May the writer go on? After a failure it may not. */
static int enter_writer(const struct writer *w, const struct stow_op *op, struct stow_error *err)
{
	if (w->ended)
		return fail(err, STOW_EINVAL, NAME ": %s: the writer has ended or failed", w->key);
	return enter(w->older, op, NULL, err);
}

static int older_write(void *handle, const struct stow_op *op, const void *data, size_t len,
                       struct stow_error *err)
{
	struct writer *w = handle;
	int r = enter_writer(w, op, err);

	if (r == STOW_OK)
		r = append(w, op, data, len, err);
	w->ended = w->ended || r != STOW_OK;
	return r;
}

static int older_write_copy(void *handle, const struct stow_op *op, const char *from,
                            const char *if_match, int64_t offset, int64_t length,
                            struct stow_error *err)
{
	struct writer *w = handle;
	struct object *source = NULL;
	int r = enter_writer(w, op, err);

	if (r == STOW_OK)
		r = check_key(from, err);
	if (r == STOW_OK)
		r = find(w->older, from, if_match, &source, err);
	if (r == STOW_OK && (offset < 0 || length < 0 || (uint64_t)offset > source->len ||
	                     (uint64_t)length > source->len - (uint64_t)offset))
		r = fail(err, STOW_ERANGE, NAME ": %s: is too short", from);
	if (r == STOW_OK && length > 0)
		r = append(w, op, source->data + offset, (size_t)length, err);
	w->ended = w->ended || r != STOW_OK;
	drop(source);
	return r;
}

static int older_write_commit(void *handle, const struct stow_op *op, struct stow_stat *ret_stat,
                              struct stow_error *err)
{
	struct writer *w = handle;
	struct object *object;
	int r = enter_writer(w, op, err);

	if (r == STOW_OK && w->put.length >= 0 && (uint64_t)w->put.length != w->len)
		r = fail(err, STOW_ECORRUPT, NAME ": %s: %zu bytes, %lld were announced", w->key,
		         w->len, (long long)w->put.length);
	if (r == STOW_OK)
		r = check_sum(op, w->key, w->data, w->len, &w->put, err);
	w->ended = true;
	if (r != STOW_OK)
		return r;
	object = object_new(w->older, w->data, w->len);
	if (!object)
		return no_memory(err);
	w->data = NULL; /* the object's now */
	r = publish(w->older, w->key, object, &w->put, err);
	if (r == STOW_OK)
		tell_stat(object, ret_stat);
	drop(object);
	return r;
}

struct list {
	struct older *older;
	char *prefix, *after, *cursor;
	uint32_t flags;
	bool past;                  /* go on behind the cursor, not at it */
	char key[STOW_KEY_MAX + 2]; /* what the last entry lent out */
	struct stow_stat stat;      /* of that key */
};

static void older_list_close(void *handle)
{
	struct list *list = handle;

	if (!list)
		return;
	free(list->prefix);
	free(list->after);
	free(list->cursor);
	free(list);
}

static int older_list_open(void *self, const struct stow_op *op, const char *prefix,
                           const char *after, uint32_t flags, void **ret_list,
                           struct stow_error *err)
{
	struct list *list;
	size_t room = STOW_KEY_MAX + 2;
	int r = enter(self, op, NULL, err);

	if (r != STOW_OK)
		return r;
	list = calloc(1, sizeof(*list));
	if (!list)
		return no_memory(err);
	list->older = self;
	list->flags = flags;
	list->prefix = strdup(prefix ? prefix : "");
	list->after = strdup(after ? after : "");
	if (list->prefix && list->after) {
		/* the later of the two; a key that is the prefix itself counts */
		list->past = *list->after && strcmp(list->after, list->prefix) >= 0;
		room += strlen(list->prefix) + strlen(list->after);
		list->cursor = malloc(room);
	}
	if (!list->cursor) {
		older_list_close(list);
		return no_memory(err);
	}
	snprintf(list->cursor, room, "%s", list->past ? list->after : list->prefix);
	*ret_list = list;
	return STOW_OK;
}

/* Takes the next key into list->key; false at the end. */
static bool step(struct list *list)
{
	struct older *s = list->older;
	bool found = false;
	size_t i;

	pthread_rwlock_rdlock(&s->lock);
	i = seek(s, list->cursor);
	if (list->past && is_at(s, i, list->cursor))
		i++;
	if (i < s->n && strncmp(s->slots[i].key, list->prefix, strlen(list->prefix)) == 0) {
		snprintf(list->key, sizeof(list->key), "%s", s->slots[i].key);
		tell_stat(s->slots[i].object, &list->stat);
		found = true;
	}
	pthread_rwlock_unlock(&s->lock);
	return found;
}

static int older_list_next(void *handle, const struct stow_op *op, struct stow_entry *ret,
                           struct stow_error *err)
{
	struct list *list = handle;
	char *slash;
	int r;

	do {
		r = enter(list->older, op, NULL, err);
		if (r != STOW_OK)
			return r;
		if (!step(list))
			return fail(err, STOW_ENOTFOUND, NAME ": the end of the list");
		memcpy(list->cursor, list->key, strlen(list->key) + 1); /* has room for any key */
		list->past = true;
		slash = NULL;
		if (list->flags & STOW_LIST_FOLDERS)
			slash = strchr(list->key + strlen(list->prefix), '/');
		if (slash) {
			list->cursor[slash - list->key] = '/' + 1;
			list->cursor[slash - list->key + 1] = '\0';
			list->past = false;
			slash[1] = '\0';
			memset(&list->stat, 0, sizeof(list->stat));
		}
	} while (slash && strcmp(list->key, list->after) <= 0);
	memset(ret, 0, sizeof(*ret));
	ret->key = list->key;
	ret->size = list->stat.size;
	ret->mtime_ns = list->stat.mtime_ns;
	ret->etag = list->stat.etag;
	ret->is_folder = slash != NULL;
	return STOW_OK;
}

static const struct stow_option options[] = {
	{ "objects", STOW_OPTION_COUNT, 0, "100000", "how many objects there may be" },
	{ NULL, 0, 0, NULL, NULL },
};

static int read_options(struct older *s, const struct stow_kv *kv, size_t n, struct stow_error *err)
{
	s->limit = 100000;
	for (size_t i = 0; i < n; i++) {
		char *end;
		unsigned long long value;

		if (strcmp(kv[i].key, "objects") != 0)
			return fail(err, STOW_EINVAL, NAME ": there is no option %s", kv[i].key);
		errno = 0;
		value = strtoull(kv[i].value, &end, 10);
		if (errno || *end || kv[i].value[0] < '0' || kv[i].value[0] > '9' ||
		    value > SIZE_MAX)
			return fail(err, STOW_EINVAL, NAME ": objects: \"%s\" is no count",
			            kv[i].value);
		s->limit = (size_t)value;
	}
	return STOW_OK;
}

static void older_close(void *self)
{
	struct older *s = self;

	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++) {
		drop(s->slots[i].object);
		free(s->slots[i].key);
	}
	free(s->slots);
	pthread_rwlock_destroy(&s->lock);
	free(s);
}

static int older_open(const struct stow_host *host, const struct stow_kv *kv, size_t n,
                      void **ret_self, struct stow_error *err)
{
	struct older *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return no_memory(err);
	s->host = host;
	s->pid = getpid();
	r = read_options(s, kv, n, err);
	if (r == STOW_OK && pthread_rwlock_init(&s->lock, NULL) != 0)
		r = no_memory(err);
	if (r != STOW_OK) {
		free(s);
		return r;
	}
	*ret_self = s;
	return STOW_OK;
}

static const struct stow_driver driver = {
	.size = sizeof(struct stow_driver),
	.major = STOW_DRIVER_MAJOR,
	.minor = STOW_DRIVER_MINOR,
	.caps = STOW_CAP_CREATE | STOW_CAP_PUT_IF_MATCH | STOW_CAP_REMOVE_IF_MATCH |
	        STOW_CAP_COPY_IF_MATCH | STOW_CAP_GET_IF_MATCH,
	.name = NAME,
	.version = "1.0",
	.summary = "objects in a sorted array in memory",
	.options = options,
	.open = older_open,
	.close = older_close,
	.stat = older_stat,
	.get = older_get,
	.put = older_put,
	.remove = older_remove,
	.read_open = older_read_open,
	.read = older_read,
	.read_close = older_read_close,
	.write_open = older_write_open,
	.write = older_write,
	.write_copy = older_write_copy,
	.write_commit = older_write_commit,
	.write_close = older_write_close,
	.list_open = older_list_open,
	.list_next = older_list_next,
	.list_close = older_list_close,
};

#ifndef ENTRY
#define ENTRY stow_driver_v1
#endif
STOW_EXPORT const struct stow_driver *ENTRY(void);

const struct stow_driver *ENTRY(void)
{
	return &driver;
}
