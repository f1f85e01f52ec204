/* SPDX-License-Identifier: Apache-2.0 */
/* Detached overlay mounts: no mount point, named by fds only. */
#ifndef CACHE_OVERLAY_H
#define CACHE_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define OVERLAY_LOWERS_MAX 500		/* the kernel's OVL_MAX_STACK */

struct overlay_spec {
	const int *lowers;	/* directories, the topmost first; at least one, two if upper is -1 */
	size_t nlowers;
	int upper, work;	/* of one file system; upper -1: read-only */
	bool durable;		/* sync(2) and unmounting write the upper out; else "volatile": they need not */
	bool userns;		/* whiteout_userns() */
	int scratch;		/* a directory in which OVERLAY_CLASSIC may make its passing mount point */
};

/* How lower directories are named to the kernel; AUTO tries the others in turn. */
enum overlay_way {
	OVERLAY_AUTO,
	OVERLAY_FDS,		/* fsconfig(FSCONFIG_SET_FD): Linux 6.13 and later */
	OVERLAY_PATHS,		/* fsconfig("lowerdir+", "/proc/self/fd/N"): 6.8 */
	OVERLAY_CLASSIC,	/* mount(2) with one page of options: at most some 200 lower directories */
};

/* *ret: the mount's root, an O_PATH fd; with its last fd the mount is gone. Errors: ERR_SYS, ERR_LIMIT. */
NODISCARD int overlay_mount(const struct overlay_spec *o, enum overlay_way way, int *ret, struct err *e);
/* The directory dir as a mount of its own: nothing below it is mounted along, no nosuid, nodev, noexec. */
NODISCARD int overlay_bind(int dir, bool readonly, int *ret, struct err *e);

#endif
