/* SPDX-License-Identifier: Apache-2.0 */
/* Copying one item, a file or a directory's insides, with everything that belongs to its files. */
#ifndef BUILDER_COPY_TREE_H
#define BUILDER_COPY_TREE_H

#include "builder/copy_dest.h"
#include "builder/copy_match.h"

struct copier {
	struct job *job;
	const struct copy_spec *spec;
	struct dest dest;
	struct copy_items *items;	/* that item is in */
	size_t item;
	struct inodes *links;		/* hard links within the item */
	struct buf src, dst;		/* paths of what is in work, beneath the roots */
	struct timespec newest;		/* of what was copied */
};

/* Copy items->v[item] to spec->dest. Errors: ERR_USAGE (conflicts, owners, unreadable), ERR_SYS, ERR_CANCELLED. */
NODISCARD int copy_item(struct copier *c, struct copy_items *items, size_t item, struct err *e);
/* Where a file named name goes (beneath dst_root, in ret): into dest if that is a directory, else it is dest. The
 * directory above exists afterwards and is noted as touched. */
NODISCARD int copy_place(struct copier *c, const char *name, struct buf *ret, struct err *e);
/* dest as a directory, made if missing; its path in ret. */
NODISCARD int copy_place_dir(struct copier *c, struct buf *ret, struct err *e);
/* Is dir/name free for a file? Another file will be replaced, a directory is an error. path is for messages. */
NODISCARD int copy_clear(struct copier *c, struct erofs_dir *dir, const char *name, const char *path, struct err *e);

#endif
