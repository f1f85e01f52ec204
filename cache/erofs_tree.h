/* SPDX-License-Identifier: Apache-2.0 */
/* For cache/erofs*.c and cache/sketch*.c: the tree that entries build up, its names and attributes. */
#ifndef CACHE_EROFS_TREE_H
#define CACHE_EROFS_TREE_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "cache/erofs.h"

#define EROFS_NAME_MAX 255
#define EROFS_XATTRS_MAX 255		/* of one inode: what a shared count can say */

struct erofs_xattr {			/* one name and value, however many inodes have it */
	struct erofs_xattr *next_live;	/* of those that an inode in the image has, in order */
	const char *name, *value;	/* name without its prefix */
	uint32_t hash, uses;
	uint32_t id;			/* in the shared area; 0 is a valid one, see shared */
	uint16_t value_n;
	uint8_t name_n, prefix;
	bool shared;
};

struct erofs_node {
	struct erofs_node *next;	/* in the order of nids */
	struct erofs_xattr **xattrs;	/* sorted by prefix and name */
	struct sketch_extra *extra;	/* cache/sketch.c's */
	uint64_t nid;
	uint64_t size;			/* bytes of data: a file's, a link's target, a directory's blocks */
	union {
		uint64_t data;		/* file: offset in the tar */
		const char *target;	/* symbolic link */
		uint32_t rdev;		/* device, as the kernel encodes it */
		struct erofs_dir *dir;
	};
	int64_t mtime;
	uint32_t mtime_ns;
	uint32_t uid, gid, nlink;
	uint32_t block;			/* where data outside of the inode begins */
	uint32_t xattrs_size;		/* bytes behind the inode */
	uint16_t mode;			/* with the type */
	uint16_t nxattrs, cap_xattrs;
	bool compact, inline_data;
};

struct erofs_name {			/* names are never taken out of the table */
	struct erofs_name *next;	/* in the directory */
	struct erofs_dir *dir;
	struct erofs_node *node;	/* NULL: removed */
	uint32_t hash;
	uint16_t n;
	char s[];
};

struct erofs_dir {
	struct erofs_node *node;
	struct erofs_dir *parent;	/* of the root: itself */
	struct erofs_name *first, *last;
	const char *lower;		/* cache/sketch.c: the directory that it continues; NULL: none */
	uint64_t id;			/* tells equal names apart in the table */
	size_t names;
	bool sorted;			/* the names came in order so far */
	bool opaque;			/* hides what lower layers have in it */
	bool bare;			/* it, or a directory above, is opaque: no whiteouts in it */
};

struct erofs {
	struct arena arena;
	bool userns, written;
	uint64_t seed, dirs, entries;
	struct erofs_dir *root;
	struct erofs_name **names;	/* open addressing by hash; power of two */
	size_t nnames, cap_names;
	struct erofs_xattr **xattrs;
	size_t nxattrs, cap_xattrs;
	struct buf parent_path;		/* of the last entry, and the directory it led to: */
	struct erofs_dir *parent;
};

/* A new node, linked from nowhere. */
struct erofs_node *erofs_node_new(struct erofs *w, mode_t mode, uint32_t uid, uint32_t gid);
struct erofs_node *erofs_dir_new(struct erofs *w, struct erofs_dir *parent, mode_t mode, uint32_t uid, uint32_t gid);
bool erofs_is_whiteout(const struct erofs_node *n);

/* The name in dir, perhaps a removed one, or NULL. */
struct erofs_name *erofs_name_find(struct erofs *w, const struct erofs_dir *dir, struct str s);
/* The same, made if it is not there. s: at most EROFS_NAME_MAX bytes. */
struct erofs_name *erofs_name_get(struct erofs *w, struct erofs_dir *dir, struct str s);

/* The directory that path leads to from the root: links are followed and end at the root, as openat2() with
 * RESOLVE_IN_ROOT does. 0, or the errno. */
int erofs_dir_find(struct erofs *w, struct str path, struct erofs_dir **ret);
/* The same; directories that are missing are made (0755, 0:0, time 0). */
NODISCARD int erofs_dir_imply(struct erofs *w, struct str path, struct erofs_dir **ret, struct err *e);

/* Give the node an attribute, or another value of it; name without prefix. False: there is no room. There always
 * is for a capability and overlayfs's mark: a user's own attributes leave it. */
bool erofs_xattr_set(struct erofs *w, struct erofs_node *n, uint8_t prefix, struct str name, struct str value);

/* Leave only names that are there, in order; in a bare directory no whiteouts. */
void erofs_dir_sort(struct erofs_dir *d);
/* Give n what an entry says of a capability. Errors: ERR_CORRUPT (no proper one), ERR_LIMIT. */
NODISCARD int erofs_capability_set(struct erofs *w, struct erofs_node *n, const char *path, struct str value, struct err *e);
/* As the kernel encodes it: Linux include/linux/kdev_t.h, new_encode_dev(). */
uint32_t erofs_device(uint32_t major, uint32_t minor);

/* Where everything in the image is, decided before the first byte is put out. */
struct erofs_plan {
	struct erofs_node *first, *last;	/* all nodes in the order of their nids, the root first */
	struct erofs_xattr *xattrs, *xattrs_last;	/* all that nodes have, by next_live */
	uint64_t nodes;
	int64_t epoch;			/* the time that most nodes have: it needs no room in a compact inode */
	uint32_t epoch_ns;
	uint64_t lead;			/* by how many votes */
	uint64_t data_at;		/* bytes: where inodes end and blocks of directories and links begin */
	uint64_t xattrs_at;		/* shared attributes; a multiple of the block size */
	uint64_t end;			/* of the image, likewise: the tar's block 0 in the common address space */
};

/* Errors: ERR_LIMIT, ERR_CORRUPT (a file beyond the end of the tar). */
NODISCARD int erofs_plan(struct erofs *w, uint64_t tar_size, struct erofs_plan *ret, struct err *e);

/* A directory's entries in order, "." and ".." among them. */
struct erofs_entries {
	const struct erofs_dir *dir;
	const struct erofs_name *next;
	unsigned dots;			/* of those two: given out */
};

struct erofs_entry {
	struct str name;
	const struct erofs_node *node;
};

bool erofs_entry_next(struct erofs_entries *l, struct erofs_entry *ret);

static inline uint64_t erofs_align(uint64_t n, uint64_t to)	/* to: a power of two */
{
	return (n + to - 1) & ~(to - 1);
}

/* Bytes of an attribute in the image. */
static inline uint32_t erofs_xattr_size(const struct erofs_xattr *x)
{
	return (4u + x->name_n + x->value_n + 3u) & ~3u;
}

#endif
