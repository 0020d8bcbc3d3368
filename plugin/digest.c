/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests as text and as octets.
 * It must not know where what they name is kept.
 */
#include "plugin/digest.h"

#include "common/error.h"
#include "common/text.h"

bool digest_parse(struct digest *ret, const char *text, size_t len)
{
	const char *colon = len > 0 ? memchr(text, ':', len) : NULL;
	enum hash_algorithm algorithm;
	size_t name_len;

	if (!colon || len > STOW_DIGEST_MAX)
		return false;
	name_len = (size_t)(colon - text);
	algorithm = hash_by_name(text, name_len);
	if (!algorithm || len - name_len - 1 != 2 * hash_size(algorithm))
		return false;
	for (const char *p = colon + 1; p < text + len; p++) {
		if (!((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'f')))
			return false;
	}
	ret->algorithm = algorithm;
	memcpy(ret->text, text, len);
	ret->text[len] = '\0';
	return true;
}

const char *digest_hex(const struct digest *digest)
{
	return strchr(digest->text, ':') + 1;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
	return strcmp(a->text, b->text) == 0;
}

void digest_from_value(struct digest *ret, enum hash_algorithm algorithm, const uint8_t *value)
{
	char hex[2 * HASH_MAX + 1];

	text_hex(hex, value, hash_size(algorithm));
	ret->algorithm = algorithm;
	(void)text_format(ret->text, sizeof(ret->text), "%s:%s", hash_name(algorithm), hex);
}

void digest_of(struct digest *ret, enum hash_algorithm algorithm, const void *data, size_t len)
{
	uint8_t value[HASH_MAX];
	struct hash hash;

	hash_init(&hash, algorithm);
	hash_update(&hash, data, len);
	hash_final(&hash, value);
	digest_from_value(ret, algorithm, value);
}

bool digest_matches(const struct digest *digest, const void *data, size_t len)
{
	struct digest of;

	digest_of(&of, digest->algorithm, data, len);
	return digest_equal(&of, digest);
}

bool digest_is_of_nothing(const struct digest *digest)
{
	return digest_matches(digest, "", 0);
}

void digest_value(const struct digest *digest, uint8_t *ret)
{
	(void)text_unhex(ret, digest_hex(digest), 2 * hash_size(digest->algorithm));
}

int digest_require(struct digest *ret, const char *text, const char *where, struct stow_error *err)
{
	if (text && digest_parse(ret, text, strnlen(text, STOW_DIGEST_MAX + 1)))
		return STOW_OK;
	return error_set(err, STOW_EINVAL, where, "\"%.135s\" is not a digest", text ? text : "");
}

int stow_digest_check(const char *digest)
{
	struct digest parsed;

	return digest_require(&parsed, digest, "digest.check", NULL);
}
