/* SPDX-License-Identifier: Apache-2.0 */
/* Which hosts a NO_PROXY excepts; that requests go by it is shown with a proxy. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/http-proxy.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

struct row {
	const char *list, *host;
	unsigned port;
};

static const struct row yes[] = {
	{ "*", "store.test", 443 },
	{ "a.test, *", "10.0.0.1", 443 },
	/* names */
	{ "store.test", "store.test", 443 },
	{ "STORE.test", "Store.Test", 443 },
	{ "test", "store.test", 443 },
	{ ".test", "store.test", 443 },
	{ "*.test", "a.store.test", 443 },
	{ ".store.test", "store.test", 443 },
	{ "store.test.", "store.test", 443 },
	{ "store.test", "store.test.", 443 },
	{ "a.test b.test\tstore.test", "store.test", 443 },
	{ " ,, a.test ,store.test", "store.test", 443 },
	/* numbers */
	{ "10.0.0.1", "10.0.0.1", 443 },
	{ "fd00::1", "fd00::1", 443 },
	{ "[fd00::1]", "fd00::1", 443 },
	{ "fd00:0::0:1", "fd00::1", 443 },
	{ ".internal,10.0.0.0/8,[::1]", "10.255.0.1", 443 },
	{ "10.0.0.0/8", "10.0.0.0", 443 },
	{ "10.0.0.1/32", "10.0.0.1", 443 },
	{ "0.0.0.0/0", "192.0.2.1", 443 },
	{ "172.16.0.0/12", "172.31.255.255", 443 },
	{ "fd00::/8", "fdff::1", 443 },
	{ "fc00::/7", "fd00::1", 443 },
	{ "::/0", "fd00::1", 443 },
	{ "fd00::1/128", "fd00::1", 443 },
	/* ports */
	{ "store.test:9000", "store.test", 9000 },
	{ ".test:443", "store.test", 443 },
	{ "store.test:80,store.test:443", "store.test", 443 },
	{ "10.0.0.1:9000", "10.0.0.1", 9000 },
	{ "[fd00::1]:9000", "fd00::1", 9000 },
};

static const struct row no[] = {
	{ "", "store.test", 443 },
	{ " ,, \t", "store.test", 443 },
	{ "tore.test", "store.test", 443 },
	{ "store.tes", "store.test", 443 },
	{ "a.store.test", "store.test", 443 },
	{ "*store.test", "a.store.test", 443 },
	{ ".,*.,..", "store.test", 443 },
	{ "10.0.0.10", "10.0.0.1", 443 },
	{ "0.0.1", "10.0.0.1", 443 },
	{ "10.0.0.0/8", "11.0.0.1", 443 },
	{ "172.16.0.0/12", "172.32.0.0", 443 },
	{ "10.0.0.1/31", "10.0.0.2", 443 },
	{ "fc00::/7", "fe00::1", 443 },
	{ "fd00::1/128", "fd00::2", 443 },
	{ "0.0.0.0/0", "fd00::1", 443 },
	{ "::/0", "10.0.0.1", 443 },
	/* no name is looked up */
	{ "10.0.0.0/8", "store.test", 443 },
	{ "store.test:9000", "store.test", 443 },
	{ "10.0.0.1:9000", "10.0.0.1", 443 },
	{ "[fd00::1]:9000", "fd00::1", 443 },
	/* nothing that could be meant */
	{ "10.0.0.0/33", "10.0.0.1", 443 },
	{ "10.0.0.0/-1", "10.0.0.1", 443 },
	{ "10.0.0.0/", "10.0.0.1", 443 },
	{ "/8", "10.0.0.1", 443 },
	{ "fd00::/129", "fd00::1", 443 },
	{ "store.test:", "store.test", 443 },
	{ "store.test:https", "store.test", 443 },
	{ "store.test:99999999999999999999", "store.test", 443 },
	{ ":443", "store.test", 443 },
	{ "[fd00::1", "fd00::1", 443 },
	{ "[]:443,[],]", "fd00::1", 443 },
};

static void excepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(yes); i++)
		if (!http_proxy_excepts(yes[i].list, yes[i].host, yes[i].port))
			fail_msg("'%s' is not for %s:%u", yes[i].list, yes[i].host, yes[i].port);
}

static void not_excepted(void **state)
{
	(void)state;
	for (size_t i = 0; i < LENGTH(no); i++)
		if (http_proxy_excepts(no[i].list, no[i].host, no[i].port))
			fail_msg("'%s' is for %s:%u", no[i].list, no[i].host, no[i].port);
}

/* A word that is too long for a name, and what is behind it. */
static void long_words(void **state)
{
	char list[1000];

	(void)state;
	memset(list, 'a', sizeof(list));
	memcpy(list + sizeof(list) - 12, ",store.test", 12);
	assert_true(http_proxy_excepts(list, "store.test", 443));
	assert_false(http_proxy_excepts(list, "a", 443));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(excepted),
		cmocka_unit_test(not_excepted),
		cmocka_unit_test(long_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
