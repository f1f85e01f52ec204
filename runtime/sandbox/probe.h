/* SPDX-License-Identifier: Apache-2.0 */
/* What this host allows us: one fact a line, with reason and remedy. */
#ifndef RUNTIME_SANDBOX_PROBE_H
#define RUNTIME_SANDBOX_PROBE_H

#include <stdbool.h>

#include "base/str.h"

enum probe_id {
	PROBE_USERNS,		/* which user IDs there are */
	PROBE_OVERLAY,		/* overlay mounts with an upper directory in the store */
	PROBE_EROFS,		/* EROFS mounted straight from files */
	PROBE_IDMAP,		/* ID-mapped mounts */
	PROBE_CGROUP,		/* version, and the controllers that can be limited */
	PROBE_SECCOMP,		/* system call filters */
	PROBE_NETNS,		/* network namespaces */
	PROBE_COUNT
};

struct probe {
	const char *name;	/* "overlay" */
	bool ok;
	char *text;		/* what is there, or why it is not; owned */
	const char *hint;	/* what to do about it; static, or NULL */
};

/*
 * Find out one thing, now, by trying it: at most some milliseconds, nothing is left. scratch: a
 * directory where the store is. Never fails: an obstacle is the answer. Uses fork(): not for a
 * process with threads that hold locks.
 */
void probe_one(enum probe_id id, const char *scratch, struct probe *ret);
void probe_done(struct probe *p);

#endif
