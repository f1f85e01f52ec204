/* SPDX-License-Identifier: Apache-2.0 */
/* For sandbox.c and join.c alone: a sandbox's insides, and the half of a plan that makes a process what it shall be. */
#ifndef RUNTIME_SANDBOX_SANDBOX_INT_H
#define RUNTIME_SANDBOX_SANDBOX_INT_H

#include <stdint.h>

#include "runtime/sandbox/sandbox.h"
#include "runtime/sandbox/stub.h"

struct cgroup;
struct freezer;
struct planner;
struct spec;
struct strv;

struct sandbox {
	struct sandbox_host *host;
	struct cgroup *cgroup;	/* NULL: no limits */
	struct freezer *freezer;	/* NULL: it was never frozen */
	struct stubs stubs;
	struct hooks *hooks;	/* NULL: none */
	int sock;		/* to the init; -1 once it has executed argv */
	int pidfd, tty;
	int child;		/* PLAN_FORK's pidfd, until it takes pidfd's place; -1 */
	pid_t pid;
	uint32_t keep_id;	/* 0: not kept */
	uint32_t limits_keep_id;	/* for cgroups that were made later; 0: none were */
	bool reaped, stays;	/* stays: it is not killed with us */
	bool shares_pids;	/* its pid namespace is not its own: it is what is in its cgroup */
	struct exit_status status;
};

struct sandbox *sandbox_new(struct sandbox_host *h);
/* Steps: streams; rlimits and umask; identity; capabilities and filter; execve. */
void sandbox_plan_stdio(struct planner *p, const struct spec *sp);
void sandbox_plan_limits(struct planner *p, const struct spec *sp);
void sandbox_plan_ids(struct planner *p, struct sandbox *sb, const struct spec *sp);
NODISCARD int sandbox_plan_privileges(struct planner *p, struct sandbox *sb, const struct spec *sp, struct err *e);
void sandbox_plan_exec(struct planner *p, const struct spec *sp);
/* Start the init program on the plan, with CLONE_NEW* flags. */
NODISCARD int sandbox_spawn(struct sandbox *sb, struct planner *p, uint64_t flags, struct err *e);
/* Until the init waits for sandbox_start(); its failure becomes ours. */
NODISCARD int sandbox_wait_ready(struct job *j, struct sandbox *sb, struct err *e);

/* Pids, as text, of all processes in its pid namespace and those within it, or in its cgroup if it has none of its own.
 * Errors: ERR_SYS. */
NODISCARD int sandbox_members(struct sandbox *sb, struct strv *ret, struct err *e);
/* Its processes are about to leave the freezer's own cgroup. ERR_CONFLICT if they are frozen. */
NODISCARD int sandbox_freezer_leave(struct sandbox *sb, struct err *e);
void sandbox_freezer_free(struct sandbox *sb);	/* all its processes are dead */

#endif
