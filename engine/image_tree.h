/* SPDX-License-Identifier: Apache-2.0 */
/* The file tree of a stored image: to look into it, or to mount it for a user. */
#ifndef ENGINE_IMAGE_TREE_H
#define ENGINE_IMAGE_TREE_H

#include <sys/stat.h>

#include "base/task.h"

struct image_tree;
struct store;

/* Mount the image's tree, read-only and seen by nobody else. *ret is the caller's, image_tree_free(). */
NODISCARD int image_tree_open(struct store *s, const char *name, struct image_tree **ret, struct err *e);
void image_tree_free(struct image_tree *t);
#define auto_image_tree __attribute__((cleanup(image_tree_cleanup)))
static inline void image_tree_cleanup(struct image_tree **t) { image_tree_free(*t); }

/* Told each entry: path is as ls shows it, target that of a symbolic link, else NULL. */
typedef int (*image_tree_entry)(void *arg, const char *path, const struct stat *st, const char *target, struct err *e);
/**
 * What is at path, as ls(1) does it: a directory's entries sorted by bytes, or the file itself; with all, what is below,
 * too (paths are then relative to it). Links on the way are followed, in the image.
 * Errors: ERR_NOT_FOUND, ERR_SYS, told's.
 */
NODISCARD int image_tree_list(struct job *j, struct image_tree *t, const char *path, bool all, image_tree_entry told, void *arg,
			      struct err *e);
/* Write the regular file path to fd. Errors: ERR_NOT_FOUND, ERR_USAGE (no file), ERR_SYS. */
NODISCARD int image_tree_cat(struct job *j, struct image_tree *t, const char *path, int fd, struct err *e);

/* Mount it at dir, an existing directory, until image_tree_umount(): read-only, nosuid, nodev. gc spares its layers.
 * Errors: ERR_USAGE (an ordinary user), ERR_NOT_FOUND, ERR_CONFLICT (there is one already), ERR_SYS. */
NODISCARD int image_tree_mount(struct store *s, struct image_tree *t, const char *dir, struct err *e);
/* Errors: ERR_NOT_FOUND (no image of this store is there), ERR_CONFLICT (busy), ERR_SYS. */
NODISCARD int image_tree_umount(struct store *s, const char *dir, struct err *e);

#endif
