/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manifests of one repository with options that stay, as a handle.
 * It must not do anything that manifest-store.c does not.
 */
#include <stdlib.h>
#include <string.h>

#include "common/cleanup.h"
#include "common/error.h"
#include "plugin/manifest-store.h"
#include "plugin/name.h"

#define FLAGS STOW_MANIFESTS_SKIP_LAYERS

struct stow_manifests {
	struct stow_registry *registry;
	char *name;
	uint32_t flags;
};

static int check_flags(uint32_t flags, const char *where, struct stow_error *err)
{
	if ((flags & ~FLAGS) == 0)
		return STOW_OK;
	return error_set(err, STOW_EINVAL, where, "unknown flags 0x%x", (unsigned int)flags);
}

static void cleanup_manifests(struct stow_manifests **manifests)
{
	stow_manifests_close(*manifests);
}

int stow_manifests_open(struct stow_registry *registry, const char *name, uint32_t flags,
                        struct stow_manifests **ret, struct stow_error *err)
{
	static const char where[] = "manifests.open";
	cleanup(cleanup_manifests) struct stow_manifests *manifests = NULL;
	int status = name_require(name, where, err);

	if (status == STOW_OK)
		status = check_flags(flags, where, err);
	if (status != STOW_OK)
		return status;
	manifests = calloc(1, sizeof(*manifests));
	if (!manifests)
		return error_nomem(err, where);
	manifests->registry = registry;
	manifests->flags = flags;
	manifests->name = strdup(name);
	if (!manifests->name)
		return error_nomem(err, where);
	*ret = take(manifests);
	return STOW_OK;
}

void stow_manifests_close(struct stow_manifests *manifests)
{
	if (!manifests)
		return;
	free(manifests->name);
	free(manifests);
}

int stow_manifests_put(struct stow_manifests *manifests, const struct stow_op *op,
                       const char *reference, const char *media_type, const void *data, size_t len,
                       uint32_t flags, struct stow_descriptor *ret, struct stow_faults **ret_faults,
                       struct stow_error *err)
{
	int status = check_flags(flags, "manifests.put", err);

	if (status != STOW_OK)
		return status;
	return manifest_put(manifests->registry, op, manifests->name, reference, media_type, data,
	                    len, manifests->flags | flags, ret, ret_faults, err);
}

int stow_manifests_get_by_tag(struct stow_manifests *manifests, const struct stow_op *op,
                              const char *tag, uint32_t flags, struct stow_manifest **ret,
                              struct stow_error *err)
{
	static const char where[] = "manifests.get_by_tag";
	int status = check_flags(flags, where, err);

	if (status != STOW_OK)
		return status;
	manifests->flags |= flags;
	status = name_require_tag(tag, where, err);
	return status == STOW_OK
	               ? stow_manifest_get(manifests->registry, op, manifests->name, tag, ret, err)
	               : status;
}
