/* SPDX-License-Identifier: Apache-2.0 */
/* tare update: limits and restart policy of a container that exists, at once where it runs. */
#ifndef ENGINE_UPDATE_H
#define ENGINE_UPDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/task.h"

struct store;

struct update_args {		/* NULL, 0, and no pids_set: left as it is */
	uint64_t memory, reservation;	/* bytes */
	const char *memory_swap;	/* bytes, or "-1" */
	const char *cpus, *cpuset, *cpuset_mems, *restart;
	int64_t cpu_shares, cpu_period, cpu_quota;	/* the latter two in microseconds */
	int64_t pids;			/* 0 or below: no limit */
	bool pids_set;
};

/* Errors: ERR_USAGE, ERR_CONFLICT, in Docker's words; ERR_NOT_FOUND; the cgroup's. Nothing is changed then. */
NODISCARD int engine_update(struct job *j, struct store *s, const char *ref, const struct update_args *a, struct err *e);

#endif
