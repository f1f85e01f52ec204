/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource limits by cgroups: version 2, or version 1 where the host's controllers are there.
 *
 * A cgroup is one directory (v2) or one per controller needed (v1), named tare-<name>, beneath the
 * cgroup that this process is in, on v2 beneath the nearest ancestor that can hand on the
 * controllers. It is flock'ed by its handle as long as that lives (the directory's own fd), so that
 * a directory without a lock and without a process is garbage of a killed tare: cgroup_sweep()
 * removes it.
 */
#ifndef RUNTIME_SANDBOX_CGROUP_H
#define RUNTIME_SANDBOX_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

#define CGROUP_DIRS 8			/* most directories of one cgroup */
#define CGROUP_MEMORY_MIN ((uint64_t)6 << 20)	/* bytes; below, no program starts */

struct cgroup_limits {		/* 0 or NULL: not limited */
	uint64_t memory;	/* bytes */
	int64_t memory_swap;	/* bytes of memory and swap; 0: twice the memory, -1: unlimited */
	int64_t nano_cpus;	/* billionths of a processor */
	int64_t pids;		/* processes; below 0: unlimited */
	const char *cpuset;	/* "0-2,4" */
	const char *cpuset_mems;	/* memory nodes */
	uint64_t reservation;	/* bytes that stay when memory is short; with memory at most that */
	int64_t cpu_shares;	/* weight as version 1 has it: 2 to 262144, 1024 is the default */
	int64_t cpu_period, cpu_quota;	/* microseconds; not together with nano_cpus */
	bool has_swappiness;
	unsigned swappiness;	/* percent; version 1 only */
	bool track;		/* no limit: a cgroup to find and end all of its processes by */
};

struct cgroup;

static inline bool cgroup_wanted(const struct cgroup_limits *l)
{
	return l->memory || l->memory_swap || l->nano_cpus || l->pids || (l->cpuset && *l->cpuset) || l->cpuset_mems ||
	       l->reservation || l->cpu_shares || l->cpu_period || l->cpu_quota || l->has_swappiness || l->track;
}

/* ERR_USAGE for limits that no kernel would take, in Docker's words; touches nothing. */
NODISCARD int cgroup_check(const struct cgroup_limits *l, struct err *e);

/**
 * Make a cgroup with these limits; at least one is set. name: [a-zA-Z0-9_.-]+.
 *
 * Owner:  *ret is the caller's; cgroup_free() removes it from the system.
 * Errors: ERR_USAGE (limits), ERR_CONFLICT (the name is in use), ERR_NOT_FOUND (no such controller),
 *         ERR_DENIED (no delegated cgroup; with a hint), ERR_SYS. Nothing is left behind.
 */
NODISCARD int cgroup_new(const char *name, const struct cgroup_limits *l, struct cgroup **ret,
			 struct err *e);

/* Set what is set in *l, leave the rest as it is. Controllers that it lacks get directories as cgroup_new() makes them;
 * its processes are for the caller to move there (cgroup_add()). Errors: cgroup_new()'s. */
NODISCARD int cgroup_change(struct cgroup *g, const char *name, const struct cgroup_limits *l,
			    struct err *e);

NODISCARD int cgroup_add(struct cgroup *g, pid_t pid, struct err *e);
/* For a process that joins by itself (write "0" to each): cgroup.procs files, open for writing; the
 * cgroup's. */
size_t cgroup_procs(const struct cgroup *g, int ret[static CGROUP_DIRS]);
/* Absolute paths of the directories, for a keeper that removes them; the cgroup's. */
size_t cgroup_dirs(const struct cgroup *g, const char *ret[static CGROUP_DIRS]);

bool cgroup_oom(const struct cgroup *g);	/* did the memory limit's killer strike? */
/* Pids, as text, of the processes that are in it, not below. Errors: ERR_SYS. */
NODISCARD int cgroup_members(const struct cgroup *g, struct strv *ret, struct err *e);
void cgroup_kill(struct cgroup *g);		/* SIGKILL to every process in it */
/* Kill what is left, remove the directories (waits shortly for the dying), free. NULL is fine. */
void cgroup_free(struct cgroup *g);

/* Remove what killed processes left (see above). Cheap where nothing is. Returns how many were
 * removed. */
size_t cgroup_sweep(void);

enum cgroup_version { CGROUP_NONE, CGROUP_V1, CGROUP_V2 };

/* What limits this process could set: version, and the controllers among "cpu cpuset memory pids"
 * as words. Only looks, makes nothing. */
enum cgroup_version cgroup_facts(struct buf *controllers);

#endif
