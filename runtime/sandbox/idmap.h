/* SPDX-License-Identifier: Apache-2.0 */
/* Idmapped mounts: a host directory whose owner appears in the container as the container's user. */
#ifndef RUNTIME_SANDBOX_IDMAP_H
#define RUNTIME_SANDBOX_IDMAP_H

#include <sys/types.h>

#include "base/err.h"

struct idmap_pair {
	uint32_t disk, shown;	/* files of `disk` are shown as `shown`'s, and those of `shown` as disk's: nothing else changes */
};

/* Set on a detached mount that nobody uses yet (open_tree(2)). Errors: ERR_DENIED (an ordinary user), ERR_SYS (the file
 * system cannot; with a hint). Spec: mount_setattr(2), MOUNT_ATTR_IDMAP. */
NODISCARD int idmap_set(int mount, const struct idmap_pair *user, const struct idmap_pair *group, struct err *e);

/* Pure, for tests: the text of such a /proc/PID/uid_map. */
struct buf;
void idmap_text(const struct idmap_pair *p, struct buf *ret);

#endif
