/* SPDX-License-Identifier: Apache-2.0 */
/* Containers as a list. */
#ifndef ENGINE_CONTAINER_H
#define ENGINE_CONTAINER_H

#include "base/task.h"
#include "runtime/container/container.h"

struct store;

struct ps_args {
	bool all;			/* not only running ones */
	int64_t last;			/* the newest n, whatever their state; 0: no such limit */
	struct strv filters;		/* "key=value": id name label status exited ancestor before since volume */
};

/**
 * The containers that match, newest first. Filters of different keys must all match, of one key any must,
 * but all labels. Errors: ERR_USAGE (filter), ERR_NOT_FOUND (before, since, ancestor), ERR_SYS.
 */
NODISCARD int engine_ps(struct store *s, const struct ps_args *a, struct container_list *ret, struct err *e);

/* Names of those that the host's start shall start: policy "always", or "unless-stopped" and nobody has stopped it. Oldest
 * first, so that one comes after that whose network it joins. Errors: ERR_SYS. */
NODISCARD int engine_boot_list(struct store *s, struct strv *ret, struct err *e);

/* Bytes of a container's own files. */
uint64_t container_size(const struct container *c);

/* Remove all that do not run, with their anonymous volumes. filters: until label label!. *ret: IDs; *bytes: what was theirs.
 * Errors: ERR_USAGE, ERR_SYS. */
NODISCARD int engine_container_prune(struct job *j, struct store *s, const struct strv *filters, struct strv *ret,
				     uint64_t *bytes, struct err *e);

#endif
