/* SPDX-License-Identifier: Apache-2.0 */
/* From the words of a COPY to the files they mean: wildcards, links, ignore and exclude patterns. */
#ifndef BUILDER_COPY_MATCH_H
#define BUILDER_COPY_MATCH_H

#include <sys/stat.h>

#include "builder/copy.h"
#include "cache/treehash.h"

struct copy_item {		/* one thing to copy */
	char *path;		/* beneath src_root, links resolved, no slashes at the ends; "" is the root */
	char *match;		/* as the source word names it; its last component names a copied file */
	struct stat st;
};

struct copy_items {		/* what one source word means */
	const struct copy_spec *spec;
	struct copy_item *v;
	size_t n;
	bool wild;		/* by wildcards: none is fine, and their names count */
	struct ignore *include;	/* --parents: the word's pattern, relative to each item; else NULL */
	/* copy_pick()'s memory: states of ignore for the directories above the path asked for last */
	uint64_t *states;
	size_t depths;		/* how many of them there is room for */
	const struct copy_item *of;	/* the item they are for; NULL: none yet */
};

/**
 * Resolve source word i of c.
 * Errors: ERR_NOT_FOUND `"/p": not found`, ERR_SYS.
 * Spec:   dockerfile spec 1.7 "source root", "wildcard", "symlinks, source", "--parents", "--exclude".
 */
NODISCARD int copy_match(const struct copy_spec *c, size_t i, struct copy_items *ret, struct err *e);
void copy_items_done(struct copy_items *l);
#define auto_items __attribute__((cleanup(copy_items_done)))

/* Which part of item is copied? path: beneath src_root, below the item. For tree_req.pick. A directory must be asked
 * about before what is in it, and directly so, as a walk does. */
enum tree_pick copy_pick(void *items, size_t item, const char *path, bool is_dir);

/* Go's filepath.Match on names without slashes; a malformed pattern matches nothing. */
bool copy_glob(struct str pattern, struct str name);
bool copy_is_wild(struct str word);	/* has it an unescaped * ? [ */
/* Clean a path as Go's path.Clean("/" + s), without the leading slash: "" is the root. ret is appended to. */
void copy_clean(struct str s, struct buf *ret);

#endif
