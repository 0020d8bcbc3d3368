/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed manifests of Docker schema 1: the signed form ("pretty JWS") taken apart, its payload byte
 * for byte, its signatures checked, the fields that a registry reads.
 *
 * It promises that every field is of the payload, which is what the signatures cover, never of the
 * text around it; that at least one signature is there and all hold; and that the split between text
 * and tail is the usual one, so that a signature can be put together with others (schema1-text.h).
 * It must not know repositories, layers or stores.
 */
#ifndef PLUGIN_SCHEMA1_H
#define PLUGIN_SCHEMA1_H

#include "common/buf.h"
#include "common/jws.h"
#include "plugin/digest.h"

#define SCHEMA1_SIGNATURES_MAX 64

struct schema1 {
	struct buf payload;    /* what is signed, stored and digested */
	char *name, *tag;      /* may be any text: the caller checks their grammar */
	struct digest *layers; /* newest first, repeats included */
	size_t n_layers;
	char (*key_ids)[JWS_KEY_ID_LEN + 1]; /* of each signature, in the order of the file */
	struct buf *signatures;              /* each as it is stored, in the same order */
	size_t n_signatures;                 /* that hold */
	bool readable;                       /* all fields are there, be it signed or not */
	bool unverified;                     /* refused since a signature does not hold, or for
	                                      * want of one */
};

/* Is it one?  A look at the text alone: a member `signatures` where no other kind has one. */
bool schema1_is_signed(const void *data, size_t len);
/*
 * STOW_OK; STOW_EDENIED where nothing is signed or an EC signature does not hold; STOW_ECORRUPT where
 * it is not a signed manifest at all, and, as to libtrust, where an RSA signature does not hold.
 * Fields are read all the same where they can be; of a file without signatures, all of it is the
 * payload.  ret is to be freed by schema1_done in any case.
 */
int schema1_parse(struct schema1 *ret, const void *data, size_t len, struct stow_error *);
void schema1_done(struct schema1 *); /* takes one that was zeroed */

#endif
