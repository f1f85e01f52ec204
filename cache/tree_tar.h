/* SPDX-License-Identifier: Apache-2.0 */
/* A live file tree as a tar: what cp, export and commit send. Written by the walk that seals layers. */
#ifndef CACHE_TREE_TAR_H
#define CACHE_TREE_TAR_H

#include <stdbool.h>

#include "base/task.h"
#include "cache/tar.h"

struct tree_tar {
	const char *name;	/* the top's path in the archive; NULL: only what is below it, without a prefix */
	bool upper;		/* an overlay's upper directory: its deletions become whiteouts (OCI image-spec layer.md) */
	bool userns;		/* upper: whiteout_userns() */
	/* Leave dir/name and all below it out? path: as in the archive. May be NULL. */
	bool (*skip)(void *arg, const char *path, int dir, const char *name);
	void *arg;
};

/**
 * fd: the top, O_PATH is enough; a link is archived as a link. Sockets are left out; of files that change meanwhile some
 * state is written. Mounts below are entered. Errors: ERR_SYS, ERR_USAGE (upper: a file named ".wh.x"), put's.
 */
NODISCARD int tree_tar(struct job *j, int fd, const struct tree_tar *how, bytes_put put, void *arg, struct err *e);

#endif
