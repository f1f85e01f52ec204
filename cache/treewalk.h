/* SPDX-License-Identifier: Apache-2.0 */
/* The walk behind treehash: everything is stat'ed, digests come from the stat cache where it knows them. */
#ifndef CACHE_TREEWALK_H
#define CACHE_TREEWALK_H

#include <stdatomic.h>

#include "base/arena.h"
#include "cache/statcache.h"
#include "cache/treehash.h"

struct node {
	struct node *parent;
	const char *name;	/* NULL: a top, its path is top_path */
	const char *top_path;
	struct stat st;
	uint8_t digest[32];	/* of contents, link target or listing */
	bool below_only;	/* PICK_BELOW: counts only if something below it does */
	bool gone;		/* so it doesn't count */
	bool unread;		/* a file whose digest the stat cache doesn't know */
	struct dir *dir;	/* a directory's insides */
};

/* One line of the directory's future row of the stat cache: a file of this walk, or what the row said before. */
struct line {
	struct node *node;
	struct str name, old;
};

struct dir {
	struct dir *next;
	struct node **v;	/* picked entries, by name */
	size_t n;
	struct line *lines;	/* by name */
	size_t nlines;
	dev_t dev;
	ino_t ino;
	bool dirty;		/* a file had to be read: the row is rewritten */
	struct digest digest;	/* of the listing */
	struct str listing;	/* kept only until it is stored */
};

struct cursor {			/* walks a row along sorted names */
	struct str row, rest;
	struct str last;	/* the name asked for last; p NULL: none yet */
	struct stat_entry entry;
	bool valid;
};

/* The directory of tops that are files: only these lines of its row are looked at. */
struct top_dir {
	struct top_dir *next;
	struct cursor cursor;
	struct dir dir;		/* lines alone */
	size_t cap;
};

struct walk {
	struct job *job;
	struct store *store;
	const struct tree_req *req;
	struct arena arena;
	struct node *tops;
	size_t top;
	struct buf path;	/* beneath root, of what is in work */
	int depth;
	struct dir *dirs;
	struct top_dir *top_dirs;
	struct node **missing;	/* files that have to be read */
	size_t nmissing, cap;
	uint64_t missing_bytes;
	int64_t now_ns;		/* when the walk began */
	/* other threads: while things are stat'ed, and while missing files are read */
	struct pool *pool;
	size_t seen;		/* names so far */
	atomic_size_t batches;	/* handed to the pool and not yet done */
	atomic_size_t next;
	pthread_mutex_t lock;
	struct err first;	/* the first failure; guarded by lock */
	atomic_bool failed;
};

/* Fill in w->tops and all below; w has job, store, req and now_ns. */
NODISCARD int tree_walk(struct walk *w, struct err *e);
void tree_walk_done(struct walk *w);
/* Lines of a top directory's row that this walk did not look at join those that it did. */
void tree_walk_complete(struct walk *w, struct top_dir *t);
/* The first failure of any thread is kept; *e is emptied. */
void tree_walk_broke(struct walk *w, struct err *e);
void tree_node_path(const struct node *n, struct buf *ret);	/* beneath root, appended */
/* A failure at path; errno says why. */
int tree_walk_fail(const char *path, struct err *e);

#endif
