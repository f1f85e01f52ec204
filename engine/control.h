/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of a container that exists: of its monitor while it runs, of its record else. */
#ifndef ENGINE_CONTROL_H
#define ENGINE_CONTROL_H

#include "base/task.h"
#include "runtime/container/container.h"

struct store;

#define STOP_TIMEOUT_UNSET INT32_MIN

/* userns_run_dir() of this process. */
NODISCARD int engine_run_dir(char **ret, struct err *e);
/* A connection to its monitor. Errors: ERR_CONFLICT "container ... is not running". */
NODISCARD int engine_connect(struct container *c, int *ret, struct err *e);
/* config.json was replaced: its monitor, if there is one, shall take note. Errors: what the monitor says. */
NODISCARD int engine_reload(struct job *j, struct container *c, struct err *e);

/* seconds: STOP_TIMEOUT_UNSET: as configured, -1: wait for ever. sig 0: as configured. A stopped one: nothing to do. */
NODISCARD int engine_stop(struct job *j, struct store *s, const char *ref, int sig, int seconds, struct err *e);
/* One that does not run is started. *status as of a start. */
NODISCARD int engine_restart(struct job *j, struct store *s, const char *ref, int sig, int seconds, struct err *e);
/* Errors: ERR_CONFLICT "... is not running". */
NODISCARD int engine_kill(struct job *j, struct store *s, const char *ref, int sig, struct err *e);
NODISCARD int engine_pause(struct job *j, struct store *s, const char *ref, bool pause, struct err *e);
/* Until it does not run (at once, if it does not); *code: its exit status. */
NODISCARD int engine_wait(struct job *j, struct store *s, const char *ref, int *code, struct err *e);
NODISCARD int engine_rename(struct job *j, struct store *s, const char *ref, const char *name, struct err *e);
/* One by ID, name or start of an ID; with force a running one is killed, with volumes its anonymous volumes go, too.
 * Errors: container_open()'s, container_remove()'s. */
NODISCARD int engine_rm(struct job *j, struct store *s, const char *ref, bool force, bool volumes, struct err *e);

#endif
