/* SPDX-License-Identifier: Apache-2.0 */
/* Into a running sandbox from another process: find it, verify it, start one more process in it. */
#ifndef RUNTIME_SANDBOX_JOIN_H
#define RUNTIME_SANDBOX_JOIN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

struct job;
struct sandbox;
struct sandbox_host;
struct spec;

struct process {			/* a process that is what a record says, held so that its number cannot become another's */
	pid_t pid;
	int pidfd, proc;	/* proc: /proc/PID */
};

/* Process pid, if it still is the one that started then (proc(5), stat field 22). Errors: ERR_NOT_FOUND, ERR_SYS. */
NODISCARD int process_open(pid_t pid, uint64_t start, struct process *ret, struct err *e);
/* Its root directory as it sees it, O_PATH, the caller's: for fs_open_in() and its like. Errors: ERR_SYS. */
NODISCARD int process_root(const struct process *t, int *ret, struct err *e);
/* The directories of its cgroups that are not ours, too. Errors: ERR_SYS. */
NODISCARD int process_cgroups(const struct process *t, struct strv *ret, struct err *e);
void process_close(struct process *t);
uint64_t process_start_at(int proc);	/* that field 22, by a fd of /proc/PID; 0: gone */

/**
 * Start one more process in t's namespaces and cgroups. Of *sp these count: argv, env, cwd, mkdir_cwd, uid, gid, groups,
 * umask, caps, no_new_privs, seccomp*, stdio, tty, rlimits. stays: it lives on without us and gets no terminal of ours.
 *
 * The process is in state CREATED, as after sandbox_create(): go on with sandbox_start(), end with sandbox_free().
 * Errors: ERR_USAGE (spec), ERR_DENIED, ERR_SYS, ERR_CANCELLED; nothing is left behind.
 */
NODISCARD int sandbox_join(struct job *j, struct sandbox_host *h, const struct process *t, const struct spec *sp, bool stays,
			   struct sandbox **ret, struct err *e);

#endif
