/* SPDX-License-Identifier: Apache-2.0 */
/* Three options of [http]. It must not know requests. */
#include "host/serve/redirection.h"

#include <string.h>

#include "common/clock.h"

bool redirection_read(const struct stow_config *config, struct redirection *ret)
{
	int64_t seconds = stow_config_number(config, "http", "redirecttime") / CLOCK_SECOND;

	*ret = (struct redirection){
		.agents = stow_config_string(config, "http", "redirectagents"),
		.least = stow_config_number(config, "http", "redirectsize"),
		.seconds = seconds > 1 ? seconds : 1,
	};
	return stow_config_number(config, "http", "redirect") != 0;
}

bool redirection_wants(const struct redirection *r, const char *agent)
{
	const char *p = r->agents;

	if (!p || !*p)
		return true;
	while (agent && *(p += strspn(p, ", \t\n"))) {
		size_t len = strcspn(p, ",\n"), n = len;

		while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
			n--;
		if (strncmp(agent, p, n) == 0)
			return true;
		p += len;
	}
	return false;
}
