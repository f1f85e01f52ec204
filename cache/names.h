/* SPDX-License-Identifier: Apache-2.0 */
/* The names in a directory, sorted by bytes; the path of a fd; a table from inode to first path, for hard links. */
#ifndef CACHE_NAMES_H
#define CACHE_NAMES_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/str.h"

struct name {
	const char *s;
	unsigned char type;	/* DT_x, DT_UNKNOWN where the file system doesn't say */
};

struct names {			/* { 0 } is a valid empty one; may be read into again and again */
	struct name *v;
	size_t n, cap;
	struct buf text;	/* what the names point into */
};

/* dir: opened for reading; its position is moved. "." and ".." are left out. *types of DT_UNKNOWN are
 * filled in by fstatat(). Returns 0 or -1 with errno. */
NODISCARD int names_read(int dir, struct names *ret);
/* The same without files, links and pipes; *others is how many were left out. */
NODISCARD int names_read_odd(int dir, struct names *ret, size_t *others);
const struct name *names_find(const struct names *l, const char *s);	/* NULL: not there */
void names_done(struct names *l);
#define auto_names __attribute__((cleanup(names_done)))

/* What fd is called beneath root, without links and slashes at the ends; "" for root itself. 0 or -1 with errno. */
NODISCARD int path_below(int root, int fd, struct buf *ret);

struct inodes;			/* (device, inode) -> path */

struct inodes *inodes_new(void);
/* The path that the inode was first seen by, or NULL: then path is remembered for it. */
const char *inodes_see(struct inodes *t, const struct stat *st, const char *path);
void inodes_free(struct inodes *t);
#define auto_inodes __attribute__((cleanup(inodes_cleanup)))
static inline void inodes_cleanup(struct inodes **t) { inodes_free(*t); }

#endif
