/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content digests of chosen files beneath a directory, with a stat cache: a file whose inode, size, mtime and
 * ctime are as before is not read again.
 *
 * A directory's digest is that of its listing: type, mode, owner, size and digest of each entry, sorted by
 * name (a subdirectory's digest is again its listing's). Times do not count. Listings are kept in the store
 * (table trees), so that tree_diff() can say later which file made two digests differ.
 */
#ifndef CACHE_TREEHASH_H
#define CACHE_TREEHASH_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/task.h"
#include "image/digest.h"

struct store;

enum tree_pick {
	PICK_YES,
	PICK_NO,		/* neither it nor anything below */
	PICK_BELOW,		/* a directory: only if something below it is picked */
};

struct tree_top {
	const char *path;	/* beneath root, no link in it, no slash at the ends; "" is root itself */
	const char *name;	/* what the listing calls it; NULL: path must be a directory, its entries count */
};

struct tree_req {
	int root;
	const struct tree_top *tops;
	size_t ntops;
	bool zero_owner;	/* every file counts as 0:0 (the build context) */
	bool cached;		/* use the stat cache (a tree that lives longer than this process) */
	/* Is it part of the tree? path: beneath root; top: which of tops it is below. NULL: all is. */
	enum tree_pick (*pick)(void *arg, size_t top, const char *path, bool is_dir);
	void *arg;
};

/**
 * Digest of the tops' listing (with a single unnamed top: that directory's own listing). s may be NULL: no
 * cache, and listings are not kept. Only regular files are opened; a socket counts as an empty file.
 *
 * Errors: ERR_USAGE naming the path (not allowed to read it), ERR_CONFLICT (it vanished meanwhile), ERR_SYS,
 *         ERR_CANCELLED.
 */
NODISCARD int tree_hash(struct job *j, struct store *s, const struct tree_req *r, struct digest *ret,
			struct err *e);

/* The first difference between two stored listings, as text like "src/a.c: contents changed" or
 * "run.sh: mode 644 -> 755"; appended to ret. 1: found, 0: the same or no longer stored, -1. */
NODISCARD int tree_diff(struct store *s, const struct digest *was, const struct digest *is, struct buf *ret,
			struct err *e);

#endif
