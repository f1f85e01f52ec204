/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers from inside: their handle, for those who mount, read and make them.
 *
 * A layer's files are called STEM, STEM.split, STEM.lost (tree form; cache/split.h), STEM.tar, STEM.erofs (tar form).
 * They lie in a directory of a lease until they are published, then in layers/ with the diff ID in hex as stem. STEM.tar
 * alone makes a whole layer: an index that is missing, damaged or of another version is made anew. Where no index can be
 * mounted (any more), the tar is unpacked to STEM beside it, once.
 */
#ifndef CACHE_LAYER_DIR_H
#define CACHE_LAYER_DIR_H

#include <pthread.h>
#include <stdatomic.h>

#include "cache/layer.h"

struct hash_pipe;

struct layer {
	atomic_uint refs;
	pthread_mutex_t lock;	/* guards fd, home */
	int fd;			/* the directory, O_PATH: a lower directory of overlayfs; -1: tar form, not mounted yet */
	int home;		/* until it is stored: the directory that stem is in, O_PATH; else -1 */
	char *name;		/* stem in home */
	struct store *store;	/* tar form: borrowed */
	bool tar;		/* it was made in tar form */
	bool empty;		/* nothing in it: needs no place in a mount */
	bool sealed;		/* what follows is known */
	bool stored;
	struct digest diff_id;
	uint64_t tar_size, disk_size, entries;	/* bytes, allocated bytes, entries of the tar */
};

/* Takes both fds; name is copied. */
struct layer *layer_new(int fd, int home, const char *name);
/* A directory of its own in the lease for the files of a new layer: *ret is an O_PATH fd. */
NODISCARD int layer_home(struct lease *l, int *ret, struct err *e);
/* The layer's files as a directory, mounted if need be; the fd stays the layer's. Errors: ERR_SYS, ERR_CORRUPT. */
NODISCARD int layer_mount(struct layer *l, struct err *e);
int layer_fd(const struct layer *l);	/* after layer_mount() */

/* ---- tar form ---- */

/* What mounts the files stem.tar and stem.erofs in dir. *ret: an O_PATH fd. What has to be made anew or
 * unpacked is put beside them. */
NODISCARD int layer_tar_mount(struct store *s, int dir, const char *stem, int *ret, struct err *e);
/* stem.tar's bytes. *found is false if there is none. */
NODISCARD int layer_tar_emit(struct job *j, int dir, const char *stem, bytes_put put, void *arg, bool *found,
			     struct err *e);

struct erofs;

/* A layer in tar form being written into home: bytes put to pipe become u.tar, layer_out_end() writes u.erofs. */
struct layer_out {
	struct store *store;
	int home, tar;
	struct hash_pipe *pipe;
	struct erofs *index;
};
NODISCARD int layer_out_init(struct layer_out *o, struct store *s, struct lease *l, struct err *e);
NODISCARD int layer_out_end(struct layer_out *o, struct layer **ret, struct err *e);
void layer_out_done(struct layer_out *o);

/* ---- tree form ---- */

struct seal_sum {		/* what one walk finds out */
	uint64_t tar_size, disk_size, entries;
};

/* The canonical tar of the tree dir (O_PATH is enough). Errors: ERR_SYS, ERR_USAGE, ERR_CANCELLED, put's. */
NODISCARD int seal_emit(struct job *j, int dir, bytes_put put, void *arg, struct seal_sum *ret, struct err *e);

/* Unpack a layer's uncompressed tar into the directory root, without what would give its bytes back. */
NODISCARD int layer_unpack_tree(struct job *j, int root, bytes_get get, void *arg, struct err *e);

#endif
