/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index of referrers: for a manifest that names a subject, an object under the subject's digest
 * that holds the referrer's descriptor as a list of referrers gives it, so that no manifest has to
 * be read for one.
 *
 * It is written before the revision's link and taken away by collection alone: who lists looks at
 * the link.  It must not know how manifests are verified, nor tags.
 */
#ifndef PLUGIN_REFERRER_H
#define PLUGIN_REFERRER_H

#include "plugin/manifest.h"
#include "plugin/registry.h"

#define REFERRER_MAX (16 * 1024) /* bytes of a descriptor; of a longer one without annotations */

/* The descriptor as JSON, to be freed; NULL without memory. data was verified as of that kind. */
char *referrer_descriptor(enum manifest_kind, const struct digest *, const void *data, size_t len);
/* A descriptor that was read: its digest, and its artifactType ("" if it has none); false if it is
 * none, or over REFERRER_MAX bytes. ret_type holds STOW_MEDIA_TYPE_MAX + 1 bytes. */
bool referrer_parse(const char *json, size_t len, struct digest *ret, char *ret_type);
/* Of a stored image index, what it lists, as descriptors: each is given to visit with its length. */
int referrer_each_listed(const void *data, size_t len,
                         int (*visit)(void *arg, const char *json, struct stow_error *), void *arg,
                         struct stow_error *);

/* The tag under which clients list referrers themselves (OCI distribution-spec, "Referrers Tag
 * Schema"). */
void referrer_tag(char ret[STOW_TAG_MAX + 1], const struct digest *subject);
/* The index's object for one referrer of one subject. */
int referrer_write(struct stow_registry *, const struct stow_op *, const char *name,
                   const struct digest *subject, const struct digest *referrer,
                   const char *descriptor, struct stow_error *);

#endif
