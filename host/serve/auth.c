/* SPDX-License-Identifier: Apache-2.0 */
#include "host/serve/auth.h"

#include <string.h>

void identity_done(struct identity *who)
{
	memset(who, 0, sizeof(*who));
}

int auth_open(const struct stow_config *config, const struct sink *sink, struct auth **ret,
              struct stow_error *err)
{
	(void)config;
	(void)sink;
	(void)err;
	*ret = NULL;
	return STOW_OK;
}

int auth_reload(struct auth *a, const struct stow_config *config, struct stow_error *err)
{
	(void)a;
	(void)config;
	(void)err;
	return STOW_OK;
}

void auth_close(struct auth *a)
{
	(void)a;
}

enum auth_verdict auth_request(struct auth *a, const struct request *r, bool may_wait,
                               struct identity *ret, struct reply *reply)
{
	(void)a;
	(void)r;
	(void)may_wait;
	(void)ret;
	(void)reply;
	return AUTH_ALLOWED;
}

bool auth_may_pull(struct auth *a, const struct identity *who, const char *repository)
{
	(void)a;
	(void)who;
	(void)repository;
	return true;
}

bool auth_may_pull_all(struct auth *a, const struct identity *who)
{
	(void)a;
	(void)who;
	return true;
}
