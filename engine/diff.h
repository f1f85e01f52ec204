/* SPDX-License-Identifier: Apache-2.0 */
/* What a container has changed in its file system. */
#ifndef ENGINE_DIFF_H
#define ENGINE_DIFF_H

#include "base/task.h"

struct store;

/* Lines "A /path" (added), "C /path" (changed), "D /path" (deleted), by path. Mount points that a start has made are left
 * out. Errors: ERR_NOT_FOUND, ERR_SYS. */
NODISCARD int engine_diff(struct job *j, struct store *s, const char *container, struct strv *ret, struct err *e);

#endif
