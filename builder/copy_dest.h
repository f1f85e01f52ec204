/* SPDX-License-Identifier: Apache-2.0 */
/* The destination of a copy: resolved through links, made if missing, its directories' times kept in order. */
#ifndef BUILDER_COPY_DEST_H
#define BUILDER_COPY_DEST_H

#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#include "base/err.h"
#include "base/str.h"

struct erofs_dir;		/* cache/sketch.h */
struct erofs_node;
struct sketch;

struct touched {		/* a directory that got new entries */
	struct erofs_node *dir;
	bool made;		/* by us: its time is the copy's */
	struct timespec was;
};

struct dest {
	struct sketch *s;	/* borrowed */
	mode_t mode;		/* of directories made on the way */
	uid_t uid;
	gid_t gid;
	struct touched *touched;
	size_t n;
};

/* path with all links followed, the last one too, into ret ("" is the root). What does not exist is kept as it is.
 * *exists: then *mode is that of what is there. Errors: ERR_USAGE (through a file, a loop), ERR_SYS. */
NODISCARD int dest_resolve(const struct dest *d, const char *path, struct buf *ret, bool *exists, mode_t *mode,
			   struct err *e);
/* Make path (without links, as dest_resolve() gives it) and what is missing above; note what that touches. */
NODISCARD int dest_mkdirs(struct dest *d, const char *path, struct err *e);
/* path, a directory that exists, is about to get entries. */
NODISCARD int dest_touch(struct dest *d, const char *path, bool made, struct err *e);
/* Set the times: made ones to t, others to the later of t and what they had. */
void dest_end(struct dest *d, struct timespec t);
/* A time for what has none of its own: the newest that the touched directories had. The same base, the same time;
 * in an empty tree it is 1980-01-01, the first that every archive format can say. */
struct timespec dest_time(const struct dest *d);
void dest_done(struct dest *d);

#endif
