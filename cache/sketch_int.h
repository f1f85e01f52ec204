/* SPDX-License-Identifier: Apache-2.0 */
/* Sketches from inside. The tree is that of an EROFS index (cache/erofs_tree.h), which it becomes in tar form. */
#ifndef CACHE_SKETCH_INT_H
#define CACHE_SKETCH_INT_H

#include "cache/erofs_tree.h"
#include "cache/sketch.h"

struct sketch_from {
	int root;
	const char *path;
};

enum sketch_data { DATA_NONE, DATA_FROM, DATA_BYTES, DATA_SPOOL };

struct sketch_extra {
	enum sketch_data data;
	bool shadow;		/* it is as in the lower tree, nobody has changed it */
	bool linked;		/* it may have more than one name */
	uint32_t seen;		/* directory: its time is settled, for this archive */
	const struct sketch_from *from;	/* DATA_FROM */
	const char *name;	/* in it */
	const char *bytes;
	uint64_t at;		/* in the spool */
	const char *path;	/* linked: its first name in the layer */
};

struct sketch {
	struct erofs *w;
	int lower;		/* -1: none */
	bool userns;
	int at_fd;		/* the lower directory of `at`, O_PATH */
	const struct erofs_dir *at;
	int spool;
	uint64_t spooled, left_out;
	struct sketch_archive archive;
	uint32_t archives;	/* so far; what sketch_extra.seen counts */
	struct buf parent_path;	/* of the last entry, and the directory it led to: */
	struct erofs_dir *parent;
};

/* Drop what is not different from the lower tree, and say in whiteouts what new directories hide of it. */
NODISCARD int sketch_reduce(struct sketch *s, struct err *e);
/* A new node at name, of this type (S_IFDIR for a directory). */
struct erofs_node *sketch_new_node(struct sketch *s, struct erofs_dir *dir, struct str name, mode_t mode);
/* Opens the files that sketch_from directories hold, one directory after another; { .fd = -1 } at first. */
struct sketch_opener {
	int fd;			/* of the directory opened last */
	const struct sketch_from *of;
};
/* -1 with errno. */
int sketch_open(struct sketch_opener *o, const struct sketch_extra *x);

#endif
