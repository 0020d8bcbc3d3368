/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fixture whose configuration is of the memory driver, for unit tests of the core, which open the
 * store and the registry as they need them.
 */
#ifndef TESTS_UNIT_MEMORY_FIXTURE_H
#define TESTS_UNIT_MEMORY_FIXTURE_H

#include "tests/registry/fixture.h"
#include "plugin/store.h"
#include "tests/unit/wrap-driver.h"

/* Section, key and value of each further setting, ended by NULL; then it is checked. */
static inline void memory_fixture_configure(struct fixture *f, const char *const more[][3])
{
	f->now_ns = INT64_C(1796000000) * 1000000000;
	f->host = (struct stow_host){ .size = sizeof(f->host), .arg = f, .now_ns = fixture_now };
	f->op = (struct stow_op){ .size = sizeof(f->op), .requests = &f->requests };
	check_ok(f, stow_config_new(&f->config, &f->err));
	wrap_driver_path(f->config);
	check_ok(f, stow_config_section(f->config, "http", fixture_http, &f->err));
	check_ok(f, stow_config_set(f->config, "storage", "driver", "memory", &f->err));
	check_ok(f, stow_config_set(f->config, "delete", "enabled", "yes", &f->err));
	check_ok(f, stow_config_set(f->config, "http", "secret", "for tests", &f->err));
	for (; more && (*more)[0]; more++)
		check_ok(f,
		         stow_config_set(f->config, (*more)[0], (*more)[1], (*more)[2], &f->err));
	check_ok(f, stow_config_check(f->config, &f->err));
}

static inline void memory_fixture_open(struct fixture *f, const char *const more[][3])
{
	memory_fixture_configure(f, more);
	check_ok(f, stow_store_open(f->config, &f->host, &f->store, &f->err));
	check_ok(f, stow_registry_open(f->store, f->config, &f->host, &f->registry, &f->err));
}

#endif
