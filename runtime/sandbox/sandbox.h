/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox: one process tree in its own namespaces on its own root.
 *
 *   (spec) ──sandbox_create()──► CREATED ──sandbox_start()──► RUNNING ──exit, sandbox_kill()──► ENDED
 *                 namespaces and mounts are there;   argv was                 sandbox_wait() tells
 *                 init waits before execve           executed                 how
 *
 * 1. Nothing of a sandbox outlives its process: a keeper (runtime/sandbox/init in its second role) holds
 *    a socket of this process; when that closes, however we died, it kills every sandbox and removes the cgroups.
 * 2. The parent may have any number of threads: the child shares memory only until its execveat() of a
 *    sealed memfd and makes only system calls until then.
 * 3. Every mount is made inside the child's mount namespace, so that it goes away with its last process.
 *
 * Call from threads as you like; one sandbox belongs to one thread at a time, except sandbox_kill().
 */
#ifndef RUNTIME_SANDBOX_SANDBOX_H
#define RUNTIME_SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct cgroup_limits;
struct job;
struct sandbox;
struct spec;

/* What all sandboxes of this process share: the init program's memfd, the keeper, the compiled default
 * seccomp filter. Made once (by engine), used by any thread. */
struct sandbox_host;

NODISCARD int sandbox_host_new(struct sandbox_host **ret, struct err *e);
void sandbox_host_free(struct sandbox_host *h);	/* after the last sandbox_free(); NULL is fine */
/* The same for a process that is about to end: its keeper ends by itself, and nobody waits for that. */
void sandbox_host_leave(struct sandbox_host *h);

struct exit_status {
	int code;		/* as a shell has it: 0..255, or 128 + signal */
	int signal;		/* that ended it, or 0 */
	bool oom;		/* the memory limit's killer struck (only known with a limit) */
};

/*
 * Make namespaces, mounts, devices; the init then waits. *sp is only read during the call.
 * Errors: ERR_USAGE (spec), ERR_NOT_FOUND (a bind source), ERR_SYS, ERR_CANCELLED; nothing is left behind.
 */
NODISCARD int sandbox_create(struct job *j, struct sandbox_host *h, const struct spec *sp, struct sandbox **ret,
			     struct err *e);
/*
 * Execute argv; returns after execve succeeded. Errors, message as Docker words it:
 * ERR_NOT_FOUND (no such executable: exit status 127), ERR_DENIED (found, but cannot be executed: 126), ERR_SYS (125).
 */
NODISCARD int sandbox_start(struct job *j, struct sandbox *sb, struct err *e);
int sandbox_start_status(const struct err *e);	/* that 127, 126 or 125 */

/* Wait for the end of process 1 (and so of all). ERR_CANCELLED leaves it running: kill or free it. */
NODISCARD int sandbox_wait(struct job *j, struct sandbox *sb, struct exit_status *ret, struct err *e);
/* Freeze all its processes, or let them go on. name: of the cgroup that they are moved to, if they have none (spec.h).
 * Errors: ERR_DENIED, ERR_NOT_FOUND (no freezer here), ERR_SYS; then nothing is frozen. */
NODISCARD int sandbox_freeze(struct sandbox *sb, const char *name, struct err *e);
NODISCARD int sandbox_thaw(struct sandbox *sb, struct err *e);
/* Change limits while it runs, as cgroup_change() does. Errors: its, and ERR_CONFLICT (frozen, where that is in the way). */
NODISCARD int sandbox_limit(struct sandbox *sb, const char *name, const struct cgroup_limits *l, struct err *e);
int sandbox_kill(struct sandbox *sb, int sig);	/* to process 1; 0, or -1 with errno */
int sandbox_pidfd(const struct sandbox *sb);	/* borrowed; readable once process 1 ended */
pid_t sandbox_pid(const struct sandbox *sb);	/* of process 1, in our pid namespace */
int sandbox_tty_master(const struct sandbox *sb);	/* borrowed; -1 without tty */
/*
 * Kill and reap what still runs, remove cgroup and the mount points that sandbox_create() had to make.
 * Leaves nothing. NULL and half-built ones are fine.
 */
void sandbox_free(struct sandbox *sb);

#endif
