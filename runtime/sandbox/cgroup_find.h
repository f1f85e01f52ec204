/* SPDX-License-Identifier: Apache-2.0 */
/* Where this process may make cgroups: mountinfo and cgroup of /proc/self, judged. */
#ifndef RUNTIME_SANDBOX_CGROUP_FIND_H
#define RUNTIME_SANDBOX_CGROUP_FIND_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

enum cgroup_controller {
	CGROUP_CPU,
	CGROUP_CPUSET,
	CGROUP_MEMORY,
	CGROUP_PIDS,
	CGROUP_CONTROLLERS
};

extern const char *const cgroup_words[CGROUP_CONTROLLERS];	/* "cpu", ... */

struct cgroup_places {
	char *v1[CGROUP_CONTROLLERS];	/* our own directory in its hierarchy; NULL: it has none */
	char *v2;			/* our own directory in the unified hierarchy, or NULL */
	size_t v2_top;			/* bytes of v2 that are the mount point */
};

/* Pure: from the two files' texts. */
void cgroup_places_parse(struct str mountinfo, struct str self, struct cgroup_places *ret);
NODISCARD int cgroup_places_read(struct cgroup_places *ret, struct err *e);
/* Our own directory in the hierarchy of any controller ("freezer"), NULL: the unified one; owned, or NULL. */
char *cgroup_own_dir(const char *controller);
void cgroup_places_done(struct cgroup_places *p);

/* Pure: the directories of other (a text of /proc/PID/cgroup) in the hierarchies where it is not in the same one as self. */
void cgroup_dirs_differ(struct str mountinfo, struct str self, struct str other, struct strv *ret);

/*
 * The nearest directory, from ours upwards, whose children can have the controllers of mask (bit n:
 * controller n); owned, NULL if there is none. make: hand on what is missing in
 * cgroup.subtree_control, else only look.
 */
char *cgroup_v2_parent(const struct cgroup_places *p, unsigned mask, bool make);
/* Which controllers v2 could give (only looks), as a mask. */
unsigned cgroup_v2_can(const struct cgroup_places *p);

#endif
