/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From [auth], [access] and one request to a verdict.  It must not know how passwords, tokens and
 * rules are checked, nor wait where it may not.
 */
#include "host/serve/auth.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/text.h"
#include "common/thread.h"
#include "host/serve/access.h"
#include "host/serve/bearer.h"
#include "host/serve/challenge.h"
#include "host/serve/credentials.h"
#include "host/serve/htpasswd.h"

struct auth {
	const struct sink *sink;
	char *realm, *service;
	struct htpasswd *htpasswd;
	struct bearer *bearer;
	bool client_certificate;
	bool have_lock;
	struct mutex lock;
	struct access *access GUARDED_BY(lock);
};

/* What a request is about. */
struct need {
	enum { NEED_NOTHING, NEED_USER, NEED_CATALOG, NEED_REPOSITORY } kind;
	unsigned actions;         /* of access.h */
	const char *actions_text; /* as scopes name them */
	const char *name, *from;
};

void identity_done(struct identity *who)
{
	bearer_claims_free(who->claims);
	memset(who, 0, sizeof(*who));
}

/* ---- what it takes ---- */

static struct need need_of(const struct request *r)
{
	struct need need = { .kind = NEED_REPOSITORY, .name = r->route.name };

	switch (r->route.kind) {
	case ROUTE_BASE:
		need.kind = NEED_USER;
		return need;
	case ROUTE_CATALOG:
		need.kind = NEED_CATALOG;
		return need;
	case ROUTE_UPLOADS:
	case ROUTE_UPLOAD:
		need.actions = ACCESS_PUSH;
		need.actions_text = "pull,push";
		if (r->route.mount && r->route.from && strcmp(r->route.from, need.name) != 0)
			need.from = r->route.from;
		return need;
	default:
		break;
	}
	if (!r->route.name)
		need.kind = NEED_NOTHING;
	if (r->method & (METHOD_GET | METHOD_HEAD)) {
		need.actions = ACCESS_PULL;
		need.actions_text = "pull";
	} else if (r->method == METHOD_DELETE) {
		need.actions = ACCESS_DELETE;
		need.actions_text = "delete";
	} else {
		need.actions = ACCESS_PUSH;
		need.actions_text = "pull,push";
	}
	return need;
}

/* ---- answers ---- */

/* A client that can authenticate is told how. */
static enum auth_verdict challenge(const struct auth *a, const struct need *need, const char *error,
                                   struct reply *reply)
{
	struct buf cleanup_buf value = { 0 };

	if (!a->bearer && !a->htpasswd) {
		reply_error(reply, 403, "DENIED", "a client certificate is needed", NULL);
		return AUTH_REFUSED;
	}
	buf_init(&value, (size_t)16 * 1024);
	if (!a->bearer) {
		challenge_basic(&value, a->realm);
	} else {
		struct buf cleanup_buf scope = { 0 };

		buf_init(&scope, (size_t)8 * 1024);
		if (need->kind == NEED_CATALOG)
			buf_adds(&scope, "registry:catalog:*");
		if (need->kind == NEED_REPOSITORY)
			buf_addf(&scope, "repository:%s:%s", need->name, need->actions_text);
		if (need->from)
			buf_addf(&scope, " repository:%s:pull", need->from);
		challenge_bearer(&value, a->realm, a->service, buf_text(&scope), error);
	}
	reply_header(reply, "WWW-Authenticate", "%s", buf_text(&value));
	reply_error(reply, 401, "UNAUTHORIZED", "authentication required", NULL);
	return AUTH_REFUSED;
}

static enum auth_verdict refuse(const struct auth *a, const struct need *need,
                                const struct identity *who, struct reply *reply)
{
	if (a->bearer)
		return challenge(a, need, who->claims ? "insufficient_scope" : NULL, reply);
	if (!who->user[0])
		return challenge(a, need, NULL, reply);
	reply_error(reply, 403, "DENIED", "access to the resource is denied", NULL);
	return AUTH_REFUSED;
}

static enum auth_verdict not_now(const struct auth *a, const char *trace,
                                 const struct stow_error *err, struct reply *reply)
{
	sink_event(a->sink, STOW_LOG_WARNING, "auth", trace, "%s", err->message);
	reply_header(reply, "Retry-After", "1");
	reply_error(reply, 503, "UNAVAILABLE", "too many logins at once, try again later", NULL);
	return AUTH_REFUSED;
}

/* ---- who ---- */

static enum auth_verdict check_password(struct auth *a, const struct credentials *c,
                                        const struct need *need, const char *trace, bool may_wait,
                                        struct identity *ret, struct reply *reply)
{
	struct stow_error err = { 0 };
	int status;

	/* what some clients send that have neither */
	if (!c->user[0] && !c->password[0])
		return AUTH_ALLOWED;
	if (!htpasswd_knows(a->htpasswd, c->user, c->password)) {
		if (!may_wait)
			return AUTH_LATER;
		status = htpasswd_check(a->htpasswd, c->user, c->password, &err);
		if (status == STOW_EBUSY || status == STOW_ENOMEM)
			return not_now(a, trace, &err, reply);
		if (status != STOW_OK) {
			sink_event(a->sink, STOW_LOG_INFO, "auth", trace, "user %s: %s", c->user,
			           err.message);
			return challenge(a, need, NULL, reply);
		}
	}
	text_copy(ret->user, sizeof(ret->user), c->user);
	return AUTH_ALLOWED;
}

