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
	/* in this order, since the output may be 0 in a host that has closed its own */
	e = posix_spawn_file_actions_adddup2(&actions, output, 1);
	if (e == 0)
		e = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
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

/* How it ended; -1 where by a signal, 0 where somebody else in the process has fetched that: then
 * the output decides. False while it runs. */
static bool has_ended(pid_t pid, int *ret_code)
{
	int status = 0;
	pid_t got = waitpid(pid, &status, WNOHANG);

	if (got == 0 || (got < 0 && errno == EINTR))
		return false;
	*ret_code = got < 0 ? 0 : -1;
	if (got == pid && WIFEXITED(status))
		*ret_code = WEXITSTATUS(status);
	return true;
}

/* What is there; *ret_end at the end of the output. */
static int read_some(int fd, struct buf *ret, bool *ret_end, struct stow_error *err)
{
	char part[4096];
	ssize_t n = read(fd, part, sizeof(part));

	if (n < 0 && errno == EINTR)
		return STOW_OK;
	if (n < 0)
		return error_errno(err, errno, WHERE, "credential_process");
	*ret_end = n == 0;
	buf_add(ret, part, (size_t)n);
	explicit_bzero(part, sizeof(part));
	return buf_status(ret) == STOW_OK ? STOW_OK
	                                  : error_set(err, STOW_EIO, WHERE,
	                                              "credential_process writes more than 64 KiB");
}

/* All that the program writes until it has ended: what it started may keep the output open. */
static int read_output(int fd, pid_t pid, const struct stow_op *op, struct buf *ret, int *ret_code,
                       struct stow_error *err)
{
	bool ended = false, end = false;
	int status = STOW_OK;

	while (status == STOW_OK && !(ended && end)) {
		struct pollfd p = { .fd = end ? -1 : fd, .events = POLLIN };

		status = clock_op_check(op, WHERE, err);
		if (status != STOW_OK)
			return error_prefix(err, status, "credential_process");
		if (poll(&p, 1, ended ? 0 : STEP_MS) > 0)
			status = read_some(fd, ret, &end, err);
		else if (ended)
			return STOW_OK;
		else
			ended = has_ended(pid, ret_code);
	}
	return status;
}

/* Nothing of it is left behind, unless the system itself does not let go of it. */
static void kill_all(pid_t pid)
{
	int64_t limit = clock_monotonic() + 5 * CLOCK_SECOND;
	int code;

	(void)kill(-pid, SIGKILL);
	while (!has_ended(pid, &code) && clock_monotonic() < limit)
		(void)poll(NULL, 0, 10);
}

int source_run_process(const struct source *s, const struct stow_op *op, struct keys **ret,
                       struct stow_error *err)
{
	cleanup(service_wipe) struct buf output = { 0 };
	struct stow_op mine = op ? *op : (struct stow_op){ .size = sizeof(mine) };
	int64_t limit = clock_monotonic() + LIMIT;
	int ends[2], status, code = 0;
	pid_t pid = 0;

	if (!mine.deadline_ns || mine.deadline_ns > limit)
		mine.deadline_ns = limit;
	buf_init(&output, OUTPUT_MAX);
	if (pipe2(ends, O_CLOEXEC) != 0)
		return error_errno(err, errno, WHERE, "credential_process");
	status = start(s->command, ends[1], &pid, err);
	(void)close(ends[1]);
	if (status == STOW_OK) {
		status = read_output(ends[0], pid, &mine, &output, &code, err);
		if (status != STOW_OK)
			kill_all(pid);
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
