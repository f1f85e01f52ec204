/* SPDX-License-Identifier: Apache-2.0 */
/* Removing at once whatever nothing uses: images, or everything. */
#ifndef ENGINE_PRUNE_H
#define ENGINE_PRUNE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/task.h"

struct store;

/**
 * Remove untagged images, with all every one, that no container has; then what thereby became garbage.
 * filters: until (of the image's making), label, label!. *ret gets "untagged: x" and "deleted: sha256:...".
 *
 * Errors: ERR_USAGE, ERR_SYS, ERR_CORRUPT. What one could not be removed for stays.
 */
NODISCARD int engine_image_prune(struct store *s, bool all, const struct strv *filters, struct strv *ret, uint64_t *bytes,
				 struct err *e);

struct system_prune {		/* { 0 } is a valid empty one */
	struct strv containers, networks, volumes, images;	/* what was removed */
	uint64_t bytes;
};
void system_prune_done(struct system_prune *r);

/* Stopped containers, networks and images that none has; volumes: anonymous ones, too; with all, images with a name and
 * the build cache. Errors: as above; *ret tells how far it came. */
NODISCARD int engine_system_prune(struct job *j, struct store *s, bool all, bool volumes, const struct strv *filters,
				  struct system_prune *ret, struct err *e);

#endif
