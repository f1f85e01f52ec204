/* SPDX-License-Identifier: Apache-2.0 */
/* The tree form of a layer, for those who mount, read and make such directories. */
#ifndef CACHE_LAYER_DIR_H
#define CACHE_LAYER_DIR_H

#include <stdatomic.h>

#include "cache/layer.h"

struct layer {
	atomic_uint refs;
	int fd;			/* the directory, O_PATH: a lower directory of overlayfs */
	int home;		/* until it is stored: the directory that name is in, O_PATH; else -1 */
	char *name;		/* beside it perhaps name.split and name.lost (cache/split.h) */
	bool empty;		/* nothing in it: needs no place in a mount */
	bool sealed;		/* what follows is known */
	bool stored;
	struct digest diff_id;
	uint64_t tar_size, disk_size, entries;	/* bytes, allocated bytes, entries of the tar */
};

/* Takes both fds; name is copied. */
struct layer *layer_new(int fd, int home, const char *name);
int layer_fd(const struct layer *l);

struct seal_sum {		/* what one walk finds out */
	uint64_t tar_size, disk_size, entries;
};

/* The canonical tar of the tree dir (O_PATH is enough). Errors: ERR_SYS, ERR_USAGE, ERR_CANCELLED, put's. */
NODISCARD int seal_emit(struct job *j, int dir, bytes_put put, void *arg, struct seal_sum *ret, struct err *e);

#endif
