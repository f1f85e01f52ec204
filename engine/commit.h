/* SPDX-License-Identifier: Apache-2.0 */
/* An image of what a container has become. */
#ifndef ENGINE_COMMIT_H
#define ENGINE_COMMIT_H

#include "engine/transfer.h"

struct commit_args {		/* all borrowed; NULL: none */
	const char *container, *name;	/* name: of the image; NULL: untagged */
	const char *author, *message;
	struct strv changes;		/* Dockerfile instructions for the config */
	bool pause;			/* it stands still meanwhile */
};

/**
 * The container's image, one more layer with all that the container has changed, and its own configuration.
 * Volumes are not in it. Errors: ERR_NOT_FOUND (container, its image), ERR_USAGE (name, changes), ERR_SYS, ERR_CANCELLED.
 */
NODISCARD int engine_commit(struct job *j, struct store *s, const struct commit_args *a, struct image_row *ret, struct err *e);

#endif