static enum auth_verdict check_token(struct auth *a, const struct credentials *c,
                                     const struct need *need, const char *trace, bool may_wait,
                                     struct identity *ret, struct reply *reply)
{
	struct stow_error err = { 0 };
	int status;

	if (!may_wait)
		return AUTH_LATER;
	status = bearer_check(a->bearer, c->token, clock_real(), &ret->claims, &err);
	if (status == STOW_ENOMEM)
		return not_now(a, trace, &err, reply);
	if (status != STOW_OK) {
		sink_event(a->sink, STOW_LOG_INFO, "auth", trace, "a token is refused: %s",
		           err.message);
		return challenge(a, need, "invalid_token", reply);
	}
	text_copy(ret->user, sizeof(ret->user), bearer_subject(ret->claims));
	return AUTH_ALLOWED;
}

static enum auth_verdict identify(struct auth *a, const struct request *r, const struct need *need,
                                  const char *trace, bool may_wait, struct identity *ret,
                                  struct reply *reply)
{
	struct credentials c = { 0 };
	enum auth_verdict verdict = AUTH_ALLOWED;

	credentials_parse(
		r->header_times[HEADER_AUTHORIZATION] > 1 ? "" : r->header[HEADER_AUTHORIZATION],
		&c);
	if (c.kind == CREDENTIALS_BASIC && a->htpasswd)
		verdict = check_password(a, &c, need, trace, may_wait, ret, reply);
	else if (c.kind == CREDENTIALS_BEARER && a->bearer)
		verdict = check_token(a, &c, need, trace, may_wait, ret, reply);
	else if (c.kind != CREDENTIALS_NONE)
		verdict = challenge(a, need, NULL, reply);
	else if (a->client_certificate)
		text_copy(ret->user, sizeof(ret->user), r->client_name);
	credentials_done(&c);
	return verdict;
}

/* ---- may they ---- */

/* As the rules take it: a token may be good and name nobody. */
static const char *name_of(const struct identity *who)
{
	return who->user[0] || who->claims ? who->user : NULL;
}

static bool rules_allow(struct auth *a, const struct identity *who, const char *name,
                        unsigned actions)
{
	bool allowed;

	mutex_lock(&a->lock);
	allowed = access_allows(a->access, name_of(who), name, actions);
	mutex_unlock(&a->lock);
	return allowed;
}

static bool token_allows(const struct identity *who, const char *type, const char *name,
                         const char *actions)
{
	char action[32];

	while (*actions) {
		size_t len = strcspn(actions, ",");

		if (!text_format(action, sizeof(action), "%.*s", (int)len, actions) ||
		    !bearer_allows(who->claims, type, name, action))
			return false;
		actions += len + (actions[len] == ',');
	}
	return true;
}

static bool anonymous_may(struct auth *a, const struct need *need)
{
	static const struct identity nobody;

	return rules_allow(a, &nobody, need->name, need->actions);
}

static bool may(struct auth *a, const struct identity *who, const struct need *need)
{
	if (need->kind == NEED_USER)
		return who->user[0] || who->claims;
	if (a->bearer && who->claims) {
		if (need->kind == NEED_CATALOG)
			return token_allows(who, "registry", "catalog", "*");
		/* what everybody may, somebody with a token may as well */
		if (!token_allows(who, "repository", need->name, need->actions_text))
			return anonymous_may(a, need);
	} else if (a->bearer && need->kind == NEED_CATALOG && !who->user[0]) {
		return false;
	}
	if (need->kind == NEED_CATALOG) {
		bool sees;

		mutex_lock(&a->lock);
		sees = access_sees_catalog(a->access, name_of(who));
		mutex_unlock(&a->lock);
		return sees;
	}
	return rules_allow(a, who, need->name, need->actions);
}

enum auth_verdict auth_request(struct auth *a, const struct request *r, const char *trace,
                               bool may_wait, struct identity *ret, struct reply *reply)
{
	struct need need = need_of(r);
	enum auth_verdict verdict;

	if (!a || need.kind == NEED_NOTHING)
		return AUTH_ALLOWED;
	verdict = identify(a, r, &need, trace, may_wait, ret, reply);
	if (verdict != AUTH_ALLOWED)
		return verdict;
	return may(a, ret, &need) ? AUTH_ALLOWED : refuse(a, &need, ret, reply);
}

bool auth_may_pull(struct auth *a, const struct identity *who, const char *repository)
{
	struct need need = {
		.kind = NEED_REPOSITORY,
		.name = repository,
		.actions = ACCESS_PULL,
		.actions_text = "pull",
	};

	return !a || may(a, who, &need);
}

bool auth_may_list(struct auth *a, const struct identity *who, const char *repository)
{
	/* a token for the catalog is one for all of its names, and for nothing that they hold */
	if (a && who->claims && token_allows(who, "registry", "catalog", "*"))
		return rules_allow(a, who, repository, ACCESS_PULL);
	return auth_may_pull(a, who, repository);
}

