/* SPDX-License-Identifier: Apache-2.0 */
/* Writes mdoc of option tables. It must not know any key. */
#include "host/cli/mdoc.h"

#include <string.h>

/* Text as it is, wherever it stands: without what a formatter takes for its own, or sets as a
 * typographer's sign that nobody can paste into a file. */
static void put_text(FILE *to, const char *text)
{
	fputs("\\&", to);
	for (; *text; text++) {
		switch (*text) {
		case '\\':
			fputs("\\e", to);
			break;
		case '"':
			fputs("\\(dq", to);
			break;
		case '\'':
			fputs("\\(aq", to);
			break;
		case '`':
			fputs("\\(ga", to);
			break;
		case '^':
			fputs("\\(ha", to);
			break;
		case '~':
			fputs("\\(ti", to);
			break;
		case '-':
			fputs("\\-", to);
			break;
		default:
			putc(*text, to);
		}
	}
}

/* What stands behind "name =", as arguments of a macro. */
static const char *value_text(int32_t type)
{
	switch (type) {
	case STOW_OPTION_SIZE:
		return "Ar size";
	case STOW_OPTION_TIME:
		return "Ar time";
	case STOW_OPTION_BOOL:
		return "Cm yes | no";
	case STOW_OPTION_COUNT:
		return "Ar number";
	default:
		return "Ar text";
	}
}

static void put_option(FILE *to, const struct stow_option *o)
{
	fprintf(to, ".It Cm %s No = %s\n", o->name, value_text(o->type));
	put_text(to, o->help);
	fputs(".\n", to);
	if (o->flags & STOW_OPTION_REQUIRED)
		fputs("It is required.\n", to);
	if (o->flags & STOW_OPTION_SECRET)
		fputs("It is a secret.\n", to);
	if (o->flags & STOW_OPTION_IGNORED)
		fputs("It is taken and ignored.\n", to);
	if (o->fallback && *o->fallback) {
		fputs("The default is\n.Ql \"", to);
		put_text(to, o->fallback);
		fputs("\" .\n", to);
	}
}

bool mdoc_options(FILE *to, const struct stow_config *c, const char *section)
{
	struct stow_config_entry e;
	size_t cursor = 0;
	bool found = false;

	while (stow_config_next(c, &cursor, &e) == STOW_OK) {
		if (strcmp(section, e.section) != 0)
			continue;
		put_option(to, e.option);
		found = true;
	}
	return found;
}
