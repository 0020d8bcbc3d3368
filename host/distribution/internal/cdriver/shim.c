/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C side of the package: small things that are awkward to say in Go.
 * It must not keep a pointer into Go's memory after a call.
 */
#include "shim.h"

#include "common/clock.h"
#include "common/error.h"
#include "common/option.h"

#include <stdlib.h>

/* log.go */
extern void stowageLog(uintptr_t id, int32_t level, char *component, char *line);

struct shim_call *shim_call_new(int64_t after_ns)
{
	struct shim_call *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->op.size = sizeof(c->op);
	c->op.cancel = &c->cancel;
	if (after_ns >= 0)
		c->op.deadline_ns = clock_monotonic() + after_ns;
	return c;
}

void shim_call_cancel(struct shim_call *c)
{
	__atomic_store_n(&c->cancel, 1, __ATOMIC_RELAXED);
}

void shim_call_free(struct shim_call *c)
{
	free(c);
}

static void log_line(void *arg, int32_t level, const char *component, const char *line)
{
	/* Go's signature has no const; it copies both */
	stowageLog((uintptr_t)arg, level, (char *)(uintptr_t)component, (char *)(uintptr_t)line);
}

int shim_open(const char *folder, const char *name, const struct stow_kv *kv, size_t n,
              uintptr_t log_id, struct shim_driver **ret, struct stow_error *err)
{
	struct shim_driver *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return error_nomem(err, "driver.open");
	d->host = (struct stow_host){ .size = sizeof(d->host),
		                      .arg = (void *)log_id,
		                      .log = log_line };
	r = loader_load(*folder ? folder : NULL, name, &d->table, err);
	if (r == STOW_OK)
		r = store_open(&d->table, kv, n, &d->host, &d->store, err);
	if (r != STOW_OK) {
		free(d);
		return r;
	}
	*ret = d;
	return STOW_OK;
}

void shim_close(struct shim_driver *d)
{
	if (!d)
		return;
	stow_store_close(d->store);
	free(d);
}

uint32_t shim_option_flags(const struct shim_driver *d, const char *name)
{
	const struct stow_option *row = option_find(d->table.options, name);

	return row ? row->flags : 0;
}

const char *shim_option_name(const struct shim_driver *d, size_t i)
{
	return d->table.options[i].name;
}
