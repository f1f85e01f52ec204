/* SPDX-License-Identifier: Apache-2.0 */
/* tare events: what has happened, and what happens. */
#ifndef ENGINE_EVENTS_H
#define ENGINE_EVENTS_H

#include <jansson.h>

#include "base/task.h"

struct store;

struct events_args {
	const char *since, *until;	/* as of logs (logs_time()); NULL: from now on; for ever */
	struct strv filters;		/* container event image label network scope type volume */
};

/* Calls each for every event that fits, an object as eventlog.h has it, until `until`; each may return -1 to stop, which is
 * no error. Errors: ERR_USAGE, ERR_CANCELLED, ERR_SYS. */
NODISCARD int engine_events(struct job *j, struct store *s, const struct events_args *a,
			    int (*each)(void *arg, const json_t *event), void *arg, struct err *e);

#endif
