/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An upload while a request works on it: what upload.c (open, write, seal) and upload-commit.c
 * share.  Contract: registry.h, "uploads".
 *
 * With a digest and offset 0 the bytes go straight to the blob's key, else to a segment.  Either
 * is opened with the first byte, so that a body without bytes writes nothing.
 */
#ifndef PLUGIN_UPLOAD_H
#define PLUGIN_UPLOAD_H

#include "plugin/registry.h"
#include "plugin/segment.h"
#include "plugin/token.h"

enum upload_state { UPLOAD_OPEN, UPLOAD_FAILED, UPLOAD_DONE };

struct stow_upload {
	struct stow_registry *registry;
	enum upload_state state;
	char name[STOW_NAME_MAX + 1];
	struct token token; /* as opened; its hash runs on with what is written */
	bool has_digest;
	struct digest digest;
	int64_t length;   /* announced, -1 if it was not */
	int64_t received; /* by this handle */
	bool lost;        /* a commit's segments are gone: its bytes are only counted and hashed */
	bool mismatched;  /* the bytes are not those of the digest */

	struct store_reader *previous; /* a small last segment, to be written anew */
	struct segment segment;        /* not direct: the one being written */
	struct store_writer *direct;   /* direct: to the blob's own key */
	struct hash direct_hash;       /* by the digest's algorithm */
};

static inline bool upload_is_direct(const struct stow_upload *upload)
{
	return upload->has_digest && upload->token.offset == 0;
}

/* The body is whole: as long as was announced. */
int upload_require_whole(const struct stow_upload *, const char *where, struct stow_error *);
/* Ends the segment being written, if there is one, and moves the token behind it. */
int upload_finish_segment(struct stow_upload *, const struct stow_op *, struct stow_error *);
/* STOW_ENOTFOUND with a line. */
int upload_unknown(const char *where, const char *uuid, const char *why, struct stow_error *);
/* STOW_OK if the token's last segment is there, STOW_ENOTFOUND if not. */
int upload_look(struct stow_registry *, const struct stow_op *, const char *name,
                const struct token *, const char *where, struct stow_error *);

#endif
