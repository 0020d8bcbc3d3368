/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that TLS needs, read whole into memory, and whether they are those of the last time.
 * It must not know what is in them.
 */
#ifndef SERVE_TLS_FILES_H
#define SERVE_TLS_FILES_H

#include <stdint.h>
#include <stowage/types.h>
#include <sys/types.h>

#include "common/buf.h"

struct tls_files {
	struct buf certificate, key, authority; /* authority is empty where there is none */
	mode_t key_mode;
	uint8_t hash[32]; /* of all */
};

/* authority may be NULL. An error names option and file; what was read until then stays for
 * tls_files_done. No file may be empty or over 1 MiB. */
int tls_files_read(struct tls_files *ret, const char *certificate, const char *key,
                   const char *authority, struct stow_error *err);
/* Takes one that was zeroed; overwrites the key. */
void tls_files_done(struct tls_files *);

#endif
