/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys that a program prints (credential_process): it is run by the shell, and what it writes to
 * its output is read for a minute at most.
 * It must not leave a process behind, nor show it our descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/clock.h"
#include "common/error.h"
#include "driver/s3/service.h"
#include "driver/s3/source.h"

#define WHERE "s3.credentials"
#define OUTPUT_MAX ((size_t)64 << 10)
#define LIMIT (60 * CLOCK_SECOND)
#define STEP_MS 50

/* In a process group of its own, so that what it starts ends with it. */
static int start(const char *command, int output, pid_t *ret, struct stow_error *err)
{
	char shell[] = "/bin/sh", option[] = "-c";
	cleanup_free char *text = strdup(command);
	char *const words[] = { shell, option, text, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int e;

	if (!text)
		return error_nomem(err, WHERE);
	(void)sigemptyset(&none);
	(void)sigfillset(&all);
	e = posix_spawn_file_actions_init(&actions);
	if (e != 0)
		return error_errno(err, e, WHERE, "credential_process");
	e = posix_spawnattr_init(&attributes);
	if (e != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return error_errno(err, e, WHERE, "credential_process");
	}
	e = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	if (e == 0)
		e = posix_spawn_file_actions_adddup2(&actions, output, 1);
	if (e == 0)
		e = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	if (e == 0)
		e = posix_spawnattr_setsigmask(&attributes, &none);
	if (e == 0)
		e = posix_spawnattr_setsigdefault(&attributes, &all);
	if (e == 0)
		e = posix_spawnattr_setpgroup(&attributes, 0);
	if (e == 0)
		e = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK |
		                                                  POSIX_SPAWN_SETSIGDEF |
		                                                  POSIX_SPAWN_SETPGROUP);
	if (e == 0)
		e = posix_spawn(ret, shell, &actions, &attributes, words, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return e == 0 ? STOW_OK : error_errno(err, e, WHERE, "credential_process");
}

/* All that comes until the end of the output. */
static int read_output(int fd, const struct stow_op *op, struct buf *ret, struct stow_error *err)
{
	char part[4096];

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int status = clock_op_check(op, WHERE, err);
		ssize_t n;

		if (status != STOW_OK)
			return error_prefix(err, status, "credential_process");
		if (poll(&p, 1, STEP_MS) <= 0)
			continue;
		n = read(fd, part, sizeof(part));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, errno, WHERE, "credential_process");
		if (n == 0)
			return STOW_OK;
		buf_add(ret, part, (size_t)n);
		explicit_bzero(part, sizeof(part));
		if (buf_status(ret) != STOW_OK)
			return error_set(err, STOW_EIO, WHERE,
			                 "credential_process writes more than 64 KiB");
	}
}

/* Its exit status; -1 where it ended otherwise, or somebody else in the process has fetched it. */
static int wait_for(pid_t pid, const struct stow_op *op)
{
	bool killed = false;
	int status = 0;

	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		if (got < 0 && errno != EINTR)
			return 0; /* a host that waits for all children: the output decides */
		if (!killed && clock_op_check(op, WHERE, NULL) != STOW_OK) {
			(void)kill(-pid, SIGKILL);
			killed = true;
		}
		(void)poll(NULL, 0, 10);
	}
}

int source_run_process(const struct source *s, const struct stow_op *op, struct keys **ret,
                       struct stow_error *err)
{
	cleanup(service_wipe) struct buf output = { 0 };
	struct stow_op mine = op ? *op : (struct stow_op){ .size = sizeof(mine) };
	int64_t limit = clock_monotonic() + LIMIT;
	int ends[2], status, code;
	pid_t pid = 0;

	if (!mine.deadline_ns || mine.deadline_ns > limit)
		mine.deadline_ns = limit;
	buf_init(&output, OUTPUT_MAX);
	if (pipe2(ends, O_CLOEXEC) != 0)
		return error_errno(err, errno, WHERE, "credential_process");
	status = start(s->command, ends[1], &pid, err);
	(void)close(ends[1]);
	if (status == STOW_OK) {
		status = read_output(ends[0], &mine, &output, err);
		if (status != STOW_OK)
			(void)kill(-pid, SIGKILL);
		code = wait_for(pid, &mine);
		if (status == STOW_OK && code != 0)
			status = error_set(err, STOW_EIO, WHERE,
			                   "credential_process ended with status %d", code);
	}
	(void)close(ends[0]);
	if (status != STOW_OK)
		return status;
	return source_parse_keys(output.data, output.len, "SessionToken", "credential_process", ret,
	                         err);
}
