/* SPDX-License-Identifier: Apache-2.0 */
/* What this host allows us: one fact a line, with the reason and remedy where something is missing. */
#ifndef RUNTIME_SANDBOX_PROBE_H
#define RUNTIME_SANDBOX_PROBE_H

#include <stdbool.h>

#include "base/str.h"

enum probe_id {
	PROBE_USERNS,		/* user namespace: none needed, ranges, single ID */
	PROBE_OVERLAY,		/* overlay mounts, by the new mount interface */
	PROBE_EROFS,		/* EROFS mounted straight from files */
	PROBE_IDMAP,		/* ID-mapped mounts */
	PROBE_CGROUP,		/* version and controllers that can be limited */
	PROBE_SECCOMP,
	PROBE_NETNS,
	PROBE_BRIDGE,		/* links with outbound NAT */
	PROBE_COUNT
};

struct probe {
	const char *name;	/* "overlay" */
	bool ok;
	char *text;		/* what is there, or why it is not; owned */
	const char *hint;	/* what to do about it; static, or NULL */
};

/* Find out one thing, now: some tenths of a millisecond, nothing is left. Never fails: an obstacle is the answer. */
void probe_one(enum probe_id id, const char *scratch, struct probe *ret);
void probe_done(struct probe *p);

#endif
