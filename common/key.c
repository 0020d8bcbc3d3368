/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checks an object's key.
 * Knows no store and no layout.
 */
#include "common/key.h"

#include <string.h>

#include "common/error.h"

static const char *component_fault(const char *s, size_t len)
{
	if (len == 0)
		return "has an empty component";
	if (len == 1 && s[0] == '.')
		return "has a component \".\"";
	if (len == 2 && s[0] == '.' && s[1] == '.')
		return "has a component \"..\"";
	if (len > STOW_KEY_COMPONENT_MAX)
		return "has a component of more than 255 bytes";
	return NULL;
}

int key_check(const char *key, const char *where, struct stow_error *err)
{
	if (!key)
		return error_set(err, STOW_EINVAL, where, "key is NULL");
	if (strnlen(key, STOW_KEY_MAX + 1) > STOW_KEY_MAX)
		return error_set(err, STOW_EINVAL, where, "key \"%.64s...\" is over %d bytes", key,
		                 STOW_KEY_MAX);
	for (const char *s = key;;) {
		size_t len = strcspn(s, "/");
		const char *fault = component_fault(s, len);

		if (fault)
			return error_set(err, STOW_EINVAL, where, "key \"%s\" %s", key, fault);
		if (!s[len])
			return STOW_OK;
		s += len + 1;
	}
}
