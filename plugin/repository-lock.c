/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks that many share or one has, by the name of a repository.
 * It must not know what is done under them.
 */
#include "plugin/repository-lock.h"

#include <string.h>

#include "common/clock.h"
#include "common/error.h"
#include "common/hash.h"

#define WHERE "registry.lock"
#define STEP (50 * CLOCK_MILLISECOND) /* how often a waiter looks at its cancel word */

static void lock_done(struct repository_lock *lock)
{
	cond_done(&lock->changed);
	mutex_done(&lock->mutex);
}

static bool lock_init(struct repository_lock *lock)
{
	memset(lock, 0, sizeof(*lock));
	if (mutex_init(&lock->mutex))
		return false;
	if (cond_init(&lock->changed)) {
		mutex_done(&lock->mutex);
		return false;
	}
	return true;
}

int repository_locks_init(struct repository_locks *locks, struct stow_error *err)
{
	for (size_t i = 0; i < REPOSITORY_LOCKS; i++) {
		if (lock_init(&locks->table[i]))
			continue;
		while (i > 0)
			lock_done(&locks->table[--i]);
		return error_nomem(err, WHERE);
	}
	return STOW_OK;
}

void repository_locks_done(struct repository_locks *locks)
{
	for (size_t i = 0; i < REPOSITORY_LOCKS; i++)
		lock_done(&locks->table[i]);
}

static struct repository_lock *lock_of(struct repository_locks *locks, const char *name)
{
	uint8_t value[HASH_MAX];

	hash_sha256(name, strlen(name), value);
	return &locks->table[value[0] % REPOSITORY_LOCKS];
}

/* One step of waiting; the mutex is let go meanwhile. */
static int wait_step(struct repository_lock *lock, const struct stow_op *op, struct stow_error *err)
	REQUIRES(lock->mutex)
{
	int status = clock_op_check(op, WHERE, err);

	if (status == STOW_OK)
		(void)cond_wait_until(&lock->changed, &lock->mutex,
		                      clock_monotonic() + clock_op_left(op, STEP));
	return status;
}

int repository_lock_shared(struct repository_locks *locks, const struct stow_op *op,
                           const char *name, struct repository_lock **ret, struct stow_error *err)
{
	struct repository_lock *lock = lock_of(locks, name);
	int status = STOW_OK;

	mutex_lock(&lock->mutex);
	while (status == STOW_OK && (lock->alone || lock->waiting > 0))
		status = wait_step(lock, op, err);
	if (status == STOW_OK)
		lock->sharing++;
	mutex_unlock(&lock->mutex);
	if (status == STOW_OK)
		*ret = lock;
	return status;
}

int repository_lock_alone(struct repository_locks *locks, const struct stow_op *op,
                          const char *name, struct repository_lock **ret, struct stow_error *err)
{
	struct repository_lock *lock = lock_of(locks, name);
	int status = STOW_OK;

	mutex_lock(&lock->mutex);
	lock->waiting++;
	while (status == STOW_OK && (lock->alone || lock->sharing > 0))
		status = wait_step(lock, op, err);
	lock->waiting--;
	if (status == STOW_OK)
		lock->alone = true;
	else
		cond_broadcast(&lock->changed); /* who stood behind this one may go on */
	mutex_unlock(&lock->mutex);
	if (status == STOW_OK)
		*ret = lock;
	return status;
}

void repository_unlock(struct repository_lock *lock)
{
	mutex_lock(&lock->mutex);
	if (lock->alone)
		lock->alone = false;
	else
		lock->sharing--;
	cond_broadcast(&lock->changed);
	mutex_unlock(&lock->mutex);
}
