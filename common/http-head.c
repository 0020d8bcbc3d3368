/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finds status and fields in the text of an answer's header.
 * It must not know what they mean.
 */
#include "common/http-head.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

int http_head_status(const char *line, size_t len)
{
	const char *blank = memchr(line, ' ', len);

	if (!blank || line + len - blank < 4)
		return 0;
	for (int i = 1; i <= 3; i++)
		if (blank[i] < '0' || blank[i] > '9')
			return 0;
	return (blank[1] - '0') * 100 + (blank[2] - '0') * 10 + (blank[3] - '0');
}

bool http_head_find(const struct buf *head, const char *name, char *ret, size_t cap)
{
	const char *p = buf_text(head), *end = p + head->len;
	size_t name_len = strlen(name);

	ret[0] = '\0';
	while (p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p)), *stop;

		stop = eol ? eol : end;
		if ((size_t)(stop - p) > name_len && p[name_len] == ':' &&
		    strncasecmp(p, name, name_len) == 0) {
			const char *v = p + name_len + 1;
			size_t len;

			while (v < stop && (*v == ' ' || *v == '\t'))
				v++;
			while (stop > v &&
			       (stop[-1] == '\r' || stop[-1] == ' ' || stop[-1] == '\t'))
				stop--;
			len = (size_t)(stop - v);
			if (len >= cap)
				return false;
			memcpy(ret, v, len);
			ret[len] = '\0';
			return true;
		}
		p = eol ? eol + 1 : end;
	}
	return false;
}
