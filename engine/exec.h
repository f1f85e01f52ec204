/* SPDX-License-Identifier: Apache-2.0 */
/* Run one more process in a running container. */
#ifndef ENGINE_EXEC_H
#define ENGINE_EXEC_H

#include <stdbool.h>

#include "base/str.h"
#include "base/task.h"

struct store;

struct exec_args {		/* all borrowed; texts NULL and lists empty: as the container has it */
	const char *container;
	struct strv command;
	struct strv env, env_files;	/* "K=V", "K": from our environment; paths */
	const char *user, *workdir;
	bool detach;			/* it lives on; its streams are /dev/null */
	bool interactive, tty, privileged;
};

/**
 * Start command with the container's environment, groups, limits, capabilities and filter. With detach return once it
 * runs, else when it has ended: our standard streams are its own, and a terminal's as in engine_run().
 *
 * *status is the exit status for the shell, also on error: the command's, 128 + signal, 126 (cannot be executed),
 * 127 (is not there), else 1.
 * Errors: ERR_NOT_FOUND (container, program, user), ERR_CONFLICT (it does not run, or is paused), ERR_USAGE, ERR_DENIED,
 * ERR_SYS.
 */
NODISCARD int engine_exec(struct job *j, struct store *s, const struct exec_args *a, int *status, struct err *e);

#endif
