/* SPDX-License-Identifier: Apache-2.0 */
/* The mount half of a plan: the root, the standard file systems, devices, masks, the spec's own mounts. */
#ifndef RUNTIME_SANDBOX_MOUNTS_H
#define RUNTIME_SANDBOX_MOUNTS_H

#include "base/err.h"
#include "base/str.h"

struct planner;
struct spec;
struct stubs;

/* Add the steps from the private mount namespace to the pivot. Sources are opened here, in our own mount
 * namespace. cgroups: the text of /proc/self/cgroup. Errors: ERR_NOT_FOUND (a bind source), ERR_SYS. */
NODISCARD int mounts_compile(struct planner *p, const struct spec *sp, struct str cgroups, struct err *e);
/* Make the mount points that the root lacks, so that they can be removed again. */
void mounts_make_stubs(const struct spec *sp, struct stubs *s);

#endif
