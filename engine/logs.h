/* SPDX-License-Identifier: Apache-2.0 */
/* tare logs: what containers have written, and write. */
#ifndef ENGINE_LOGS_H
#define ENGINE_LOGS_H

#include "base/task.h"
#include "runtime/container/container.h"
#include "runtime/container/logread.h"

struct logs_args {
	const char *since, *until;	/* RFC 3339, seconds since 1970, or a duration back from now ("10m"); NULL: no bound */
	const char *tail;		/* a number of lines; anything else: all */
	bool follow;			/* until the container ends */
};

/* Calls line for each; it may return -1 to stop, which is no error. Errors: ERR_USAGE, ERR_NOT_FOUND, ERR_CANCELLED. */
NODISCARD int engine_logs(struct job *j, struct store *s, const char *const *refs, size_t n, const struct logs_args *a,
			  int (*line)(void *arg, const struct container *c, const struct logline *l), void *arg,
			  struct err *e);

/* A time as since and until take it; now: what durations are counted back from. False: it is none. */
bool logs_time(const char *text, int64_t now_ns, int64_t *ret);

#endif
