/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a plan (plan.h) and keeps the fds that the init program shall inherit. */
#ifndef RUNTIME_SANDBOX_PLANNER_H
#define RUNTIME_SANDBOX_PLANNER_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "runtime/sandbox/plan.h"

enum plan_slot {
	SLOT_ROOT, SLOT_PRIV, SLOT_PROC, SLOT_SYS, SLOT_DEV, SLOT_PTS, SLOT_CGROUP, SLOT_NETNS, SLOT_IPCNS,
	SLOT_STDIN, SLOT_STDOUT, SLOT_STDERR, SLOT_PID, SLOT_CREATING, SLOT_CREATED,
	SLOT_TMP,		/* a mount between its making and its attaching */
};

struct planner {		/* { 0 } is a valid empty one */
	struct buf b;
	int *fds;		/* what the init inherits */
	bool *owned;		/* closed by planner_done() */
	size_t nfds;
};

#define PLAN_A(...) ((const int64_t[PLAN_ARGS]){ __VA_ARGS__ })
/* planner_add(p, PLAN_CODE, PLAN_A(a0, a1...), "s0", "s1"...) */
#define planner_add(p, code, args, ...) \
	planner_put((p), (code), (args), (const char *const[]){ __VA_ARGS__ __VA_OPT__(,) NULL }, (struct str){ 0 })
void planner_put(struct planner *p, enum plan_code code, const int64_t args[static PLAN_ARGS],
		 const char *const *strs, struct str tail);
/* The init inherits the fd; own: planner_done() closes it. planner_fd() also makes it slot's. */
void planner_inherit(struct planner *p, int fd, bool own);
void planner_fd(struct planner *p, int slot, int fd, bool own);
/* The whole plan in a memfd. */
NODISCARD int planner_memfd(const struct planner *p, int *ret, struct err *e);
void planner_done(struct planner *p);

#endif
