/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two buffers.  It takes no lock of its own and must not know whose threads use it.
 */
#include "host/serve/pump.h"

bool pump_has_space(const struct pump *p)
{
	return !p->slot[p->in].full;
}

char *pump_space(struct pump *p, size_t *ret_room)
{
	struct pump_slot *slot = &p->slot[p->in];

	*ret_room = 0;
	if (slot->full)
		return NULL;
	*ret_room = PUMP_STEP - slot->len;
	if (!slot->data)
		slot->data = malloc(PUMP_STEP);
	return slot->data ? slot->data + slot->len : NULL;
}

void pump_add(struct pump *p, size_t len, bool now)
{
	p->slot[p->in].len += len;
	if (now || p->slot[p->in].len == PUMP_STEP)
		pump_flush(p);
}

void pump_flush(struct pump *p)
{
	struct pump_slot *slot = &p->slot[p->in];

	if (slot->full || slot->len == 0)
		return;
	slot->full = true;
	p->in ^= 1;
}

const char *pump_data(const struct pump *p, size_t *ret_len)
{
	const struct pump_slot *slot = &p->slot[p->out];

	*ret_len = 0;
	if (!slot->full)
		return NULL;
	*ret_len = slot->len - slot->pos;
	return slot->data + slot->pos;
}

void pump_drop(struct pump *p, size_t len)
{
	struct pump_slot *slot = &p->slot[p->out];

	slot->pos += len;
	if (slot->pos < slot->len)
		return;
	slot->pos = slot->len = 0;
	slot->full = false;
	p->out ^= 1;
}

void pump_done(struct pump *p)
{
	free(p->slot[0].data);
	free(p->slot[1].data);
	p->slot[0].data = p->slot[1].data = NULL;
}
