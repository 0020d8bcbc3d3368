/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml.h over libxml2, the one file that includes it.
 * It must not know S3, and never runs libxml2's global clean-up: others may use the library.
 */
#include "driver/s3/xml.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <limits.h>
#include <pthread.h>
#include <stowage/types.h>

#include "common/text.h"

struct xml {
	xmlDoc *doc;
};

struct xml *xml_parse(const char *text, size_t len)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const int options = XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
	                    XML_PARSE_COMPACT;
	struct xml *x;

	/* Blanks that keep the connection alive may come before the declaration. */
	while (len && (*text == ' ' || *text == '\r' || *text == '\n' || *text == '\t')) {
		text++;
		len--;
	}
	/* Some versions of the library take a NUL for the end and pass over what follows. */
	if (len == 0 || len > INT_MAX || memchr(text, '\0', len) ||
	    memmem(text, len, "<!DOCTYPE", 9))
		return NULL;
	if (pthread_once(&once, xmlInitParser) != 0)
		return NULL;
	x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	x->doc = xmlReadMemory(text, (int)len, NULL, NULL, options);
	if (!x->doc || x->doc->intSubset) {
		xml_free(x);
		return NULL;
	}
	return x;
}

void xml_free(struct xml *x)
{
	if (!x)
		return;
	xmlFreeDoc(x->doc);
	free(x);
}

static const xmlNode *node_of(const struct xml_node *n)
{
	return (const xmlNode *)(const void *)n;
}

static const struct xml_node *element_from(const xmlNode *n, const char *name)
{
	for (; n; n = n->next)
		if (n->type == XML_ELEMENT_NODE &&
		    (!name || xmlStrcmp(n->name, (const xmlChar *)name) == 0))
			return (const struct xml_node *)(const void *)n;
	return NULL;
}

const struct xml_node *xml_root(const struct xml *x, const char *name)
{
	const xmlNode *root = xmlDocGetRootElement(x->doc);

	if (!root || xmlStrcmp(root->name, (const xmlChar *)name) != 0)
		return NULL;
	return (const struct xml_node *)(const void *)root;
}

const struct xml_node *xml_child(const struct xml_node *n, const char *name)
{
	return n ? element_from(node_of(n)->children, name) : NULL;
}

const struct xml_node *xml_next(const struct xml_node *n, const char *name)
{
	return n ? element_from(node_of(n)->next, name) : NULL;
}

const struct xml_node *xml_first(const struct xml_node *n)
{
	return xml_child(n, NULL);
}

const struct xml_node *xml_after(const struct xml_node *n)
{
	return xml_next(n, NULL);
}

bool xml_is(const struct xml_node *n, const char *name)
{
	return n && xmlStrcmp(node_of(n)->name, (const xmlChar *)name) == 0;
}

int xml_add_text(const struct xml_node *n, struct buf *to)
{
	if (!n)
		return buf_status(to);
	for (const xmlNode *c = node_of(n)->children; c; c = c->next)
		if ((c->type == XML_TEXT_NODE || c->type == XML_CDATA_SECTION_NODE) && c->content)
			buf_adds(to, (const char *)c->content);
	return buf_status(to);
}

bool xml_text(const struct xml_node *n, const char *name, char *ret, size_t cap)
{
	const struct xml_node *child = xml_child(n, name);
	struct buf text;
	bool ok = false;

	ret[0] = '\0';
	if (!child)
		return false;
	buf_init(&text, cap - 1);
	if (xml_add_text(child, &text) == STOW_OK) {
		memcpy(ret, buf_text(&text), text.len + 1);
		ok = true;
	}
	buf_done(&text);
	return ok;
}

/* Stricter than the library's own check, and without U+FFFE and U+FFFF, which no document holds. */
static bool is_xml_text(const char *text)
{
	size_t n;

	for (size_t left = strlen(text); left; text += n, left -= n) {
		n = text_utf8_length(text, left);
		if (n == 0 ||
		    (n == 3 && memcmp(text, "\xef\xbf", 2) == 0 && (unsigned char)text[2] > 0xbd))
			return false;
	}
	return true;
}

bool xml_escape(struct buf *to, const char *text)
{
	if (!is_xml_text(text))
		return false;
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '&')
			buf_adds(to, "&amp;");
		else if (c == '<')
			buf_adds(to, "&lt;");
		else if (c == '>')
			buf_adds(to, "&gt;");
		else if (c == '"')
			buf_adds(to, "&quot;");
		else if (c == '\t' || c == '\n' || c == '\r')
			buf_addf(to, "&#%d;", c);
		else if (c < 0x20 || c == 0x7f)
			return false;
		else
			buf_addc(to, (char)c);
	}
	return true;
}