bool auth_may_pull_all(struct auth *a, const struct identity *who)
{
	bool all;

	if (!a)
		return true;
	if (who->claims || (a->bearer && !who->user[0]))
		return false; /* a token names what it is for */
	mutex_lock(&a->lock);
	all = access_allows_all(a->access, name_of(who), ACCESS_PULL);
	mutex_unlock(&a->lock);
	return all;
}

/* ---- the configuration ---- */

static const char *text(const struct stow_config *config, const char *key)
{
	const char *value = stow_config_string(config, "auth", key);

	return value && *value ? value : NULL;
}

static int open_users(struct auth *a, const struct stow_config *config, struct stow_error *err)
{
	const struct bearer_options tokens = {
		.issuer = text(config, "issuer"),
		.service = text(config, "service"),
		.jwks = text(config, "jwks"),
		.rootcertbundle = text(config, "rootcertbundle"),
		.algorithms = text(config, "signingalgorithms"),
		.sink = a->sink,
	};
	const char *realm = text(config, "realm"), *file = text(config, "htpasswd");
	int status = STOW_OK;

	if (file && tokens.issuer)
		return error_set(err, STOW_EINVAL, "config",
		                 "[auth] htpasswd beside issuer: one of the two");
	if (tokens.issuer && (!realm || !tokens.service))
		return error_set(err, STOW_EINVAL, "config",
		                 "[auth] issuer: realm, the token service's URL, and service are "
		                 "needed, too");
	a->realm = strdup(realm ? realm : "stowage");
	a->service = strdup(tokens.service ? tokens.service : "");
	if (!a->realm || !a->service)
		return error_nomem(err, "auth.open");
	if (file)
		status = htpasswd_open(file, (size_t)stow_config_number(config, "http", "workers"),
		                       a->sink, &a->htpasswd, err);
	else if (tokens.issuer)
		status = bearer_open(&tokens, &a->bearer, err);
	return status == STOW_OK ? STOW_OK
	                         : error_prefix(err, status, file ? "[auth] htpasswd" : "[auth]");
}

/* Names that no client is asked for are nobody's. */
static int check_certificates(const struct stow_config *config, struct stow_error *err)
{
	const char *authority = stow_config_string(config, "http", "clientca");
	const char *asked = stow_config_string(config, "http", "clientcertificate");

	if (authority && *authority && !(asked && strcmp(asked, "no") == 0))
		return STOW_OK;
	return error_set(err, STOW_EINVAL, "config",
	                 "[auth] clientcertificate = yes: needs [http] clientca, and clients that "
	                 "are asked for one");
}

int auth_open(const struct stow_config *config, const struct sink *sink, struct auth **ret,
              struct stow_error *err)
{
	bool certificate = stow_config_number(config, "auth", "clientcertificate") != 0;
	struct access *access = NULL;
	struct auth *a;
	int status = access_open(config, &access, err);

	*ret = NULL;
	if (status == STOW_OK && certificate)
		status = check_certificates(config, err);
	if (status != STOW_OK) {
		access_free(access);
		return status;
	}
	if (!text(config, "htpasswd") && !text(config, "issuer") && !certificate) {
		if (!access_is_default(access))
			status = error_set(
				err, STOW_EINVAL, "config",
				"[access] has rules, and [auth] says of nobody who it is");
		access_free(access);
		return status;
	}
	a = calloc(1, sizeof(*a));
	if (!a || mutex_init(&a->lock) != 0) {
		access_free(access);
		free(a);
		return error_nomem(err, "auth.open");
	}
	a->have_lock = true;
	a->sink = sink;
	a->client_certificate = certificate;
	mutex_lock(&a->lock);
	a->access = access;
	mutex_unlock(&a->lock);
	status = open_users(a, config, err);
	if (status != STOW_OK) {
		auth_close(a);
		return status;
	}
	*ret = a;
	return STOW_OK;
}

int auth_reload(struct auth *a, const struct stow_config *config, struct stow_error *err)
{
	struct access *access = NULL, *old;
	struct stow_error e = { 0 };
	int status = STOW_OK, r;

	if (!a)
		return STOW_OK;
	if (config)
		status = access_open(config, &access, err);
	if (config && status == STOW_OK) {
		mutex_lock(&a->lock);
		old = a->access;
		a->access = access;
		mutex_unlock(&a->lock);
		access_free(old);
	}
	r = a->htpasswd ? htpasswd_reload(a->htpasswd, &e)
	    : a->bearer ? bearer_reload(a->bearer, &e)
	                : STOW_OK;
	if (status == STOW_OK && r != STOW_OK)
		status = error_copy(err, &e);
	return status;
}

void auth_close(struct auth *a)
{
	if (!a)
		return;
	htpasswd_free(a->htpasswd);
	bearer_free(a->bearer);
	if (a->have_lock) {
		mutex_lock(&a->lock);
		access_free(a->access);
		mutex_unlock(&a->lock);
		mutex_done(&a->lock);
	}
	free(a->realm);
	free(a->service);
	free(a);
}
