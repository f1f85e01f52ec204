/* SPDX-License-Identifier: Apache-2.0 */
/* A container's files, whether it runs or not, by a fd of its root: for cp, diff, export, commit. */
#ifndef ENGINE_TREE_H
#define ENGINE_TREE_H

#include <stdbool.h>

#include "base/task.h"
#include "runtime/sandbox/join.h"

struct container;
struct layer;
struct snapshot;
struct store;

struct tree {			/* tree_close() is fine on one that tree_open() has failed on */
	struct store *store;
	struct container *container;
	struct layer **layers;	/* of its image, base first */
	size_t nlayers;
	struct process target;	/* if it runs */
	struct snapshot *snapshot;	/* if it does not: it is locked until tree_close() */
	int ns;			/* the mount namespace made for it; -1 */
	int root;		/* O_PATH; for fs_open_in() and its like */
	bool running;
};

/**
 * Open the root: with mounts as the container sees it (volumes and binds; /proc and the like only while it runs), else
 * its own file system alone. Errors: ERR_NOT_FOUND, ERR_SYS.
 */
NODISCARD int tree_open(struct store *s, const char *ref, bool mounts, struct tree *ret, struct err *e);
/* The layers that it stands on, merged and read-only, O_PATH; *snap is the caller's, snapshot_free(). lease: scratch. */
struct lease;
NODISCARD int tree_image(struct tree *t, struct lease *l, struct snapshot **snap, struct err *e);
void tree_close(struct tree *t);

/* Was the empty file or directory dir/name, path from the root without a slash, only made to mount something on? */
bool tree_is_stub(const char *path, int dir, const char *name);

#endif
