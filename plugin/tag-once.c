/* SPDX-License-Identifier: Apache-2.0 */
/* tag-once.h over the tag's links. It must not know what a digest stands for. */
#include "plugin/tag-once.h"

#include "common/error.h"
#include "plugin/layout.h"
#include "plugin/tag.h"

#define WHERE "tag.put"

int tag_once_refuse(const char *where, const char *name, const char *tag, struct stow_error *err)
{
	return error_set(err, STOW_EEXIST, where, "%s:%s is immutable", name, tag);
}

int tag_once_look(struct stow_registry *registry, const struct stow_op *op, const char *name,
                  const char *tag, const struct digest *digest, bool *ret_stands,
                  struct stow_error *err)
{
	struct stow_error fault = { 0 };
	struct digest found;
	int status = tag_read(registry, op, name, tag, &found, &fault);

	if (status != STOW_OK && status != STOW_ENOTFOUND)
		return error_copy(err, &fault);
	*ret_stands = status == STOW_OK && digest_equal(&found, digest);
	if (status == STOW_ENOTFOUND || *ret_stands)
		return STOW_OK;
	return error_set(err, STOW_EEXIST, WHERE, "%s:%s is immutable and stands on %s, not on %s",
	                 name, tag, found.text, digest->text);
}

/* After a write that may or may not count: what is there decides. */
static int judge(struct stow_registry *registry, const struct stow_op *op, const char *name,
                 const char *tag, const struct digest *digest, bool *ret_stands,
                 struct stow_error *err)
{
	struct layout_key index;
	int status = tag_once_look(registry, op, name, tag, digest, ret_stands, err);

	if (status == STOW_EEXIST) {
		/* the tag never stood there; what is left of it does no harm */
		layout_tag_index(&index, name, tag, digest);
		(void)store_remove(registry->store, op, index.text, NULL, NULL);
	}
	return status;
}

int tag_once_write(struct stow_registry *registry, const struct stow_op *op, const char *name,
                   const char *tag, const struct digest *digest, bool create,
                   struct stow_error *err)
{
	struct stow_put put = { .size = sizeof(put), .length = -1 };
	struct stow_error fault = { 0 };
	struct layout_key key;
	bool stands = false;
	int status, found;

	if (create)
		put.flags = STOW_PUT_CREATE;
	layout_tag_current(&key, name, tag);
	status = store_put(registry->store, op, key.text, digest->text, strlen(digest->text), &put,
	                   NULL, &fault);
	if (create ? status != STOW_EEXIST && status != STOW_EBUSY : status != STOW_OK)
		return status == STOW_OK ? STOW_OK : error_copy(err, &fault);
	found = judge(registry, op, name, tag, digest, &stands, err);
	if (found != STOW_OK || stands || status == STOW_OK)
		return found;
	/* whoever was there is gone again */
	if (status == STOW_EEXIST)
		return error_set(err, STOW_EBUSY, WHERE, "%s:%s was removed meanwhile", name, tag);
	return error_copy(err, &fault);
}
