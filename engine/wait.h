/* SPDX-License-Identifier: Apache-2.0 */
/* wait --condition: until a container is in some state. */
#ifndef ENGINE_WAIT_H
#define ENGINE_WAIT_H

#include "base/task.h"

struct store;

/**
 * condition: "not-running" (as engine_wait()), "next-exit", "removed", "healthy". *code is the last exit code that was seen.
 * Errors: ERR_USAGE (another word), ERR_NOT_FOUND, ERR_CONFLICT (healthy: it has no check, or stopped), ERR_CANCELLED.
 */
NODISCARD int engine_wait_for(struct job *j, struct store *s, const char *ref, const char *condition, int *code,
			      struct err *e);

#endif
