/* SPDX-License-Identifier: Apache-2.0 */
/* cp and export: files into and out of containers. */
#ifndef ENGINE_COPY_H
#define ENGINE_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/task.h"

struct store;

struct copy_args {
	const char *from, *to;		/* "CONTAINER:PATH", a path, or "-": a tar on a standard stream */
	bool archive;			/* to a container: owned by its user; from one: owners are kept */
	bool follow;			/* from: a link means what it points to */
};

/**
 * Copy as Docker does: a directory into one that is there, or under a name that is not; what is in it for "DIR/.".
 * Whatever links either side holds, nothing leaves its root. *bytes is how many were written.
 *
 * Errors: ERR_USAGE (both or none a container; "DIR" to a file), ERR_NOT_FOUND, ERR_CONFLICT, ERR_CORRUPT (tar), ERR_SYS.
 */
NODISCARD int engine_copy(struct job *j, struct store *s, const struct copy_args *a, uint64_t *bytes, struct err *e);

/* The container's own file system, without what is mounted in it, as a tar to fd. */
NODISCARD int engine_export(struct job *j, struct store *s, const char *container, int fd, struct err *e);

#endif
