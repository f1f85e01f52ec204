/* SPDX-License-Identifier: Apache-2.0 */
/* For gc and df: what lies in the store, and who refers to it; call inside a transaction. */
#ifndef CACHE_SCAN_H
#define CACHE_SCAN_H

#include "cache/store.h"

struct scan_layer {
	struct digest diff_id;
	bool row, key, container;
	unsigned images, tagged;	/* images that have it; of those, with a name */
	struct strv names;		/* in layers/, <hex> itself first if it is there; empty: no files */
};

struct scan_layers {			/* { 0 } is a valid empty one */
	struct scan_layer *v;		/* by diff ID */
	size_t n;
};

/* All layers that have a row or files; .container is set for what a user has mounted. Names that are no layer's are left
 * out. */
NODISCARD int scan_layers(struct store *s, struct scan_layers *ret, struct err *e);
/* Set .container by containers/<id>/layers (one diff ID in hex a line). */
NODISCARD int scan_containers(struct store *s, struct scan_layers *l, struct err *e);
void scan_layers_done(struct scan_layers *l);
#define auto_scan __attribute__((cleanup(scan_layers_done)))

struct scan_blob {
	struct digest digest;
	unsigned images, tagged;	/* as above */
};
struct scan_blobs {
	struct scan_blob *v;
	size_t n;
};
NODISCARD int scan_blobs(struct store *s, struct scan_blobs *ret, struct err *e);
void scan_blobs_done(struct scan_blobs *l);

/* Names in a directory of the store, sorted, without "." and "..". */
NODISCARD int scan_names(struct store *s, enum store_dir which, struct strv *ret, struct err *e);
/* Has build id (a name in builds/) a row? 1, 0 or -1. */
NODISCARD int scan_build(struct store *s, const char *id, struct err *e);
/* Of a name in mounts/: is it the lock file of a cache mount, or one that is being made? */
bool scan_mount_lock(const char *name);
bool scan_mount_new(const char *name);
/* Lock a cache mount (name may be the one in the making) against its users: 1, 0 it is in use, -1. */
NODISCARD int scan_mount_claim(int dir, const char *name, int *ret, struct err *e);
/* Is name one of the permanent files in work/? */
bool scan_work_file(const char *name);
/* Is it a download or upload that another process may go on with? */
bool scan_work_partial(const char *name);

#endif
