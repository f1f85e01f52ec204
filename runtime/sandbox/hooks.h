/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For sandbox.c and mounts.c: the hooks of a container's life.
 *
 *   mounts are there ─► prestart, createRuntime (ours) ─► createContainer (init) ─► root is changed ─► CREATED
 *   sandbox_start() ─► startContainer (init) ─► execve ─► poststart (ours) ... end ─► poststop (ours)
 *
 * Ours run in this process's namespaces, the init's in the container's, still with all capabilities.
 * Spec: runtime-spec, runtime.md "Lifecycle", config.md "POSIX-platform Hooks".
 */
#ifndef RUNTIME_SANDBOX_HOOKS_H
#define RUNTIME_SANDBOX_HOOKS_H

#include <sys/types.h>

#include "base/err.h"

struct hooks;
struct job;
struct planner;
struct spec;

/* Copies what it needs of *sp, and fills the bundle. Errors: ERR_SYS. */
NODISCARD int hooks_new(const struct spec *sp, struct hooks **ret, struct err *e);
/* Run poststop if anything was made (failures are ignored), empty the bundle. NULL is fine. */
void hooks_free(struct hooks *h, pid_t pid);

void hooks_plan_create(struct planner *p, const struct spec *sp);
void hooks_plan_start(struct planner *p, const struct spec *sp);

/* The init waits at PLAN_PAUSE: run prestart and createRuntime, then let it go on. Errors: ERR_STEP (a hook failed), ERR_NOT_FOUND,
 * ERR_LIMIT (its time was up), ERR_CANCELLED. */
NODISCARD int hooks_created(struct job *j, struct hooks *h, pid_t pid, int sock, struct err *e);
/* Poststart; a failure is an error, too. h may be NULL. */
NODISCARD int hooks_started(struct job *j, struct hooks *h, pid_t pid, struct err *e);

#endif
