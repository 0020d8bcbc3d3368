/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scoped ownership.  A local that owns memory or a descriptor is declared with one of these; it
 * is released where its scope ends, and leaves the function only through take() or take_fd().
 */
#ifndef COMMON_CLEANUP_H
#define COMMON_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define cleanup(f) __attribute__((__cleanup__(f)))

static inline void cleanup_free_pointer(void *p)
{
	free(*(void **)p);
}
#define cleanup_free cleanup(cleanup_free_pointer)

static inline void cleanup_close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
#define cleanup_fd cleanup(cleanup_close_fd)

/* Gives the pointer away: the variable no longer owns it. */
#define take(p)                                                                                    \
	__extension__({                                                                            \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#endif
