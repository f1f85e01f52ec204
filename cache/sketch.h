/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sketches: what COPY, ADD and import change in a tree, planned in memory before a byte is written.
 *
 *   sketch_new() ──► look around, put files, links, directories ──► sketch_write() once ──► sketch_free()
 *
 * One sees the lower tree with the changes made so far, as through overlayfs; nothing of the lower tree is touched. Files
 * are names of where their data are; they are read when the layer is written, in its order, once. The layer in tar
 * form and in tree form are the same sketch, hence the same diff ID. Paths are resolved in the sketch's root, links too.
 * Functions that return an errno give 0 for success.
 */
#ifndef CACHE_SKETCH_H
#define CACHE_SKETCH_H

#include <sys/stat.h>

#include "base/task.h"
#include "cache/extract.h"

struct erofs_dir;		/* a directory of the sketch */
struct erofs_node;		/* a file, link, directory of the sketch */
struct layer;
struct lease;
struct sketch;
struct sketch_from;		/* a directory that files are copied from */
struct store;

/* lower: the tree below, borrowed, -1: none. */
struct sketch *sketch_new(int lower);
void sketch_free(struct sketch *s);		/* NULL is fine */
#define auto_sketch __attribute__((cleanup(sketch_cleanup)))
static inline void sketch_cleanup(struct sketch **s) { sketch_free(*s); }

/* ---- looking ---- */

struct erofs_dir *sketch_root(struct sketch *s);
int sketch_dir(struct sketch *s, const char *path, struct erofs_dir **ret);	/* links followed, the last one too */
/* The directory that path's last component is in, and that component. */
int sketch_parent(struct sketch *s, const char *path, struct erofs_dir **ret, const char **name);
int sketch_child(struct sketch *s, struct erofs_dir *dir, const char *name, struct erofs_node **ret);
int sketch_look(struct sketch *s, const char *path, struct erofs_node **ret);	/* the last component is not followed */

mode_t sketch_mode(const struct erofs_node *n);			/* with the type */
struct timespec sketch_time(const struct erofs_node *n);
const char *sketch_target(const struct erofs_node *n);		/* of a symbolic link */
struct erofs_dir *sketch_as_dir(const struct erofs_node *n);	/* of a directory */

/* ---- changing; what is at the name is replaced ---- */

/* st: mode with type, owner, time, device; a file's size. target: of a symbolic link. */
struct erofs_node *sketch_put(struct sketch *s, struct erofs_dir *dir, const char *name, const struct stat *st,
			      const char *target);
void sketch_hard_link(struct sketch *s, struct erofs_dir *dir, const char *name, struct erofs_node *n);
/* Mode (without type), owner and time. */
void sketch_set(struct sketch *s, struct erofs_node *n, const struct stat *st);
void sketch_set_time(struct sketch *s, struct erofs_node *n, struct timespec t);

/* The directory path in root (borrowed; path is copied): where sketch_read_from()'s files are. */
struct sketch_from *sketch_from(struct sketch *s, int root, const char *path);
void sketch_read_from(struct sketch *s, struct erofs_node *n, struct sketch_from *from, const char *name);
void sketch_read_bytes(struct sketch *s, struct erofs_node *n, const char *p);	/* borrowed */

struct sketch_archive {		/* where an archive's entries go and whose they are: extract_opts for a sketch */
	const char *base;	/* the archive's root; exists */
	bool chown;
	uid_t uid;
	gid_t gid;
	int64_t now_ns;		/* as in extract_opts */
};
/* Begin with an archive: what follows are its entries. */
void sketch_archive(struct sketch *s, const struct sketch_archive *a);
/* As extract_put() of what is no layer. The data are kept in a file without a name in dir. */
NODISCARD int sketch_entry(struct sketch *s, const struct tar_entry *t, int dir, entry_data data, void *arg, struct err *e);
uint64_t sketch_left_out(const struct sketch *s);

/* ---- writing ---- */

/**
 * Write the changes as a new sealed layer, in the store's form. What is as it is in the lower tree (cache/diff.h) is no
 * change. A sketch is written once.
 *
 * Errors: ERR_USAGE (a name that no layer can hold, a file that may not be read, an owner that this user may not give),
 *         ERR_CONFLICT (a file changed meanwhile), ERR_SYS, ERR_CANCELLED.
 */
NODISCARD int sketch_write(struct job *j, struct sketch *s, struct store *store, struct lease *l, struct layer **ret,
			   struct err *e);
/* Make the changes in the lower tree itself. */
NODISCARD int sketch_apply(struct job *j, struct sketch *s, struct err *e);

#endif
