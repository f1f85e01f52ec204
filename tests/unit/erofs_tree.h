/* SPDX-License-Identifier: Apache-2.0 */
/* Made-up layer tars, harmless and hostile; and two directories compared entry by entry. */
#ifndef TESTS_EROFS_TREE_H
#define TESTS_EROFS_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "cache/tar.h"

struct made {			/* one entry and where its data come from */
	struct tar_entry t;
	uint64_t seed;
};

struct made_tar {
	struct made *v;
	size_t n, cap;
	struct arena arena;
	uint64_t random;
};

enum made_kind {
	MADE_TIDY,		/* sorted, parents first: what a builder writes */
	MADE_LOOSE,		/* any order, implied parents, entries that replace others */
	MADE_HOSTILE,		/* few names, so that links, whiteouts and files get into each other's way */
};

/* The same seed, the same entries. */
void made_tar(struct made_tar *m, enum made_kind kind, uint64_t seed);
void made_done(struct made_tar *m);
#define auto_made __attribute__((cleanup(made_done)))

uint64_t made_random(struct made_tar *m, uint64_t below);
struct made *made_add(struct made_tar *m, enum tar_type type, const char *path);
/* As a tar in a file without a name, at its start. */
int made_file(const struct made_tar *m);
void made_bytes(uint64_t seed, uint64_t at, void *p, size_t n);	/* of a file's data */

struct tree_diff {
	bool user_xattrs, opaque;	/* compare these too */
	bool root_time, dir_times;
	char text[2 * TAR_PATH_MAX];	/* the first difference; empty: none */
};

/* Compare what is beneath two directories (O_PATH is enough): names, all of stat but block counts, hard links,
 * link targets, attributes, contents. False: d->text says what differs. */
bool tree_same(int a, int b, struct tree_diff *d);

#endif
