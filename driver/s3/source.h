/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One way to come by keys, found once by what is set (source_find), then asked as often as keys are
 * needed anew (source_fetch).  Which ways there are, and which wins, is said in credentials.h.
 *
 * It promises that finding makes no request and runs nothing, that no error shows a key or a token,
 * and that an answer is taken only if it is whole.  It must not know who signs, nor when keys are
 * asked for.
 */
#ifndef DRIVER_S3_SOURCE_H
#define DRIVER_S3_SOURCE_H

#include <stdbool.h>
#include <stowage/types.h>

#include "common/buf.h"
#include "common/http-client.h"
#include "driver/s3/keys.h"

struct source_settings {
	const char *accesskey, *secretkey, *sessiontoken, *profile; /* options; NULL where unset */
	const char *region;                                         /* of the bucket; may be NULL */
	bool fips;
	const char *(*variable)(void *arg, const char *name); /* of the environment */
	void *arg;
};

enum source_kind {
	SOURCE_GIVEN = 1, /* options or environment */
	SOURCE_PROFILE,   /* keys in a shared file, which is read each time */
	SOURCE_ROLE,      /* AssumeRole with the keys of another source */
	SOURCE_WEB,       /* AssumeRoleWithWebIdentity */
	SOURCE_PROCESS,   /* a program's output */
	SOURCE_CONTAINER, /* an endpoint that the container's environment names */
	SOURCE_INSTANCE,  /* the instance metadata service */
};

struct source {
	enum source_kind kind;
	struct keys *keys;    /* GIVEN */
	char *file, *profile; /* PROFILE */
	bool config;          /* its file is of the form of ~/.aws/config */
	struct source *base;  /* ROLE */
	char *role, *session; /* ROLE and WEB: the role's ARN, and the session's name */
	char *external;       /* ROLE: an id that the role asks for, or NULL */
	int64_t seconds;      /* ROLE: how long the keys are to live; 0: as the service likes */
	char *token_file;     /* WEB, CONTAINER: read each time; NULL: none */
	char *token;          /* CONTAINER */
	char *url;            /* ROLE, WEB: of STS; CONTAINER; INSTANCE: without a path */
	char *region;         /* ROLE: that STS is signed for */
	char *command;        /* PROCESS */
};

/* STOW_EINVAL with a line where there is none, or half of one. */
int source_find(const struct source_settings *, struct source **ret, struct stow_error *);
void source_free(struct source *); /* takes NULL */
/* Does it send requests? */
bool source_sends(const struct source *);
/* Can it give other keys than before? */
bool source_renews(const struct source *);
/* New keys, fit for a header; http may be NULL for those that send nothing. now_ns: since 1970. */
int source_fetch(const struct source *, struct http_client *http, const struct stow_op *,
                 int64_t now_ns, struct keys **ret, struct stow_error *);

/* ---- what each file of it does ---- */

/* source-profile.c */
int source_of_profile(const struct source_settings *, const char *name, bool asked,
                      struct source **ret, struct stow_error *);
int source_read_profile(const struct source *, struct keys **ret, struct stow_error *);
/* source-sts.c */
int source_ask_sts(const struct source *, struct http_client *, const struct stow_op *,
                   int64_t now_ns, struct keys **ret, struct stow_error *);
/* source-service.c */
int source_ask_container(const struct source *, struct http_client *, const struct stow_op *,
                         struct keys **ret, struct stow_error *);
int source_ask_instance(const struct source *, struct http_client *, const struct stow_op *,
                        struct keys **ret, struct stow_error *);
/* source-process.c */
int source_run_process(const struct source *, const struct stow_op *, struct keys **ret,
                       struct stow_error *);
/* source.c: keys of a JSON object, whose session token has one of two names. */
int source_parse_keys(const char *json, size_t len, const char *token_name, const char *where,
                      struct keys **ret, struct stow_error *);
/* The source that a profile's credential_source names; STOW_ENOTFOUND where it is none. */
int source_of_name(const struct source_settings *, const char *name, struct source **ret,
                   struct stow_error *);
struct source *source_new(enum source_kind);
/* A copy of the text; *ok becomes false without memory. NULL and "" give NULL. */
char *source_text(const char *, bool *ok);
/* A token file's text, without blanks at its ends. */
int source_read_token(const char *path, struct buf *ret, struct stow_error *);
/* The variable's value; NULL where it is unset or "". */
const char *source_variable(const struct source_settings *, const char *name);
/* Where STS is, and what region it is signed for. */
int source_set_sts(const struct source_settings *, const char *region, struct source *,
                   struct stow_error *);

#endif
